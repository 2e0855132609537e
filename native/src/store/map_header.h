// The header block of a map's file: 4096 bytes, little endian, zeros behind its fields.
//   0 magic   8 u32 version   12 u32 CRC32C of bytes 0..12 and 16..`fields_end`   16 what the map says of
//   itself
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/crc32c.h"
#include "store/bit_set.h"

namespace aurochs {

struct MapHeader {
  const char* magic;  // 8 characters
  uint32_t version;
  size_t fields_end;

  /// Completes a header whose fields are in place.
  void Seal(uint8_t* bytes) const {
    memcpy(bytes, magic, kMagicBytes);
    StoreNumber<uint32_t>(bytes + 8, version);
    StoreNumber<uint32_t>(bytes + 12, Crc(bytes));
  }
  /// Whether `bytes` begin with a header of this kind, damaged or not.
  bool IsOf(const uint8_t* bytes, size_t length) const {
    return length >= kMapBlockBytes && memcmp(bytes, magic, kMagicBytes) == 0;
  }
  bool IsSound(const uint8_t* bytes) const { return LoadNumber<uint32_t>(bytes + 12) == Crc(bytes); }
  static uint32_t VersionOf(const uint8_t* bytes) { return LoadNumber<uint32_t>(bytes + 8); }

 private:
  static constexpr size_t kMagicBytes = 8;
  uint32_t Crc(const uint8_t* bytes) const { return Crc32c(bytes + 16, fields_end - 16, Crc32c(bytes, 12)); }
};

}  // namespace aurochs
