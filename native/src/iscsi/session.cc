#include "iscsi/session.h"

#include <algorithm>
#include <cstring>

#include "iscsi/connection.h"
#include "iscsi/target.h"
#include "iscsi/task.h"

namespace aurochs::iscsi {

namespace {

// Serial number arithmetic (RFC 7143 refers to RFC 1982).
bool Before(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) < 0; }

}  // namespace

Session::Session(Target* target, Connection* connection, const SessionParameters& parameters)
    : target_(target),
      connection_(connection),
      parameters_(parameters),
      exp_cmd_sn_(parameters.exp_cmd_sn),
      max_cmd_sn_(parameters.exp_cmd_sn + target->window() - 1),
      stat_sn_(parameters.stat_sn) {}

uint64_t Session::connection_id() const { return connection_->id(); }

// ---------------------------------------------------------------------------------------------- commands in
// order

void Session::OnPdu(const Pdu& pdu) {
  switch (OpcodeOf(pdu.bhs)) {
    case Opcode::kDataOut:
      return OnDataOut(pdu);
    case Opcode::kNopOut:
      // The answer to a ping of ours: that something came is all it says.
      if (IttOf(pdu.bhs) == kNoTag) return;
      return OnCommand(pdu);
    case Opcode::kScsiCommand:
    case Opcode::kTaskManagement:
    case Opcode::kTextRequest:
    case Opcode::kLogoutRequest:
      return OnCommand(pdu);
    case Opcode::kSnack:
      return SendReject(pdu.bhs, RejectReason::kSnack);  // error recovery level 0 has none
    case Opcode::kLoginRequest:
      return SendReject(pdu.bhs, RejectReason::kProtocolError);
    default:
      return SendReject(pdu.bhs, RejectReason::kCommandNotSupported);
  }
}

void Session::OnCommand(const Pdu& pdu) {
  uint32_t cmd_sn = CmdSnOf(pdu.bhs);
  bool immediate = IsImmediate(pdu.bhs);
  if (!immediate) {
    if (Before(cmd_sn, exp_cmd_sn_) || Before(Window(), cmd_sn)) return;  // silently, says the RFC
    if (cmd_sn != exp_cmd_sn_) return Hold(pdu, cmd_sn);
    ++exp_cmd_sn_;
  }
  if (OpcodeOf(pdu.bhs) == Opcode::kScsiCommand) {
    if (Task* task = BeginTask(pdu)) task->Start();
  } else if (!pdu.data_intact) {
    SendReject(pdu.bhs, RejectReason::kDataDigest);
  } else {
    Dispatch(pdu.bhs, pdu.data);
  }
  if (!immediate && !held_.empty()) RunHeld();
}

void Session::Dispatch(const uint8_t* bhs, const Slice& data) {
  if (OpcodeOf(bhs) == Opcode::kNopOut) {
    OnNopOut(bhs, data);
  } else {
    ToScript(bhs, data);
  }
}

void Session::Hold(const Pdu& pdu, uint32_t cmd_sn) {
  for (const Held& held : held_) {
    if (held.cmd_sn == cmd_sn) return;
  }
  Held held{cmd_sn, nullptr, false, {}, {}};
  memcpy(held.bhs, pdu.bhs, kBhsBytes);
  if (OpcodeOf(pdu.bhs) == Opcode::kScsiCommand) {
    held.task = BeginTask(pdu);
    held.skip = held.task == nullptr;
  } else if (!pdu.data_intact) {
    SendReject(pdu.bhs, RejectReason::kDataDigest);
    held.skip = true;
  } else if (pdu.data) {
    held.data = Slice::Allocate(pdu.data.length);
    memcpy(held.data.data(), pdu.data.data(), pdu.data.length);
  }
  held_bytes_ += pdu.data.length;
  held_.push_back(std::move(held));
  if (held_bytes_ > kHeldBytesMax) connection_->Close("too much data ahead of a missing CmdSN");
}

void Session::RunHeld() {
  for (;;) {
    auto next = std::find_if(held_.begin(), held_.end(),
                             [this](const Held& held) { return held.cmd_sn == exp_cmd_sn_; });
    if (next == held_.end()) return;
    Held held = std::move(*next);
    *next = std::move(held_.back());
    held_.pop_back();
    if (held_.empty()) held_bytes_ = 0;
    ++exp_cmd_sn_;
    if (held.skip) continue;
    if (held.task != nullptr) {
      held.task->Start();
    } else {
      Dispatch(held.bhs, held.data);
    }
  }
}

