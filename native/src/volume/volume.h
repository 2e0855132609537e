// The fan-out: operations become requests to the replicas, in an order that keeps them equal. What a replica
// does not do well is held and reported; the owner decides what becomes of it.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/range_locks.h"
#include "volume/backend.h"
#include "volume/divergence.h"
#include "volume/flight.h"
#include "volume/latency.h"
#include "volume/slot.h"
#include "volume/unequal.h"

namespace aurochs {

/// kCopy: makes the range at slot `to` equal to that at slot `from`, in blocks of 4 KiB.
struct CopyOperation : Operation {
  CopyOperation() { kind = OperationKind::kCopy; }
  int from = 0;
  int to = 0;
  uint64_t copied_bytes = 0;
  /// The slot whose answer ended it badly; -1 when none did.
  int failed_slot = -1;

 protected:
  ~CopyOperation() = default;
};

/// All calls and all completions are on the loop's thread. Operations that name a slot are never held: an
/// error answer or the end of the stream ends them.
class Volume final : public Backend, public ReplicaClient::Owner, public EventLoop::CycleTask {
 public:
  struct Options {
    uint64_t size = 0;               // bytes
    int64_t replica_timeout_ms = 0;  // of one request, and of connecting
  };

  /// See VolumeEvent of native/index.ts. Nothing of the volume may be called inside.
  class Listener {
   public:
    virtual void OnDisconnected(int slot, const std::string& reason) = 0;
    virtual void OnFailed(int slot, Status status, const std::string& message, OperationKind kind,
                          uint64_t offset, uint64_t length) = 0;
    virtual void OnTimeout(int slot, OperationKind kind, uint64_t offset, uint64_t length,
                           int64_t elapsed_ms) = 0;
    virtual void OnUnmapsWaiting() = 0;
    virtual void OnReadWaits(uint64_t offset, uint64_t length) = 0;

   protected:
    ~Listener() = default;
  };

  struct SlotStats {
    bool connected = false;
    SlotMode mode = SlotMode::kOff;
    uint64_t in_flight = 0;
    uint64_t held = 0;
    /// A timeout was reported and nothing was answered since.
    bool timed_out = false;
    uint64_t crc_errors = 0;
    uint64_t bytes_sent = 0;
    uint64_t bytes_received = 0;
  };
  struct Stats {
    uint64_t reads = 0;
    uint64_t writes = 0;
    uint64_t flushes = 0;
    uint64_t unmaps = 0;
    uint64_t read_bytes = 0;
    uint64_t written_bytes = 0;
    /// Microseconds that these reads and writes took, summed up.
    uint64_t read_us = 0;
    uint64_t write_us = 0;
    uint64_t failed = 0;
    uint64_t in_flight = 0;
    uint64_t differing = 0;  // ranges where copies may differ since a change failed on some of them
    /// Of operations that named no slot.
    LatencyCounts read_latency;
    LatencyCounts write_latency;
    LatencyCounts flush_latency;
    LatencyCounts unmap_latency;
    std::array<SlotStats, kSlotsMax> slots;
  };

  static constexpr int kAnySlot = -1;

  Volume(EventLoop* loop, const Options& options, Listener* listener);
  /// On the loop's thread, or after the loop has ended.
  ~Volume() override;

  uint64_t size() const override { return options_.size; }
  void Submit(Operation* operation) override { SubmitTo(kAnySlot, operation); }
  /// kRead, kWrite, kFlush, kUnmap, kWriteZeroes or kExtents at one slot, whatever its mode.
  void SubmitTo(int slot, Operation* operation);
  void SubmitCopy(CopyOperation* operation);
  /// One round of settlement. kAborted when it cannot be finished: a slot is not connected or changes its
  /// mode, a round is under way, or a write has failed on some copies and they were not made equal since.
  /// `operation` is a kFlush.
  void Settle(Operation* operation);

  void Connect(int slot, std::vector<SocketAddress> addresses, const Hello& hello, ConnectCallback done);
  /// The same to a replica that speaks Longhorn's data protocol.
  void ConnectLonghorn(int slot, std::vector<SocketAddress> addresses, bool unmap_zeroes,
                       ConnectCallback done);
  /// Of a slot that ConnectLonghorn connected: whether unmapped blocks read as zeroes for good there.
  void SetUnmapZeroes(int slot, bool zeroes);
  void SetMode(int slot, SlotMode mode);
  /// What the slot has answered with an error; what waits for its stream only once all is refused.
  /// @returns how many operations were answered
  size_t FailHeld(int slot, Status status);
  /// @param size bytes, not less than before; the replicas have it already
  void Grow(uint64_t size) { options_.size = size; }
  /// What is held back is answered with `status` as well, and new operations are until this is called with
  /// none.
  void Refuse(std::optional<Status> status);
  /// Microseconds that have passed, those in which the machine slept as well.
  static int64_t Clock();
  static constexpr int64_t kForGood = INT64_MAX;
  /// What is read by any slot counts until then (of `Clock`); what comes later is held until this is called
  /// again.
  void LeaseReads(int64_t until_us);
  /// Whether unmaps that name no slot, and are not `for_zeros`, wait, each with its range; told when the
  /// first of them does. Those that wait go on when this ends, and when the volume is quiesced.
  void WatchUnmaps(bool on);
  /// Slot `slot`, a WO one, may differ in `ranges` (ascending, without overlaps; within the volume): whatever
  /// reads there and names no slot waits, each told of once, until the slot has been made equal there or has
  /// another mode.
  void HoldReads(int slot, std::vector<Unequal::Range> ranges);
  void Quiesce(std::function<void()> done);
  void Resume();
  Stats stats() const;
  /// Answers all operations with kAborted and ends all streams. Idempotent; later operations end with
  /// kAborted.
  void Close();

