// One data command under way: its operations on the backend, its data in order, its outcome. Knows nothing of
// iSCSI.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "scsi/limits.h"
#include "scsi/plan.h"
#include "scsi/sense.h"
#include "volume/backend.h"

namespace aurochs::scsi {

class DataCommand;

/// One operation of a command. Pooled: a command takes and returns them without touching the heap.
class Piece final : public Operation {
 public:
  void Done(Status status) override;

 private:
  friend class DataCommand;
  friend class PiecePool;
  DataCommand* command_ = nullptr;
  Slice compare_;  // what a read has to equal
  bool done_ = false;
};

class PiecePool {
 public:
  Piece* Take();
  void Give(Piece* piece);

 private:
  std::vector<std::unique_ptr<Piece>> pieces_;
  std::vector<Piece*> free_;
};

class DataCommand {
 public:
  class Host {
   public:
    /// The next bytes for the initiator, in order.
    virtual void OnDataIn(Slice data) = 0;
    /// Memory for a read of `bytes`. False: the host calls Resume later. Given back by Release.
    virtual bool Reserve(uint32_t bytes) = 0;
    virtual void Release(uint32_t bytes) = 0;
    /// Data-out of this many bytes is not needed any more.
    virtual void OnDataOutDone(uint32_t bytes) = 0;
    /// Once per Start, when no operation is in flight: the outcome is final. May destroy or restart the
    /// command.
    virtual void OnFinished() = 0;

   protected:
    ~Host() = default;
  };

  /// `plan.check` has to be kNoSense.
  void Start(const Plan& plan, Backend* backend, PiecePool* pool, Host* host);
  /// The next data-out, a multiple of the block size (all of it at once for `plan.collect`).
  void DataOut(Slice data);
  void Resume();
  /// No further operation is started; OnFinished comes when those in flight have ended (never, when none
  /// was).
  /// @returns operations in flight
  int Stop();

  const Plan& plan() const { return plan_; }
  int in_flight() const { return in_flight_; }
  /// kNoSense: GOOD.
  Sense sense() const { return sense_; }
  std::optional<uint32_t> information() const { return information_; }

 private:
  friend class Piece;

  void Pump();
  bool PumpOne();
  void StartCollected(Slice data);
  void ParseUnmapList(const uint8_t* list, uint32_t length);
  /// The piece covers the next `length` bytes of the range.
  Piece* TakeNext(OperationKind kind, uint64_t length);
  void Submit(Piece* piece);
  void PieceDone(Piece* piece, Status status);
  void ReadBack(Piece* piece);
  void DeliverReads();
  void Release(Piece* piece);
  void Fail(Sense sense);
  void FinishIfDone();

  Plan plan_;
  Backend* backend_ = nullptr;
  PiecePool* pool_ = nullptr;
  Host* host_ = nullptr;
  bool active_ = false;
  bool pumping_ = false;
  bool collecting_ = false;  // plan_.collect, and the data-out is not there yet
  int in_flight_ = 0;
  Sense sense_;
  std::optional<uint32_t> information_;

  uint64_t next_offset_ = 0;  // of the medium: what is to be submitted next
  uint64_t remaining_ = 0;    // bytes of the medium not yet submitted
  uint32_t data_in_left_ = 0;
  Slice pattern_;  // WRITE SAME, VERIFY with one block: the block repeated
  std::vector<std::pair<uint64_t, uint64_t>> unmaps_;
  size_t next_unmap_ = 0;

  // Reads in order: a ring of the pieces in flight or not yet delivered.
  Piece* reads_[kPiecesInFlightMax] = {};
  uint32_t reads_head_ = 0;
  uint32_t reads_count_ = 0;
};

}  // namespace aurochs::scsi
