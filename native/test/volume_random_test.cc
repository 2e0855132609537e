// Random overlapping operations against a plain model, while replicas answer in any order and streams are
// cut.
#include <gtest/gtest.h>

#include <cstdlib>
#include <list>
#include <random>

#include "volume_fixture.h"

namespace aurochs {
namespace {

constexpr uint64_t kSectors = 256;
constexpr uint64_t kSectorBytes = 512;
constexpr int kReplicas = 3;
constexpr int kOperations = 3000;
constexpr size_t kDepth = 32;

/// Every sector holds the number of the write that filled it, so a read tells which writes it saw.
uint32_t Number(const uint8_t* sector) {
  uint32_t number;
  memcpy(&number, sector, sizeof number);
  return number;
}

class Rounds {
 public:
  explicit Rounds(uint32_t seed) : random_(seed), f_(kSectors * kSectorBytes, kReplicas), model_(kSectors) {
    for (auto& replica : f_.replicas) replica->Do([&] { replica->store.hold = true; });
  }

  void Operate() {
    for (int submitted = 0; submitted < kOperations || !flying_.empty();) {
      while (submitted < kOperations && flying_.size() < kDepth) {
        SubmitOne();
        ++submitted;
      }
      ExecuteSome(random_() % kReplicas);
      if (random_() % 300 == 0) CutOne(random_() % kReplicas);
      Reconnect();
      Reap();
    }
    for (int slot = 0; slot < kReplicas; ++slot) {
      while (down_[slot]) {
        Reconnect();
        ExecuteSome(slot);
      }
    }
  }

  void Compare() {
    for (auto& replica : f_.replicas) {
      auto bytes = replica->Do([&] {
        replica->store.ReleaseHeld();
        return replica->store.bytes;
      });
      for (uint64_t sector = 0; sector < kSectors; ++sector) {
        ASSERT_EQ(Number(&bytes[sector * kSectorBytes]), model_[sector]) << "sector " << sector;
      }
    }
    EXPECT_GT(cuts_, 0);
  }

 private:
  struct Flying {
    std::shared_ptr<WaitedOperation> operation;
    uint64_t first;
    std::vector<uint32_t> at_least;  // reads: what the model held when it was submitted
  };

  void SubmitOne() {
    uint64_t first = random_() % kSectors;
    uint64_t count = 1 + random_() % std::min<uint64_t>(16, kSectors - first);
    if (random_() % 3 == 0) {
      std::vector<uint32_t> at_least(model_.begin() + first, model_.begin() + first + count);
      auto read = f_.Submit(OperationKind::kRead, first * kSectorBytes, count * kSectorBytes);
      flying_.push_back({read, first, at_least});
      return;
    }
    // Overlapping writes are applied in the order of submission: so is the model.
    bool zero = random_() % 8 == 0;
    uint32_t number = zero ? 0 : ++last_number_;
    Slice data = Slice::Allocate(static_cast<uint32_t>(count * kSectorBytes));
    memset(data.data(), 0, data.length);
    for (uint64_t i = 0; i < count; ++i) {
      memcpy(data.data() + i * kSectorBytes, &number, sizeof number);
      model_[first + i] = number;
    }
    auto kind = !zero           ? OperationKind::kWrite
                : random_() % 2 ? OperationKind::kUnmap
                                : OperationKind::kWriteZeroes;
    flying_.push_back({f_.Submit(kind, first * kSectorBytes, count * kSectorBytes, data), first, {}});
  }

  /// Some of what the replica was asked, in any order.
  void ExecuteSome(int index) {
    Replica& replica = *f_.replicas[index];
    uint32_t choice = static_cast<uint32_t>(random_());
    replica.Do([&] {
      auto& held = replica.store.held;
      for (size_t left = choice % 8; left > 0 && !held.empty(); --left) {
        auto at = held.begin() + static_cast<ptrdiff_t>((choice >> 8) % held.size());
        StoreRequest* request = *at;
        held.erase(at);
        replica.store.Execute(request);
      }
    });
  }

  void CutOne(int index) {
    if (down_[index]) return;
    down_[index] = true;
    ++cuts_;
    f_.replicas[index]->Do([&] { f_.replicas[index]->server->Fence(nullptr, [] {}); });
    f_.WaitFor(Event::Type::kDisconnected);
    OnLoop(f_.loop, [&] {
      f_.volume->Connect(index, {f_.replicas[index]->address}, TestHello(),
                         [this, index](Status status, const std::string& why, const HelloReply&) {
                           EXPECT_EQ(status, Status::kOk) << why;
                           connected_[index] = true;
                         });
    });
  }

  void Reconnect() {
    for (int slot = 0; slot < kReplicas; ++slot) {
      if (connected_[slot].exchange(false)) down_[slot] = false;
    }
  }

  void Reap() {
    for (auto item = flying_.begin(); item != flying_.end();) {
      if (!item->operation->ended()) {
        ++item;
        continue;
      }
      EXPECT_EQ(item->operation->Wait(), Status::kOk);
      for (size_t i = 0; i < item->at_least.size(); ++i) {
        uint32_t saw = Number(item->operation->payload.data() + i * kSectorBytes);
        // Zeroes are writes without a number: only tell an old number from what must have replaced it.
        EXPECT_TRUE(saw == 0 || saw >= item->at_least[i]) << "sector " << item->first + i;
      }
      item = flying_.erase(item);
    }
  }

  std::mt19937_64 random_;
  VolumeFixture f_;
  std::vector<uint32_t> model_;
  uint32_t last_number_ = 0;
  std::list<Flying> flying_;
  bool down_[kReplicas] = {};
  std::atomic<bool> connected_[kReplicas] = {};
  int cuts_ = 0;
};

TEST(VolumeRandom, OverlappingOperationsThroughCutsLeaveEqualReplicas) {
  const char* given = getenv("SEED");
  uint32_t seed = given ? static_cast<uint32_t>(strtoul(given, nullptr, 10)) : std::random_device()();
  printf("SEED=%u\n", seed);
  SCOPED_TRACE(testing::Message() << "SEED=" << seed << " reruns it");
  Rounds run(seed);
  run.Operate();
  run.Compare();
}

}  // namespace
}  // namespace aurochs