Task* Session::BeginTask(const Pdu& pdu) {
  const uint8_t* bhs = pdu.bhs;
  auto reject = [&](RejectReason reason) {
    SendReject(bhs, reason);
    return nullptr;
  };
  bool writes = (bhs[1] & kWriteBit) != 0;
  bool reads = (bhs[1] & kReadBit) != 0;
  if (parameters_.nexus == 0) return reject(RejectReason::kCommandNotSupported);  // discovery
  if (IttOf(bhs) == kNoTag) return reject(RejectReason::kInvalidPduField);
  if (!writes && !IsFinal(bhs)) return reject(RejectReason::kInvalidPduField);
  if (writes && reads) return reject(RejectReason::kCommandNotSupported);  // bidirectional
  if (FindTask(IttOf(bhs)) != nullptr) return reject(RejectReason::kTaskInProgress);
  bool immediate = IsImmediate(bhs);
  if (immediate && immediate_open_ >= kImmediateCommandsMax) return reject(RejectReason::kImmediateCommand);
  Task* task = target_->TakeTask();
  if (task == nullptr) return reject(RejectReason::kImmediateCommand);

  task->Begin(this, bhs);
  task->position_ = static_cast<uint32_t>(tasks_.size());
  tasks_.push_back(task);
  itts_.push_back(task->itt());
  if (immediate) ++immediate_open_;
  ++commands_;

  uint32_t expected = GetBe32(bhs + 20);
  if (!pdu.data_intact) {
    SendReject(bhs, RejectReason::kDataDigest);
    task->FailTransport(scsi::kProtocolServiceCrcError);
  } else if (pdu.data.length > 0 && (!writes || !parameters_.immediate_data)) {
    task->FailTransport(scsi::kUnexpectedUnsolicitedData);
  } else if (pdu.data.length > std::min(expected, parameters_.first_burst_length)) {
    task->FailTransport(scsi::kIncorrectAmountOfData);
  } else if (!IsFinal(bhs) && parameters_.initial_r2t) {
    task->FailTransport(scsi::kUnexpectedUnsolicitedData);
  } else if (pdu.data.length > 0) {
    task->Immediate(pdu.data);
  }
  return task;
}

void Session::OnNopOut(const uint8_t* bhs, const Slice& data) {
  uint8_t reply[kBhsBytes] = {};
  reply[0] = static_cast<uint8_t>(Opcode::kNopIn);
  reply[1] = kFinalBit;
  memcpy(reply + 8, bhs + 8, 12);  // LUN and initiator task tag
  PutBe32(reply + 20, kNoTag);
  FillSequence(reply, true);
  Slice echo;
  if (data) {
    // A copy: an initiator that does not read must not keep a whole receive buffer with each.
    echo = Slice::Allocate(std::min(data.length, parameters_.max_send_data_segment_length));
    memcpy(echo.data(), data.data(), echo.length);
  }
  connection_->Send(reply, std::move(echo));
}

void Session::ToScript(const uint8_t* bhs, const Slice& data) {
  if (IsImmediate(bhs) && scripted_open_ >= kImmediateCommandsMax) {
    return SendReject(bhs, RejectReason::kImmediateCommand);
  }
  ++scripted_open_;
  target_->events()->OnPdu(connection_->id(), parameters_.nexus, bhs, data);
}

// ---------------------------------------------------------------------------------------------- data-out

Task* Session::FindTask(uint32_t itt) const {
  auto found = std::find(itts_.begin(), itts_.end(), itt);
  return found == itts_.end() ? nullptr : tasks_[found - itts_.begin()];
}

Task* Session::TaskOfDataOut(const uint8_t* bhs) const {
  uint32_t ttt = TttOf(bhs);
  if (ttt == kNoTag) return FindTask(IttOf(bhs));
  Task* task = target_->TaskAt(DataOut::TaskIndexOf(ttt));
  if (task == nullptr || task->session() != this || task->itt() != IttOf(bhs)) return nullptr;
  return task;
}

Slice Session::DirectDestination(const uint8_t* bhs, uint32_t length) {
  if (OpcodeOf(bhs) != Opcode::kDataOut) return Slice();
  Task* task = TaskOfDataOut(bhs);
  return task == nullptr ? Slice() : task->DirectDestination(length);
}

void Session::OnDataOut(const Pdu& pdu) {
  Task* task = TaskOfDataOut(pdu.bhs);
  if (TttOf(pdu.bhs) != kNoTag) solicited_ -= std::min<uint64_t>(pdu.data.length, solicited_);
  // Data for a task that was aborted or has failed may still be under way.
  if (!pdu.data_intact) SendReject(pdu.bhs, RejectReason::kDataDigest);
  if (task == nullptr) return;
  if (!pdu.data_intact) task->FailTransport(scsi::kProtocolServiceCrcError);
  // Its number and its end count, even where its data do not. The task may have ended by failing.
  if (task->session() == this && task->itt() == IttOf(pdu.bhs))
    task->OnDataOut(pdu.bhs, pdu.data, pdu.direct);
}

