// Any CDB with any data-out, from parsing to the last operation. Aborts when an operation leaves the volume,
// when the data-in is not what was planned, or when a command does not end exactly once.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "../test/memory_backend.h"
#include "scsi/data_command.h"

namespace aurochs::scsi {
namespace {

constexpr uint64_t kVolumeBytes = 1u << 20;

void Require(bool condition) {
  if (!condition) abort();
}

/// Passes operations on only after it has checked them.
class CheckedBackend final : public Backend {
 public:
  CheckedBackend(Backend* inner, uint32_t block_size) : inner_(inner), block_size_(block_size) {}
  uint64_t size() const override { return inner_->size(); }
  void Submit(Operation* operation) override {
    Require(operation->offset <= size() && operation->length <= size() - operation->offset);
    Require(operation->offset % block_size_ == 0 && operation->length % block_size_ == 0);
    if (operation->kind == OperationKind::kRead || operation->kind == OperationKind::kWrite) {
      Require(operation->length <= kPayloadBytesMax && operation->payload.length == operation->length);
    }
    inner_->Submit(operation);
  }

 private:
  Backend* inner_;
  uint32_t block_size_;
};

class Host final : public DataCommand::Host {
 public:
  explicit Host(bool stingy) : stingy_(stingy) {}
  void OnDataIn(Slice data) override { data_in += data.length; }
  bool Reserve(uint32_t bytes) override {
    if (stingy_ && (++requests_ % 2) == 1) {
      refused = true;
      return false;
    }
    reserved += bytes;
    return true;
  }
  void Release(uint32_t bytes) override {
    Require(reserved >= bytes);
    reserved -= bytes;
  }
  void OnDataOutDone(uint32_t) override {}
  void OnFinished() override { ++finished; }

  uint64_t data_in = 0;
  uint64_t reserved = 0;
  int finished = 0;
  bool refused = false;

 private:
  bool stingy_;
  unsigned requests_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < kCdbBytes + 4) return 0;
  uint8_t flags = data[kCdbBytes];
  ExpectedTransfer expected{(flags & 1) != 0, (flags & 2) != 0,
                            uint32_t{data[kCdbBytes + 1]} << (data[kCdbBytes + 2] % 18)};
  uint32_t block_size = (flags & 4) != 0 ? 4096 : 512;
  Plan plan = PlanCommand(ParseCdb(data), {block_size, kVolumeBytes / block_size}, expected);
  Require(plan.data_in_moved <= expected.length && plan.data_out_moved <= expected.length);
  if (plan.check != kNoSense || plan.cdb.kind == CommandKind::kOther) return 0;

  MemoryBackend memory(kVolumeBytes);
  memory.hold = (flags & 8) != 0;
  memory.fail = (flags & 16) != 0 ? Status::kIoError : Status::kOk;
  CheckedBackend backend(&memory, block_size);
  PiecePool pool;
  Host host((flags & 32) != 0);
  DataCommand command;
  command.Start(plan, &backend, &pool, &host);

  const uint8_t* rest = data + kCdbBytes + 4;
  size_t rest_bytes = size - kCdbBytes - 4;
  uint32_t at = 0;
  while (at < plan.data_out_moved && host.finished == 0) {
    uint32_t bytes = plan.data_out_moved - at;
    if (!plan.collect) bytes = std::min(bytes, block_size * (1 + data[kCdbBytes + 3]));
    Slice part = Slice::Allocate(bytes);
    memset(part.data(), 0, bytes);
    memcpy(part.data(), rest, std::min<size_t>(bytes, rest_bytes));
    at += bytes;
    command.DataOut(std::move(part));
  }
  bool stopped = (flags & 64) != 0 && host.finished == 0 && command.Stop() == 0;
  for (int round = 0; round < 4096 && host.finished == 0 && !stopped; ++round) {
    bool held = memory.hold;
    memory.ReleaseHeld();
    memory.hold = held;
    command.Resume();
  }
  Require(host.finished == (stopped ? 0 : 1));
  Require(host.reserved == 0);
  if (!stopped && command.sense() == kNoSense) Require(host.data_in == plan.data_in_moved);
  return 0;
}

}  // namespace aurochs::scsi
