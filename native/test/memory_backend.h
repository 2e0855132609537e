// A volume in memory, for tests and fuzzers: answers at once, or holds operations until told, or fails them.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "volume/backend.h"

namespace aurochs {

class MemoryBackend final : public Backend {
 public:
  explicit MemoryBackend(uint64_t size) : bytes(size) {}

  uint64_t size() const override { return bytes.size(); }

  void Submit(Operation* operation) override {
    ++counts[operation->kind];
    fua_writes += operation->fua && operation->kind == OperationKind::kWrite;
    if (hold) {
      held.push_back(operation);
      return;
    }
    Run(operation);
  }

  void ReleaseHeld() {
    hold = false;
    std::vector<Operation*> ready = std::move(held);
    held.clear();
    for (Operation* operation : ready) Run(operation);
  }

  std::vector<uint8_t> bytes;
  std::map<OperationKind, int> counts;
  int fua_writes = 0;
  bool hold = false;
  std::vector<Operation*> held;
  Status fail = Status::kOk;

 private:
  void Run(Operation* operation) { operation->Done(fail == Status::kOk ? Apply(operation) : fail); }

  Status Apply(Operation* operation) {
    uint64_t length = operation->length;
    if (operation->offset > bytes.size() || length > bytes.size() - operation->offset)
      return Status::kOutOfRange;
    uint8_t* at = bytes.data() + operation->offset;
    switch (operation->kind) {
      case OperationKind::kRead:
        memcpy(operation->payload.data(), at, length);
        break;
      case OperationKind::kWrite:
        memcpy(at, operation->payload.data(), length);
        break;
      case OperationKind::kUnmap:
      case OperationKind::kWriteZeroes:
        memset(at, 0, length);
        break;
      case OperationKind::kOrWrite:
        for (uint64_t i = 0; i < length; ++i) at[i] |= operation->payload.data()[i];
        break;
      case OperationKind::kCompareAndWrite: {
        const uint8_t* expected = operation->payload.data();
        auto [differs, other] = std::mismatch(at, at + length, expected);
        if (differs != at + length) {
          operation->miscompare_offset = differs - at;
          return Status::kMiscompare;
        }
        memcpy(at, expected + length, length);
        break;
      }
      case OperationKind::kFlush:
      case OperationKind::kCopy:
      case OperationKind::kExtents:
        break;
    }
    return Status::kOk;
  }
};

}  // namespace aurochs