// ---------------------------------------------------------------------------------------------- memory

bool Session::Reserve(Task* task, uint32_t bytes) {
  bool first = granting_ || waiting_.empty();
  bool room = reserved_ == 0 || reserved_ + bytes <= kSessionBytesMax;
  if (first && room && !connection_->output_high()) {
    reserved_ += bytes;
    return true;
  }
  if (!task->waits_for_memory_) WaitForMemory(task);
  return false;
}

void Session::WaitForMemory(Task* task) {
  task->waits_for_memory_ = true;
  waiting_.insert(granting_ ? waiting_.begin() : waiting_.end(), task);
}

void Session::Release(uint64_t bytes) {
  reserved_ -= std::min(bytes, reserved_);
  if (!waiting_.empty()) connection_->ScheduleFlush();
}

void Session::ResumeWaiting() {
  while (!waiting_.empty() && !connection_->closed()) {
    Task* task = waiting_.front();
    waiting_.erase(waiting_.begin());
    task->waits_for_memory_ = false;
    granting_ = true;
    task->Resume();
    granting_ = false;
    if (!waiting_.empty() && waiting_.front() == task) return;
  }
}

// ---------------------------------------------------------------------------------------------- sending

uint32_t Session::Window() {
  uint32_t open = static_cast<uint32_t>(tasks_.size()) - immediate_open_ + scripted_open_;
  uint32_t window = target_->window();
  uint32_t max = exp_cmd_sn_ + (window > open ? window - open : 0) - 1;
  if (Before(max_cmd_sn_, max)) max_cmd_sn_ = max;  // never goes back
  return max_cmd_sn_;
}

void Session::FillSequence(uint8_t* bhs, bool advance) {
  PutBe32(bhs + 24, advance ? stat_sn_++ : stat_sn_);
  PutBe32(bhs + 28, exp_cmd_sn_);
  PutBe32(bhs + 32, Window());
}

void Session::SendScripted(const uint8_t* bhs, Slice data) {
  uint8_t reply[kBhsBytes];
  memcpy(reply, bhs, kBhsBytes);
  switch (OpcodeOf(bhs)) {
    case Opcode::kTaskManagementResponse:
    case Opcode::kTextResponse:
    case Opcode::kLogoutResponse:
    case Opcode::kReject:
      if (scripted_open_ > 0) --scripted_open_;
      break;
    default:
      break;
  }
  // A NOP-In without an initiator task tag tells the StatSN, but takes none.
  FillSequence(reply, OpcodeOf(bhs) != Opcode::kNopIn || IttOf(bhs) != kNoTag);
  connection_->Send(reply, std::move(data));
}

void Session::Ping(bool answer) {
  uint8_t bhs[kBhsBytes] = {};
  bhs[0] = static_cast<uint8_t>(Opcode::kNopIn);
  bhs[1] = kFinalBit;
  PutBe32(bhs + 16, kNoTag);
  PutBe32(bhs + 20, answer ? next_ping_++ & 0x7fffffff : kNoTag);
  FillSequence(bhs, false);
  connection_->Send(bhs, Slice());
}

void Session::SendReject(const uint8_t* bhs, RejectReason reason) {
  uint8_t reply[kBhsBytes] = {};
  reply[0] = static_cast<uint8_t>(Opcode::kReject);
  reply[1] = kFinalBit;
  reply[2] = static_cast<uint8_t>(reason);
  PutBe32(reply + 16, kNoTag);
  FillSequence(reply, true);
  Slice header = Slice::Allocate(kBhsBytes);
  memcpy(header.data(), bhs, kBhsBytes);
  connection_->Send(reply, std::move(header));
}

void Session::SendR2t(const Task& task, const DataOut::R2t& r2t) {
  uint8_t bhs[kBhsBytes] = {};
  bhs[0] = static_cast<uint8_t>(Opcode::kR2t);
  bhs[1] = kFinalBit;
  PutBe64(bhs + 8, task.lun_);
  PutBe32(bhs + 16, task.itt_);
  PutBe32(bhs + 20, r2t.ttt);
  FillSequence(bhs, false);
  PutBe32(bhs + 36, r2t.r2t_sn);
  PutBe32(bhs + 40, r2t.offset);
  PutBe32(bhs + 44, r2t.length);
  connection_->Send(bhs, Slice());
  solicited_ += r2t.length;
}

