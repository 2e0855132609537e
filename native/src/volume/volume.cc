#include "volume/volume.h"

#include <time.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <utility>

namespace aurochs {

namespace {

/// What somebody learns of the volume's content.
bool Tells(OperationKind kind) {
  return kind == OperationKind::kRead || kind == OperationKind::kCompareAndWrite ||
         kind == OperationKind::kOrWrite;
}

bool IsWriter(OperationKind kind) {
  return kind != OperationKind::kRead && kind != OperationKind::kExtents && kind != OperationKind::kFlush;
}

int64_t NowUs() {
  using std::chrono::duration_cast, std::chrono::microseconds, std::chrono::steady_clock;
  return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Volume::Volume(EventLoop* loop, const Options& options, Listener* listener)
    : loop_(loop), options_(options), listener_(listener) {}

Volume::~Volume() {
  Close();
  loop_->Forget(this);
}

void Volume::SubmitTo(int slot, Operation* operation) { Enter({slot, false, operation}); }

void Volume::SubmitCopy(CopyOperation* operation) { Enter({kAnySlot, false, operation}); }

void Volume::Settle(Operation* operation) { Enter({kAnySlot, true, operation}); }

void Volume::Enter(Parked entry) {
  entry.since_us = NowUs();
  Operation* operation = entry.operation;
  std::optional<Status> status = closed_ ? Status::kAborted : refusal_;
  if (!status && operation->kind != OperationKind::kFlush) {
    if (operation->offset > options_.size || operation->length > options_.size - operation->offset) {
      status = Status::kOutOfRange;
    } else if (operation->length == 0) {
      status = Status::kOk;
    }
  }
  if (status) {
    if (*status != Status::kOk) ++stats_.failed;
    operation->Done(*status);
  } else if (HasToWait(*operation)) {
    Park(entry);
  } else {
    Admit(entry);
  }
}

bool Volume::HasToWait(const Operation& operation) {
  if (operation.kind != OperationKind::kCopy)
    return quiesced_ > 0 || !parked_.empty() || flights_.size() >= kVolumeOperationsMax;
  if (quiesced_ == 0) return false;
  // It may be to undo what a change that is under way is about to leave: part of what is waited for.
  for (Flight* flight = flights_.front(); flight; flight = flights_.Next(flight)) {
    if (flight->locked && flight->writer && flight->begin < operation.offset + operation.length &&
        operation.offset < flight->end)
      return false;
  }
  return true;
}

/// Copies go before all that may read where copies differ.
void Volume::Park(const Parked& entry) {
  auto at = parked_.end();
  if (entry.operation->kind == OperationKind::kCopy) {
    at = std::find_if(parked_.begin(), parked_.end(),
                      [](const Parked& parked) { return parked.operation->kind != OperationKind::kCopy; });
  }
  parked_.insert(at, entry);
}

void Volume::Admit(const Parked& entry) {
  Operation* operation = entry.operation;
  // Before it has its range: what makes that equal needs it.
  if (ReadsUnequal(entry)) {
    waiting_reads_.push_back(entry);
    return listener_->OnReadWaits(operation->offset, operation->length);
  }
  Flight* flight = TakeFlight();
  flight->operation = operation;
  flight->kind = operation->kind;
  flight->fua = operation->fua;
  flight->settlement = entry.settlement;
  flight->begin_us = entry.since_us;
  flight->named = entry.slot == kAnySlot ? 0 : Bit(entry.slot);
  flight->locked = operation->kind != OperationKind::kFlush;
  flights_.PushBack(flight);
  if (flight->locked) {
    flight->begin = operation->offset;
    flight->end = operation->offset + operation->length;
    flight->writer = IsWriter(operation->kind);
    // Where copies differ nobody may read the one, and the other later.
    flight->urgent = operation->kind == OperationKind::kCopy;
    if (!locks_.Acquire(flight)) return;
  }
  Start(flight);
}

void Volume::AdmitParked() {
  while (!parked_.empty() && quiesced_ == 0 && flights_.size() < kVolumeOperationsMax) {
    Parked entry = parked_.front();
    parked_.pop_front();
    Admit(entry);
  }
}

bool Volume::ReadsUnequal(const Parked& entry) const {
  const Operation& operation = *entry.operation;
  // Only WO slots may differ, and mostly there are none.
  return writers_ != readers_ && entry.slot == kAnySlot && Tells(operation.kind) &&
         unequal_.Touches(operation.offset, operation.offset + operation.length);
}

/// What waited for copies that are equal now goes on behind all that waits.
void Volume::AdmitEqual() {
  if (waiting_reads_.empty()) return;
  auto equal = std::stable_partition(waiting_reads_.begin(), waiting_reads_.end(),
                                     [this](const Parked& entry) { return ReadsUnequal(entry); });
  std::vector<Parked> admitted(equal, waiting_reads_.end());
  waiting_reads_.erase(equal, waiting_reads_.end());
  for (const Parked& entry : admitted) parked_.push_back(entry);
}

void Volume::AnswerParked(Status status) {
  std::deque<Parked> waiting = std::exchange(parked_, {});
  waiting.insert(waiting.end(), waiting_reads_.begin(), waiting_reads_.end());
  waiting_reads_.clear();
  for (Parked& entry : waiting) {
    ++stats_.failed;
    entry.operation->Done(status);
  }
}

Flight* Volume::TakeFlight() {
  Flight* flight;
  if (free_flights_.empty()) {
    all_flights_.push_back(std::make_unique<Flight>());
    flight = all_flights_.back().get();
    flight->volume = this;
    for (int slot = 0; slot < kSlotsMax; ++slot) {
      flight->requests[slot].flight = flight;
      flight->requests[slot].slot = static_cast<uint8_t>(slot);
    }
  } else {
    flight = free_flights_.back();
    free_flights_.pop_back();
  }
  flight->active = true;
  flight->starved = flight->before_mark = false;
  flight->audience = Flight::Audience::kNobody;
  flight->pending = flight->answered = 0;
  flight->mark = flight->settled = 0;
  return flight;
}

void Volume::Finish(Flight* flight, Status status) {
  Operation* operation = std::exchange(flight->operation, nullptr);
  if (status != Status::kOk && flight->audience == Flight::Audience::kWriters && flight->locked &&
      (flight->answered | flight->pending) != 0) {
    divergence_.Add(flight->begin, flight->end, writers_);
  } else if (flight->kind == OperationKind::kCopy) {
    auto* copy = static_cast<CopyOperation*>(operation);
    if (status == Status::kOk) divergence_.Copied(copy->from, copy->to, flight->begin, flight->end);
    // Whoever reads there hears that the source cannot be read, and does not wait for what may never be.
    bool unreadable = status == Status::kIoError && copy->failed_slot == copy->from;
    if (status == Status::kOk || unreadable) unequal_.Copied(copy->to, flight->begin, flight->end);
  }
  for (SlotMask left = flight->pending; left != 0; left &= left - 1) {
    int slot = std::countr_zero(left);
    SlotRequest& request = flight->requests[slot];
    if (request.state != SlotRequest::State::kHeld) continue;
    slots_[slot].held.Remove(&request);
    request.state = SlotRequest::State::kIdle;
    request.payload = Slice();
    flight->pending &= ~Bit(slot);
  }
  if (!flight->settlement) Count(*flight, *operation, status);
  if (settlement_ == flight) settlement_ = nullptr;
  if (flight->pending == 0) Retire(flight);
  operation->Done(status);
  RunReady();
}

void Volume::Retire(Flight* flight) {
  flight->active = false;
  flight->payload = flight->scratch[0] = flight->scratch[1] = Slice();
  flights_.Remove(flight);
  free_flights_.push_back(flight);
  if (flight->locked) locks_.Release(flight, &ready_);
  if (flight->before_mark) --before_mark_;
}

// Started here and not in Retire: an operation's end may submit the next one, and so on.
void Volume::RunReady() {
  if (running_ready_) return;
  running_ready_ = true;
  for (;;) {
    for (size_t i = 0; i < ready_.size(); ++i) {
      auto* flight = static_cast<Flight*>(ready_[i]);
      if (flight->active && flight->operation) Start(flight);
    }
    ready_.clear();
    FinishSettlementIfWritesEnded();
    AdmitEqual();
    AdmitParked();
    if (ready_.empty()) break;
  }
  running_ready_ = false;
  if (flights_.empty() && !quiescing_.empty()) {
    auto waiting = std::exchange(quiescing_, {});
    for (auto& done : waiting) done();
  }
}

void Volume::Count(const Flight& flight, const Operation& operation, Status status) {
  if (status != Status::kOk) {
    if (status != Status::kMiscompare) ++stats_.failed;
    return;
  }
  auto took = static_cast<uint64_t>(std::max<int64_t>(0, NowUs() - flight.begin_us));
  if (flight.named == 0) CountLatency(flight.kind, took);
  switch (operation.kind) {
    case OperationKind::kRead:
      ++stats_.reads;
      stats_.read_bytes += operation.length;
      stats_.read_us += took;
      break;
    case OperationKind::kWrite:
    case OperationKind::kWriteZeroes:
    case OperationKind::kCompareAndWrite:
    case OperationKind::kOrWrite:
      ++stats_.writes;
      stats_.written_bytes += operation.length;
      stats_.write_us += took;
      break;
    case OperationKind::kFlush:
      ++stats_.flushes;
      break;
    case OperationKind::kUnmap:
      ++stats_.unmaps;
      break;
    case OperationKind::kCopy:
    case OperationKind::kExtents:
      break;
  }
}

void Volume::CountLatency(OperationKind kind, uint64_t took_us) {
  switch (kind) {
    case OperationKind::kRead:
      return stats_.read_latency.Add(took_us);
    case OperationKind::kWrite:
      return stats_.write_latency.Add(took_us);
    case OperationKind::kFlush:
      return stats_.flush_latency.Add(took_us);
    case OperationKind::kUnmap:
      return stats_.unmap_latency.Add(took_us);
    default:  // a mixture of steps
      return;
  }
}

// Not CLOCK_MONOTONIC: while this machine sleeps, another engine goes on.
int64_t Volume::Clock() {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * 1'000'000 + now.tv_nsec / 1000;
}

void Volume::LeaseReads(int64_t until_us) {
  leased_until_us_ = until_us;
  if (std::exchange(awaiting_lease_, false)) ForEachFlight([this](Flight* flight) { Proceed(flight); });
}

void Volume::Refuse(std::optional<Status> status) {
  refusal_ = status;
  if (status) AnswerParked(*status);
}

void Volume::WatchUnmaps(bool on) {
  watching_unmaps_ = on;
  if (!on) StartWaitingUnmaps();
}

void Volume::HoldReads(int slot, std::vector<Unequal::Range> ranges) {
  if (slots_[slot].mode == SlotMode::kWriteOnly) unequal_.Set(slot, std::move(ranges));
  RunReady();
}

void Volume::Quiesce(std::function<void()> done) {
  ++quiesced_;
  // Whoever is to look at them may come after whoever waits for their end.
  StartWaitingUnmaps();
  if (flights_.empty()) {
    done();
  } else {
    quiescing_.push_back(std::move(done));
  }
}

void Volume::Resume() {
  if (quiesced_ == 0) return;
  if (--quiesced_ == 0) RunReady();
}

Volume::Stats Volume::stats() const {
  Stats stats = stats_;
  stats.in_flight = flights_.size();
  stats.differing = divergence_.size();
  for (int i = 0; i < kSlotsMax; ++i) {
    const Slot& slot = slots_[i];
    SlotStats& out = stats.slots[i];
    out.connected = slot.connected();
    out.mode = slot.mode;
    out.in_flight = slot.in_flight();
    out.held = slot.held.size();
    out.timed_out = slot.timed_out;
    out.crc_errors = slot.crc_errors + (slot.client ? slot.client->crc_errors() : 0);
    out.bytes_sent = slot.bytes_sent + (slot.client ? slot.client->bytes_sent() : 0);
    out.bytes_received = slot.bytes_received + (slot.client ? slot.client->bytes_received() : 0);
  }
  return stats;
}

void Volume::Close() {
  if (closed_) return;
  closed_ = true;
  quiesced_ = 0;
  watching_unmaps_ = false;
  waiting_unmaps_.clear();
  readers_ = writers_ = 0;
  loop_->CancelTimer(timeout_timer_);
  AnswerParked(Status::kAborted);
  for (int slot = 0; slot < kSlotsMax; ++slot) {
    slots_[slot].mode = SlotMode::kOff;
    DropStream(slot, false);
  }
  ForEachFlight([this](Flight* flight) {
    if (flight->operation) Finish(flight, Status::kAborted);
  });
  RunReady();
}

}  // namespace aurochs
