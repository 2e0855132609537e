// One round of write-intent settlement (ARCHITECTURE.md, "Write intent and agreement").
//
// The mark is never sent twice: a replica that started the epoch anew would take writes of the present one
// for older ones and forget them too early. So whatever disturbs a round ends it; the next one starts from
// scratch.
#include "volume/volume.h"

namespace aurochs {

void Volume::StartSettlement(Flight* flight) {
  bool possible = divergence_.empty() && !settlement_ && readers_ != 0;
  for (int slot = 0; slot < kSlotsMax; ++slot) {
    if ((writers_ & Bit(slot)) != 0 && !slots_[slot].connected()) possible = false;
  }
  if (!possible) return Finish(flight, Status::kAborted);
  settlement_ = flight;
  before_mark_ = 0;
  for (Flight* other = flights_.front(); other; other = flights_.Next(other)) {
    other->before_mark = other->locked && other->writer && !other->waiting();
    before_mark_ += other->before_mark;
  }
  flight->mark = ++epoch_;
  Begin(flight, Flight::Audience::kNamed, writers_, {StreamOp::kFlush, 0, 0, Slice()});
}

void Volume::SettlementStepDone(Flight* flight) {
  if (flight->settled != 0) return Finish(flight, Status::kOk);
  flight->audience = Flight::Audience::kNobody;
  FinishSettlementIfWritesEnded();
}

void Volume::FinishSettlementIfWritesEnded() {
  Flight* flight = settlement_;
  if (!flight || flight->audience != Flight::Audience::kNobody || before_mark_ > 0) return;
  if (!divergence_.empty()) return Finish(flight, Status::kAborted);
  flight->settled = flight->mark;
  flight->mark = 0;
  Begin(flight, Flight::Audience::kNamed, flight->named, {StreamOp::kFlush, 0, 0, Slice()});
}

void Volume::EndSettlement() {
  if (settlement_) Finish(settlement_, Status::kAborted);
}

}  // namespace aurochs
