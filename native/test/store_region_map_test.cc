// The write-intent map: what its file holds when, and what is forgotten when.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "store/region_map.h"

namespace aurochs {
namespace {

constexpr uint64_t kRegion = 1 << 20;
constexpr uint64_t kRegionsPerBlock = 4088 * 8;

RegionMap::Geometry Regions(uint64_t count) { return {count * kRegion, kRegion}; }

bool BitOf(const std::vector<uint8_t>& bytes, uint64_t region) {
  return bytes[region / 8] >> (region % 8) & 1;
}

/// A map with its file in memory; every round is written at once.
struct MapWithFile {
  explicit MapWithFile(uint64_t regions) : map(Regions(regions)), file(map.Encode()) {}

  void WriteRound() {
    RegionMap::Round round = map.TakeImages();
    for (const auto& image : round.regions) {
      std::copy(image.bytes.begin(), image.bytes.end(),
                file.begin() + static_cast<ptrdiff_t>(image.file_offset));
    }
    map.Written();
    ++rounds;
  }
  /// What a store does before a write.
  void Write(uint64_t offset, uint64_t length = 4096) {
    while (!map.Covered(offset, length)) WriteRound();
  }
  void WriteRegion(uint64_t region) { Write(region * kRegion); }
  bool InFile(uint64_t region) const {
    return file[4096 * (1 + region / kRegionsPerBlock) + region % kRegionsPerBlock / 8] >> (region % 8) & 1;
  }

