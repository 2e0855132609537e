#include "base/crc64.h"

#include <bit>
#include <cstring>

namespace aurochs {

namespace {

static_assert(std::endian::native == std::endian::little, "words are loaded as they are");

// Reflected: the highest bit of a word is the coefficient of x^0, multiplying by x shifts to the right.
constexpr uint64_t kOne = uint64_t{1} << 63;
constexpr uint64_t kPolynomial = 0xd800000000000000;  // x^64 = x^4 + x^3 + x + 1

// a * x^64: the four terms, and those of what they shift out.
uint64_t TimesX64(uint64_t a) {
  uint64_t out = a << 63 ^ a << 61 ^ a << 60;
  return a ^ a >> 1 ^ a >> 3 ^ a >> 4 ^ out ^ out >> 1 ^ out >> 3 ^ out >> 4;
}

uint64_t TimesX(uint64_t a) { return a >> 1 ^ ((a & 1) != 0 ? kPolynomial : 0); }

uint64_t Multiply(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  for (; b != 0; b <<= 1, a = TimesX(a)) {
    if ((b & kOne) != 0) product ^= a;
  }
  return product;
}

}  // namespace

void Crc64Iso::Update(const uint8_t* data, size_t length) {
  uint64_t state = state_;
  for (; length >= 8; data += 8, length -= 8) {
    uint64_t word;
    memcpy(&word, data, 8);
    state = TimesX64(state ^ word);
  }
  for (; length > 0; ++data, --length) {
    state ^= *data;
    for (int bit = 0; bit < 8; ++bit) state = TimesX(state);
  }
  state_ = state;
}

void Crc64Iso::UpdateZeros(uint64_t length) {
  uint64_t power = kOne >> 8;  // x^8: one byte
  for (; length > 0; length >>= 1, power = Multiply(power, power)) {
    if ((length & 1) != 0) state_ = Multiply(state_, power);
  }
}

}  // namespace aurochs
