// One SCSI command of a session, from its PDU to its status. Pooled: nothing is allocated per command but
// buffers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/buffer.h"
#include "iscsi/bhs.h"
#include "iscsi/data_out.h"
#include "scsi/data_command.h"

namespace aurochs::iscsi {

class Session;
class Target;

/// Waits for aborted tasks whose operations are still in flight; runs `done` when the last reference is gone.
struct AbortWaiter;

class Task final : public scsi::DataCommand::Host {
 public:
  //   kHeld -> kCollecting -> kScript -> kWaiting -> kRunning -> kFinishing -> kFree     each may be skipped
  //   any but kFree --abort--> kDraining (operations in flight) -> kFree
  enum class State : uint8_t {
    kFree,
    kHeld,        // an earlier CmdSN is missing
    kCollecting,  // data-out for JavaScript
    kScript,      // JavaScript has it
    kWaiting,     // a data command for which aborted tasks leave no memory
    kRunning,     // a data command under way
    kFinishing,   // the outcome is known, the initiator still sends
    kDraining,    // aborted
  };

  Task(Target* target, uint32_t index) : target_(target), index_(index) {}

  // ---- the session's calls
  void Begin(Session* session, const uint8_t* bhs);
  /// Data that came with the command.
  void Immediate(const Slice& data);
  /// Its turn by CmdSN has come.
  void Start();
  void OnDataOut(const uint8_t* bhs, const Slice& data, bool direct);
  /// Where a data segment of `length` bytes for the next position goes, or an empty slice.
  Slice DirectDestination(uint32_t length);
  /// The transport failed it: no data is used any more, the outcome is CHECK CONDITION once the initiator is
  /// done sending.
  void FailTransport(scsi::Sense sense);
  void Resume();
  /// Without response. @returns true when operations are in flight: the target is told when they have ended.
  bool Abort();

  // ---- JavaScript's calls
  void Execute();
  void Complete(uint8_t status, const uint8_t* sense, uint32_t sense_length, Slice data_in);

  // ---- scsi::DataCommand::Host
  void OnDataIn(Slice data) override;
  bool Reserve(uint32_t bytes) override;
  void Release(uint32_t bytes) override;
  void OnDataOutDone(uint32_t bytes) override;
  void OnFinished() override;

  State state() const { return state_; }
  uint32_t index() const { return index_; }
  /// What JavaScript knows it by: an index is reused, an id is not.
  uint64_t id() const { return (uint64_t{generation_} << 16) | index_; }
  uint32_t itt() const { return itt_; }
  uint64_t nexus() const { return nexus_; }
  uint64_t connection() const { return connection_; }
  /// Once aborted: what it counts for until its operations have ended.
  uint64_t draining_bytes() const { return std::max(reserved_, kDrainingTaskBytesMin); }
  bool immediate() const { return immediate_; }
  Session* session() const { return session_; }
  bool expects_data() const { return data_out_.open(); }

  static constexpr uint32_t kIndexMax = 0xffff;

 private:
  friend class Session;
  friend class Target;

  bool BelongsToScript() const;
  void Run();
  void CollectForScript();
  void DeliverToScript(const Slice& data_out);
  void TakeEarly();
  void TakeData(const Slice& data, bool direct);
  /// The command needs its data-out in one piece.
  bool Gathers() const;
  bool UsableInPlace(uint32_t bytes, bool complete) const;
  /// @returns false when the task ended meanwhile
  bool MakeRoom(uint32_t bytes);
  void FlushChunk();
  void RequestData();
  bool UsesData() const { return state_ == State::kRunning || state_ == State::kCollecting; }
  void Fail(scsi::Sense sense, std::optional<uint32_t> information);
  void Finish();
  void Free();
  void Reset();

  Target* const target_;
  const uint32_t index_;
  uint32_t generation_ = 0;
  State state_ = State::kFree;

  Session* session_ = nullptr;
  uint64_t nexus_ = 0;
  uint64_t connection_ = 0;
  uint32_t position_ = 0;  // in Session::tasks_ or Target::draining_
  bool immediate_ = false;
  bool waits_for_memory_ = false;

  // The command.
  uint32_t itt_ = 0;
  uint32_t cmd_sn_ = 0;
  uint64_t lun_ = 0;
  uint8_t cdb_[scsi::kCdbBytes] = {};
  bool reads_ = false;
  bool writes_ = false;
  uint32_t expected_length_ = 0;
  scsi::Cdb parsed_;
  scsi::DataCommand command_;

  // Data-out.
  DataOut data_out_;
  uint32_t wanted_ = 0;  // bytes that will be used
  uint32_t taken_ = 0;
  Slice chunk_;  // allocated, filled up to chunk_filled_
  uint32_t chunk_filled_ = 0;
  std::vector<Slice> early_;  // came before they could be used
  uint64_t reserved_ = 0;     // bytes of the session's memory; those it had when it was aborted

  // Data-in.
  Slice last_data_in_;  // waits for the status, to be sent with it
  uint32_t data_in_sent_ = 0;
  uint32_t data_sn_ = 0;
  uint32_t burst_sent_ = 0;  // bytes of the present sequence

  // The outcome.
  scsi::Sense transport_sense_;
  uint8_t status_ = 0;
  uint8_t sense_[252] = {};
  uint32_t sense_length_ = 0;
  uint64_t asked_ = 0;  // bytes that the SCSI command moves by itself, for residuals

  std::vector<std::shared_ptr<AbortWaiter>> waiters_;
};

}  // namespace aurochs::iscsi
