#include "iscsi/connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/crc32c.h"
#include "iscsi/session.h"
#include "iscsi/target.h"

namespace aurochs::iscsi {

namespace {
void StoreDigest(uint8_t* out, uint32_t crc) {
  for (int i = 0; i < 4; ++i) out[i] = static_cast<uint8_t>(crc >> (8 * i));
}
constexpr size_t kOutputBytesLow = kOutputBytesHigh / 4;
}  // namespace

Connection::Connection(Target* target, uint64_t id, int fd, std::string remote)
    : target_(target), id_(id), fd_(fd), remote_(std::move(remote)), reader_(this) {
  interest_ = EPOLLIN;
  target_->loop()->Add(fd_, interest_, this);
  last_alive_ms_ = target_->loop()->now_ms();
  phase_timer_ = target_->loop()->StartTimer(target_->options().login_timeout_ms, [this] {
    phase_timer_ = 0;
    Close("login timed out");
  });
}

Connection::~Connection() { Close("closed"); }

void Connection::Close(const std::string& reason) {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  EventLoop* loop = target_->loop();
  loop->Remove(fd_);
  loop->Forget(this);
  if (phase_timer_ != 0) loop->CancelTimer(phase_timer_);
  if (ping_timer_ != 0) loop->CancelTimer(ping_timer_);
  close(fd_);
  if (session_) session_->AbortAll();
  target_->OnClosed(this, reason);
}

bool Connection::output_high() const { return output_.bytes() >= kOutputBytesHigh; }

// ---------------------------------------------------------------------------------------------- receiving

void Connection::OnReady(uint32_t epoll_events) {
  if ((epoll_events & EPOLLOUT) != 0) ScheduleFlush();
  if ((epoll_events & EPOLLIN) != 0) {
    Read();
  } else if ((epoll_events & (EPOLLERR | EPOLLHUP)) != 0) {
    Close("connection lost");
  }
}

bool Connection::MayRead() const { return phase_ == Phase::kFullFeature ? !output_paused_ : !awaits_script_; }

void Connection::Read() {
  if (phase_ == Phase::kLingering) {
    char rest[4096];
    ssize_t got = recv(fd_, rest, sizeof rest, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) Close(farewell_);
    return;
  }
  for (int round = 0; round < kReadsPerCycle && MayRead() && phase_ != Phase::kClosed; ++round) {
    iovec places[2];
    bool long_data = session_ && session_->awaits_long_data();
    int count = reader_.Space(places, long_data ? kReadAheadOfDataOut : kReceiveBufferBytes);
    size_t room = 0;
    for (int i = 0; i < count; ++i) room += places[i].iov_len;
    ssize_t got = readv(fd_, places, count);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) Close(std::string("receiving failed: ") + strerror(errno));
      return;
    }
    if (got == 0) return Close("closed by the initiator");
    Alive();
    reader_.Commit(got);
    HandlePdus();
    if (static_cast<size_t>(got) < room) return;
  }
}

void Connection::HandlePdus() {
  if (handling_) return;  // JavaScript's answer came from within
  handling_ = true;
  while (MayRead() && (phase_ == Phase::kLogin || phase_ == Phase::kFullFeature) && !closes_when_sent_) {
    // Whoever speaks another protocol is told apart by the first byte, and not waited for.
    int first = reader_.first_byte();
    if (phase_ == Phase::kLogin && first >= 0 && (first & 0x3f) != static_cast<int>(Opcode::kLoginRequest)) {
      Close("not a Login Request in login phase");
      break;
    }
    Pdu pdu;
    PduReader::Result result = reader_.Next(&pdu);
    if (result == PduReader::Result::kNeedMore) break;
    if (result == PduReader::Result::kHeaderDigestError) {
      Close("header digest error");
    } else if (result == PduReader::Result::kDataTooLong) {
      // What follows cannot be trusted to be a PDU, so this is the end; the initiator is told why.
      if (!session_) {
        Close("data segment too long in login phase");
        break;
      }
      session_->SendReject(reader_.bad_header(), RejectReason::kProtocolError);
      farewell_ = "data segment too long";
      closes_when_sent_ = true;
    } else {
      Handle(pdu);
      if (output_high() && phase_ == Phase::kFullFeature) output_paused_ = true;
    }
  }
  handling_ = false;
  if (phase_ != Phase::kClosed) UpdateInterest();
}

void Connection::Handle(const Pdu& pdu) {
  if (phase_ == Phase::kFullFeature) return session_->OnPdu(pdu);
  awaits_script_ = true;
  target_->events()->OnPdu(id_, 0, pdu.bhs, pdu.data);
}

Slice Connection::DirectDestination(const uint8_t* bhs, uint32_t length) {
  return session_ ? session_->DirectDestination(bhs, length) : Slice();
}

// ---------------------------------------------------------------------------------------------- sending

