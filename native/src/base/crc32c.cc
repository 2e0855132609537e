#include "base/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace aurochs {

namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // reflected 0x1edc6f41 (RFC 7143 §13.1)

constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (value & 1 ? kPolynomial : 0);
    table[i] = value;
  }
  return table;
}
constexpr auto kTable = MakeTable();

// The instruction has a latency of three cycles and a throughput of one: three streams over neighbouring
// stripes keep it busy. Their results are joined by advancing a CRC over the zero bytes of the stripes behind
// it, a linear map kept as four tables of 256 (one per byte of the CRC).
constexpr size_t kStripe = 1024;  // bytes; three of them make the unit of the fast path

// The map "append one zero byte", as the images of the 32 unit vectors; squared by composition to append 2^n
// bytes.
using Matrix = std::array<uint32_t, 32>;

constexpr uint32_t Apply(const Matrix& matrix, uint32_t vector) {
  uint32_t sum = 0;
  for (int bit = 0; vector != 0; ++bit, vector >>= 1) {
    if (vector & 1) sum ^= matrix[bit];
  }
  return sum;
}

constexpr Matrix ZeroBytes(size_t power_of_two) {
  Matrix matrix{};
  for (int bit = 0; bit < 32; ++bit) {
    uint32_t crc = 1u << bit;
    matrix[bit] = kTable[crc & 0xff] ^ (crc >> 8);
  }
  for (size_t bytes = 1; bytes < power_of_two; bytes *= 2) {
    Matrix square{};
    for (int bit = 0; bit < 32; ++bit) square[bit] = Apply(matrix, matrix[bit]);
    matrix = square;
  }
  return matrix;
}

using ShiftTables = std::array<std::array<uint32_t, 256>, 4>;

constexpr ShiftTables MakeShift(size_t bytes) {
  Matrix matrix = ZeroBytes(bytes);
  ShiftTables tables{};
  for (int lane = 0; lane < 4; ++lane) {
    for (uint32_t value = 0; value < 256; ++value) tables[lane][value] = Apply(matrix, value << (8 * lane));
  }
  return tables;
}
constexpr ShiftTables kShift1 = MakeShift(kStripe);
constexpr ShiftTables kShift2 = MakeShift(2 * kStripe);

inline uint32_t Shift(const ShiftTables& tables, uint32_t crc) {
  return tables[0][crc & 0xff] ^ tables[1][(crc >> 8) & 0xff] ^ tables[2][(crc >> 16) & 0xff] ^
         tables[3][crc >> 24];
}

inline uint64_t Load64(const uint8_t* bytes) {
  uint64_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

#if defined(__x86_64__)
#define AUROCHS_CRC_TARGET __attribute__((target("sse4.2")))
AUROCHS_CRC_TARGET inline uint32_t Step64(uint32_t crc, uint64_t value) {
  return static_cast<uint32_t>(_mm_crc32_u64(crc, value));
}
AUROCHS_CRC_TARGET inline uint32_t Step8(uint32_t crc, uint8_t value) { return _mm_crc32_u8(crc, value); }
bool HaveInstruction() { return __builtin_cpu_supports("sse4.2"); }
#elif defined(__aarch64__)
#define AUROCHS_CRC_TARGET __attribute__((target("+crc")))
AUROCHS_CRC_TARGET inline uint32_t Step64(uint32_t crc, uint64_t value) { return __crc32cd(crc, value); }
AUROCHS_CRC_TARGET inline uint32_t Step8(uint32_t crc, uint8_t value) { return __crc32cb(crc, value); }
bool HaveInstruction() { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }
#endif

#if defined(AUROCHS_CRC_TARGET)
AUROCHS_CRC_TARGET uint32_t Crc32cInstruction(const uint8_t* bytes, size_t length, uint32_t crc) {
  while (length >= 3 * kStripe) {
    uint32_t first = crc, second = 0, third = 0;
    for (size_t i = 0; i < kStripe; i += 8) {
      first = Step64(first, Load64(bytes + i));
      second = Step64(second, Load64(bytes + kStripe + i));
      third = Step64(third, Load64(bytes + 2 * kStripe + i));
    }
    crc = Shift(kShift2, first) ^ Shift(kShift1, second) ^ third;
    bytes += 3 * kStripe;
    length -= 3 * kStripe;
  }
  for (; length >= 8; bytes += 8, length -= 8) crc = Step64(crc, Load64(bytes));
  for (; length > 0; ++bytes, --length) crc = Step8(crc, *bytes);
  return crc;
}
#endif

}  // namespace

uint32_t Crc32cPortable(const void* data, size_t length, uint32_t seed) {
  auto bytes = static_cast<const uint8_t*>(data);
  uint32_t crc = ~seed;
  for (; length > 0; ++bytes, --length) crc = kTable[(crc ^ *bytes) & 0xff] ^ (crc >> 8);
  return ~crc;
}

uint32_t Crc32c(const void* data, size_t length, uint32_t seed) {
#if defined(AUROCHS_CRC_TARGET)
  static const bool have_instruction = HaveInstruction();
  if (have_instruction) return ~Crc32cInstruction(static_cast<const uint8_t*>(data), length, ~seed);
#endif
  return Crc32cPortable(data, length, seed);
}

}  // namespace aurochs
