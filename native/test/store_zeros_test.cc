// Which zeros of a head are meant, and what a power cut leaves of a write that hides a lower layer's block
// (store/zero_map.h).
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <future>

#include "store/limits.h"
#include "store_chain_harness.h"
#include "store_syscalls.h"

namespace aurochs {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kVolume = 16 * kMiB;
constexpr uint64_t kGrain = kZeroGrainBytes;
constexpr uint64_t kPage = 4096;

/// What a file system leaves of a write when the power goes before the extent is converted.
void InterruptWrite(const std::string& path, uint64_t offset, uint64_t length) {
  int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                      static_cast<off_t>(length)),
            0);
  ASSERT_EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset), static_cast<off_t>(length)), 0);
  ASSERT_EQ(fsync(fd), 0);
  close(fd);
}

/// A snapshot that holds everything, and a head above it.
class StoreZeros : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    chain_ = MakeChain(directory_, kVolume, GetParam());
    WriteFileAt(chain_.Path(0), 0, below_);
    chain_.AddHead();
    store_ = std::make_unique<TestStore>(chain_.Options());
    ASSERT_TRUE(store_->open()) << store_->error();
  }

  /// The power goes and comes back; nothing is lost but what a test takes away.
  void Reopen(bool lost = true) {
    store_.reset();
    auto options = chain_.Options();
    options.page_cache_lost = lost;
    store_ = std::make_unique<TestStore>(options);
    ASSERT_TRUE(store_->open()) << store_->error();
  }
  /// Closes the store, takes the content of a write in the head away, and opens it again.
  void Interrupt(uint64_t offset, uint64_t length, bool lost = true) {
    store_.reset();
    InterruptWrite(chain_.HeadPath(), offset, length);
    Reopen(lost);
  }
  /// Writes to the region of `offset`, which stays on record.
  void MakeDirty(uint64_t offset) {
    ASSERT_EQ(store_->Write(offset / kMiB * kMiB + kMiB - kPage, Bytes(kPage, 7)).message, "");
  }
  uint64_t dropped() { return store_->store().stats().interrupted_bytes; }
  Bytes Read(uint64_t offset, uint64_t length) {
    Bytes bytes;
    EXPECT_EQ(store_->Read(offset, length, &bytes).message, "");
    return bytes;
  }
  Bytes Below(uint64_t offset, uint64_t length) const {
    return {below_.begin() + static_cast<ptrdiff_t>(offset),
            below_.begin() + static_cast<ptrdiff_t>(offset + length)};
  }
  std::string TakeSnapshotOf(uint64_t size) {
    MakeSparseFile(chain_.Path(chain_.layers), size);
    ++chain_.layers;
    chain_.size = size;
    return TakeSnapshot(*store_, chain_.HeadPath()).message;
  }

  TestDirectory directory_;
  TestChain chain_;
  Bytes below_ = Pattern(kVolume, 1);
  std::unique_ptr<TestStore> store_;
};

TEST_P(StoreZeros, AnInterruptedWriteShowsWhatLiesBelow) {
  MakeDirty(kMiB);
  Interrupt(kMiB + kPage, 3 * kPage);
  EXPECT_EQ(dropped(), 3 * kPage);
  EXPECT_EQ(Read(kMiB, kMiB - kPage), Below(kMiB, kMiB - kPage));
  EXPECT_EQ(Read(2 * kMiB - kPage, kPage), Bytes(kPage, 7));
  Reopen(false);
  EXPECT_EQ(Read(kMiB, kMiB - kPage), Below(kMiB, kMiB - kPage)) << "for good";
}

TEST_P(StoreZeros, FlushedZerosStayBesideAnInterruptedWrite) {
  ASSERT_EQ(store_->Unmap(kMiB + kPage, 2 * kPage).message, "");
  ASSERT_EQ(store_->WriteZeroes(kMiB + 3 * kGrain + kPage, kGrain).message, "");
  ASSERT_EQ(store_->Unmap(5 * kMiB, 2 * kMiB).message, "");
  ASSERT_EQ(store_->Flush().message, "");
  MakeDirty(kMiB);
  Interrupt(kMiB + 8 * kGrain, kPage);
  EXPECT_EQ(dropped(), kPage);
  EXPECT_EQ(Read(kMiB, kPage), Below(kMiB, kPage));
  EXPECT_EQ(Read(kMiB + kPage, 2 * kPage), Bytes(2 * kPage));
  EXPECT_EQ(Read(kMiB + 3 * kGrain + kPage, kGrain), Bytes(kGrain));
  EXPECT_EQ(Read(5 * kMiB, 2 * kMiB), Bytes(2 * kMiB));
  EXPECT_EQ(Read(kMiB + 8 * kGrain, kPage), Below(kMiB + 8 * kGrain, kPage));
}

