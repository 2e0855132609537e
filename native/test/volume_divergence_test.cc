// When copies that may have differed are known to be equal again.
#include <gtest/gtest.h>

#include "volume/divergence.h"

namespace aurochs {
namespace {

constexpr SlotMask kThree = Bit(0) | Bit(1) | Bit(2);

TEST(Divergence, EndsWhenAllWereMadeEqualToOneSource) {
  Divergence divergence;
  divergence.Add(1000, 2000, kThree);
  divergence.Copied(0, 1, 1000, 2000);
  EXPECT_FALSE(divergence.empty());
  divergence.Copied(0, 2, 1000, 1500);
  EXPECT_FALSE(divergence.empty()) << "only a part was copied";
  divergence.Copied(0, 2, 0, 4000);
  EXPECT_TRUE(divergence.empty());
}

TEST(Divergence, ASourceThatIsOverwrittenIsNoSourceAnyMore) {
  Divergence divergence;
  divergence.Add(0, 10, kThree);
  divergence.Copied(0, 1, 0, 10);
  divergence.Copied(2, 0, 0, 10);  // now 1 holds what 0 was before
  EXPECT_FALSE(divergence.empty());
  divergence.Copied(2, 1, 0, 10);
  EXPECT_TRUE(divergence.empty());
}

TEST(Divergence, EndsWhenAtMostOneCopyIsLeft) {
  Divergence divergence;
  divergence.Add(0, 10, kThree);
  divergence.Left(2);
  EXPECT_FALSE(divergence.empty());
  divergence.Left(0);
  EXPECT_TRUE(divergence.empty());
}

TEST(Divergence, OutlivesASourceThatLeavesTooEarly) {
  Divergence divergence;
  divergence.Add(0, 10, kThree | Bit(3));
  divergence.Copied(0, 1, 0, 10);
  divergence.Left(0);
  EXPECT_FALSE(divergence.empty());
  divergence.Copied(1, 2, 0, 10);
  divergence.Copied(1, 3, 0, 10);
  EXPECT_TRUE(divergence.empty());
}

TEST(Divergence, IsBoundedByJoiningRanges) {
  Divergence divergence;
  for (uint64_t i = 0; i < 5000; ++i) divergence.Add(i * 10, i * 10 + 5, kThree);
  divergence.Copied(0, 1, 0, 50000);
  EXPECT_FALSE(divergence.empty());
  divergence.Copied(0, 2, 0, 50000);
  EXPECT_TRUE(divergence.empty());
}

}  // namespace
}  // namespace aurochs
