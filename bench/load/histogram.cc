#include "histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace aurochs {

// Values below 2^kPrecisionBits have a bucket each. Above, each octave [2^k, 2^(k+1)) is cut into
// 2^kPrecisionBits buckets of equal width.
int Histogram::BucketOf(int64_t value) {
  auto bits = static_cast<uint64_t>(std::clamp<int64_t>(value, 0, kLargestTracked));
  int shift = std::max<int>(0, static_cast<int>(std::bit_width(bits)) - kPrecisionBits - 1);
  int octave = bits >> kPrecisionBits ? shift + 1 : 0;
  return (octave << kPrecisionBits) +
         static_cast<int>((bits >> shift) & ((uint64_t{1} << kPrecisionBits) - 1));
}

int64_t Histogram::UpperEnd(int bucket) {
  int octave = bucket >> kPrecisionBits;
  int64_t position = bucket & ((1 << kPrecisionBits) - 1);
  if (octave == 0) return position;
  int shift = octave - 1;
  return (((int64_t{1} << kPrecisionBits) + position + 1) << shift) - 1;
}

void Histogram::Record(int64_t nanoseconds) {
  int64_t value = std::max<int64_t>(0, nanoseconds);
  ++buckets_[BucketOf(value)];
  ++count_;
  sum_ += value;
  largest_ = std::max(largest_, value);
}

int64_t Histogram::Quantile(double fraction) const {
  if (count_ == 0) return 0;
  auto rank = static_cast<uint64_t>(std::ceil(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(count_)));
  rank = std::max<uint64_t>(1, rank);
  uint64_t seen = 0;
  for (int bucket = 0; bucket < kBuckets - 1; ++bucket) {
    seen += buckets_[bucket];
    if (seen >= rank) return std::min(UpperEnd(bucket), largest_);
  }
  return largest_;
}

}  // namespace aurochs
