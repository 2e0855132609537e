#include "histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "random.h"

namespace aurochs {
namespace {

TEST(Histogram, QuantilesAreWithinOneBucketOfTheExactOnes) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Histogram histogram;
    std::vector<int64_t> values;
    int64_t sum = 0;
    for (int i = 0; i < 5000; ++i) {
      int64_t value = static_cast<int64_t>(random.Next() >> (30 + random.Below(34)));
      values.push_back(value);
      sum += value;
      histogram.Record(value);
    }
    std::sort(values.begin(), values.end());
    for (double fraction : {0.0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      auto rank = std::max<size_t>(1, static_cast<size_t>(std::ceil(fraction * values.size())));
      int64_t exact = values[rank - 1];
      EXPECT_GE(histogram.Quantile(fraction), exact);
      EXPECT_LE(histogram.Quantile(fraction), exact + (exact >> Histogram::kPrecisionBits)) << fraction;
    }
    EXPECT_EQ(histogram.Largest(), values.back());
    EXPECT_DOUBLE_EQ(histogram.Mean(), static_cast<double>(sum) / values.size());
  }
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram histogram;
  for (int i = 1; i <= 100; ++i) histogram.Record(i);
  EXPECT_EQ(histogram.Quantile(0.5), 50);
  EXPECT_EQ(histogram.Quantile(0.99), 99);
  EXPECT_EQ(histogram.Quantile(1), 100);
}

TEST(Histogram, HoldsTheEndsOfItsRange) {
  Histogram histogram;
  histogram.Record(-5);
  EXPECT_EQ(histogram.Quantile(1), 0);
  histogram.Record(Histogram::kLargestTracked);
  EXPECT_EQ(histogram.Quantile(1), Histogram::kLargestTracked);
  histogram.Record(INT64_MAX / 4);
  EXPECT_EQ(histogram.Quantile(1), INT64_MAX / 4);
}

TEST(Histogram, IsZeroWhenNothingWasRecorded) {
  Histogram histogram;
  EXPECT_EQ(histogram.Quantile(0.5), 0);
  EXPECT_EQ(histogram.Mean(), 0);
}

}  // namespace
}  // namespace aurochs