  RegionMap map;
  std::vector<uint8_t> file;
  int rounds = 0;
};

TEST(RegionMap, ARegionIsInTheFileBeforeItsFirstWriteAndCostsNothingAfterwards) {
  MapWithFile map(64);
  EXPECT_FALSE(map.map.Covered(5 * kRegion, 4096));
  EXPECT_FALSE(map.map.Covered(5 * kRegion, 4096)) << "asked for, not yet written";
  map.WriteRound();
  EXPECT_TRUE(map.InFile(5));
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(map.map.Covered(5 * kRegion + 512 * i, 512));
  EXPECT_EQ(map.rounds, 1);
  EXPECT_EQ(map.map.dirty_regions(), 1u);
  EXPECT_FALSE(map.map.Covered(6 * kRegion - 512, 1024)) << "reaches into a region that is not marked";
}

TEST(RegionMap, ManyRegionsShareOneRound) {
  MapWithFile map(200);
  for (uint64_t region = 0; region < 200; region += 7) EXPECT_FALSE(map.map.Covered(region * kRegion, 512));
  map.WriteRound();
  for (uint64_t region = 0; region < 200; region += 7) EXPECT_TRUE(map.map.Covered(region * kRegion, 512));
}

TEST(RegionMap, ASequentialWriterIsMarkedAheadAndARandomOneIsNot) {
  MapWithFile sequential(160);
  for (uint64_t offset = 0; offset < 160 * kRegion; offset += 256 << 10) sequential.Write(offset, 256 << 10);
  EXPECT_LE(sequential.rounds, 12);
  MapWithFile random(160);
  for (uint64_t region : {80u, 3u, 120u, 40u, 81u, 4u}) random.WriteRegion(region);
  EXPECT_EQ(random.map.dirty_regions(), 6u);
}

TEST(RegionMap, MarkAndSettleForgetWhatWasWrittenBeforeTheMarkOnly) {
  MapWithFile map(64);
  map.WriteRegion(1);
  map.WriteRegion(20);
  map.map.StartEpoch(1);
  map.WriteRegion(20);
  map.WriteRegion(40);
  EXPECT_EQ(map.map.dirty_regions(), 3u);
  EXPECT_TRUE(map.map.Settle(map.map.SettleTicket(1)));
  EXPECT_EQ(map.map.dirty_regions(), 2u);
  EXPECT_TRUE(map.InFile(1)) << "lazily: a bit too many is harmless";
  map.WriteRegion(60);
  EXPECT_FALSE(map.InFile(1)) << "the next round clears it";
  EXPECT_TRUE(map.InFile(20) && map.InFile(40) && map.InFile(60));
}

TEST(RegionMap, AForgottenRegionThatIsStillInTheFileIsMarkedAgainWithoutARound) {
  MapWithFile map(64);
  map.WriteRegion(1);
  map.map.StartEpoch(1);
  map.map.Settle(map.map.SettleTicket(1));
  EXPECT_EQ(map.map.dirty_regions(), 0u);
  int rounds = map.rounds;
  map.WriteRegion(1);
  EXPECT_EQ(map.rounds, rounds);
  EXPECT_EQ(map.map.dirty_regions(), 1u);
  map.WriteRegion(30);
  EXPECT_TRUE(map.InFile(1));
}

TEST(RegionMap, ARegionThatARoundUnderWayClearsIsNotTakenAsDurable) {
  MapWithFile map(64);
  map.WriteRegion(1);
  map.map.StartEpoch(1);
  map.map.Settle(map.map.SettleTicket(1));
  ASSERT_FALSE(map.map.Covered(30 * kRegion, 512));
  auto images = map.map.TakeImages();  // clears region 1 in the file, some time before Written
  EXPECT_FALSE(map.map.Covered(kRegion, 512));
  map.map.Written();
  EXPECT_FALSE(map.map.Covered(kRegion, 512));
  EXPECT_TRUE(map.map.Covered(30 * kRegion, 512));
  map.WriteRegion(1);
  EXPECT_TRUE(map.InFile(1));
}

TEST(RegionMap, AMarkSentAgainMovesNothing) {
  MapWithFile map(64);
  map.WriteRegion(1);
  map.map.StartEpoch(7);
  map.WriteRegion(2);
  map.map.StartEpoch(7);
  EXPECT_TRUE(map.map.Settle(map.map.SettleTicket(7)));
  EXPECT_EQ(map.map.dirty_regions(), 1u) << "region 2 was written after the mark";
}

TEST(RegionMap, SettlingAnotherEpochOrAfterATakeoverForgetsNothing) {
  MapWithFile map(64);
  map.WriteRegion(1);
  map.map.StartEpoch(2);
  EXPECT_EQ(map.map.SettleTicket(1), 0u);
  EXPECT_EQ(map.map.SettleTicket(3), 0u);
  uint64_t ticket = map.map.SettleTicket(2);
  ASSERT_NE(ticket, 0u);
  map.map.Inherit();
  EXPECT_FALSE(map.map.Settle(ticket));
  EXPECT_EQ(map.map.dirty_regions(), 1u);
  EXPECT_TRUE(BitOf(map.map.InheritedBytes(), 1));
}

TEST(RegionMap, AgreementLeavesWhatThePresentEngineWrote) {
  MapWithFile map(64);
  map.WriteRegion(1);
  map.WriteRegion(20);
  map.map.Inherit();
  map.WriteRegion(20);
  map.map.StartEpoch(1);
  map.WriteRegion(40);
  map.map.ForgetInherited();
  EXPECT_EQ(map.map.dirty_regions(), 2u);
  map.WriteRegion(63);
  EXPECT_TRUE(!map.InFile(1) && map.InFile(20) && map.InFile(40) && map.InFile(63));
}

TEST(RegionMap, AfterAnyHistoryTheFileHoldsEveryDirtyRegion) {
  uint32_t seed = std::random_device()();
  SCOPED_TRACE("SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  constexpr uint64_t kCount = kRegionsPerBlock + 3000;  // two blocks
  MapWithFile map(kCount);
  // The three sets, kept plainly.
  std::vector<bool> current(kCount), previous(kCount), inherited(kCount);
  uint64_t epoch = 0;
  for (int step = 0; step < 3000; ++step) {
    switch (random() % 12) {
      case 0:
        map.map.StartEpoch(++epoch);
        for (size_t i = 0; i < kCount; ++i) previous[i] = previous[i] || current[i];
        current.assign(kCount, false);
        break;
      case 1:
        if (epoch != 0) {
          ASSERT_TRUE(map.map.Settle(map.map.SettleTicket(epoch)));
          previous.assign(kCount, false);
        }
        break;
      case 2:
        if (random() % 4 != 0) break;
        map.map.Inherit();
        epoch = 0;
        for (size_t i = 0; i < kCount; ++i) inherited[i] = inherited[i] || previous[i] || current[i];
        current.assign(kCount, false);
        previous.assign(kCount, false);
        break;
      case 3:
        map.map.ForgetInherited();
        inherited.assign(kCount, false);
        break;
      default: {
        uint64_t region = kRegionsPerBlock - 20 + random() % 40;
        map.WriteRegion(region);
        current[region] = true;
      }
    }
    for (uint64_t region = kRegionsPerBlock - 40; region < kRegionsPerBlock + 60; ++region) {
      if (current[region] || previous[region] || inherited[region]) {
        ASSERT_TRUE(map.InFile(region)) << "step " << step << " region " << region;
      }
    }
  }
}

TEST(RegionMap, AnotherVolumesOrADamagedHeaderIsRefused) {
  RegionMap map(Regions(64));
  std::vector<uint8_t> file = map.Encode();
  EXPECT_EQ(RegionMap(Regions(64)).Decode(file.data(), file.size()), "");
  EXPECT_NE(RegionMap(Regions(65)).Decode(file.data(), file.size()).find("is for a volume of"),
            std::string::npos);
  EXPECT_NE(RegionMap({64 * kRegion, kRegion * 2}).Decode(file.data(), file.size()), "");
  EXPECT_NE(RegionMap(Regions(64)).Decode(file.data(), file.size() - 1).find("bytes instead of"),
            std::string::npos);
  EXPECT_EQ(RegionMap(Regions(64)).Decode(file.data(), 0), "is not a region map");
  std::vector<uint8_t> foreign(file.size(), 'x');
  EXPECT_EQ(RegionMap(Regions(64)).Decode(foreign.data(), foreign.size()), "is not a region map");
  for (size_t at = 8; at < 40; ++at) {
    std::vector<uint8_t> damaged = file;
    damaged[at] ^= 0x10;
    EXPECT_EQ(RegionMap(Regions(64)).Decode(damaged.data(), damaged.size()),
              "the region map's header is damaged");
  }
}

TEST(RegionMap, ADamagedBlockCountsAsAllSet) {
  uint64_t count = kRegionsPerBlock * 2 + 100;
  RegionMap empty(Regions(count));
  std::vector<uint8_t> file = empty.Encode();
  file[4096 * 3 + 5] ^= 1;  // the third block of bits, the short one
  RegionMap map(Regions(count));
  ASSERT_EQ(map.Decode(file.data(), file.size()), "");
  EXPECT_EQ(map.damaged_blocks(), 1u);
  EXPECT_EQ(map.dirty_regions(), 100u);
  auto inherited = map.InheritedBytes();
  EXPECT_TRUE(BitOf(inherited, kRegionsPerBlock * 2) && BitOf(inherited, count - 1));
  EXPECT_FALSE(BitOf(inherited, kRegionsPerBlock * 2 - 1));
  // A block that landed in the place of another one is as bad as noise.
  std::vector<uint8_t> swapped = empty.Encode();
  std::copy_n(swapped.begin() + 4096, 4096, swapped.begin() + 8192);
  RegionMap other(Regions(count));
  ASSERT_EQ(other.Decode(swapped.data(), swapped.size()), "");
  EXPECT_EQ(other.dirty_regions(), kRegionsPerBlock);
}

TEST(RegionMap, ATebibyteCosts512KibibytesAnd6MebibytesForWhatIsMissed) {
  RegionMap map(Regions(uint64_t{1} << 20));
  EXPECT_LE(map.bytes(), (512u << 10) + (6u << 20) + 8 * 4096);
}

}  // namespace
}  // namespace aurochs
