// CRC32C (Castagnoli), the digest of iSCSI (RFC 7143 §13.1) and of our data plane.
#pragma once

#include <cstddef>
#include <cstdint>

namespace aurochs {

/// CRC32C of `length` bytes; `seed` is the result over the bytes before (0 at the start).
uint32_t Crc32c(const void* data, size_t length, uint32_t seed = 0);

/// The table-driven twin, for processors without the instruction and as the oracle in tests.
uint32_t Crc32cPortable(const void* data, size_t length, uint32_t seed = 0);

}  // namespace aurochs