 private:
  friend struct SlotRequest;

  struct Parked {
    int slot;
    bool settlement;
    Operation* operation;
    int64_t since_us = 0;  // of the monotonic clock
  };

  // ---- volume.cc: from admission to the end
  void Enter(Parked entry);
  void Park(const Parked& entry);
  bool HasToWait(const Operation& operation);
  void Admit(const Parked& entry);
  void AdmitParked();
  bool ReadsUnequal(const Parked& entry) const;
  void AdmitEqual();
  void AnswerParked(Status status);
  Flight* TakeFlight();
  void Finish(Flight* flight, Status status);
  void Retire(Flight* flight);
  void RunReady();
  void Count(const Flight& flight, const Operation& operation, Status status);
  void CountLatency(OperationKind kind, uint64_t took_us);
  /// Calls `visit` for every flight that is active when its turn comes; it may end flights.
  template <class Visit>
  void ForEachFlight(Visit visit);

  // ---- slots.cc: connecting, modes, failures, timeouts
  void OnConnected(ReplicaClient* client, const HelloReply& reply) override;
  void OnClosed(ReplicaClient* client, Status status, const std::string& reason) override;
  void AtEndOfCycle() override;
  template <class Client>
  Client* NewClient(int slot, ConnectCallback done);
  int SlotOf(const ReplicaClient* client) const;
  void DropStream(int slot, bool keep_requests);
  bool MayBeHeld(const SlotRequest& request) const;
  void Hold(SlotRequest* request, bool refused);
  void CheckTimeouts();
  void StartTimeoutTimer();

  // ---- dispatch.cc: steps and their answers
  struct Step {
    StreamOp op;
    uint64_t offset;
    uint64_t length;
    Slice payload;
  };
  void Begin(Flight* flight, Flight::Audience audience, SlotMask named, const Step& step);
  void Proceed(Flight* flight);
  void Dispatch(Flight* flight, int slot);
  void OnAnswer(SlotRequest* request, Status status, const std::string& message);
  void FinishNamed(Flight* flight, int slot, Status status);
  int ChooseReader() const;
  bool ReadsCount() const { return leased_until_us_ == kForGood || Clock() < leased_until_us_; }

  // ---- steps.cc: what each kind of operation does
  void Start(Flight* flight);
  bool WaitsAsUnmap(Flight* flight);
  void StartWaitingUnmaps();
  void StepDone(Flight* flight);
  void StartRead(Flight* flight, uint64_t offset, uint64_t length, Slice into);
  void StartWrite(Flight* flight, StreamOp op, Slice data);
  void CompareThenWrite(Flight* flight);
  void ReadCopyChunk(Flight* flight);
  void CopyNextRun(Flight* flight);
  void NextExtents(Flight* flight);

  // ---- settlement.cc
  void StartSettlement(Flight* flight);
  void SettlementStepDone(Flight* flight);
  void EndSettlement();
  void FinishSettlementIfWritesEnded();

  EventLoop* loop_;
  Options options_;
  Listener* listener_;
  std::array<Slot, kSlotsMax> slots_;
  SlotMask readers_ = 0;                                       // RW slots
  SlotMask writers_ = 0;                                       // RW and WO slots
  std::vector<std::unique_ptr<ReplicaClient>> ended_clients_;  // deleted at the end of the cycle
  EventLoop::TimerId timeout_timer_ = 0;

  RangeLocks locks_;
  IntrusiveList<Flight> flights_;
  std::vector<std::unique_ptr<Flight>> all_flights_;
  std::vector<Flight*> free_flights_;
  std::vector<RangeLocks::Entry*> ready_;  // have got their range and are to be started
  bool running_ready_ = false;
  std::deque<Parked> parked_;
  std::vector<Parked> waiting_reads_;  // of what copies may differ in

  bool closed_ = false;
  std::optional<Status> refusal_;
  int64_t leased_until_us_ = kForGood;
  bool awaiting_lease_ = false;  // something was read that does not count yet
  bool watching_unmaps_ = false;
  std::vector<Flight*> waiting_unmaps_;  // have got their range and are not started
  int quiesced_ = 0;
  std::vector<std::function<void()>> quiescing_;
  Stats stats_;

  Flight* settlement_ = nullptr;
  uint64_t epoch_ = 0;
  size_t before_mark_ = 0;  // flights with that flag
  Divergence divergence_;
  Unequal unequal_;
};

template <class Visit>
void Volume::ForEachFlight(Visit visit) {
  std::vector<Flight*> flights;
  for (Flight* flight = flights_.front(); flight; flight = flights_.Next(flight)) flights.push_back(flight);
  for (Flight* flight : flights) {
    if (flight->active) visit(flight);
  }
}

}  // namespace aurochs
