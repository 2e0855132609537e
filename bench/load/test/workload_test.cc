#include "workload.h"

#include <gtest/gtest.h>

#include <set>

namespace aurochs {
namespace {

TEST(Workload, RandomOffsetsAreAlignedWithinTheRangeAndReachAllOfIt) {
  Options options;
  options.pattern = Pattern::kRandomWrite;
  Workload workload(options, 16 * 4096);
  std::set<uint64_t> seen;
  Request request;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(workload.Next(&request));
    ASSERT_EQ(request.offset % 4096, 0u);
    ASSERT_LT(request.offset, 16u * 4096);
    EXPECT_EQ(request.kind, Request::Kind::kWrite);
    seen.insert(request.offset);
  }
  EXPECT_EQ(seen.size(), 16u);
}

TEST(Workload, ASinglePassTouchesEveryBlockOnce) {
  Options options;
  options.pattern = Pattern::kSequentialRead;
  options.once = true;
  Workload workload(options, 3 * 4096);
  Request request;
  for (uint64_t block = 0; block < 3; ++block) {
    ASSERT_TRUE(workload.Next(&request));
    EXPECT_EQ(request.offset, block * 4096);
    EXPECT_EQ(request.kind, Request::Kind::kRead);
  }
  EXPECT_FALSE(workload.Next(&request));
}

TEST(Workload, MixesReadsAndWritesAsAsked) {
  Options options;
  options.pattern = Pattern::kMixed;
  options.read_percent = 70;
  Workload workload(options, 1 << 20);
  int reads = 0;
  Request request;
  for (int i = 0; i < 10'000; ++i) {
    workload.Next(&request);
    reads += request.kind == Request::Kind::kRead;
  }
  EXPECT_NEAR(reads, 7000, 200);
}

TEST(Workload, OneSeedGivesOneSequence) {
  Options options;
  options.seed = 9;
  Workload first(options, 1 << 30), second(options, 1 << 30);
  Request a, b;
  for (int i = 0; i < 100; ++i) {
    first.Next(&a);
    second.Next(&b);
    EXPECT_EQ(a.offset, b.offset);
  }
}

}  // namespace
}  // namespace aurochs