void Connection::SendScripted(const uint8_t* bhs, Slice data, AfterSend then,
                              const SessionParameters* parameters) {
  if (phase_ == Phase::kClosed || phase_ == Phase::kLingering || closes_when_sent_) return;
  if (session_) {
    session_->SendScripted(bhs, std::move(data));
  } else {
    uint8_t copy[kBhsBytes];
    memcpy(copy, bhs, kBhsBytes);
    Send(copy, std::move(data));
  }
  if (then == AfterSend::kClose) closes_when_sent_ = true;
  if (then == AfterSend::kFullFeature && !session_ && parameters != nullptr) {
    EventLoop* loop = target_->loop();
    loop->CancelTimer(phase_timer_);
    phase_timer_ = 0;
    phase_ = Phase::kFullFeature;
    nexus_ = parameters->nexus;
    header_digest_ = parameters->header_digest;
    data_digest_ = parameters->data_digest;
    reader_.SetDigests(header_digest_, data_digest_);
    reader_.SetDataMax(std::min(parameters->max_recv_data_segment_length, kDataSegmentBytesMax));
    session_ = std::make_unique<Session>(target_, this, *parameters);
    if (target_->options().nop_interval_ms > 0) StartPingTimer(target_->options().nop_interval_ms);
  }
  awaits_script_ = false;
  HandlePdus();  // what was received meanwhile
}

void Connection::Send(uint8_t* bhs, Slice data) {
  PutBe24(bhs + 5, data.length);
  bhs[4] = 0;
  uint8_t* header = output_.AppendSpace(kBhsBytes + (header_digest_ ? kDigestBytes : 0));
  memcpy(header, bhs, kBhsBytes);
  if (header_digest_) StoreDigest(header + kBhsBytes, Crc32c(header, kBhsBytes));
  if (data.length > 0) {
    uint8_t tail[3 + kDigestBytes] = {};
    uint32_t padding = Padded(data.length) - data.length;
    uint32_t tail_bytes = padding;
    if (data_digest_) {
      uint32_t crc = Crc32c(tail, padding, Crc32c(data.data(), data.length));
      StoreDigest(tail + padding, crc);
      tail_bytes += kDigestBytes;
    }
    output_.Append(std::move(data));
    if (tail_bytes > 0) output_.AppendCopy(tail, tail_bytes);
  }
  ScheduleFlush();
}

void Connection::ScheduleFlush() {
  if (phase_ != Phase::kClosed) target_->loop()->RunAtEndOfCycle(this);
}

void Connection::AtEndOfCycle() {
  Flush();
  if (phase_ != Phase::kFullFeature) return;
  session_->ResumeWaiting();
}

void Connection::Flush() {
  size_t waiting = output_.bytes();
  OutputQueue::Result result = output_.Flush(fd_);
  // Nothing is heard while reading is paused; but a full socket takes more only when the peer has taken some.
  if (output_paused_ && output_.bytes() < waiting) Alive();
  if (result == OutputQueue::Result::kError) {
    return Close(std::string("sending failed: ") + strerror(errno));
  }
  if (result == OutputQueue::Result::kDrained && closes_when_sent_ && phase_ != Phase::kLingering)
    return Linger();
  if (output_paused_ && output_.bytes() <= kOutputBytesLow) {
    output_paused_ = false;
    HandlePdus();
  }
  if (phase_ != Phase::kClosed) UpdateInterest();
}

void Connection::Linger() {
  // Closing with unread input would reset the connection, and our last PDU might be lost.
  phase_ = Phase::kLingering;
  shutdown(fd_, SHUT_WR);
  if (session_) session_->AbortAll();
  EventLoop* loop = target_->loop();
  if (phase_timer_ != 0) loop->CancelTimer(phase_timer_);
  if (ping_timer_ != 0) loop->CancelTimer(ping_timer_);
  ping_timer_ = 0;
  phase_timer_ = loop->StartTimer(kLingerMs, [this] {
    phase_timer_ = 0;
    Close(farewell_);
  });
  awaits_script_ = false;
  UpdateInterest();
}

void Connection::UpdateInterest() {
  uint32_t wanted = (phase_ == Phase::kLingering || MayRead() ? EPOLLIN : 0u) |
                    (output_.empty() || phase_ == Phase::kLingering ? 0u : EPOLLOUT);
  if (wanted == interest_) return;
  interest_ = wanted;
  target_->loop()->Modify(fd_, wanted);
}

// ---------------------------------------------------------------------------------------------- dead peers

void Connection::Alive() {
  last_alive_ms_ = target_->loop()->now_ms();
  ping_sent_ = false;
}

void Connection::StartPingTimer(int64_t delay_ms) {
  ping_timer_ = target_->loop()->StartTimer(delay_ms, [this] { OnPingTimer(); });
}

void Connection::OnPingTimer() {
  ping_timer_ = 0;
  const TargetOptions& options = target_->options();
  int64_t silent_ms = target_->loop()->now_ms() - last_alive_ms_;
  if (ping_sent_) return Close("no answer to a ping");
  if (silent_ms < options.nop_interval_ms) return StartPingTimer(options.nop_interval_ms - silent_ms);
  ping_sent_ = true;
  session_->Ping(true);
  StartPingTimer(options.nop_timeout_ms);
}

}  // namespace aurochs::iscsi
