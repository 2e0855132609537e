// A store whose chain changes all the time against plain byte arrays, one for the volume and one for every
// snapshot. SEED=n runs one sequence again, SEQUENCES=n more of them.
#include <algorithm>
#include <random>
#include <string>

#include "store_chain_harness.h"

namespace aurochs {
namespace {

struct Snapshot {
  std::string path;
  Bytes content;
  bool removed = false;
};

class ChainModel {
 public:
  ChainModel(uint32_t seed, bool direct) : random_(seed), direct_(direct) {
    volume_.resize((4 << 20) + 512 * (random_() % 9));
    head_ = NewFile();
    Reopen();
  }

  void Run(int steps) {
    for (step_ = 0; step_ < steps && !::testing::Test::HasFailure(); ++step_) Step();
    if (!::testing::Test::HasFailure()) Reopen();
  }

 private:
  void Step() {
    SCOPED_TRACE("step " + std::to_string(step_));
    switch (random_() % 16) {
      case 0:
      case 1:
        return Snap();
      case 2:
        return Remove();
      case 3:
      case 4:
        return Purge();
      case 5:
        return random_() % 3 == 0 ? Revert() : Verify();
      case 6:
        return random_() % 3 == 0 ? Grow() : Reload();
      case 7:
        return random_() % 2 == 0 ? Reopen() : VerifySnapshots();
      case 8:
        EXPECT_EQ(store_->Flush().message, "");
        return;
      default:
        BeginChanges(12);
        FinishChanges();
    }
  }

  std::string NewFile() {
    std::string path = directory_.At("file-" + std::to_string(files_++));
    MakeSparseFile(path, volume_.size());
    return path;
  }

  ChainSpec Spec(size_t snapshots, const std::string& head) const {
    ChainSpec spec;
    for (size_t i = 0; i < snapshots; ++i) spec.layers.push_back({snapshots_[i].path, false, {}});
    spec.layers.push_back({head, false, {}});
    spec.size = volume_.size();
    return spec;
  }

  ExtentStore::Options OptionsOf(ChainSpec spec, const std::string& map) const {
    ExtentStore::Options options;
    static_cast<ChainSpec&>(options) = std::move(spec);
    options.direct = direct_;
    options.region_map_path = directory_.At(map);
    options.region_bytes = 1 << 20;
    options.io_threads = 3;
    return options;
  }

  // Disjoint, so that their order does not matter. Reads go on at the same time and have to be right.
  void BeginChanges(int count) {
    std::vector<std::pair<uint64_t, uint64_t>> taken;
    Bytes after = volume_;
    for (int i = 0; i < count; ++i) {
      uint64_t sectors = volume_.size() / 512;
      uint64_t space = random_() % 2 ? sectors : std::min<uint64_t>(sectors, 256);
      uint64_t first = random_() % space;
      uint64_t length = 1 + random_() % std::min<uint64_t>(space - first, random_() % 4 == 0 ? 2000 : 24);
      bool free = std::none_of(taken.begin(), taken.end(), [&](auto& range) {
        return range.first < first + length && first < range.second;
      });
      if (!free) continue;
      taken.emplace_back(first, first + length);
      auto begin = after.begin() + static_cast<ptrdiff_t>(first * 512);
      switch (random_() % 6) {
        case 0:
        case 1:
          changes_.push_back(store_->Begin(StoreRequest::Kind::kUnmap, first * 512, length * 512));
          std::fill_n(begin, length * 512, 0);
          break;
        case 2:
          changes_.push_back(store_->Begin(StoreRequest::Kind::kWriteZeroes, first * 512, length * 512));
          std::fill_n(begin, length * 512, 0);
          break;
        case 3: {
          auto read = std::make_unique<TestRequest>();
          read->offset = first * 512;
          read->length = length * 512;
          read->payload = Slice::Allocate(static_cast<uint32_t>(read->length));
          store_->Submit(read.get());
          reads_.push_back(std::move(read));
          break;
        }
        default: {
          Bytes data = Pattern(length * 512, random_());
          changes_.push_back(store_->BeginWrite(first * 512, data, random_() % 16 == 0));
          std::copy(data.begin(), data.end(), begin);
        }
      }
    }
    for (auto& read : reads_) {
      ASSERT_EQ(read->answer.get_future().get().message, "");
      ASSERT_TRUE(std::equal(read->payload.data(), read->payload.data() + read->length,
                             volume_.begin() + static_cast<ptrdiff_t>(read->offset)))
          << "read at " << read->offset;
    }
    reads_.clear();
    volume_ = std::move(after);
  }

  void FinishChanges() {
    for (auto& change : changes_) ASSERT_EQ(change->answer.get_future().get().message, "");
    changes_.clear();
  }

  void Verify() { ExpectContent(*store_, volume_, "the volume"); }

  void ExpectContent(TestStore& store, const Bytes& content, const std::string& what) {
    Bytes found;
    ASSERT_EQ(store.Read(0, content.size(), &found).message, "") << what;
    auto at = std::mismatch(found.begin(), found.end(), content.begin()).first;
    ASSERT_TRUE(at == found.end()) << what << " differs at " << at - found.begin();
  }

  // Each as the chain up to it shows it, under an empty head.
  void VerifySnapshots() {
    for (size_t i = 0; i < snapshots_.size(); ++i) {
      if (snapshots_[i].removed) continue;
      std::string head = NewFile();
      {
        TestStore view(OptionsOf(Spec(i + 1, head), "view.regions"));
        ASSERT_TRUE(view.open()) << view.error();
        Bytes content = snapshots_[i].content;
        content.resize(volume_.size());
        ExpectContent(view, content, snapshots_[i].path);
      }
      std::filesystem::remove(head);
      std::filesystem::remove(directory_.At("view.regions"));
    }
  }

