// SplitMix64: small, fast, and the same numbers everywhere for one seed.
#pragma once

#include <cstdint>

namespace aurochs {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t value = (state_ += 0x9e3779b97f4a7c15u);
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
  }

  /// 0 to `bound` - 1; `bound` > 0. The bias is below 2^-32 for the bounds of a disk.
  uint64_t Below(uint64_t bound) { return Next() % bound; }

 private:
  uint64_t state_;
};

}  // namespace aurochs
