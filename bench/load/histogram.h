// Latencies in buckets whose width grows with the value: a fixed 29 KiB whatever is recorded, and a quantile
// that is wrong by at most one part in 128.
#pragma once

#include <array>
#include <cstdint>

namespace aurochs {

class Histogram {
 public:
  /// Counts `nanoseconds`; negative values count as 0, values above kLargestTracked share the last bucket.
  void Record(int64_t nanoseconds);

  /// The smallest bucket's upper end, nanoseconds, at or below which at least `fraction` (0 to 1) of all
  /// values lie; never more than Largest(). 0 when nothing was recorded.
  int64_t Quantile(double fraction) const;

  uint64_t count() const { return count_; }
  /// Nanoseconds, exact; 0 when nothing was recorded.
  double Mean() const { return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_); }
  int64_t Largest() const { return largest_; }

  /// 2^34 ns: 17 seconds. Anything slower shows as Largest().
  static constexpr int64_t kLargestTracked = (int64_t{1} << 34) - 1;
  static constexpr int kPrecisionBits = 7;

 private:
  static constexpr int kOctaves = 34 - kPrecisionBits;
  static constexpr int kBuckets = (kOctaves + 1) << kPrecisionBits;
  static int BucketOf(int64_t value);
  static int64_t UpperEnd(int bucket);

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  int64_t sum_ = 0;
  int64_t largest_ = 0;
};

}  // namespace aurochs
