// What a store remembers for replicas that are away (store/missed_map.h).
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "store/map_files.h"
#include "store_harness.h"
#include "store_syscalls.h"

namespace aurochs {
namespace {

constexpr uint64_t kSize = 64 << 20;
constexpr uint64_t kGrain = kMissedGrainBytes;
using Grains = std::set<uint64_t>;

Grains GrainsOf(const std::vector<uint8_t>& bitmap) {
  Grains grains;
  for (uint64_t i = 0; i < bitmap.size() * 8; ++i) {
    if (bitmap[i / 8] >> (i % 8) & 1) grains.insert(i);
  }
  return grains;
}

void Settle(TestStore& store, uint64_t epoch) {
  ASSERT_EQ(store.Flush(epoch, 0).status, Status::kOk);
  ASSERT_EQ(store.Flush(0, epoch).status, Status::kOk);
}

TEST(Missed, IsWhatChangedSinceTrackingBeganAndWhatWasNotSettledThen) {
  TestDirectory directory;
  TestStore store(MakeChain(directory, kSize, false).Options());
  store.Write(1 * kGrain, Bytes(512, 1));
  Settle(store, 1);
  store.Write(20 * kGrain - 512, Bytes(1024, 1));
  EXPECT_EQ(store.Missed().since, 0u);
  ASSERT_EQ(store.TrackMissed(7).status, Status::kOk);
  store.Write(100 * kGrain, Bytes(4096, 1));
  EXPECT_EQ(store.Missed().since, 7u);
  EXPECT_EQ(GrainsOf(store.Missed().bitmap), (Grains{19, 20, 100}));
  Settle(store, 2);
  Settle(store, 3);
  store.Unmap(30 * kGrain, 3 * kGrain);
  EXPECT_EQ(GrainsOf(store.Missed().bitmap), (Grains{19, 20, 30, 31, 32, 100})) << "settled ones stay";
  ASSERT_EQ(store.TrackMissed(9).status, Status::kOk);
  EXPECT_EQ(GrainsOf(store.Missed().bitmap), (Grains{30, 31, 32})) << "begun anew";
  ASSERT_EQ(store.ForgetMissed().status, Status::kOk);
  EXPECT_EQ(store.Missed().since, 0u);
  EXPECT_FALSE(std::filesystem::exists(directory.At("aurochs.missed")));
}

TEST(Missed, WithoutSpaceForItNothingIsTrackedAndTheStoreGoesOn) {
  TestDirectory directory;
  TestChain chain = MakeChain(directory, kSize, false);
  TestStore store(chain.Options());
  ASSERT_EQ(store.TrackMissed(3).status, Status::kOk);
  {
    SyscallWatch watch([](const WatchedCall& call) {
      return CallFate{call.file.starts_with("aurochs.missed") ? ENOSPC : 0};
    });
    EXPECT_EQ(store.TrackMissed(5).status, Status::kNoSpace);
  }
  EXPECT_EQ(store.Missed().since, 0u);
  EXPECT_FALSE(std::filesystem::exists(chain.MissedPath())) << "an older one would be taken for complete";
  EXPECT_EQ(store.Write(7 * kGrain, Bytes(512, 1)).status, Status::kOk);
  Settle(store, 1);
  ASSERT_EQ(store.TrackMissed(6).status, Status::kOk);
  store.Write(9 * kGrain, Bytes(512, 1));
  EXPECT_EQ(store.Missed().since, 6u);
  EXPECT_EQ(GrainsOf(store.Missed().bitmap), (Grains{9}));
}

TEST(Missed, SurvivesAReleaseExactlyAndACrashAsAMiBAtMost) {
  TestDirectory directory;
  TestChain chain = MakeChain(directory, kSize, false);
  {
    TestStore store(chain.Options());
    ASSERT_EQ(store.TrackMissed(3).status, Status::kOk);
    store.Write(5 * kGrain, Bytes(4096, 1));
    ASSERT_EQ(store.Release().status, Status::kOk);
  }
  {
    TestStore store(chain.Options());
    EXPECT_EQ(store.Missed().since, 3u);
    EXPECT_EQ(GrainsOf(store.Missed().bitmap), (Grains{5}));
    store.Write(40 * kGrain, Bytes(4096, 1));
  }
  TestStore store(chain.Options());
  Grains expected{5};
  for (uint64_t grain = 32; grain < 48; ++grain) expected.insert(grain);
  EXPECT_EQ(GrainsOf(store.Missed().bitmap), expected);
  ASSERT_EQ(store.Agreed().status, Status::kOk);
  EXPECT_EQ(GrainsOf(store.Missed().bitmap), expected)
      << "what is inherited is not forgotten by an agreement";
}

TEST(Missed, ADamagedBlockCountsAsMissedAndADamagedHeaderAsUnknown) {
  TestDirectory directory;
  TestChain chain = MakeChain(directory, kSize, false);
  {
    TestStore store(chain.Options());
    ASSERT_EQ(store.TrackMissed(3).status, Status::kOk);
  }
  WriteFileAt(chain.MissedPath(), 4096 + 17, {1});
  {
    TestStore store(chain.Options());
    EXPECT_EQ(GrainsOf(store.Missed().bitmap).size(), kSize / kGrain);
  }
  WriteFileAt(chain.MissedPath(), 40, {9});
  TestStore store(chain.Options());
  ASSERT_TRUE(store.open()) << store.error();
  EXPECT_EQ(store.Missed().since, 0u);
}

// The two files of a map in memory, written block by block as a disk would.
struct Disk {
  std::vector<uint8_t> regions;
  std::vector<uint8_t> missed;  // empty: no file

