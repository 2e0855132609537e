// A volume on its own loop, with replicas behind real streams, and operations that can be waited for.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "stream_fixture.h"
#include "volume/volume.h"

namespace aurochs {

struct Event {
  enum class Type { kDisconnected, kFailed, kTimeout, kUnmapsWaiting, kReadWaits };
  Type type;
  int slot;
  Status status = Status::kOk;
  OperationKind kind = OperationKind::kRead;
};

/// An operation that a test waits for.
struct WaitedOperation final : CopyOperation {
  WaitedOperation(OperationKind operation, uint64_t from_byte, uint64_t bytes) {
    kind = operation;
    offset = from_byte;
    length = bytes;
    if (operation == OperationKind::kRead) payload = Slice::Allocate(static_cast<uint32_t>(bytes));
  }
  void Done(Status result) override {
    status = result;
    done.set_value();
  }
  bool ended() const { return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }
  Status Wait() {
    future.wait();
    return status;
  }
  Status status = Status::kOk;
  std::promise<void> done;
  std::shared_future<void> future = done.get_future().share();
};

class VolumeFixture : public Volume::Listener {
 public:
  VolumeFixture(uint64_t size, int replica_count, int64_t timeout_ms = 30'000) {
    loop.Start("volume");
    for (int i = 0; i < replica_count; ++i) replicas.push_back(std::make_unique<Replica>(size));
    OnLoop(loop, [&] { volume = std::make_unique<Volume>(&loop, Volume::Options{size, timeout_ms}, this); });
    for (int i = 0; i < replica_count; ++i) {
      EXPECT_EQ(Connect(i), Status::kOk);
      SetMode(i, SlotMode::kReadWrite);
    }
  }
  ~VolumeFixture() {
    OnLoop(loop, [&] { volume.reset(); });
    loop.Stop();
  }

  Status Connect(int slot) {
    std::promise<Status> result;
    loop.Post([&] {
      volume->Connect(
          slot, {replicas[slot]->address}, TestHello(),
          [&](Status status, const std::string&, const HelloReply&) { result.set_value(status); });
    });
    return result.get_future().get();
  }
  void SetMode(int slot, SlotMode mode) {
    OnLoop(loop, [&] { volume->SetMode(slot, mode); });
  }
  void HoldReads(int slot, std::vector<Unequal::Range> ranges) {
    OnLoop(loop, [&] { volume->HoldReads(slot, ranges); });
  }
  void WatchUnmaps(bool on) {
    OnLoop(loop, [&] { volume->WatchUnmaps(on); });
  }
  void LeaseReads(int64_t until_us) {
    OnLoop(loop, [&] { volume->LeaseReads(until_us); });
  }
  size_t FailHeld(int slot, Status status) {
    return OnLoop(loop, [&] { return volume->FailHeld(slot, status); });
  }
  Volume::Stats stats() {
    return OnLoop(loop, [&] { return volume->stats(); });
  }

  std::shared_ptr<WaitedOperation> Submit(OperationKind kind, uint64_t offset, uint64_t length,
                                          Slice data = Slice(), int slot = Volume::kAnySlot) {
    auto operation = std::make_shared<WaitedOperation>(kind, offset, length);
    if (data) operation->payload = data;
    loop.Post([this, operation, slot] { volume->SubmitTo(slot, operation.get()); });
    return operation;
  }
  std::shared_ptr<WaitedOperation> Write(uint64_t offset, uint32_t length, uint8_t fill,
                                         int slot = Volume::kAnySlot) {
    Slice data = Slice::Allocate(length);
    memset(data.data(), fill, length);
    return Submit(OperationKind::kWrite, offset, length, data, slot);
  }
  std::shared_ptr<WaitedOperation> Copy(int from, int to, uint64_t offset, uint64_t length) {
    auto operation = std::make_shared<WaitedOperation>(OperationKind::kCopy, offset, length);
    operation->from = from;
    operation->to = to;
    loop.Post([this, operation] { volume->SubmitCopy(operation.get()); });
    return operation;
  }
  std::shared_ptr<WaitedOperation> Settle() {
    auto operation = std::make_shared<WaitedOperation>(OperationKind::kFlush, 0, 0);
    loop.Post([this, operation] { volume->Settle(operation.get()); });
    return operation;
  }
  /// The first byte at `offset`, read through the volume.
  int Byte(uint64_t offset, int slot = Volume::kAnySlot) {
    auto read = Submit(OperationKind::kRead, offset, 512, Slice(), slot);
    return read->Wait() == Status::kOk ? read->payload.data()[0] : -1;
  }

  /// The next event of that kind, waiting for it; earlier ones of other kinds are dropped.
  Event WaitFor(Event::Type type) {
    std::unique_lock lock(mutex_);
    for (;;) {
      while (!events_.empty()) {
        Event event = events_.front();
        events_.pop_front();
        if (event.type == type) return event;
      }
      arrived_.wait(lock);
    }
  }
  size_t EventCount() {
    std::lock_guard lock(mutex_);
    return events_.size();
  }
  /// All that both loops had to do for what was submitted before has been done.
  void Drain() {
    for (int round = 0; round < 3; ++round) {
      OnLoop(loop, [] {});
      for (auto& replica : replicas) replica->Do([] {});
    }
  }

  EventLoop loop;
  std::vector<std::unique_ptr<Replica>> replicas;
  std::unique_ptr<Volume> volume;

 private:
  void Add(Event event) {
    std::lock_guard lock(mutex_);
    events_.push_back(event);
    arrived_.notify_all();
  }
  void OnDisconnected(int slot, const std::string&) override { Add({Event::Type::kDisconnected, slot}); }
  void OnFailed(int slot, Status status, const std::string&, OperationKind kind, uint64_t,
                uint64_t) override {
    Add({Event::Type::kFailed, slot, status, kind});
  }
  void OnTimeout(int slot, OperationKind kind, uint64_t, uint64_t, int64_t) override {
    Add({Event::Type::kTimeout, slot, Status::kOk, kind});
  }

  void OnUnmapsWaiting() override { Add({Event::Type::kUnmapsWaiting, Volume::kAnySlot}); }
  void OnReadWaits(uint64_t, uint64_t) override { Add({Event::Type::kReadWaits, Volume::kAnySlot}); }

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Event> events_;
};

}  // namespace aurochs
