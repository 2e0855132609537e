#include "volume/latency.h"

#include <gtest/gtest.h>

namespace aurochs {
namespace {

TEST(LatencyCounts, EveryDurationIsInOneBucketThatEndsAtMostAQuarterAboveIt) {
  size_t before = 0;
  for (uint64_t us = 0; us < 100'000; ++us) {
    size_t bucket = LatencyCounts::BucketOf(us);
    ASSERT_GE(bucket, before);
    ASSERT_LE(bucket, before + 1);
    ASSERT_GT(LatencyCounts::EndOf(bucket), us);
    ASSERT_LE(LatencyCounts::EndOf(bucket), us + us / 4 + 1);
    before = bucket;
  }
}

TEST(LatencyCounts, WhatTakesForeverIsInTheLast) {
  LatencyCounts counts;
  counts.Add(UINT64_MAX);
  EXPECT_EQ(counts[LatencyCounts::kBuckets - 1], 1u);
}

TEST(LatencyCounts, CountsAndSumAreThoseOfWhatWasAdded) {
  LatencyCounts counts;
  for (uint64_t us : {0, 3, 100, 100, 64}) counts.Add(us);
  EXPECT_EQ(counts.sum_us(), 267u);
  EXPECT_EQ(counts[LatencyCounts::BucketOf(100)], 2u);
  uint64_t count = 0;
  for (size_t bucket = 0; bucket < LatencyCounts::kBuckets; ++bucket) count += counts[bucket];
  EXPECT_EQ(count, 5u);
}

// Whoever makes wider ranges of them (manager/metrics/totals-metrics.ts) needs no more than that.
TEST(LatencyCounts, ARangeEndsAtEveryPowerOfTwo) {
  for (uint64_t end = 1; end <= 1u << 23; end *= 2) {
    EXPECT_EQ(LatencyCounts::EndOf(LatencyCounts::BucketOf(end - 1)), end);
  }
}

}  // namespace
}  // namespace aurochs
