// Steps: which slots a request goes to, and what follows from their answers.
#include <bit>
#include <utility>

#include "base/crc32c.h"
#include "volume/volume.h"

namespace aurochs {

void SlotRequest::Answered(Status status, const std::string& message) {
  flight->volume->OnAnswer(this, status, message);
}

void Volume::Begin(Flight* flight, Flight::Audience audience, SlotMask named, const Step& step) {
  flight->audience = named != 0 ? Flight::Audience::kNamed : audience;
  flight->named = named;
  flight->answered = 0;
  flight->op = step.op;
  flight->offset = step.offset;
  flight->length = step.length;
  flight->payload = step.payload;
  // Once for all replicas.
  if (step.op == StreamOp::kWrite) flight->crc32c = Crc32c(step.payload.data(), step.payload.length);
  Proceed(flight);
}

/// Sends what the present step still lacks; ends it when it lacks nothing. May be called at any time.
void Volume::Proceed(Flight* flight) {
  if (!flight->operation) return;
  flight->starved = false;
  switch (flight->audience) {
    case Flight::Audience::kNobody:
      return;
    case Flight::Audience::kReader: {
      if (flight->pending != 0) return;
      if (flight->answered != 0) {
        if (ReadsCount()) return StepDone(flight);
        flight->starved = awaiting_lease_ = true;
        return;
      }
      int reader = ChooseReader();
      if (reader < 0) {
        flight->starved = true;
      } else {
        Dispatch(flight, reader);
      }
      return;
    }
    case Flight::Audience::kWriters: {
      // An answer of WO slots alone is no acknowledgement: they do not hold the whole volume.
      if (readers_ == 0) {
        flight->starved = flight->pending == 0;
        return;
      }
      SlotMask missing = writers_ & ~(flight->answered | flight->pending);
      for (; missing != 0; missing &= missing - 1) Dispatch(flight, std::countr_zero(missing));
      if (flight->pending == 0) StepDone(flight);
      return;
    }
    case Flight::Audience::kNamed: {
      SlotMask missing = flight->named & ~(flight->answered | flight->pending);
      for (; missing != 0; missing &= missing - 1) {
        int slot = std::countr_zero(missing);
        if (!slots_[slot].connected()) {
          return FinishNamed(flight, slot, Status::kDisconnected);
        }
        Dispatch(flight, slot);
      }
      if (flight->pending == 0) StepDone(flight);
      return;
    }
  }
}

void Volume::Dispatch(Flight* flight, int index) {
  SlotRequest& request = flight->requests[index];
  request.op = flight->op;
  request.fua = flight->fua && (flight->op == StreamOp::kWrite || flight->op == StreamOp::kUnmap ||
                                flight->op == StreamOp::kWriteZeroes);
  request.offset = flight->offset;
  request.length = flight->length;
  request.crc32c = flight->crc32c;
  request.mark = flight->mark;
  request.settled = flight->settled;
  bool reads_destination = flight->kind == OperationKind::kCopy && flight->op == StreamOp::kRead &&
                           index == static_cast<CopyOperation*>(flight->operation)->to;
  request.payload = reads_destination ? flight->scratch[1] : flight->payload;
  flight->pending |= Bit(index);
  Slot& slot = slots_[index];
  if (slot.connected()) {
    request.state = SlotRequest::State::kSent;
    slot.client->Send(&request);
  } else {
    Hold(&request, false);
  }
}

void Volume::OnAnswer(SlotRequest* request, Status status, const std::string& message) {
  Flight* flight = request->flight;
  Slot& slot = slots_[request->slot];
  slot.timed_out = false;
  bool named = flight->audience == Flight::Audience::kNamed;
  // A slot that is not RW any more may lack what the others have: what it read is read again elsewhere.
  bool stale = flight->audience == Flight::Audience::kReader && slot.mode != SlotMode::kReadWrite;
  if (status != Status::kOk && flight->operation && !stale) {
    // Somebody who named the slot hears of it directly.
    if (!named) Hold(request, true);
    if (!named || flight->settlement) {
      listener_->OnFailed(request->slot, status, message, flight->kind, request->offset, request->length);
    }
    if (!named) return;
  }
  request->state = SlotRequest::State::kIdle;
  request->payload = Slice();
  flight->pending &= ~Bit(request->slot);
  if (!flight->operation) {
    if (flight->pending != 0) return;
    Retire(flight);
    RunReady();
  } else if (stale) {
    Proceed(flight);
  } else if (status != Status::kOk) {
    FinishNamed(flight, request->slot, status);
  } else {
    flight->answered |= Bit(request->slot);
    if (flight->op == StreamOp::kExtents) flight->extents = std::move(request->extents);
    if (flight->pending == 0) Proceed(flight);
  }
}

void Volume::FinishNamed(Flight* flight, int slot, Status status) {
  if (flight->kind == OperationKind::kCopy)
    static_cast<CopyOperation*>(flight->operation)->failed_slot = slot;
  Finish(flight, status);
}

/// The RW slot with the fewest operations in flight, of those that answer; -1 without any RW slot.
int Volume::ChooseReader() const {
  int best = -1;
  std::pair<int, size_t> best_cost;
  for (SlotMask left = readers_; left != 0; left &= left - 1) {
    int index = std::countr_zero(left);
    const Slot& slot = slots_[index];
    std::pair<int, size_t> cost(slot.connected() ? slot.timed_out : 2, slot.in_flight());
    if (best < 0 || cost < best_cost) {
      best = index;
      best_cost = cost;
    }
  }
  return best;
}

}  // namespace aurochs
