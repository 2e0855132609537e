// What the store promises, one behaviour each; the random side is in store_model_test.cc, faults in
// store_fault_test.cc.
#include <algorithm>
#include <string>

#include "store_harness.h"

namespace aurochs {
namespace {

constexpr uint64_t kVolume = 16 << 20;

Bytes ReadBack(TestStore& store, uint64_t offset, uint64_t length) {
  Bytes bytes;
  EXPECT_EQ(store.Read(offset, length, &bytes).status, Status::kOk);
  return bytes;
}

class Store : public ::testing::TestWithParam<bool> {
 protected:
  TestDirectory directory_;
  TestChain chain_ = MakeChain(directory_, kVolume, GetParam());
};

TEST_P(Store, APartOfABlockWrittenOverALowerLayerKeepsTheRest) {
  Bytes below = Pattern(4 * 4096, 1);
  WriteFileAt(chain_.Path(0), 0, below);
  chain_.AddHead();
  Bytes expected = below;
  {
    TestStore store(chain_.Options());
    ASSERT_TRUE(store.open()) << store.error();
    Bytes part = Pattern(4096 + 1024, 2);
    ASSERT_EQ(store.Write(4096 + 512, part).status, Status::kOk);
    std::copy(part.begin(), part.end(), expected.begin() + 4096 + 512);
    ASSERT_EQ(store.Unmap(3 * 4096 + 512, 512).status, Status::kOk);
    std::fill_n(expected.begin() + 3 * 4096 + 512, 512, 0);
    EXPECT_EQ(ReadBack(store, 0, below.size()), expected);
  }
  TestStore again(chain_.Options());
  EXPECT_EQ(ReadBack(again, 0, below.size()), expected);
  EXPECT_EQ(ReadFileAt(chain_.Path(0), 0, below.size()), below) << "lower layers are never written";
}

TEST_P(Store, APartOfAFreshBlockIsZeroBesideWhatWasWritten) {
  TestStore store(chain_.Options());
  Bytes part = Pattern(512, 3);
  ASSERT_EQ(store.Write(1024, part).status, Status::kOk);
  Bytes expected(4096);
  std::copy(part.begin(), part.end(), expected.begin() + 1024);
  EXPECT_EQ(ReadBack(store, 0, 4096), expected);
}

TEST_P(Store, AnExtentDecidesEvenIfItWasNeverWritten) {
  WriteFileAt(chain_.Path(0), 0, Pattern(8192, 1));
  chain_.AddHead();
  int fd = open(chain_.HeadPath().c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE, 4096, 4096), 0);
  close(fd);
  TestStore store(chain_.Options());
  EXPECT_EQ(ReadBack(store, 0, 4096), ReadFileAt(chain_.Path(0), 0, 4096));
  EXPECT_EQ(ReadBack(store, 4096, 4096), Bytes(4096));
}

TEST_P(Store, ALowerLayerMayBeShorterThanTheVolume) {
  MakeSparseFile(chain_.Path(0), 5000 + 512);
  Bytes below = Pattern(5512, 1);
  WriteFileAt(chain_.Path(0), 0, below);
  chain_.AddHead();
  TestStore store(chain_.Options());
  ASSERT_TRUE(store.open()) << store.error();
  Bytes expected = below;
  expected.resize(16384);
  EXPECT_EQ(ReadBack(store, 0, 16384), expected);
  Bytes part = Pattern(512, 9);
  ASSERT_EQ(store.Write(7680, part).status, Status::kOk);
  std::copy(part.begin(), part.end(), expected.begin() + 7680);
  EXPECT_EQ(ReadBack(store, 0, 16384), expected);
}

TEST_P(Store, AMappedLayerIsReadWhereItsMapSays) {
  Bytes content = Pattern(64 << 10, 4);
  MakeSparseFile(directory_.At("image"), content.size());
  WriteFileAt(directory_.At("image"), 0, content);
  auto options = chain_.Options();
  options.backing = true;
  options.layers.insert(
      options.layers.begin(),
      LayerSpec{directory_.At("image"), true, {{8192, 8192, 40960}, {16384, 4096, 512}, {1 << 20, 512, 0}}});
  TestStore store(options);
  ASSERT_TRUE(store.open()) << store.error();
  Bytes expected(32768);
  std::copy_n(content.begin() + 40960, 8192, expected.begin() + 8192);
  std::copy_n(content.begin() + 512, 4096, expected.begin() + 16384);
  EXPECT_EQ(ReadBack(store, 0, 32768), expected);
  Bytes tail(4096);
  std::copy_n(content.begin(), 512, tail.begin());
  EXPECT_EQ(ReadBack(store, 1 << 20, 4096), tail);
  std::vector<std::pair<uint64_t, uint64_t>> extents = {{8192, 12288}, {1 << 20, 4096}};
  EXPECT_EQ(store.Extents(0, kVolume), extents);
  store.Close();
  options.layers[0].cluster_bytes = 4096;
  const LayerPiece first{8192, 8192, 0};
  const LayerPiece unsound[] = {
      {4096, 4096, 0},                // below the one before it
      {16384, UINT64_MAX - 4096, 0},  // its end wraps around
      {16384, 4096, UINT64_MAX - 1},  // that in the file does
      {16384, 8192, 0, 100},          // larger than a compressed cluster
      {16384, 4096, 0, 3 * 4096},     // of more bytes than one takes
      {16384, 4096, UINT64_MAX - 4096, 4097},
  };
  for (const LayerPiece& piece : unsound) {
    options.layers[0].map = {first, piece};
    TestStore refused(options);
    EXPECT_EQ(refused.error(), directory_.At("image") +
                                   ": the layer map is not ascending, or out of bounds, at offset " +
                                   std::to_string(piece.offset));
  }
}

TEST_P(Store, UnmapGivesSpaceBackWhereNothingIsBelow) {
  {
    TestStore store(chain_.Options());
    ASSERT_EQ(store.Write(0, Pattern(4 << 20, 1)).status, Status::kOk);
    ASSERT_EQ(store.Flush().status, Status::kOk);
    ASSERT_GE(AllocatedBytesOf(chain_.HeadPath()), 4u << 20);
    ASSERT_EQ(store.Unmap(512, (4 << 20) - 512).status, Status::kOk);
    EXPECT_LE(AllocatedBytesOf(chain_.HeadPath()), 64u << 10);
    EXPECT_EQ(ReadBack(store, 512, 65536 - 512), Bytes(65536 - 512));
    EXPECT_EQ(store.Extents(0, kVolume).size(), 1u) << "the first block, of which a sector is left";
  }
  TestStore again(chain_.Options());
  EXPECT_EQ(ReadBack(again, 512, 65536), Bytes(65536));
}

TEST_P(Store, UnmapOverASnapshotStaysZeroAfterAReopen) {
  WriteFileAt(chain_.Path(0), 0, Pattern(1 << 20, 1));
  chain_.AddHead();
  {
    TestStore store(chain_.Options());
    ASSERT_EQ(store.Write(0, Pattern(64 << 10, 2)).status, Status::kOk);
    ASSERT_EQ(store.Unmap(0, 512 << 10).status, Status::kOk);
    EXPECT_EQ(ReadBack(store, 0, 512 << 10), Bytes(512 << 10));
  }
  TestStore again(chain_.Options());
  EXPECT_EQ(ReadBack(again, 0, 512 << 10), Bytes(512 << 10));
  EXPECT_EQ(ReadBack(again, 512 << 10, 4096), ReadFileAt(chain_.Path(0), 512 << 10, 4096));
}

TEST_P(Store, ZeroesStayAllocatedAndUnmapsAreNot) {
  TestStore store(chain_.Options());
  ASSERT_EQ(store.WriteZeroes(4096 + 512, 8192).status, Status::kOk);
  std::vector<std::pair<uint64_t, uint64_t>> zeroes = {{4096, 12288}};
  EXPECT_EQ(store.Extents(0, kVolume), zeroes);
  EXPECT_GE(AllocatedBytesOf(chain_.HeadPath()), 12288u);
  EXPECT_EQ(ReadBack(store, 4096, 12288), Bytes(12288));
  ASSERT_EQ(store.Unmap(0, kVolume).status, Status::kOk);
  EXPECT_TRUE(store.Extents(0, kVolume).empty());
}

TEST_P(Store, TheLastBlockOfAVolumeMayBeAPartOfOne) {
  constexpr uint64_t kOdd = (4 << 20) + 1024;
  TestChain odd = MakeChain(directory_, kOdd, GetParam());
  WriteFileAt(odd.Path(0), kOdd - 1024, Pattern(1024, 1));
  odd.AddHead();
  Bytes data = Pattern(4096 + 1024, 5);
  {
    TestStore store(odd.Options());
    ASSERT_TRUE(store.open()) << store.error();
    EXPECT_EQ(ReadBack(store, kOdd - 1024, 1024), Pattern(1024, 1));
    ASSERT_EQ(store.Write(kOdd - 512, Bytes(data.end() - 512, data.end())).status, Status::kOk);
    EXPECT_EQ(ReadBack(store, kOdd - 1024, 512), Bytes(ReadFileAt(odd.Path(0), kOdd - 1024, 512)));
    ASSERT_EQ(store.Write(kOdd - data.size(), data).status, Status::kOk);
    EXPECT_EQ(store.Extents(0, kOdd).back().second, data.size());
  }
  struct stat info;
  ASSERT_EQ(stat(odd.HeadPath().c_str(), &info), 0);
  EXPECT_EQ(static_cast<uint64_t>(info.st_size), kOdd);
  TestStore again(odd.Options());
  EXPECT_EQ(ReadBack(again, kOdd - data.size(), data.size()), data);
  ASSERT_EQ(again.Unmap(kOdd - 1024, 1024).status, Status::kOk);
  EXPECT_EQ(ReadBack(again, kOdd - 1024, 1024), Bytes(1024));
}

TEST_P(Store, RequestsOutsideTheVolumeOrUnalignedAreRefused) {
  TestStore store(chain_.Options());
  Bytes bytes;
  EXPECT_EQ(store.Read(kVolume, 512, &bytes).status, Status::kOutOfRange);
  EXPECT_EQ(store.Write(kVolume - 512, Bytes(1024)).status, Status::kOutOfRange);
  EXPECT_EQ(store.Unmap(512, UINT64_MAX - 511).status, Status::kOutOfRange);
  EXPECT_EQ(store.Unmap(UINT64_MAX - 511, 512).status, Status::kOutOfRange);
  EXPECT_EQ(store.Read(100, 512, &bytes).status, Status::kInvalid);
  EXPECT_EQ(store.Write(0, Bytes(100)).status, Status::kInvalid);
  EXPECT_EQ(store.WriteZeroes(0, 0).status, Status::kInvalid);
  auto torn = std::make_unique<TestRequest>();
  torn->kind = StoreRequest::Kind::kWrite;
  torn->length = 4096;
  torn->payload = Slice::Allocate(512);
  store.Submit(torn.get());
  EXPECT_EQ(torn->answer.get_future().get().status, Status::kInvalid);
}

TEST_P(Store, AChainOf250LayersReadsEachBlockFromItsOwn) {
  for (int layer = 1; layer < 250; ++layer) chain_.AddHead();
  for (int layer = 0; layer < 250; ++layer)
    WriteFileAt(chain_.Path(layer), 4096 * layer, Pattern(4096, layer));
  TestStore store(chain_.Options());
  ASSERT_TRUE(store.open()) << store.error();
  Bytes expected;
  for (int layer = 0; layer < 250; ++layer) {
    Bytes block = Pattern(4096, layer);
    expected.insert(expected.end(), block.begin(), block.end());
  }
  EXPECT_EQ(ReadBack(store, 0, expected.size()), expected);
}

TEST_P(Store, ATruncatedLayerIsAnErrorAndNeverZeros) {
  WriteFileAt(chain_.Path(0), 0, Pattern(1 << 20, 1));
  chain_.AddHead();
  TestStore store(chain_.Options());
  ASSERT_EQ(store.Write(1 << 20, Pattern(65536, 2)).status, Status::kOk);
  ASSERT_EQ(truncate(chain_.Path(0).c_str(), 8192 + 512), 0);
  ASSERT_EQ(truncate(chain_.HeadPath().c_str(), (1 << 20) + 4096), 0);
  Bytes bytes;
  EXPECT_EQ(store.Read(0, 8192, &bytes).status, Status::kOk);
  Answer lower = store.Read(8192, 4096, &bytes);
  EXPECT_EQ(lower.status, Status::kIoError);
  EXPECT_EQ(lower.message, chain_.Path(0) + ": read: the file has become shorter than it was");
  Answer head = store.Read(1 << 20, 65536, &bytes);
  EXPECT_EQ(head.status, Status::kIoError);
  EXPECT_EQ(head.message, chain_.HeadPath() + ": read: the file has become shorter than it was");
  Answer completed = store.Write(16384 + 512, Bytes(512, 1));
  EXPECT_EQ(completed.status, Status::kIoError) << "the rest of the block cannot be had";
}

TEST_P(Store, WhatCannotBeOpenedIsNamed) {
  auto options = chain_.Options();
  options.layers.insert(options.layers.begin(), LayerSpec{directory_.At("absent"), false, {}});
  EXPECT_EQ(TestStore(options).error(), directory_.At("absent") + ": open: No such file or directory");
  ASSERT_EQ(truncate(chain_.HeadPath().c_str(), kVolume - 512), 0);
  EXPECT_EQ(TestStore(chain_.Options()).error(),
            chain_.HeadPath() + ": has 16776704 bytes, less than the volume's 16777216");
  ASSERT_EQ(truncate(chain_.HeadPath().c_str(), kVolume), 0);
  MakeSparseFile(chain_.MapPath(), 4096);
  EXPECT_EQ(TestStore(chain_.Options()).error(), chain_.MapPath() + ": is not a region map");
  std::filesystem::remove(chain_.MapPath());
  options = chain_.Options();
  options.layers[0].path = "/proc/version";
  EXPECT_FALSE(TestStore(options).open());
  options = chain_.Options();
  options.region_bytes = 3 << 20;
  EXPECT_NE(TestStore(options).error(), "");
}

TEST_P(Store, RequestsAfterCloseAreRefusedAndThoseBeforeAreAnswered) {
  TestStore store(chain_.Options());
  std::vector<std::unique_ptr<TestRequest>> requests;
  for (uint64_t i = 0; i < 64; ++i) {
    requests.push_back(store.BeginWrite(i * 65536, Pattern(65536, static_cast<uint32_t>(i)), i % 2 == 0));
    requests.push_back(store.Begin(StoreRequest::Kind::kFlush, 0, 0));
    requests.push_back(store.Begin(StoreRequest::Kind::kUnmap, i * 65536, 4096));
  }
  std::promise<void> closed;
  auto late = std::make_unique<TestRequest>();
  store.loop().Post([&] {
    store.store().Close([&] { closed.set_value(); });
    store.store().Submit(late.get());
  });
  closed.get_future().wait();
  EXPECT_EQ(late->answer.get_future().get().status, Status::kNotOpen);
  for (auto& request : requests) {
    auto answer = request->answer.get_future();
    ASSERT_EQ(answer.wait_for(std::chrono::seconds(0)), std::future_status::ready);
    EXPECT_EQ(answer.get().status, Status::kOk);
  }
  store.Close();
}

TEST_P(Store, RegionsSetWhenAStoreIsKilledAreInheritedByTheNext) {
  {
    TestStore store(chain_.Options());
    ASSERT_EQ(store.Write(2 << 20, Bytes(4096, 1)).status, Status::kOk);
    ASSERT_EQ(store.Unmap((9 << 20) - 4096, 8192).status, Status::kOk);
  }
  TestStore again(chain_.Options());
  EXPECT_EQ(again.store().InheritedRegions(), (Bytes{1 << 2, 0b11})) << "regions 2, 8 and 9";
  ASSERT_EQ(again.Write(0, Bytes(512, 1)).status, Status::kOk);
  ASSERT_EQ(again.Agreed().status, Status::kOk);
  EXPECT_EQ(again.store().InheritedRegions(), Bytes(2));
  EXPECT_EQ(again.store().stats().dirty_regions, 1u);
  ASSERT_EQ(again.Release().status, Status::kOk);
  EXPECT_EQ(again.store().stats().dirty_regions, 0u);
  again.Close();
  TestStore clean(chain_.Options());
  EXPECT_EQ(clean.store().InheritedRegions(), Bytes(2));
}

TEST_P(Store, FlushesDriveTheEpochsOfTheMap) {
  TestStore store(chain_.Options());
  ASSERT_EQ(store.Write(0, Bytes(4096, 1)).status, Status::kOk);
  ASSERT_EQ(store.Flush(1).status, Status::kOk);
  ASSERT_EQ(store.Write(8 << 20, Bytes(4096, 1)).status, Status::kOk);
  EXPECT_EQ(store.store().stats().dirty_regions, 2u);
  ASSERT_EQ(store.Flush(0, 1).status, Status::kOk);
  EXPECT_EQ(store.store().stats().dirty_regions, 1u);
  uint64_t rounds = store.store().stats().region_map_writes;
  for (int i = 0; i < 50; ++i)
    ASSERT_EQ(store.Write((8 << 20) + 4096 * i, Bytes(4096, 1)).status, Status::kOk);
  EXPECT_EQ(store.store().stats().region_map_writes, rounds) << "no further cost in a marked region";
}

TEST_P(Store, FlushesThatWaitShareASyncAndIdleOnesNeedNone) {
  TestStore store(chain_.Options());
  ASSERT_EQ(store.Write(0, Bytes(4096, 1)).status, Status::kOk);
  std::vector<std::unique_ptr<TestRequest>> flushes;
  for (int i = 0; i < 200; ++i) flushes.push_back(store.Begin(StoreRequest::Kind::kFlush, 0, 0));
  for (auto& flush : flushes) EXPECT_EQ(flush->answer.get_future().get().status, Status::kOk);
  uint64_t syncs = store.store().stats().syncs;
  EXPECT_LE(syncs, 200u / 2);
  EXPECT_GE(syncs, 1u);
  ASSERT_EQ(store.Flush().status, Status::kOk);
  EXPECT_EQ(store.store().stats().syncs, syncs) << "nothing was written since";
  ASSERT_EQ(store.Write(0, Bytes(4096, 2), true).status, Status::kOk);
  EXPECT_EQ(store.store().stats().syncs, syncs + 1) << "FUA";
}

TEST_P(Store, ManyOutstandingReadsAndWritesAllEnd) {
  TestStore store(chain_.Options());
  std::vector<std::unique_ptr<TestRequest>> requests;
  for (uint64_t i = 0; i < 2048; ++i) {
    requests.push_back(store.BeginWrite(i * 8192 + 512 * (i % 3), Pattern(4096, static_cast<uint32_t>(i))));
  }
  for (auto& request : requests) EXPECT_EQ(request->answer.get_future().get().status, Status::kOk);
  for (uint64_t i = 0; i < 2048; i += 17) {
    EXPECT_EQ(ReadBack(store, i * 8192 + 512 * (i % 3), 4096), Pattern(4096, static_cast<uint32_t>(i)));
  }
}

INSTANTIATE_TEST_SUITE_P(BothCacheModes, Store, ::testing::Bool(),
                         [](const auto& mode) { return mode.param ? "None" : "Writeback"; });

TEST(StoreWriteOut, DirtyDataAreWrittenOutInTheBackgroundAndNothingIsLost) {
  TestDirectory directory;
  TestChain chain = MakeChain(directory, 96 << 20, false);
  TestStore store(chain.Options());
  std::vector<std::unique_ptr<TestRequest>> requests;
  for (uint64_t i = 0; i < 90; ++i)
    requests.push_back(store.BeginWrite(i << 20, Bytes(1 << 20, static_cast<uint8_t>(i))));
  for (auto& request : requests) EXPECT_EQ(request->answer.get_future().get().status, Status::kOk);
  for (uint64_t i = 0; i < 90; i += 13)
    EXPECT_EQ(ReadBack(store, i << 20, 4096), Bytes(4096, static_cast<uint8_t>(i)));
}

TEST(StoreOpen, AFileSystemWithoutExtentsIsRefusedByName) {
  MakeSparseFile("/dev/shm/aurochs-no-fiemap", 1 << 20);
  ExtentStore::Options options;
  options.layers = {{"/dev/shm/aurochs-no-fiemap", false, {}}};
  options.size = 1 << 20;
  options.region_bytes = 1 << 20;
  options.region_map_path = "/dev/shm/aurochs-no-fiemap.regions";
  EXPECT_EQ(TestStore(options).error(), "/dev/shm/aurochs-no-fiemap: file extent is unsupported");
  unlink("/dev/shm/aurochs-no-fiemap");
}

}  // namespace
}  // namespace aurochs
