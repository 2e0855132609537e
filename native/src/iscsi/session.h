// A session in full feature phase: command order and window, its open tasks, what it sends. One connection
// per session (MaxConnections=1), error recovery level 0.
#pragma once

#include <cstdint>
#include <vector>

#include "base/buffer.h"
#include "iscsi/data_out.h"
#include "iscsi/pdu_reader.h"
#include "iscsi/types.h"
#include "scsi/sense.h"

namespace aurochs::iscsi {

class Connection;
class Target;
class Task;

class Session {
 public:
  Session(Target* target, Connection* connection, const SessionParameters& parameters);

  void OnPdu(const Pdu& pdu);
  Slice DirectDestination(const uint8_t* bhs, uint32_t length);
  /// A response of JavaScript's: fills StatSN, ExpCmdSN and MaxCmdSN.
  void SendScripted(const uint8_t* bhs, Slice data);
  /// A NOP-In that asks for an answer, or (`answer` false) only tells the window.
  void Ping(bool answer);
  void SendReject(const uint8_t* bhs, RejectReason reason);

  /// Drops tasks without response. @returns how many; those still in flight are with the target afterwards.
  size_t Abort(const TaskFilter& filter);
  void AbortAll();

  // ---- for tasks
  void SendR2t(const Task& task, const DataOut::R2t& r2t);
  void SendDataIn(Task* task, const Slice& data, bool with_status);
  /// Sends the outcome and frees the task.
  void Respond(Task* task);
  bool Reserve(Task* task, uint32_t bytes);
  /// Puts it where Reserve puts whom it refuses.
  void WaitForMemory(Task* task);
  void ForceReserve(uint64_t bytes) { reserved_ += bytes; }
  void Release(uint64_t bytes);
  /// Memory or output space may be free again.
  void ResumeWaiting();

  const SessionParameters& parameters() const { return parameters_; }
  const NexusAccess& access() const { return access_; }
  void set_access(const NexusAccess& access) { access_ = access; }
  uint64_t connection_id() const;
  /// Enough data-out is asked for that the rest of a segment is worth a read of its own.
  bool awaits_long_data() const { return solicited_ >= 2 * kDirectBytesMin; }
  uint64_t commands() const { return commands_; }
  size_t open_tasks() const { return tasks_.size(); }

 private:
  /// A command whose CmdSN is ahead. `task` is null for other PDUs, and for tasks aborted meanwhile (`bhs`
  /// unused then).
  struct Held {
    uint32_t cmd_sn;
    Task* task;
    bool skip;
    uint8_t bhs[kBhsBytes];
    Slice data;
  };

  void OnCommand(const Pdu& pdu);
  void Dispatch(const uint8_t* bhs, const Slice& data);
  void Hold(const Pdu& pdu, uint32_t cmd_sn);
  void RunHeld();
  /// @returns null when the command was rejected
  Task* BeginTask(const Pdu& pdu);
  void OnDataOut(const Pdu& pdu);
  void OnNopOut(const uint8_t* bhs, const Slice& data);
  void ToScript(const uint8_t* bhs, const Slice& data);
  Task* FindTask(uint32_t itt) const;
  Task* TaskOfDataOut(const uint8_t* bhs) const;
  void RemoveTask(Task* task);
  static bool CameBefore(const Task& task, uint32_t cmd_sn);
  void FillResidual(const Task& task, uint8_t* bhs) const;
  /// Bytes 24 to 35. `advance`: the PDU takes a StatSN of its own.
  void FillSequence(uint8_t* bhs, bool advance);
  uint32_t Window();

  Target* const target_;
  Connection* const connection_;
  const SessionParameters parameters_;
  NexusAccess access_;

  uint32_t exp_cmd_sn_;
  uint32_t max_cmd_sn_;
  uint32_t stat_sn_;
  std::vector<Held> held_;
  size_t held_bytes_ = 0;

  std::vector<Task*> tasks_;
  std::vector<uint32_t> itts_;  // of tasks_, for a quick search
  uint32_t immediate_open_ = 0;
  uint32_t scripted_open_ = 0;  // PDUs that JavaScript has not answered
  uint64_t commands_ = 0;

  uint64_t reserved_ = 0;
  uint64_t solicited_ = 0;      // bytes asked for by R2T and not yet here
  std::vector<Task*> waiting_;  // for memory, in order
  bool granting_ = false;
  uint32_t next_ping_ = 0;
};

}  // namespace aurochs::iscsi
