// Big-endian integers in wire formats (iSCSI, SCSI), without alignment.
#pragma once

#include <cstdint>

namespace aurochs {

inline uint32_t GetBe16(const uint8_t* p) { return (uint32_t{p[0]} << 8) | p[1]; }
inline uint32_t GetBe24(const uint8_t* p) { return (uint32_t{p[0]} << 16) | (uint32_t{p[1]} << 8) | p[2]; }
inline uint32_t GetBe32(const uint8_t* p) { return (GetBe16(p) << 16) | GetBe16(p + 2); }
inline uint64_t GetBe64(const uint8_t* p) { return (uint64_t{GetBe32(p)} << 32) | GetBe32(p + 4); }

inline void PutBe16(uint8_t* p, uint32_t value) {
  p[0] = static_cast<uint8_t>(value >> 8);
  p[1] = static_cast<uint8_t>(value);
}
inline void PutBe24(uint8_t* p, uint32_t value) {
  p[0] = static_cast<uint8_t>(value >> 16);
  PutBe16(p + 1, value);
}
inline void PutBe32(uint8_t* p, uint32_t value) {
  PutBe16(p, value >> 16);
  PutBe16(p + 2, value);
}
inline void PutBe64(uint8_t* p, uint64_t value) {
  PutBe32(p, static_cast<uint32_t>(value >> 32));
  PutBe32(p + 4, static_cast<uint32_t>(value));
}

}  // namespace aurochs
