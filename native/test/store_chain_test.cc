// How the chain changes under a store, one behaviour each; the random side is in store_chain_model_test.cc.
#include <algorithm>
#include <array>
#include <atomic>
#include <future>
#include <string>

#include "base/limits.h"
#include "store/limits.h"
#include "store_chain_harness.h"
#include "store_syscalls.h"

namespace aurochs {
namespace {

constexpr uint64_t kVolume = 16 << 20;

Bytes ReadBack(TestStore& store, uint64_t offset, uint64_t length) {
  Bytes bytes;
  EXPECT_EQ(store.Read(offset, length, &bytes).status, Status::kOk);
  return bytes;
}

class StoreChain : public ::testing::TestWithParam<bool> {
 protected:
  std::string NewHead(uint64_t size = kVolume) {
    chain_.size = size;
    chain_.AddHead();
    return chain_.HeadPath();
  }
  TestDirectory directory_;
  TestChain chain_ = MakeChain(directory_, kVolume, GetParam());
};

TEST_P(StoreChain, AfterASnapshotWritesGoToTheNewHeadAndTheOldOneStays) {
  Bytes first = Pattern(1 << 20, 1), second = Pattern(64 << 10, 2);
  TestStore store(chain_.Options());
  ASSERT_EQ(store.Write(0, first).status, Status::kOk);
  ASSERT_EQ(TakeSnapshot(store, NewHead()).message, "");
  ASSERT_EQ(store.Write(4096 + 512, second).status, Status::kOk);
  ASSERT_EQ(store.Flush().status, Status::kOk);
  Bytes expected = first;
  std::copy(second.begin(), second.end(), expected.begin() + 4096 + 512);
  EXPECT_EQ(ReadBack(store, 0, 1 << 20), expected);
  EXPECT_EQ(ReadFileAt(chain_.Path(0), 0, 1 << 20), first);
  ASSERT_EQ(store.Unmap(0, 1 << 20).status, Status::kOk);
  store.Close();
  TestStore again(chain_.Options());
  EXPECT_EQ(ReadBack(again, 0, 1 << 20), Bytes(1 << 20)) << "unmapped, although the snapshot holds it";
  EXPECT_EQ(ReadFileAt(chain_.Path(0), 0, 1 << 20), first);
}

TEST_P(StoreChain, HeldChangesWaitWhileReadsAndFlushesGoOn) {
  TestStore store(chain_.Options());
  ASSERT_EQ(store.Write(0, Bytes(4096, 1)).status, Status::kOk);
  ASSERT_EQ(store.Hold().status, Status::kOk);
  auto write = store.BeginWrite(0, Bytes(4096, 2), true);
  auto unmap = store.Begin(StoreRequest::Kind::kUnmap, 8192, 4096);
  auto written = write->answer.get_future(), unmapped = unmap->answer.get_future();
  EXPECT_EQ(ReadBack(store, 0, 4096), Bytes(4096, 1));
  EXPECT_EQ(store.Flush().status, Status::kOk);
  EXPECT_EQ(store.Hold().status, Status::kInvalid) << "one at a time";
  EXPECT_EQ(written.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  EXPECT_EQ(unmapped.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  store.Resume();
  EXPECT_EQ(written.get().status, Status::kOk);
  EXPECT_EQ(unmapped.get().status, Status::kOk);
  EXPECT_EQ(ReadBack(store, 0, 4096), Bytes(4096, 2));
}

TEST_P(StoreChain, ClosingAHeldStoreAnswersWhatWaits) {
  TestStore store(chain_.Options());
  ASSERT_EQ(store.Hold().status, Status::kOk);
  auto write = store.BeginWrite(0, Bytes(4096, 2));
  auto unmap = store.Begin(StoreRequest::Kind::kUnmap, 8192, 4096);
  store.Settle();
  store.Close();
  EXPECT_EQ(write->answer.get_future().get().status, Status::kNotOpen);
  EXPECT_EQ(unmap->answer.get_future().get().status, Status::kNotOpen);
}

TEST_P(StoreChain, ASnapshotUnderLoadLosesNoWrite) {
  TestStore store(chain_.Options());
  std::vector<std::unique_ptr<TestRequest>> requests;
  for (uint64_t round = 0; round < 8; ++round) {
    for (uint64_t i = 0; i < 128; ++i) {
      uint64_t offset = (i * 8 + round) * 4096 + 512 * (i % 4);
      requests.push_back(store.BeginWrite(offset, Bytes(2048, static_cast<uint8_t>(i + round)), i % 16 == 0));
    }
    ASSERT_EQ(TakeSnapshot(store, NewHead()).message, "");
  }
  for (auto& request : requests) ASSERT_EQ(request->answer.get_future().get().status, Status::kOk);
  store.Close();
  TestStore again(chain_.Options());
  for (uint64_t round = 0; round < 8; ++round) {
    for (uint64_t i = 0; i < 128; ++i) {
      uint64_t offset = (i * 8 + round) * 4096 + 512 * (i % 4);
      ASSERT_EQ(ReadBack(again, offset, 2048), Bytes(2048, static_cast<uint8_t>(i + round)));
    }
  }
}

TEST_P(StoreChain, AFlushMakesTheFormerHeadDurableToo) {
  TestStore store(chain_.Options());
  ASSERT_EQ(store.Flush().status, Status::kOk);
  ASSERT_EQ(store.Write(0, Bytes(4096, 1)).status, Status::kOk);
  ASSERT_EQ(TakeSnapshot(store, NewHead()).message, "");
  std::vector<std::string> synced;
  SyscallWatch watch([&](const WatchedCall& call) {
    if (call.name == "fdatasync") synced.push_back(call.file);
    return CallFate();
  });
  ASSERT_EQ(store.Flush().status, Status::kOk);
  EXPECT_EQ(synced, std::vector<std::string>{"layer-0"});
  synced.clear();
  ASSERT_EQ(store.Write(2 << 20, Bytes(4096, 1), true).status, Status::kOk);
  EXPECT_EQ(synced, (std::vector<std::string>{"aurochs.regions", "layer-1"}));
}

TEST_P(StoreChain, ChangesMayBeHeldWithAllOfThemDurable) {
  TestStore store(chain_.Options());
  ASSERT_EQ(store.Write(0, Pattern(1 << 20, 1)).status, Status::kOk);
  int syncs = 0;
  {
    SyscallWatch watch([&](const WatchedCall& call) {
      if (call.name == "fdatasync") ++syncs;
      return CallFate();
    });
    ASSERT_EQ(store.Hold(true).status, Status::kOk);
    EXPECT_EQ(syncs, 1);
    EXPECT_EQ(store.Hold(true).status, Status::kInvalid) << "one at a time";
    store.Resume();
    ASSERT_EQ(store.Hold(true).status, Status::kOk);
    EXPECT_EQ(syncs, 1) << "nothing was changed since";
    store.Resume();
  }
  ASSERT_EQ(store.Write(0, Bytes(4096, 2)).status, Status::kOk);
  SyscallWatch watch([](const WatchedCall& call) { return CallFate{call.name == "fdatasync" ? EIO : 0}; });
  Answer answer = store.Hold(true);
  EXPECT_EQ(answer.status, Status::kIoError);
  EXPECT_EQ(answer.message, chain_.HeadPath() + ": fdatasync: Input/output error");
  store.Resume();
  EXPECT_EQ(store.Write(0, Bytes(4096, 3)).status, Status::kIoError);
}

TEST_P(StoreChain, AFormerHeadThatCannotBeSyncedFailsTheFlush) {
  TestStore store(chain_.Options());
  ASSERT_EQ(store.Write(0, Bytes(4096, 1)).status, Status::kOk);
  ASSERT_EQ(TakeSnapshot(store, NewHead()).message, "");
  SyscallWatch watch([](const WatchedCall& call) {
    return CallFate{call.name == "fdatasync" && call.file == "layer-0" ? EIO : 0};
  });
  Answer flush = store.Flush();
  EXPECT_EQ(flush.status, Status::kIoError);
  EXPECT_EQ(flush.message, chain_.Path(0) + ": fdatasync: Input/output error");
}

TEST_P(StoreChain, WhatWasPreparedIsForgottenWhenChangesResumeWithoutASwitch) {
  TestStore store(chain_.Options());
  ASSERT_EQ(store.PrepareHead(NewHead(), kVolume).message, "");
  EXPECT_EQ(store.Switch().message, "changes are not held");
  ASSERT_EQ(store.Hold().status, Status::kOk);
  store.Resume();
  ASSERT_EQ(store.Write(0, Bytes(4096, 7)).status, Status::kOk);
  EXPECT_EQ(ReadFileAt(chain_.Path(0), 0, 4096), Bytes(4096, 7));
  ASSERT_EQ(store.Hold().status, Status::kOk);
  EXPECT_EQ(store.Switch().message, "nothing is prepared");
  store.Resume();
}

TEST_P(StoreChain, AHeadThatIsNotEmptyOrTooShortIsRefusedByName) {
  TestStore store(chain_.Options());
  std::string head = NewHead();
  WriteFileAt(head, 8192, Bytes(4096, 1));
  EXPECT_EQ(store.PrepareHead(head, kVolume).message, head + ": a new head has to be empty");
  MakeSparseFile(head, 4096);
  EXPECT_EQ(store.PrepareHead(head, kVolume).message,
            head + ": has 4096 bytes, less than the volume's 16777216");
  EXPECT_EQ(store.PrepareHead(directory_.At("absent"), kVolume).message,
            directory_.At("absent") + ": open: No such file or directory");
  EXPECT_EQ(store.PrepareHead(head, 4096).status, Status::kInvalid);
}

TEST_P(StoreChain, AVolumeGrowsAndItsRegionsWithIt) {
  constexpr uint64_t kOdd = (9 << 20) + 512 * 5, kGrown = 48 << 20;
  TestChain odd = MakeChain(directory_, kOdd, GetParam());
  odd.region_bytes = 4096;  // several blocks of the map
  TestStore store(odd.Options());
  ASSERT_TRUE(store.open()) << store.error();
  Bytes tail = Pattern(8192, 3);
  Bytes before(tail.begin(), tail.begin() + 512 * 5);
  ASSERT_EQ(store.Write(kOdd - before.size(), before).status, Status::kOk);
  EXPECT_EQ(store.Write(kOdd, Bytes(4096, 1)).status, Status::kOutOfRange);
  odd.size = kGrown;
  odd.AddHead();
  ASSERT_EQ(store.PrepareHead(odd.HeadPath(), kGrown).message, "");
  ASSERT_EQ(store.Hold().status, Status::kOk);
  auto waits = store.BeginWrite(4096, Bytes(512, 9));
  store.Settle();
  ASSERT_EQ(store.Switch().message, "");
  store.Resume();
  EXPECT_EQ(waits->answer.get_future().get().status, Status::kOk);
  EXPECT_EQ(store.store().size(), kGrown);
  Bytes expected(65536);
  std::copy(before.begin(), before.end(), expected.begin());
  EXPECT_EQ(ReadBack(store, kOdd - before.size(), 65536), expected);
  ASSERT_EQ(store.Write(kGrown - 4096, Bytes(4096, 4)).status, Status::kOk);
  ASSERT_EQ(store.Unmap(kOdd - 512, 8192).status, Status::kOk);
  std::fill_n(expected.begin() + static_cast<ptrdiff_t>(before.size()) - 512, 512, 0);
  store.Close();
  TestStore again(odd.Options());
  ASSERT_TRUE(again.open()) << again.error();
  EXPECT_EQ(ReadBack(again, kOdd - before.size(), 65536), expected);
  EXPECT_EQ(ReadBack(again, kGrown - 4096, 4096), Bytes(4096, 4));
  Bytes regions = again.store().InheritedRegions();
  ASSERT_EQ(regions.size(), kGrown / 4096 / 8);
  EXPECT_EQ(regions[0], 1 << 1);
  EXPECT_EQ(regions[regions.size() - 1], 1 << 7);
}

TEST_P(StoreChain, ARegionMapOfAnotherSizeIsMadeToFit) {
  for (uint64_t size : {kVolume * 2, kVolume / 2}) {
    std::filesystem::remove(chain_.MapPath());
    chain_.region_bytes = 4096;
    {
      TestStore store(chain_.Options());
      ASSERT_EQ(store.Write(5 * 4096, Bytes(4096, 1)).status, Status::kOk);
      ASSERT_EQ(store.Write(kVolume - 4096, Bytes(4096, 1)).status, Status::kOk);
    }
    auto options = chain_.Options();
    options.size = size;
    ASSERT_EQ(truncate(chain_.HeadPath().c_str(), static_cast<off_t>(kVolume * 2)), 0);
    for (int opened = 0; opened < 2; ++opened) {
      TestStore again(options);
      ASSERT_TRUE(again.open()) << again.error();
      Bytes regions = again.store().InheritedRegions();
      ASSERT_EQ(regions.size(), size / 4096 / 8);
      EXPECT_EQ(regions[0], 1 << 5);
      EXPECT_EQ(again.store().stats().dirty_regions, size > kVolume ? 2u : 1u);
    }
  }
}

TEST_P(StoreChain, AFullDiskWhileGrowingIsPreparedIsRefusedAndTheStoreGoesOn) {
  TestStore store(chain_.Options());
  ASSERT_EQ(store.Write(0, Bytes(4096, 1)).status, Status::kOk);
  std::string head = NewHead(kVolume * 2);
  {
    SyscallWatch watch(
        [](const WatchedCall& call) { return CallFate{call.file == "aurochs.regions.tmp" ? ENOSPC : 0}; });
    Answer refused = store.PrepareHead(head, kVolume * 2);
    EXPECT_EQ(refused.status, Status::kNoSpace);
    EXPECT_EQ(refused.message, chain_.MapPath() + ": create: No space left on device");
  }
  EXPECT_EQ(store.fatal().size(), 0u);
  ASSERT_EQ(store.Write(8 << 20, Bytes(4096, 1)).status, Status::kOk);
  ASSERT_EQ(store.PrepareHead(head, kVolume * 2).message, "");
  ASSERT_EQ(store.Hold().status, Status::kOk);
  ASSERT_EQ(store.Switch().message, "");
  store.Resume();
  store.Close();
  TestStore again(chain_.Options());
  ASSERT_TRUE(again.open()) << again.error();
  EXPECT_EQ(again.store().stats().dirty_regions, 2u);
}

TEST_P(StoreChain, WhileChangesAreHeldForGrowingNothingIsWritten) {
  TestStore store(chain_.Options());
  ASSERT_EQ(store.Write(0, Bytes(4096, 1)).status, Status::kOk);
  ASSERT_EQ(store.PrepareHead(NewHead(kVolume * 2), kVolume * 2).message, "");
  // The larger map is the store's by now, whatever size the volume has.
  ASSERT_EQ(store.Write(8 << 20, Bytes(4096, 1)).status, Status::kOk);
  ASSERT_EQ(store.Hold().status, Status::kOk);
  std::atomic<int> calls = 0;
  {
    SyscallWatch watch([&](const WatchedCall&) {
      ++calls;
      return CallFate{};
    });
    ASSERT_EQ(store.Switch().message, "");
  }
  EXPECT_EQ(calls, 0);
  store.Resume();
  ASSERT_EQ(store.Write(kVolume * 2 - 4096, Bytes(4096, 1)).status, Status::kOk);
  store.Close();
  TestStore again(chain_.Options());
  ASSERT_TRUE(again.open()) << again.error();
  EXPECT_EQ(again.store().stats().dirty_regions, 3u);
}

TEST_P(StoreChain, GrowingThatWasPreparedOnlyLosesNothingThatTheMapsKnew) {
  for (bool tracked_before : {true, false}) {
    TestDirectory directory;
    auto options = MakeChain(directory, kVolume, GetParam()).Options();
    MakeSparseFile(directory.At("head"), kVolume * 2);
    {
      TestStore store(options);
      if (tracked_before) {
        ASSERT_EQ(store.TrackMissed(3).status, Status::kOk);
      }
      ASSERT_EQ(store.Write(0, Bytes(4096, 1)).status, Status::kOk);
      ASSERT_EQ(store.PrepareHead(directory.At("head"), kVolume * 2).message, "");
      if (!tracked_before) {
        ASSERT_EQ(store.TrackMissed(3).status, Status::kOk);
      }
      ASSERT_EQ(store.Write(8 << 20, Bytes(4096, 1)).status, Status::kOk);
    }
    for (int opened = 0; opened < 2; ++opened) {
      TestStore again(options);
      ASSERT_TRUE(again.open()) << again.error();
      EXPECT_EQ(again.store().InheritedRegions().size(), kVolume / options.region_bytes / 8);
      EXPECT_EQ(again.store().stats().dirty_regions, 2u);
      EXPECT_EQ(again.Missed().since, 3u);
    }
  }
}

TEST_P(StoreChain, ARevertReadsTheSnapshotAndLeavesNothingOfTheOldHead) {
  Bytes first = Pattern(1 << 20, 1);
  TestStore store(chain_.Options());
  ASSERT_EQ(store.Write(0, first).status, Status::kOk);
  ASSERT_EQ(TakeSnapshot(store, NewHead()).message, "");
  ASSERT_EQ(store.Write(0, Pattern(2 << 20, 2)).status, Status::kOk);
  MakeSparseFile(directory_.At("reverted"), kVolume);
  ChainSpec spec{{{chain_.Path(0), false, {}}, {directory_.At("reverted"), false, {}}}, false, kVolume};
  ASSERT_EQ(store.PrepareLayers(spec).message, "");
  ASSERT_EQ(store.Hold().status, Status::kOk);
  ASSERT_EQ(store.Switch().message, "");
  store.Resume();
  Bytes expected = first;
  expected.resize(2 << 20);
  EXPECT_EQ(ReadBack(store, 0, 2 << 20), expected);
  ASSERT_EQ(store.Write(512, Bytes(512, 7)).status, Status::kOk);
  std::fill_n(expected.begin() + 512, 512, 7);
  EXPECT_EQ(ReadBack(store, 0, 2 << 20), expected);
}

TEST_P(StoreChain, AReloadWithTheSameHeadKeepsWhatIsWrittenMeanwhile) {
  TestStore store(chain_.Options());
  ASSERT_EQ(store.Write(0, Pattern(1 << 20, 1)).status, Status::kOk);
  ASSERT_EQ(TakeSnapshot(store, NewHead()).message, "");
  ASSERT_EQ(store.Write(8192, Bytes(4096, 2)).status, Status::kOk);
  ASSERT_EQ(store.PrepareLayers(chain_.Options()).message, "");
  ASSERT_EQ(store.Write(65536, Bytes(4096, 3)).status, Status::kOk);
  ASSERT_EQ(store.Hold().status, Status::kOk);
  ASSERT_EQ(store.Switch().message, "");
  store.Resume();
  EXPECT_EQ(ReadBack(store, 8192, 4096), Bytes(4096, 2));
  EXPECT_EQ(ReadBack(store, 65536, 4096), Bytes(4096, 3));
  EXPECT_EQ(ReadBack(store, 0, 4096), Pattern(4096, 1));
  ASSERT_EQ(store.Unmap(65536, 4096).status, Status::kOk);
  store.Close();
  TestStore again(chain_.Options());
  EXPECT_EQ(ReadBack(again, 65536, 4096), Bytes(4096));
}

TEST_P(StoreChain, AChainThatCannotBeOpenedLeavesTheOldOneInService) {
  TestStore store(chain_.Options());
  ASSERT_EQ(store.Write(0, Bytes(4096, 5)).status, Status::kOk);
  auto spec = chain_.Options();
  spec.layers.insert(spec.layers.begin(), LayerSpec{directory_.At("absent"), false, {}});
  EXPECT_EQ(store.PrepareLayers(spec).message, directory_.At("absent") + ": open: No such file or directory");
  spec.layers[0] = {chain_.Path(0), false, {}};
  EXPECT_EQ(store.PrepareLayers(spec).message, chain_.Path(0) + ": is the head that is in use");
  EXPECT_EQ(ReadBack(store, 0, 4096), Bytes(4096, 5));
}

TEST_P(StoreChain, MergedLayersReadAsBeforeAndTheUpperFileMayGo) {
  TestStore store(chain_.Options());
  Bytes model(kVolume);
  for (int layer = 0; layer < 3; ++layer) {
    for (uint64_t i = 0; i < 60; ++i) {
      uint64_t offset = (i * 37 + static_cast<uint64_t>(layer) * 11) % 1000 * 4096;
      Bytes data = Pattern(12288, static_cast<uint32_t>(i + 100 * static_cast<uint64_t>(layer)));
      ASSERT_EQ(store.Write(offset, data).status, Status::kOk);
      std::copy(data.begin(), data.end(), model.begin() + static_cast<ptrdiff_t>(offset));
    }
    ASSERT_EQ(store.WriteZeroes(static_cast<uint64_t>(layer) * 40960, 40960).status, Status::kOk);
    std::fill_n(model.begin() + layer * 40960, 40960, 0);
    ASSERT_EQ(TakeSnapshot(store, NewHead()).message, "");
  }
  EXPECT_EQ(store.Merge(chain_.Path(0), chain_.Path(2)).status, Status::kInvalid) << "not neighbours";
  ASSERT_EQ(store.Merge(chain_.Path(0), chain_.Path(1)).message, "");
  ASSERT_EQ(rename(chain_.Path(0).c_str(), chain_.Path(1).c_str()), 0);
  ASSERT_EQ(store.Rename(chain_.Path(0), chain_.Path(1)).message, "");
  EXPECT_EQ(ReadBack(store, 0, kVolume), model);
  ASSERT_EQ(store.Merge(chain_.Path(1), chain_.Path(2)).message, "");
  ASSERT_EQ(rename(chain_.Path(1).c_str(), chain_.Path(2).c_str()), 0);
  EXPECT_EQ(ReadBack(store, 0, kVolume), model);
  store.Close();
  auto options = chain_.Options();
  options.layers.erase(options.layers.begin(), options.layers.begin() + 2);
  TestStore again(options);
  ASSERT_TRUE(again.open()) << again.error();
  EXPECT_EQ(ReadBack(again, 0, kVolume), model);
}

TEST_P(StoreChain, AMergeTakesATurnForWhatALayerHoldsNotForItsHoles) {
  constexpr uint64_t kLarge = uint64_t{64} << 30;
  constexpr std::array<uint64_t, 3> kPlaces = {4096, (uint64_t{20} << 30) - 8192, kLarge - 16384};
  NewHead(kLarge);
  TestStore store(chain_.Options());
  ASSERT_TRUE(store.open()) << store.error();
  for (uint32_t layer = 0; layer < 2; ++layer) {
    for (uint64_t place : kPlaces) {
      ASSERT_EQ(store.Write(place + layer * 4096, Pattern(12288 - layer * 8192, layer + 1)).status,
                Status::kOk);
    }
    ASSERT_EQ(TakeSnapshot(store, NewHead(kLarge)).message, "");
  }
  uint64_t lower = chain_.layers - 3;
  int turns = 0;
  uint64_t reached = 0;
  auto progress = [&](uint64_t bytes, uint64_t total) {
    ++turns;
    reached = bytes;
    EXPECT_EQ(total, kLarge);
  };
  ASSERT_EQ(store.Merge(chain_.Path(lower), chain_.Path(lower + 1), progress).message, "");
  EXPECT_EQ(reached, kLarge);
  EXPECT_LE(turns, 4) << "three places hold something";
  Bytes expected = Pattern(12288, 1);
  Bytes upper = Pattern(4096, 2);
  std::copy(upper.begin(), upper.end(), expected.begin() + 4096);
  for (uint64_t place : kPlaces) {
    EXPECT_EQ(ReadFileAt(chain_.Path(lower), place, 12288), expected) << place;
    EXPECT_EQ(ReadBack(store, place, 12288), expected) << place;
  }
}

TEST_P(StoreChain, AMergeThatFailsNamesTheFileAndChangesNothing) {
  TestStore store(chain_.Options());
  ASSERT_EQ(store.Write(0, Pattern(1 << 20, 1)).status, Status::kOk);
  ASSERT_EQ(TakeSnapshot(store, NewHead()).message, "");
  ASSERT_EQ(store.Write(4096, Pattern(1 << 20, 2)).status, Status::kOk);
  ASSERT_EQ(TakeSnapshot(store, NewHead()).message, "");
  ASSERT_EQ(store.Flush().status, Status::kOk);
  Bytes before = ReadBack(store, 0, 2 << 20);
  for (const char* name : {"pwrite", "fdatasync"}) {
    SyscallWatch watch([&](const WatchedCall& call) {
      return CallFate{call.file == "layer-0" && call.name == name ? EIO : 0};
    });
    Answer answer = store.Merge(chain_.Path(0), chain_.Path(1));
    EXPECT_EQ(answer.status, Status::kIoError);
    EXPECT_EQ(answer.message.find(chain_.Path(0) + ": "), 0u) << answer.message;
  }
  EXPECT_EQ(ReadBack(store, 0, 2 << 20), before);
  EXPECT_TRUE(store.fatal().empty());
  ASSERT_EQ(store.Merge(chain_.Path(0), chain_.Path(1)).message, "") << "tried again";
  EXPECT_EQ(ReadBack(store, 0, 2 << 20), before);
}

TEST_P(StoreChain, IdsOfMergedLayersAreUsedAgain) {
  TestStore store(chain_.Options());
  ASSERT_EQ(store.Write(0, Pattern(65536, 1)).status, Status::kOk);
  std::string lower = chain_.Path(0);
  for (uint64_t i = 0; i < 270; ++i) {
    ASSERT_EQ(TakeSnapshot(store, NewHead()).message, "");
    ASSERT_EQ(store.Write(i % 16 * 4096, Bytes(4096, static_cast<uint8_t>(i))).status, Status::kOk);
    if (i == 0) continue;
    ASSERT_EQ(store.Merge(lower, chain_.Path(chain_.layers - 2)).message, "") << i;
    unlink(chain_.Path(chain_.layers - 2).c_str());
  }
  for (uint64_t i = 270 - 16; i < 270; ++i) {
    EXPECT_EQ(ReadBack(store, i % 16 * 4096, 4096), Bytes(4096, static_cast<uint8_t>(i)));
  }
}

TEST_P(StoreChain, PruningFreesWhatTheHeadHides) {
  TestStore store(chain_.Options());
  ASSERT_EQ(store.Write(0, Pattern(8 << 20, 1)).status, Status::kOk);
  ASSERT_EQ(TakeSnapshot(store, NewHead()).message, "");
  ASSERT_EQ(store.Write(1 << 20, Pattern(4 << 20, 2)).status, Status::kOk);
  Bytes before = ReadBack(store, 0, kVolume);
  EXPECT_EQ(store.Prune(chain_.HeadPath()).status, Status::kInvalid);
  ASSERT_EQ(store.Prune(chain_.Path(0)).message, "");
  EXPECT_LE(AllocatedBytesOf(chain_.Path(0)), (4u << 20) + 65536);
  EXPECT_EQ(ReadBack(store, 0, kVolume), before);
  ASSERT_EQ(store.Unmap(1 << 20, 4 << 20).status, Status::kOk);
  EXPECT_LE(AllocatedBytesOf(chain_.HeadPath()), 65536u) << "nothing is below any more";
  std::fill_n(before.begin() + (1 << 20), 4 << 20, 0);
  store.Close();
  TestStore again(chain_.Options());
  EXPECT_EQ(ReadBack(again, 0, kVolume), before);
}

TEST_P(StoreChain, TheHeadIsDurableBeforeAPruneFreesAnything) {
  TestStore store(chain_.Options());
  ASSERT_EQ(store.Write(0, Pattern(1 << 20, 1)).status, Status::kOk);
  ASSERT_EQ(TakeSnapshot(store, NewHead()).message, "");
  ASSERT_EQ(store.Write(0, Pattern(65536, 2)).status, Status::kOk);
  std::vector<std::string> calls;
  {
    SyscallWatch watch([&](const WatchedCall& call) {
      calls.push_back(call.file + " " + call.name);
      return CallFate();
    });
    ASSERT_EQ(store.Prune(chain_.Path(0)).message, "");
  }
  EXPECT_EQ(calls, (std::vector<std::string>{"layer-1 fdatasync", "layer-0 fallocate"}));
  ASSERT_EQ(store.Write(65536, Pattern(65536, 2)).status, Status::kOk);
  SyscallWatch watch([](const WatchedCall& call) { return CallFate{call.name == "fdatasync" ? EIO : 0}; });
  EXPECT_EQ(store.Prune(chain_.Path(0)).message, chain_.HeadPath() + ": fdatasync: Input/output error");
  EXPECT_EQ(store.fatal().size(), 1u) << "the next sync might not hear of it";
}

TEST_P(StoreChain, ASnapshotIsTakenWhileItsHeadsParentIsPruned) {
  constexpr uint64_t kLarge = 3 * kPruneWindowBytes;
  TestChain large = MakeChain(directory_, kLarge, GetParam());
  TestStore store(large.Options());
  for (int layer = 0; layer < 2; ++layer) {
    for (uint64_t at = 0; at < kLarge; at += kPruneWindowBytes) {
      ASSERT_EQ(store.Write(at, Pattern(65536, static_cast<uint32_t>(layer) + 1)).status, Status::kOk);
    }
    if (layer == 1) break;
    large.AddHead();
    ASSERT_EQ(TakeSnapshot(store, large.HeadPath()).message, "");
  }
  std::string old_head = large.HeadPath(), snapshot = directory_.At("snapshot");
  large.AddHead();
  ASSERT_EQ(store.PrepareHead(large.HeadPath(), kLarge).message, "");
  std::promise<void> pruning, snapshot_taken;
  auto go_on = snapshot_taken.get_future().share();
  std::atomic<bool> first = true;
  SyscallWatch watch([&](const WatchedCall&) {
    if (first.exchange(false)) {
      pruning.set_value();
      go_on.wait();
    }
    return CallFate();
  });
  auto pruned = std::async(std::launch::async, [&] { return store.Prune(large.Path(0)); });
  pruning.get_future().wait();
  ASSERT_EQ(store.Hold().status, Status::kOk);
  ASSERT_EQ(store.Switch().message, "");
  store.Resume();
  ASSERT_EQ(link(old_head.c_str(), snapshot.c_str()), 0);
  auto renamed = std::async(std::launch::async, [&] { return store.Rename(old_head, snapshot); });
  store.Settle();
  snapshot_taken.set_value();
  EXPECT_EQ(renamed.get().message, "");
  EXPECT_EQ(pruned.get().message, "");
  EXPECT_LE(AllocatedBytesOf(large.Path(0)), 65536u) << "what the snapshot holds is hidden as before";
  for (uint64_t at = 0; at < kLarge; at += kPruneWindowBytes) {
    EXPECT_EQ(ReadBack(store, at, 65536), Pattern(65536, 2));
  }
}

/// kept <- removed <- head, written in ranges that meet in all combinations.
class StoreDiscard : public StoreChain {
 protected:
  void Fill(TestStore& store) {
    for (uint64_t mask = 0; mask < 8; ++mask) At(mask);
    for (int layer = 0; layer < 3; ++layer) {
      for (uint64_t mask = 0; mask < 8; ++mask) {
        if ((mask >> layer & 1) == 0) continue;
        ASSERT_EQ(store.Write(At(mask), Pattern(kRange, static_cast<uint32_t>(layer * 8) + 1)).status,
                  Status::kOk);
      }
      ASSERT_EQ(store.Flush().status, Status::kOk);
      if (layer < 2) {
        ASSERT_EQ(TakeSnapshot(store, NewHead()).message, "");
      }
    }
  }
  static constexpr uint64_t kRange = 1 << 20;
  static uint64_t At(uint64_t mask) { return mask * kRange; }
};

TEST_P(StoreDiscard, SpaceReturnsWhereNothingKeptHoldsItAndKeptSnapshotsAreNotTouched) {
  TestStore store(chain_.Options());
  Fill(store);
  Bytes kept = ReadFileAt(chain_.Path(0), 0, 8 * kRange);
  uint64_t kept_space = AllocatedBytesOf(chain_.Path(0));
  EXPECT_EQ(store.SetRemoved({chain_.Path(0)}).message,
            chain_.Path(1) + ": lies between the head and a removed layer and is kept");
  ASSERT_EQ(store.SetRemoved({chain_.Path(1)}).message, "");
  ASSERT_EQ(store.Unmap(0, 8 * kRange).status, Status::kOk);
  EXPECT_EQ(ReadBack(store, 0, 8 * kRange), Bytes(8 * kRange));
  EXPECT_LE(AllocatedBytesOf(chain_.Path(1)), 65536u) << "the removed layer is empty";
  EXPECT_EQ(AllocatedBytesOf(chain_.Path(0)), kept_space);
  EXPECT_EQ(ReadFileAt(chain_.Path(0), 0, 8 * kRange), kept);
  EXPECT_LE(AllocatedBytesOf(chain_.HeadPath()), 4 * kRange + 65536) << "zeros where the kept one holds data";
  store.Close();
  TestStore again(chain_.Options());
  EXPECT_EQ(ReadBack(again, 0, 8 * kRange), Bytes(8 * kRange));
}

TEST_P(StoreDiscard, WithoutRemovedLayersNoneIsTouched) {
  TestStore store(chain_.Options());
  Fill(store);
  Bytes lower = ReadFileAt(chain_.Path(0), 0, 8 * kRange), upper = ReadFileAt(chain_.Path(1), 0, 8 * kRange);
  ASSERT_EQ(store.SetRemoved({chain_.Path(1)}).message, "");
  ASSERT_EQ(store.SetRemoved({}).message, "");
  ASSERT_EQ(store.Unmap(0, 8 * kRange).status, Status::kOk);
  EXPECT_EQ(ReadFileAt(chain_.Path(0), 0, 8 * kRange), lower);
  EXPECT_EQ(ReadFileAt(chain_.Path(1), 0, 8 * kRange), upper);
  store.Close();
  TestStore again(chain_.Options());
  EXPECT_EQ(ReadBack(again, 0, 8 * kRange), Bytes(8 * kRange));
}

TEST_P(StoreDiscard, WhereARemovedLayerCannotBePunchedTheHeadHoldsZeros) {
  TestStore store(chain_.Options());
  Fill(store);
  ASSERT_EQ(store.SetRemoved({chain_.Path(0), chain_.Path(1)}).message, "");
  {
    SyscallWatch watch([](const WatchedCall& call) {
      return CallFate{call.file == "layer-1" && call.name == "fallocate" ? EOPNOTSUPP : 0};
    });
    ASSERT_EQ(store.Unmap(0, 8 * kRange).status, Status::kOk);
  }
  EXPECT_EQ(ReadBack(store, 0, 8 * kRange), Bytes(8 * kRange));
  store.Close();
  TestStore again(chain_.Options());
  EXPECT_EQ(ReadBack(again, 0, 8 * kRange), Bytes(8 * kRange));
}

TEST_P(StoreDiscard, WhatWasMergedIsNotFreedWhileTheUpperFileIsThere) {
  TestStore store(chain_.Options());
  Fill(store);
  ASSERT_EQ(store.SetRemoved({chain_.Path(0), chain_.Path(1)}).message, "");
  ASSERT_EQ(store.Merge(chain_.Path(0), chain_.Path(1)).message, "");
  ASSERT_EQ(store.Unmap(0, 4 * kRange).status, Status::kOk);
  store.Close();
  TestStore crashed(chain_.Options());
  EXPECT_EQ(ReadBack(crashed, 0, 4 * kRange), Bytes(4 * kRange));
  crashed.Close();
  ExtentStore::Options options = chain_.Options();
  options.layers.erase(options.layers.begin() + 1);
  TestStore again(options);
  ASSERT_EQ(again.SetRemoved({chain_.Path(0)}).message, "");
  ASSERT_EQ(again.Unmap(0, 8 * kRange).status, Status::kOk);
  EXPECT_LE(AllocatedBytesOf(chain_.Path(0)), 65536u);
}

TEST_P(StoreDiscard, AFlushMakesItDurableInEveryFile) {
  TestStore store(chain_.Options());
  Fill(store);
  ASSERT_EQ(store.SetRemoved({chain_.Path(1)}).message, "");
  ASSERT_EQ(store.Flush().status, Status::kOk);
  ASSERT_EQ(store.Unmap(At(6), kRange).status, Status::kOk);
  std::vector<std::string> synced;
  SyscallWatch watch([&](const WatchedCall& call) {
    if (call.name == "fdatasync") synced.push_back(call.file);
    return CallFate();
  });
  ASSERT_EQ(store.Flush().status, Status::kOk);
  std::sort(synced.begin(), synced.end());
  EXPECT_EQ(synced, (std::vector<std::string>{"layer-1", "layer-2"}));
}

TEST_P(StoreChain, ALongUnmapLetsASnapshotThroughHalfWay) {
  constexpr uint64_t kLarge = 3 * kZeroSegmentBytes;
  TestChain large = MakeChain(directory_, kLarge, GetParam());
  TestStore store(large.Options());
  ASSERT_EQ(store.Write(kLarge - 8192, Bytes(4096, 1)).status, Status::kOk);
  auto unmap = store.Begin(StoreRequest::Kind::kUnmap, 0, kLarge);
  large.AddHead();
  ASSERT_EQ(TakeSnapshot(store, large.HeadPath(), kLarge).message, "");
  EXPECT_EQ(unmap->answer.get_future().get().status, Status::kOk);
  EXPECT_EQ(ReadBack(store, kLarge - 8192, 4096), Bytes(4096));
}

#define BOTH_CACHE_MODES(suite)                                      \
  INSTANTIATE_TEST_SUITE_P(BothCacheModes, suite, ::testing::Bool(), \
                           [](const auto& mode) { return mode.param ? "None" : "Writeback"; })
BOTH_CACHE_MODES(StoreChain);
BOTH_CACHE_MODES(StoreDiscard);

}  // namespace
}  // namespace aurochs
