// CRC-64 as Longhorn uses it for a snapshot's checksum: ISO 3309 (x^64 + x^4 + x^3 + x + 1), reflected,
// inverted before and after.
//
// The polynomial has so few terms that one step over 64 bits is a few shifts, without tables or special
// instructions; zeros of any length are a multiplication by a power of x.
#pragma once

#include <cstddef>
#include <cstdint>

namespace aurochs {

class Crc64Iso {
 public:
  void Update(const uint8_t* data, size_t length);
  /// As Update with that many zero bytes, in logarithmic time.
  void UpdateZeros(uint64_t length);
  uint64_t value() const { return ~state_; }

 private:
  uint64_t state_ = ~uint64_t{0};
};

}  // namespace aurochs