  void SetRemoved() {
    std::vector<std::string> paths;
    for (size_t i = snapshots_.size(); i > 0 && snapshots_[i - 1].removed; --i) {
      paths.push_back(snapshots_[i - 1].path);
    }
    ASSERT_EQ(store_->SetRemoved(paths).message, "");
  }

  void Snap() {
    if (snapshots_.size() > 12) return;
    std::string head = NewFile();
    ASSERT_EQ(TakeSnapshot(*store_, head).message, "");
    snapshots_.push_back({head_, volume_});
    head_ = head;
    if (random_() % 2 == 0) {
      std::string renamed = directory_.At("snapshot-" + std::to_string(files_++));
      ASSERT_EQ(rename(snapshots_.back().path.c_str(), renamed.c_str()), 0);
      ASSERT_EQ(store_->Rename(snapshots_.back().path, renamed).message, "");
      snapshots_.back().path = renamed;
    }
  }

  void Remove() {
    if (snapshots_.empty()) return;
    snapshots_[random_() % 2 ? snapshots_.size() - 1 : random_() % snapshots_.size()].removed = true;
    SetRemoved();
  }

  void Purge() {
    for (size_t i = 0; i < snapshots_.size(); ++i) {
      if (!snapshots_[i].removed || random_() % 2 == 0) continue;
      BeginChanges(12);
      if (i + 1 == snapshots_.size()) {
        ASSERT_EQ(store_->Prune(snapshots_[i].path).message, "");
        FinishChanges();
        return;
      }
      std::string lower = snapshots_[i].path, upper = snapshots_[i + 1].path;
      ASSERT_EQ(store_->Merge(lower, upper).message, "");
      FinishChanges();
      ASSERT_EQ(rename(lower.c_str(), upper.c_str()), 0);
      ASSERT_EQ(store_->Rename(lower, upper).message, "");
      snapshots_.erase(snapshots_.begin() + static_cast<ptrdiff_t>(i));
      SetRemoved();
      Verify();
      return;
    }
  }

  void Switch(const ChainSpec& spec) {
    ASSERT_EQ(store_->PrepareLayers(spec).message, "");
    ASSERT_EQ(store_->Hold().message, "");
    ASSERT_EQ(store_->Switch().message, "");
    store_->Resume();
    SetRemoved();
    Verify();
  }

  void Revert() {
    if (snapshots_.empty()) return;
    size_t to = random_() % snapshots_.size();
    if (snapshots_[to].removed) return;
    std::string old = std::exchange(head_, NewFile());
    uint64_t size = volume_.size();
    volume_ = snapshots_[to].content;
    volume_.resize(size);
    auto spec = Spec(to + 1, head_);
    std::vector<std::string> gone = {old};
    for (size_t i = to + 1; i < snapshots_.size(); ++i) gone.push_back(snapshots_[i].path);
    snapshots_.resize(to + 1);
    Switch(spec);
    for (const auto& path : gone) std::filesystem::remove(path);
  }

  void Reload() {
    ASSERT_EQ(store_->PrepareLayers(Spec(snapshots_.size(), head_)).message, "");
    BeginChanges(12);
    ASSERT_EQ(store_->Hold().message, "");
    ASSERT_EQ(store_->Switch().message, "");
    store_->Resume();
    FinishChanges();
    SetRemoved();
    Verify();
  }

  void Grow() {
    Bytes before = volume_;
    volume_.resize(volume_.size() + 512 * (1 + random_() % 5000));
    std::string head = NewFile();
    ASSERT_EQ(TakeSnapshot(*store_, head).message, "");
    snapshots_.push_back({head_, before});
    head_ = head;
    Verify();
  }

  void Reopen() {
    if (store_ != nullptr) store_->Close();
    auto options = OptionsOf(Spec(snapshots_.size(), head_), "aurochs.regions");
    options.zero_map_path = directory_.At("aurochs.zeros");
    options.page_cache_lost = true;  // no write was interrupted: nothing may be taken for one
    store_ = std::make_unique<TestStore>(options);
    ASSERT_TRUE(store_->open()) << store_->error();
    EXPECT_EQ(store_->store().stats().interrupted_bytes, 0u);
    Verify();
    VerifySnapshots();
    SetRemoved();
  }

  std::mt19937 random_;
  bool direct_;
  TestDirectory directory_;
  int files_ = 0;
  int step_ = 0;
  std::string head_;
  std::vector<Snapshot> snapshots_;  // lowest first
  Bytes volume_;
  std::unique_ptr<TestStore> store_;
  std::vector<std::unique_ptr<TestRequest>> changes_;
  std::vector<std::unique_ptr<TestRequest>> reads_;
};

class StoreChainModel : public ::testing::TestWithParam<bool> {};

TEST_P(StoreChainModel, RandomSequencesKeepTheVolumeAndEverySnapshot) {
  const char* given = getenv("SEED");
  const char* more = getenv("SEQUENCES");
  int sequences = given != nullptr ? 1 : more != nullptr ? atoi(more) : 4;
  for (int sequence = 0; sequence < sequences; ++sequence) {
    uint32_t seed =
        given != nullptr ? static_cast<uint32_t>(strtoul(given, nullptr, 10)) : std::random_device()();
    SCOPED_TRACE("SEED=" + std::to_string(seed));
    ChainModel(seed, GetParam()).Run(120);
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(BothCacheModes, StoreChainModel, ::testing::Bool(),
                         [](const auto& mode) { return mode.param ? "None" : "Writeback"; });

}  // namespace
}  // namespace aurochs