TEST_P(StoreZeros, WithThePageCacheNothingIsDropped) {
  MakeDirty(kMiB);
  Interrupt(kMiB, kPage, false);
  EXPECT_EQ(dropped(), 0u);
  EXPECT_EQ(Read(kMiB, kPage), Bytes(kPage));
}

TEST_P(StoreZeros, WhereNothingWasWrittenNothingIsDropped) {
  MakeDirty(3 * kMiB);
  Interrupt(kMiB, kPage);
  EXPECT_EQ(dropped(), 0u);
  EXPECT_EQ(Read(kMiB, kPage), Bytes(kPage));
}

TEST_P(StoreZeros, WhatAnotherLayerDoesNotHoldStaysTheHeads) {
  ASSERT_EQ(TakeSnapshotOf(kVolume * 2), "");
  MakeDirty(kVolume + kMiB);
  Interrupt(kVolume + kMiB, kPage);
  EXPECT_EQ(dropped(), 0u);
  EXPECT_EQ(store_->Extents(kVolume + kMiB, kPage).size(), 1u);
}

TEST_P(StoreZeros, WithoutASoundMapOfThisHeadNothingIsDropped) {
  MakeDirty(kMiB);
  store_.reset();
  Bytes sound = ReadFileAt(chain_.ZeroPath(), 0, std::filesystem::file_size(chain_.ZeroPath()));
  std::vector<std::function<void()>> harms = {
      [&] { std::filesystem::remove(chain_.ZeroPath()); },
      [&] { WriteFileAt(chain_.ZeroPath(), 20, {1}); },
      [&] { WriteFileAt(chain_.ZeroPath(), 4096 + 9, {1}); },
      [&] { std::filesystem::resize_file(chain_.ZeroPath(), 4096); },
      [&] {  // the same bytes, another file
        std::string copy = directory_.At("copy");
        std::filesystem::copy_file(chain_.HeadPath(), copy);
        std::filesystem::rename(copy, chain_.HeadPath());
        InterruptWrite(chain_.HeadPath(), kMiB, kPage);
      },
  };
  for (size_t i = 0; i < harms.size(); ++i) {
    SCOPED_TRACE(i);
    store_.reset();
    InterruptWrite(chain_.HeadPath(), kMiB, kPage);
    std::filesystem::remove(chain_.ZeroPath());
    std::ofstream(chain_.ZeroPath(), std::ios::binary)
        .write(reinterpret_cast<const char*>(sound.data()), static_cast<std::streamsize>(sound.size()));
    harms[i]();
    for (int opened = 0; opened < 2; ++opened) {
      Reopen();
      EXPECT_EQ(dropped(), 0u);
      EXPECT_EQ(Read(kMiB, kPage), Bytes(kPage));
    }
  }
  // From then on it is told again.
  Interrupt(kMiB + 3 * kGrain, kPage);
  EXPECT_EQ(dropped(), kPage);
  EXPECT_EQ(Read(kMiB, kPage), Bytes(kPage));
}

TEST_P(StoreZeros, ANewHeadBeginsWithoutMarks) {
  ASSERT_EQ(store_->Unmap(kMiB, kPage).message, "");
  ASSERT_EQ(TakeSnapshotOf(kVolume), "");
  MakeDirty(kMiB);
  Interrupt(kMiB, 2 * kPage);
  EXPECT_EQ(dropped(), 2 * kPage);
  EXPECT_EQ(Read(kMiB, kPage), Bytes(kPage));
  EXPECT_EQ(Read(kMiB + kPage, kPage), Below(kMiB + kPage, kPage));
}

TEST_P(StoreZeros, AHeadThatWasOnlyPreparedLeavesThePresentOnesMarks) {
  ASSERT_EQ(store_->Unmap(kMiB, kPage).message, "");
  MakeSparseFile(directory_.At("next"), kVolume);
  ASSERT_EQ(store_->PrepareHead(directory_.At("next"), kVolume).message, "");
  MakeDirty(kMiB);
  Interrupt(kMiB + kGrain, kPage);
  EXPECT_EQ(dropped(), kPage);
  EXPECT_EQ(Read(kMiB, kPage), Bytes(kPage));
}