void Session::SendDataIn(Task* task, const Slice& data, bool with_status) {
  uint32_t at = 0;
  while (at < data.length) {
    uint32_t bytes = std::min({data.length - at, parameters_.max_send_data_segment_length,
                               parameters_.max_burst_length - task->burst_sent_});
    bool last = with_status && at + bytes == data.length;
    task->burst_sent_ += bytes;
    bool sequence_ends = last || task->burst_sent_ == parameters_.max_burst_length;
    uint8_t bhs[kBhsBytes] = {};
    bhs[0] = static_cast<uint8_t>(Opcode::kDataIn);
    bhs[1] = sequence_ends ? kFinalBit : 0;
    PutBe32(bhs + 16, task->itt_);
    PutBe32(bhs + 20, kNoTag);
    PutBe32(bhs + 36, task->data_sn_++);
    PutBe32(bhs + 40, task->data_in_sent_);
    task->data_in_sent_ += bytes;
    if (sequence_ends) task->burst_sent_ = 0;
    if (last) {
      bhs[1] |= kStatusBit;
      bhs[3] = task->status_;
      FillResidual(*task, bhs);
      RemoveTask(task);  // before the window is computed
      FillSequence(bhs, true);
    } else {
      FillSequence(bhs, false);
      PutBe32(bhs + 24, 0);  // reserved without a status
    }
    connection_->Send(bhs, data.Sub(at, bytes));
    at += bytes;
  }
}

void Session::FillResidual(const Task& task, uint8_t* bhs) const {
  uint64_t expected = task.expected_length_;
  uint64_t moved = task.asked_;
  if (moved <= expected && task.reads_) moved = task.data_in_sent_;
  if (moved > expected) {
    bhs[1] |= kOverflowBit;
    PutBe32(bhs + 44, static_cast<uint32_t>(moved - expected));
  } else if (moved < expected) {
    bhs[1] |= kUnderflowBit;
    PutBe32(bhs + 44, static_cast<uint32_t>(expected - moved));
  }
}

void Session::Respond(Task* task) {
  Slice data = std::move(task->last_data_in_);
  if (task->status_ == scsi::kGood && data.length > 0) {
    SendDataIn(task, data, true);
    task->Free();
    return;
  }
  if (data.length > 0) SendDataIn(task, data, false);
  uint8_t bhs[kBhsBytes] = {};
  bhs[0] = static_cast<uint8_t>(Opcode::kScsiResponse);
  bhs[1] = kFinalBit;
  bhs[3] = task->status_;
  PutBe32(bhs + 16, task->itt_);
  FillResidual(*task, bhs);
  PutBe32(bhs + 36, task->data_sn_);  // ExpDataSN
  RemoveTask(task);
  FillSequence(bhs, true);
  Slice sense;
  if (task->sense_length_ > 0) {
    sense = Slice::Allocate(2 + task->sense_length_);
    PutBe16(sense.data(), task->sense_length_);
    memcpy(sense.data() + 2, task->sense_, task->sense_length_);
  }
  connection_->Send(bhs, std::move(sense));
  task->Free();
}

// ---------------------------------------------------------------------------------------------- the end of
// tasks

void Session::RemoveTask(Task* task) {
  uint32_t position = task->position_;
  tasks_[position] = tasks_.back();
  itts_[position] = itts_.back();
  tasks_[position]->position_ = position;
  tasks_.pop_back();
  itts_.pop_back();
  if (task->immediate()) --immediate_open_;
  if (task->waits_for_memory_) std::erase(waiting_, task);
  task->waits_for_memory_ = false;
  if (tasks_.empty()) solicited_ = 0;  // what aborted tasks asked for may never come
}

/// An immediate command takes no CmdSN: it has that of the next one.
bool Session::CameBefore(const Task& task, uint32_t cmd_sn) {
  return Before(task.cmd_sn_, cmd_sn) || (task.immediate() && task.cmd_sn_ == cmd_sn);
}

size_t Session::Abort(const TaskFilter& filter) {
  size_t count = 0;
  bool closed = Window() + 1 == exp_cmd_sn_;
  for (size_t i = tasks_.size(); i-- > 0;) {
    Task* task = tasks_[i];
    if (!filter.Matches(task->nexus(), task->itt())) continue;
    if (filter.has_before && filter.before_nexus == task->nexus() && !CameBefore(*task, filter.before_cmd_sn))
      continue;
    for (Held& held : held_) {
      if (held.task == task) held.skip = true;
    }
    RemoveTask(task);
    if (task->Abort()) target_->AddDraining(task);
    ++count;
  }
  if (closed && count > 0) Ping(false);  // nothing else would tell that the window is open again
  return count;
}

void Session::AbortAll() {
  while (!tasks_.empty()) {
    Task* task = tasks_.back();
    RemoveTask(task);
    if (task->Abort()) target_->AddDraining(task);
  }
  held_.clear();
}

}  // namespace aurochs::iscsi