  static void Apply(std::vector<uint8_t>* file, const MapBlockImage& image) {
    memcpy(file->data() + image.file_offset, image.bytes.data(), image.bytes.size());
  }
};

class MissedModel {
 public:
  explicit MissedModel(uint32_t seed) : random_(seed), map_(std::make_unique<RegionMap>(kGeometry)) {
    disk_.regions = map_->Encode();
  }

  void Step() {
    switch (random_() % 12) {
      case 0:
        map_->StartEpoch(++epoch_);
        unsettled_previous_.insert(unsettled_.begin(), unsettled_.end());
        unsettled_.clear();
        break;
      case 1:
        if (uint64_t ticket = map_->SettleTicket(epoch_); ticket != 0) {
          map_->Settle(ticket);
          unsettled_previous_.clear();
        }
        break;
      case 2:
        map_->WantForgotten();
        if (map_->needs_write()) Round();
        break;
      case 3:
        if (random_() % 8 == 0) {
          map_->Inherit();
          InheritUnsettled();
        }
        break;
      case 4:
        if (random_() % 8 == 0) {
          map_->ForgetInherited();
          inherited_.clear();
        }
        break;
      case 5:
        if (random_() % 16 == 0) Track();
        break;
      case 6:
        if (random_() % 16 == 0) Crash(disk_);
        break;
      default:
        Write();
    }
    Check(*map_);
  }

 private:
  static constexpr RegionMap::Geometry kGeometry{kSize, 1 << 20};

  void Write() {
    uint64_t length = (random_() % 400 + 1) * 512;
    uint64_t offset = random_() % ((kSize - length) / 512) * 512;
    if (!map_->Covered(offset, length)) {
      Round();
      ASSERT_TRUE(map_->Covered(offset, length));
    }
    for (uint64_t grain = offset / kGrain; grain <= (offset + length - 1) / kGrain; ++grain) {
      changed_.insert(grain);
      unsettled_.insert(grain);
    }
  }

  void Track() {
    map_->TrackMissed(++generation_);
    changed_ = inherited_;
    changed_.insert(unsettled_.begin(), unsettled_.end());
    changed_.insert(unsettled_previous_.begin(), unsettled_previous_.end());
    Round();
  }

  // After each block that reaches the disk a crash must find all that was missed.
  void Round() {
    RegionMap::Round round = map_->TakeImages();
    if (!round.new_missed_file.empty()) disk_.missed = round.new_missed_file;
    for (const auto& image : round.missed) {
      Disk::Apply(&disk_.missed, image);
      CheckCrash();
    }
    for (const auto& image : round.regions) {
      Disk::Apply(&disk_.regions, image);
      CheckCrash();
    }
    map_->Written();
  }

  void CheckCrash() {
    RegionMap found(kGeometry);
    Load(disk_, &found);
    Check(found);
  }

  void Crash(const Disk& disk) {
    map_ = std::make_unique<RegionMap>(kGeometry);
    Load(disk, map_.get());
    InheritUnsettled();
  }

  void InheritUnsettled() {
    inherited_.insert(unsettled_.begin(), unsettled_.end());
    inherited_.insert(unsettled_previous_.begin(), unsettled_previous_.end());
    unsettled_.clear();
    unsettled_previous_.clear();
    epoch_ = 0;
  }

  static void Load(const Disk& disk, RegionMap* map) {
    ASSERT_EQ(map->Decode(disk.regions.data(), disk.regions.size()), "");
    if (disk.missed.empty()) return;
    ASSERT_EQ(map->missed().Decode(disk.missed.data(), disk.missed.size()), "");
  }

  void Check(const RegionMap& map) {
    if (generation_ == 0) return;
    Grains missed = GrainsOf(map.MissedBytes());
    for (uint64_t grain : changed_) ASSERT_TRUE(missed.contains(grain)) << grain;
  }

  std::mt19937 random_;
  std::unique_ptr<RegionMap> map_;
  Disk disk_;
  uint64_t epoch_ = 0;
  uint64_t generation_ = 0;
  Grains changed_;  // since tracking began, and what was not settled then
  Grains unsettled_;
  Grains unsettled_previous_;
  Grains inherited_;
};

TEST(Missed, IsNeverForgottenWhereverAWriteOfTheFilesIsCut) {
  auto seed = static_cast<uint32_t>(std::random_device()());
  for (int run = 0; run < 20; ++run, ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    MissedModel model(seed);
    for (int step = 0; step < 500; ++step) {
      model.Step();
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace aurochs
