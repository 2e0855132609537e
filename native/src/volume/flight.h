// One admitted operation and its requests to the replicas, one per slot.
#pragma once

#include <array>
#include <cstdint>

#include "base/intrusive_list.h"
#include "base/limits.h"
#include "base/range_locks.h"
#include "stream/replica_client.h"
#include "volume/backend.h"

namespace aurochs {

class Volume;
struct Flight;

using SlotMask = uint16_t;
static_assert(kSlotsMax <= 16);
constexpr SlotMask Bit(int slot) { return static_cast<SlotMask>(1u << slot); }

struct SlotRequest final : StreamRequest {
  enum class State : uint8_t {
    kIdle,  // not needed, or answered well
    kSent,  // with the slot's stream
    kHeld,  // in the slot's list: answered with an error, or without a stream
  };
  void Answered(Status status, const std::string& message) override;

  Flight* flight = nullptr;
  uint8_t slot = 0;
  State state = State::kIdle;
  bool refused = false;  // kHeld: answered with an error
};

/// An operation is carried out in steps: each is one kind of request to some slots, and ends when all of them
/// have answered. Pooled: nothing is allocated per operation.
struct Flight final : RangeLocks::Entry, ListNode<Flight> {
  /// Who has to answer the present step.
  enum class Audience : uint8_t {
    kNobody,   // it waits for its range, or (settlement) for writes
    kReader,   // any RW slot
    kWriters,  // all RW and WO slots, with at least one RW among them
    kNamed,    // the slots in `named`; what they answer ends the operation
  };

  Volume* volume = nullptr;
  /// Null when it has been answered while a replica still works on a request: the range stays taken until
  /// then.
  Operation* operation = nullptr;
  OperationKind kind = OperationKind::kRead;
  bool active = false;
  bool locked = false;
  bool fua = false;
  /// No RW slot, or nobody says that what was read counts: neither sent nor held at a slot.
  bool starved = false;
  /// A settlement (its own kind would be seen by no one else) and, on writes, sent before its mark.
  bool settlement = false;
  bool before_mark = false;
  Audience audience = Audience::kNobody;
  SlotMask named = 0;
  int64_t begin_us = 0;   // of the monotonic clock: when it came
  SlotMask pending = 0;   // sent or held
  SlotMask answered = 0;  // well

  // The present step.
  StreamOp op = StreamOp::kUnspecified;
  uint64_t offset = 0;
  uint64_t length = 0;
  uint32_t crc32c = 0;
  uint64_t mark = 0;
  uint64_t settled = 0;
  Slice payload;

  /// kCompareAndWrite, kOrWrite: what was read. kCopy: what was read at the source and the destination.
  Slice scratch[2];
  uint64_t chunk = 0;  // kCopy: where the chunk that was read begins; kExtents: where the present part begins
  uint64_t cursor = 0;  // kCopy: bytes of the chunk that were compared

  Extents extents;  // kExtents: of the part that was answered last

  std::array<SlotRequest, kSlotsMax> requests;
};

}  // namespace aurochs
