// Numbers as little endian protocols have them, at any address.
#pragma once

#include <cstddef>
#include <cstdint>

namespace aurochs {

template <class Number>
void PutLittleEndian(uint8_t* at, Number value) {
  for (size_t i = 0; i < sizeof value; ++i)
    at[i] = static_cast<uint8_t>(static_cast<uint64_t>(value) >> (8 * i));
}

template <class Number>
Number GetLittleEndian(const uint8_t* at) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) value |= uint64_t{at[i]} << (8 * i);
  return static_cast<Number>(value);
}

}  // namespace aurochs