TEST_P(StoreZeros, AHeadOfALargerVolumeIsMarkedToItsEnd) {
  ASSERT_EQ(TakeSnapshotOf(kVolume * 3 + 512), "");
  ASSERT_EQ(store_->WriteZeroes(kVolume * 3 - kGrain, kGrain + 512).message, "");
  ASSERT_EQ(store_->Unmap(kMiB, kPage).message, "");
  ASSERT_EQ(TakeSnapshotOf(kVolume * 4), "");
  ASSERT_EQ(store_->WriteZeroes(kVolume * 3 - kGrain, kGrain + kPage).message, "");
  MakeDirty(kVolume * 3 - kGrain);
  MakeDirty(kVolume * 3);
  Reopen();
  EXPECT_EQ(dropped(), 0u);
  Interrupt(kVolume * 3 - 2 * kGrain, kPage);
  EXPECT_EQ(dropped(), 0u) << "nothing lies below";
  MakeDirty(kMiB);
  Interrupt(kMiB + kPage, kPage);
  EXPECT_EQ(dropped(), kPage);
}

TEST_P(StoreZeros, ARevertedHeadBeginsWithoutMarks) {
  ASSERT_EQ(store_->Unmap(kMiB, kPage).message, "");
  ChainSpec spec;
  MakeSparseFile(chain_.Path(2), kVolume);
  spec.layers = {{chain_.Path(0), false, {}}, {chain_.Path(2), false, {}}};
  spec.size = kVolume;
  ASSERT_EQ(store_->PrepareLayers(spec).message, "");
  ASSERT_EQ(store_->Hold().message, "");
  ASSERT_EQ(store_->Switch().message, "");
  store_->Resume();
  MakeDirty(kMiB);
  store_.reset();
  std::filesystem::rename(chain_.Path(2), chain_.Path(1));
  Interrupt(kMiB, kPage);
  EXPECT_EQ(dropped(), kPage);
  EXPECT_EQ(Read(kMiB, kPage), Below(kMiB, kPage));
}

TEST_P(StoreZeros, AMarkIsDurableBeforeTheZerosAndWrittenOnce) {
  MakeDirty(kMiB);
  std::vector<std::string> calls;
  SyscallWatch watch([&](const WatchedCall& call) {
    if (call.file == "aurochs.zeros" || call.name == "fallocate")
      calls.push_back(call.file + " " + call.name);
    return CallFate();
  });
  ASSERT_EQ(store_->Unmap(kMiB, kPage).message, "");
  EXPECT_EQ(calls, (std::vector<std::string>{"aurochs.zeros pwrite", "aurochs.zeros fdatasync",
                                             "layer-1 fallocate"}));
  calls.clear();
  ASSERT_EQ(store_->WriteZeroes(kMiB + kPage, kPage).message, "");
  ASSERT_EQ(store_->Unmap(kMiB + 2 * kPage, kPage).message, "");
  EXPECT_EQ(calls, (std::vector<std::string>{"layer-1 fallocate", "layer-1 fallocate"}));
}

TEST_P(StoreZeros, WhatIsPunchedNeedsNoMark) {
  ASSERT_EQ(TakeSnapshotOf(kVolume * 2), "");
  ASSERT_EQ(store_->Write(kVolume + kMiB, Bytes(kPage, 1)).message, "");
  bool marked = false;
  SyscallWatch watch([&](const WatchedCall& call) {
    marked |= call.file == "aurochs.zeros";
    return CallFate();
  });
  ASSERT_EQ(store_->Unmap(kVolume + kMiB, kPage).message, "");
  EXPECT_FALSE(marked);
}

TEST_P(StoreZeros, AMarkThatCannotBeStoredEndsTheStoreWithoutZeros) {
  MakeDirty(kMiB);
  bool zeroed = false;
  {
    SyscallWatch watch([&](const WatchedCall& call) {
      zeroed |= call.name == "fallocate";
      return CallFate{call.file == "aurochs.zeros" && call.name == "fdatasync" ? EIO : 0};
    });
    EXPECT_EQ(store_->Unmap(kMiB, kPage).status, Status::kIoError);
    EXPECT_EQ(store_->WriteZeroes(kMiB, kPage).status, Status::kIoError);
  }
  EXPECT_FALSE(zeroed);
  ASSERT_EQ(store_->fatal().size(), 1u);
  EXPECT_EQ(store_->fatal()[0], chain_.ZeroPath() + ": sync: Input/output error");
}

