// How long operations took: counts by duration, four buckets per doubling, so that a percentile is known to a
// quarter.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace aurochs {

class LatencyCounts {
 public:
  /// Up to about 8 s; what takes longer is counted in the last one.
  static constexpr size_t kBuckets = 88;

  void Add(uint64_t microseconds) {
    ++counts_[BucketOf(microseconds)];
    sum_us_ += microseconds;
  }
  /// Microseconds of all of them.
  uint64_t sum_us() const { return sum_us_; }
  uint64_t operator[](size_t bucket) const { return counts_[bucket]; }

  static constexpr size_t BucketOf(uint64_t microseconds) {
    if (microseconds < 4) return microseconds;
    // The three highest bits of the value are 1xx: xx tells the quarter, and how far they are shifted the
    // doubling.
    auto shift = static_cast<size_t>(std::bit_width(microseconds)) - 3;
    return std::min(kBuckets - 1, shift * 4 + (microseconds >> shift));
  }
  /// Microseconds that are above everything in the bucket.
  static constexpr uint64_t EndOf(size_t bucket) {
    if (bucket < 4) return bucket + 1;
    return uint64_t{bucket % 4 + 5} << (bucket / 4 - 1);
  }

 private:
  std::array<uint64_t, kBuckets> counts_{};
  uint64_t sum_us_ = 0;
};

}  // namespace aurochs
