// Who began with a chain and is slow: what a merge or a prune would take from it has to wait, also when other
// chains have come and gone in between.
#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <utility>

#include "store_chain_harness.h"
#include "store_syscalls.h"

namespace aurochs {
namespace {

constexpr uint64_t kVolume = 8 << 20;
constexpr uint64_t kBlock = 4096;
/// Far longer than the few blocks of a chain here need, if nothing holds it up.
constexpr std::chrono::milliseconds kUnhindered{500};

/// Holds up the first call of that name for that file.
class SlowCall {
 public:
  SlowCall(std::string name, std::string file)
      : watch_([this, name = std::move(name), file = std::move(file)](const WatchedCall& call) {
          if (call.name != name || call.file != file || begun_.exchange(true)) return CallFate{};
          arrived_.set_value();
          return CallFate{.until = go_on_};
        }) {}

  void AwaitArrival() { arrived_.get_future().wait(); }
  void GoOn() { go_on_promise_.set_value(); }

 private:
  std::atomic<bool> begun_ = false;
  std::promise<void> arrived_;
  std::promise<void> go_on_promise_;
  std::shared_future<void> go_on_ = go_on_promise_.get_future().share();
  SyscallWatch watch_;
};

/// Layers behind the head that each hold one block, `layer` of them at block `layer`.
TestChain ChainOfSnapshots(const TestDirectory& directory, int count) {
  TestChain chain = MakeChain(directory, kVolume, true);
  for (int layer = 0; layer < count; ++layer) {
    WriteFileAt(chain.Path(layer), static_cast<uint64_t>(layer) * kBlock,
                Pattern(kBlock, static_cast<uint32_t>(layer)));
    chain.AddHead();
  }
  return chain;
}

TEST(StoreSlowReader, AMergeDoesNotCopyWhatAnUnmapOfAnEarlierOneStillPunches) {
  TestDirectory directory;
  TestChain chain = ChainOfSnapshots(directory, 5);
  auto removed = [&](int last) {
    std::vector<std::string> paths;
    for (int layer = 1; layer <= last; ++layer) paths.push_back(chain.Path(layer));
    return paths;
  };
  constexpr uint64_t kUnmapped = 2 * kBlock;
  Bytes read;
  {
    TestStore store(chain.Options());
    ASSERT_EQ(store.Write(100 * kBlock, Pattern(kBlock, 9)).message, "");  // the region is marked
    ASSERT_EQ(store.SetRemoved(removed(4)).message, "");
    SlowCall punch("fallocate", "layer-2");
    TestRequest unmap;
    unmap.kind = StoreRequest::Kind::kUnmap;
    unmap.offset = kUnmapped;
    unmap.length = kBlock;
    bool first = true;
    auto begin_unmap = [&](uint64_t, uint64_t) {
      if (std::exchange(first, false)) store.store().Submit(&unmap);
    };
    // As a purge does: in the end layer 1 gets what layer 2 holds.
    auto purge = std::async(std::launch::async, [&] {
      EXPECT_EQ(store.Merge(chain.Path(3), chain.Path(4), begin_unmap).message, "");
      EXPECT_EQ(store.SetRemoved(removed(3)).message, "");
      EXPECT_EQ(store.Merge(chain.Path(2), chain.Path(3)).message, "");
      EXPECT_EQ(store.SetRemoved(removed(2)).message, "");
      EXPECT_EQ(store.Merge(chain.Path(1), chain.Path(2)).message, "");
    });
    punch.AwaitArrival();
    EXPECT_EQ(purge.wait_for(kUnhindered), std::future_status::timeout);
    punch.GoOn();
    EXPECT_EQ(unmap.answer.get_future().get().message, "");
    purge.get();
    ASSERT_EQ(store.Read(kUnmapped, kBlock, &read).message, "");
    EXPECT_EQ(read, Bytes(kBlock));
  }
  ExtentStore::Options merged = chain.Options();
  merged.layers = {{chain.Path(0), false, {}}, {chain.Path(1), false, {}}, {chain.Path(5), false, {}}};
  TestStore again(merged);
  ASSERT_EQ(again.Read(kUnmapped, kBlock, &read).message, "");
  EXPECT_EQ(read, Bytes(kBlock)) << "what was unmapped is there again";
}

TEST(StoreSlowReader, APruneDoesNotFreeWhatAReadOfAnEarlierMergeStillReads) {
  TestDirectory directory;
  TestChain chain = ChainOfSnapshots(directory, 4);
  TestStore store(chain.Options());
  SlowCall slow("pread", "layer-3");
  TestRequest read;
  read.offset = 3 * kBlock;
  read.length = kBlock;
  read.payload = Slice::Allocate(kBlock);
  bool first = true;
  auto begin_read = [&](uint64_t, uint64_t) {
    if (std::exchange(first, false)) store.store().Submit(&read);
  };
  std::promise<void> written;
  auto purge = std::async(std::launch::async, [&] {
    EXPECT_EQ(store.Merge(chain.Path(1), chain.Path(2), begin_read).message, "");
    written.get_future().wait();
    EXPECT_EQ(store.Prune(chain.Path(3)).message, "");
  });
  slow.AwaitArrival();
  EXPECT_EQ(store.Write(3 * kBlock, Pattern(kBlock, 9)).message, "");
  written.set_value();
  EXPECT_EQ(purge.wait_for(kUnhindered), std::future_status::timeout);
  slow.GoOn();
  EXPECT_EQ(read.answer.get_future().get().message, "");
  purge.get();
  EXPECT_EQ(Bytes(read.payload.data(), read.payload.data() + kBlock), Pattern(kBlock, 3))
      << "the write came after the read";
}

}  // namespace
}  // namespace aurochs