TEST_P(StoreZeros, WithoutSpaceForAMapTheVolumeGoesOnWithoutOne) {
  auto full = [](const WatchedCall& call) {
    return CallFate{call.file.starts_with("aurochs.zeros") && call.name == "pwrite" ? ENOSPC : 0};
  };
  {
    SyscallWatch watch(full);
    ASSERT_EQ(TakeSnapshotOf(kVolume), "");
    ASSERT_EQ(store_->Unmap(kMiB, kPage).message, "");
    EXPECT_FALSE(std::filesystem::exists(chain_.ZeroPath()));
    MakeDirty(kMiB);
    Interrupt(kMiB + kGrain, kPage);
  }
  EXPECT_EQ(dropped(), 0u);
  EXPECT_FALSE(std::filesystem::exists(chain_.ZeroPath()));
  Reopen();
  EXPECT_EQ(dropped(), 0u);
  EXPECT_EQ(Read(kMiB, kPage), Bytes(kPage));
  EXPECT_TRUE(std::filesystem::exists(chain_.ZeroPath()));
}

TEST_P(StoreZeros, WithoutSpaceAtOpenNothingIsChanged) {
  store_.reset();
  std::filesystem::copy_file(chain_.HeadPath(), directory_.At("copy"));
  std::filesystem::rename(directory_.At("copy"), chain_.HeadPath());
  size_t length = std::filesystem::file_size(chain_.ZeroPath());
  Bytes before = ReadFileAt(chain_.ZeroPath(), 0, length);
  SyscallWatch watch([](const WatchedCall& call) {
    return CallFate{call.file == "aurochs.zeros.tmp" && call.name == "pwrite" ? ENOSPC : 0};
  });
  Reopen();
  ASSERT_EQ(store_->Unmap(kMiB, kPage).message, "");
  EXPECT_EQ(ReadFileAt(chain_.ZeroPath(), 0, length), before) << "another head's";
}

TEST_P(StoreZeros, AMapThatCannotBeReadIsReplacedOrGoes) {
  MakeDirty(kMiB);
  for (bool full : {false, true}) {
    SyscallWatch watch([&](const WatchedCall& call) {
      if (call.file == "aurochs.zeros" && call.name == "pread") return CallFate{EIO};
      return CallFate{full && call.file == "aurochs.zeros.tmp" && call.name == "pwrite" ? ENOSPC : 0};
    });
    Interrupt(kMiB, kPage);
    EXPECT_EQ(dropped(), 0u);
    EXPECT_EQ(std::filesystem::exists(chain_.ZeroPath()), !full);
  }
}

TEST_P(StoreZeros, AnUnmapThatWaitsForItsMarkGetsItInTheHeadOfASnapshotMeanwhile) {
  MakeDirty(kMiB);
  std::promise<void> go, reached;
  std::unique_ptr<TestRequest> unmap;
  std::future<Answer> switched;
  {
    bool first = true;
    SyscallWatch watch([&](const WatchedCall& call) {
      CallFate fate;
      if (call.file != "aurochs.zeros" || call.name != "fdatasync" || !first) return fate;
      first = false;
      reached.set_value();
      fate.until = go.get_future().share();
      return fate;
    });
    unmap = store_->Begin(StoreRequest::Kind::kUnmap, kMiB, kPage);
    reached.get_future().wait();
    MakeSparseFile(chain_.Path(2), kVolume);
    ASSERT_EQ(store_->PrepareHead(chain_.Path(2), kVolume).message, "");
    ASSERT_EQ(store_->Hold().message, "");
    switched = std::async(std::launch::async, [&] { return store_->Switch(); });
    store_->Settle();
    go.set_value();
    ASSERT_EQ(switched.get().message, "");
    store_->Resume();
    ASSERT_EQ(unmap->answer.get_future().get().message, "");
  }
  ++chain_.layers;
  ASSERT_EQ(store_->Flush().message, "");
  Reopen();
  EXPECT_EQ(dropped(), 0u);
  EXPECT_EQ(Read(kMiB, kPage), Bytes(kPage));
}

TEST_P(StoreZeros, ReadAsTheyWereWhicheverBlocksOfTheMapAreDurable) {
  // Two blocks of bits, of a sparse volume.
  ASSERT_EQ(TakeSnapshotOf(kMapBlockBits * kGrain * 2), "");
  uint64_t far = kMapBlockBits * kGrain;
  ASSERT_EQ(store_->WriteZeroes(far - kPage, 2 * kPage).message, "");
  ASSERT_EQ(TakeSnapshotOf(kMapBlockBits * kGrain * 2), "");
  ASSERT_EQ(store_->WriteZeroes(far - kPage, 2 * kPage).message, "");
  MakeDirty(far - kPage);
  MakeDirty(far);
  Reopen();
  EXPECT_EQ(dropped(), 0u);
  Interrupt(far, kPage);
  EXPECT_EQ(dropped(), 0u);
}

INSTANTIATE_TEST_SUITE_P(BothCacheModes, StoreZeros, ::testing::Bool(),
                         [](const auto& mode) { return mode.param ? "None" : "Writeback"; });

}  // namespace
}  // namespace aurochs
