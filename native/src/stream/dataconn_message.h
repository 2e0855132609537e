// The messages of Longhorn's data protocol: a head of 26 bytes, little endian, and data.
//
//   0 u16 magic 0x1b01   2 u32 sequence number   6 u32 type   10 i64 offset, bytes
//   18 u32 size, bytes   22 u32 length of the data that follow
//
// The client chooses sequence numbers; an answer carries the one of its request, in any order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace aurochs {

constexpr uint16_t kDataconnMagic = 0x1b01;
/// On the wire the first byte of a connection; HTTP/2 starts with 'P'.
constexpr uint8_t kDataconnFirstByte = kDataconnMagic & 0xff;

enum class DataconnType : uint32_t {
  kRead = 0,
  kWrite = 1,
  kResponse = 2,
  kError = 3,  // the data are a text
  kEof = 4,
  kClose = 5,
  kPing = 6,
  kUnmap = 7,    // answered with the bytes that were freed
  kNoSpace = 8,  // from an engine to its clients; replicas send kError
};

struct DataconnHead {
  static constexpr size_t kBytes = 26;
  using Bytes = std::array<uint8_t, kBytes>;

  uint16_t magic = kDataconnMagic;
  uint32_t sequence = 0;
  uint32_t type = 0;
  int64_t offset = 0;
  uint32_t size = 0;
  uint32_t data_length = 0;

  Bytes Encode() const;
  static DataconnHead Decode(const Bytes& bytes);
};

}  // namespace aurochs
