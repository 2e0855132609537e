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

}  // namespace
}  // namespace aurochs
