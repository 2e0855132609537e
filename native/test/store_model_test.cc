// The store against a plain byte array: random operations over chains of layers, with reopens and snapshots
// between.
#include <algorithm>
#include <random>
#include <string>

#include "store_harness.h"

namespace aurochs {
namespace {

constexpr uint64_t kVolume = 6 * 1024 * 1024 + 512 * 3;  // ends within a block

struct Model {
  Bytes bytes = Bytes(kVolume);
  void Fill(uint64_t offset, const Bytes& data) {
    std::copy(data.begin(), data.end(), bytes.begin() + static_cast<ptrdiff_t>(offset));
  }
  void Zero(uint64_t offset, uint64_t length) {
    std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(offset), length, 0);
  }
};

class StoreModel : public ::testing::TestWithParam<bool> {};

void ExpectWholeVolume(TestStore& store, const Model& model, const std::string& when) {
  Bytes found;
  ASSERT_EQ(store.Read(0, kVolume, &found).status, Status::kOk) << when;
  auto [at, expected] = std::mismatch(found.begin(), found.end(), model.bytes.begin());
  ASSERT_TRUE(at == found.end()) << when << ": differs at " << at - found.begin();
}

TEST_P(StoreModel, RandomOperationsOverAChainReadBackAfterEveryReopen) {
  uint32_t seed = std::random_device()();
  if (const char* given = getenv("SEED")) seed = static_cast<uint32_t>(strtoul(given, nullptr, 10));
  SCOPED_TRACE("SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  TestDirectory directory;
  TestChain chain = MakeChain(directory, kVolume, GetParam());
  Model model;
  for (int round = 0; round < 12; ++round) {
    std::string when = "round " + std::to_string(round);
    auto options = chain.Options();
    options.page_cache_lost = true;  // no write was interrupted: nothing may be taken for one
    TestStore store(options);
    ASSERT_TRUE(store.open()) << store.error();
    EXPECT_EQ(store.store().stats().interrupted_bytes, 0u);
    ExpectWholeVolume(store, model, when + " after open");
    for (int step = 0; step < 60; ++step) {
      // Half of the operations keep to a small range, so that they meet in the same blocks.
      uint64_t space = (random() % 2 ? kVolume : 65536) / 512;
      uint64_t first = random() % space;
      uint64_t limit = std::min<uint64_t>(space - first, random() % 3 == 0 ? 1200 : 20);
      uint64_t offset = first * 512;
      uint64_t length = (1 + random() % limit) * 512;
      switch (random() % 5) {
        case 0:
        case 1: {
          Bytes data = Pattern(length, random());
          ASSERT_EQ(store.Write(offset, data, random() % 8 == 0).status, Status::kOk);
          model.Fill(offset, data);
          break;
        }
        case 2:
          ASSERT_EQ(store.Unmap(offset, length).status, Status::kOk);
          model.Zero(offset, length);
          break;
        case 3:
          ASSERT_EQ(store.WriteZeroes(offset, length).status, Status::kOk);
          model.Zero(offset, length);
          break;
        case 4: {
          Bytes found;
          ASSERT_EQ(store.Read(offset, length, &found).status, Status::kOk);
          ASSERT_TRUE(
              std::equal(found.begin(), found.end(), model.bytes.begin() + static_cast<ptrdiff_t>(offset)))
              << when << " step " << step << ": " << offset << "+" << length;
          break;
        }
      }
    }
    ExpectWholeVolume(store, model, when);
    store.Close();
    if (random() % 2 == 0) chain.AddHead();
  }
}

// Writes that share blocks without overlapping are in flight together, as an engine sends them.
TEST_P(StoreModel, ConcurrentNeighboursInOneBlockDoNotLoseEachOther) {
  TestDirectory directory;
  TestChain chain = MakeChain(directory, kVolume, GetParam());
  Model model;
  {
    TestStore store(chain.Options());
    ASSERT_TRUE(store.open()) << store.error();
    Bytes base = Pattern(1 << 20, 7);
    ASSERT_EQ(store.Write(0, base).status, Status::kOk);
    model.Fill(0, base);
  }
  chain.AddHead();
  // Out of the page cache, so that completing a block from below has to wait for the disk.
  int fd = open(chain.Path(0).c_str(), O_RDONLY | O_CLOEXEC);
  fsync(fd);
  posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  close(fd);
  TestStore store(chain.Options());
  ASSERT_TRUE(store.open()) << store.error();
  std::mt19937 random(11);
  std::vector<uint64_t> sectors(1024);
  for (size_t i = 0; i < sectors.size(); ++i) sectors[i] = i;
  std::shuffle(sectors.begin(), sectors.end(), random);
  std::vector<std::unique_ptr<TestRequest>> requests;
  for (uint64_t sector : sectors) {
    switch (random() % 4) {
      case 0:
        requests.push_back(store.Begin(StoreRequest::Kind::kUnmap, sector * 512, 512));
        model.Zero(sector * 512, 512);
        break;
      case 1:
        requests.push_back(store.Begin(StoreRequest::Kind::kWriteZeroes, sector * 512, 512));
        model.Zero(sector * 512, 512);
        break;
      default: {
        Bytes data = Pattern(512, static_cast<uint32_t>(sector));
        requests.push_back(store.BeginWrite(sector * 512, data));
        model.Fill(sector * 512, data);
      }
    }
  }
  for (auto& request : requests) ASSERT_EQ(request->answer.get_future().get().status, Status::kOk);
  ExpectWholeVolume(store, model, "after all");
  store.Close();
  TestStore again(chain.Options());
  ExpectWholeVolume(again, model, "after a reopen");
}

INSTANTIATE_TEST_SUITE_P(BothCacheModes, StoreModel, ::testing::Bool(),
                         [](const auto& mode) { return mode.param ? "None" : "Writeback"; });

}  // namespace
}  // namespace aurochs
