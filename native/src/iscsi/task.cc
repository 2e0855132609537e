#include "iscsi/task.h"

#include <algorithm>
#include <cstring>

#include "iscsi/session.h"
#include "iscsi/target.h"

namespace aurochs::iscsi {

namespace {
// A PDU in the receive buffer with at least this much is used where it lies; shorter parts of a longer
// transfer are gathered, because an operation costs more than a copy.
constexpr uint32_t kInPlaceBytesMin = 32u << 10;
}  // namespace

void Task::Begin(Session* session, const uint8_t* bhs) {
  state_ = State::kHeld;
  session_ = session;
  nexus_ = session->parameters().nexus;
  connection_ = session->connection_id();
  immediate_ = IsImmediate(bhs);
  itt_ = IttOf(bhs);
  cmd_sn_ = CmdSnOf(bhs);
  lun_ = LunOf(bhs);
  memcpy(cdb_, bhs + 32, scsi::kCdbBytes);
  reads_ = (bhs[1] & kReadBit) != 0;
  writes_ = (bhs[1] & kWriteBit) != 0;
  expected_length_ = GetBe32(bhs + 20);
  parsed_ = scsi::ParseCdb(cdb_);
  uint32_t unsolicited_max = std::min(session->parameters().first_burst_length, expected_length_);
  data_out_.Reset(unsolicited_max, writes_ && !IsFinal(bhs));
}

void Task::Immediate(const Slice& data) {
  data_out_.Immediate(data.length);
  early_.push_back(data);
}

bool Task::BelongsToScript() const {
  if (LunNumber(lun_) != session_->parameters().lun || parsed_.kind == scsi::CommandKind::kOther) return true;
  const NexusAccess& access = session_->access();
  return access.attention || (!access.write && scsi::NeedsWriteAccess(parsed_.kind)) ||
         (!access.read && scsi::NeedsReadAccess(parsed_.kind)) ||
         (target_->write_protected() && scsi::ChangesMedium(parsed_.kind));
}

void Task::Start() {
  if (transport_sense_ != scsi::kNoSense) return Fail(transport_sense_, std::nullopt);
  if (BelongsToScript()) {
    CollectForScript();
  } else {
    Run();
  }
}

void Task::CollectForScript() {
  // A data command may be given back, and a command for another unit is only refused: their data-out is not
  // asked for.
  bool ours = LunNumber(lun_) == session_->parameters().lun;
  if (!ours || parsed_.kind != scsi::CommandKind::kOther || !writes_ || expected_length_ == 0) {
    return DeliverToScript(Slice());
  }
  if (expected_length_ > kScriptDataOutBytesMax) return Fail(scsi::kInvalidFieldInCdb, std::nullopt);
  state_ = State::kCollecting;
  wanted_ = expected_length_;
  asked_ = expected_length_;
  TakeEarly();
  if (state_ == State::kCollecting) RequestData();
}

void Task::DeliverToScript(const Slice& data_out) {
  state_ = State::kScript;
  target_->events()->OnCommand(connection_, nexus_, id(), LunNumber(lun_), cdb_, data_out);
}

void Task::Execute() {
  if (state_ != State::kScript || parsed_.kind == scsi::CommandKind::kOther) return;
  if (LunNumber(lun_) != session_->parameters().lun) return;
  Run();
}

void Task::Run() {
  if (transport_sense_ != scsi::kNoSense) return Fail(transport_sense_, std::nullopt);
  if (target_->draining_high()) {
    state_ = State::kWaiting;
    return session_->WaitForMemory(this);
  }
  scsi::Plan plan = scsi::PlanCommand(parsed_, target_->geometry(), {reads_, writes_, expected_length_});
  asked_ = std::max(plan.data_in, plan.data_out);
  if (plan.check != scsi::kNoSense) return Fail(plan.check, std::nullopt);
  state_ = State::kRunning;
  wanted_ = plan.data_out_moved;
  command_.Start(plan, target_->backend(), target_->pieces(), this);
  if (state_ == State::kRunning) TakeEarly();
  if (state_ == State::kRunning) RequestData();
}

void Task::OnDataOut(const uint8_t* bhs, const Slice& data, bool direct) {
  uint32_t ttt = TttOf(bhs);
  DataOut::Verdict verdict =
      data_out_.Receive(ttt, GetBe32(bhs + 36), GetBe32(bhs + 40), data.length, IsFinal(bhs));
  switch (verdict) {
    case DataOut::Verdict::kAccepted:
      break;
    case DataOut::Verdict::kUnexpected:
      return FailTransport(scsi::kUnexpectedUnsolicitedData);
    case DataOut::Verdict::kSequenceError:
      return FailTransport(scsi::kProtocolServiceCrcError);
    case DataOut::Verdict::kWrongAmount:
      return FailTransport(scsi::kIncorrectAmountOfData);
  }
  if (state_ == State::kFinishing) {
    if (!data_out_.open()) session_->Respond(this);
    return;
  }
  if (data_out_.failed() || data.length == 0) {
    if (UsesData()) RequestData();
    return;
  }
  if (!UsesData()) {
    early_.push_back(data);
    return;
  }
  TakeData(data, direct);
  if (UsesData()) RequestData();
}

Slice Task::DirectDestination(uint32_t length) {
  if (!UsesData() || data_out_.failed() || length > wanted_ - taken_ || !MakeRoom(length)) return Slice();
  return chunk_.Sub(chunk_filled_, length);
}

void Task::TakeEarly() {
  for (size_t i = 0; i < early_.size(); ++i) {
    Slice data = std::move(early_[i]);
    TakeData(data, false);
    if (!UsesData()) return;
  }
  early_.clear();
}

void Task::TakeData(const Slice& data, bool direct) {
  uint32_t bytes = std::min(data.length, wanted_ - taken_);
  if (bytes == 0) return;
  if (!data_out_.solicited()) {
    reserved_ += bytes;
    session_->ForceReserve(bytes);
  }
  bool complete = taken_ + bytes == wanted_;
  if (direct && chunk_ && data.data() == chunk_.data() + chunk_filled_) {
    taken_ += bytes;
    chunk_filled_ += bytes;
  } else if (UsableInPlace(bytes, complete)) {
    taken_ += bytes;
    if (state_ == State::kCollecting) return DeliverToScript(data.Sub(0, bytes));
    return command_.DataOut(data.Sub(0, bytes));
  } else {
    if (!MakeRoom(bytes)) return;
    memcpy(chunk_.data() + chunk_filled_, data.data(), bytes);
    taken_ += bytes;
    chunk_filled_ += bytes;
  }
  if (complete || chunk_filled_ == chunk_.length) FlushChunk();
}

bool Task::Gathers() const { return state_ == State::kCollecting || command_.plan().collect; }

bool Task::UsableInPlace(uint32_t bytes, bool complete) const {
  if (chunk_filled_ > 0) return false;
  if (Gathers()) return complete;
  return bytes % target_->geometry().block_size == 0 && (complete || bytes >= kInPlaceBytesMin);
}

bool Task::MakeRoom(uint32_t bytes) {
  if (chunk_ && chunk_.length - chunk_filled_ >= bytes) return true;
  uint32_t capacity = wanted_;
  if (!Gathers()) {
    if (chunk_filled_ > 0) FlushChunk();  // leaves less than a block
    if (!UsesData()) return false;
    capacity = std::min(std::max(scsi::kPieceBytes, chunk_filled_ + bytes), chunk_filled_ + wanted_ - taken_);
  }
  Slice fresh = Slice::Allocate(capacity);
  if (chunk_filled_ > 0) memcpy(fresh.data(), chunk_.data(), chunk_filled_);
  chunk_ = std::move(fresh);
  return true;
}

void Task::FlushChunk() {
  uint32_t bytes = chunk_filled_;
  if (!Gathers()) bytes -= bytes % target_->geometry().block_size;
  if (bytes == 0) return;
  Slice whole = std::move(chunk_);
  uint32_t tail = chunk_filled_ - bytes;
  chunk_ = tail > 0 ? whole.Sub(bytes, tail) : Slice();
  chunk_filled_ = tail;
  if (state_ == State::kCollecting) return DeliverToScript(whole.Sub(0, bytes));
  command_.DataOut(whole.Sub(0, bytes));
}

void Task::RequestData() {
  const SessionParameters& parameters = session_->parameters();
  uint32_t outstanding_max = std::min(parameters.max_outstanding_r2t, kR2tsOutstandingMax);
  while (!data_out_.failed() && !data_out_.unsolicited_open() && data_out_.requested() < wanted_ &&
         data_out_.r2ts_outstanding() < outstanding_max) {
    uint32_t bytes = std::min({parameters.max_burst_length, kR2tBytesMax, wanted_ - data_out_.requested()});
    if (!Reserve(bytes)) return;
    session_->SendR2t(*this, data_out_.Request(bytes, index_));
  }
}

void Task::FailTransport(scsi::Sense sense) {
  if (transport_sense_ == scsi::kNoSense) transport_sense_ = sense;
  data_out_.Abandon();
  switch (state_) {
    case State::kCollecting:
      return Fail(transport_sense_, std::nullopt);
    case State::kRunning:
      if (command_.Stop() == 0) Fail(transport_sense_, std::nullopt);
      return;
    case State::kFinishing:
      if (!data_out_.open()) session_->Respond(this);
      return;
    case State::kFree:
    case State::kHeld:    // fails when its turn comes
    case State::kScript:  // fails if it is given back
    case State::kWaiting:
    case State::kDraining:
      return;
  }
}

void Task::Resume() {
  if (state_ == State::kWaiting) return Run();
  if (state_ == State::kRunning) command_.Resume();
  if (UsesData()) RequestData();
}

bool Task::Abort() {
  int in_flight = state_ == State::kRunning ? command_.Stop() : 0;
  if (in_flight == 0) {
    Free();
    return false;
  }
  state_ = State::kDraining;
  session_->Release(reserved_);
  session_ = nullptr;
  early_.clear();
  chunk_ = Slice();
  last_data_in_ = Slice();
  return true;
}

void Task::Complete(uint8_t status, const uint8_t* sense, uint32_t sense_length, Slice data_in) {
  if (state_ != State::kScript) return;
  status_ = status;
  sense_length_ = std::min<uint32_t>(sense_length, sizeof sense_);
  if (sense_length_ > 0) memcpy(sense_, sense, sense_length_);
  if (reads_) {
    asked_ = data_in.length;
    data_in.length = std::min(data_in.length, expected_length_);
    last_data_in_ = std::move(data_in);
  }
  Finish();
}

void Task::OnDataIn(Slice data) {
  if (session_ == nullptr) return;
  if (data_in_sent_ + data.length == command_.plan().data_in_moved) {
    last_data_in_ = std::move(data);
  } else {
    session_->SendDataIn(this, data, false);
  }
}

bool Task::Reserve(uint32_t bytes) {
  if (session_ == nullptr || !session_->Reserve(this, bytes)) return false;
  reserved_ += bytes;
  return true;
}

void Task::Release(uint32_t bytes) {
  if (session_ == nullptr) return;
  uint64_t released = std::min<uint64_t>(bytes, reserved_);
  reserved_ -= released;
  session_->Release(released);
}

void Task::OnDataOutDone(uint32_t bytes) { Release(bytes); }

void Task::OnFinished() {
  if (state_ == State::kDraining) return target_->OnDrained(this);
  if (transport_sense_ != scsi::kNoSense) return Fail(transport_sense_, std::nullopt);
  if (command_.sense() != scsi::kNoSense) return Fail(command_.sense(), command_.information());
  status_ = scsi::kGood;
  Finish();
}

void Task::Fail(scsi::Sense sense, std::optional<uint32_t> information) {
  status_ = scsi::kCheckCondition;
  scsi::EncodeSense(sense, information, sense_);
  sense_length_ = scsi::kSenseBytes;
  Finish();
}

void Task::Finish() {
  state_ = State::kFinishing;
  early_.clear();
  chunk_ = Slice();
  data_out_.Abandon();
  if (!data_out_.open()) session_->Respond(this);
}

void Task::Free() {
  session_->Release(reserved_);
  Reset();
}

void Task::Reset() {
  state_ = State::kFree;
  ++generation_;
  session_ = nullptr;
  waits_for_memory_ = false;
  expected_length_ = wanted_ = taken_ = chunk_filled_ = 0;
  chunk_ = Slice();
  early_.clear();
  reserved_ = 0;
  last_data_in_ = Slice();
  data_in_sent_ = data_sn_ = burst_sent_ = 0;
  status_ = 0;
  sense_length_ = 0;
  asked_ = 0;
  transport_sense_ = scsi::kNoSense;
  waiters_.clear();
  target_->GiveTask(this);
}

}  // namespace aurochs::iscsi
