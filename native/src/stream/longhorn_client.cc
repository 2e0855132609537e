#include "stream/longhorn_client.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/limits.h"

namespace aurochs {

namespace {

constexpr uint64_t kBlockBytes = 4096;  // Longhorn's replica rounds an unmap inwards to it
// A sequence number is an index and how often it was used; one more index than requests have is the ping's.
constexpr uint32_t kIndexes = 2 * kStreamRequestsMax;
constexpr uint32_t kPingIndex = kStreamRequestsMax;

bool IsLocal(StreamOp op) { return op == StreamOp::kFlush || op == StreamOp::kExtents; }
bool IsChange(StreamOp op) { return op != StreamOp::kRead && !IsLocal(op); }
bool IsZeroing(StreamOp op) { return op == StreamOp::kUnmap || op == StreamOp::kWriteZeroes; }

uint64_t RoundUp(uint64_t offset) { return (offset + kBlockBytes - 1) / kBlockBytes * kBlockBytes; }
uint64_t RoundDown(uint64_t offset) { return offset / kBlockBytes * kBlockBytes; }

// Longhorn's replica tells what went wrong in words alone.
Status StatusOf(const std::string& text) {
  if (text.find("no space left on device") != std::string::npos) return Status::kNoSpace;
  if (text.find("replica no longer exist") != std::string::npos) return Status::kNotOpen;
  return Status::kIoError;
}

}  // namespace

LonghornClient::LonghornClient(EventLoop* loop, Owner* owner) : ReplicaClient(loop, owner) {}

LonghornClient::~LonghornClient() { Close(); }

void LonghornClient::Connect(std::vector<SocketAddress> addresses, int64_t timeout_ms) {
  StartConnecting(std::move(addresses), timeout_ms,
                  "the replica did not answer a ping within " + std::to_string(timeout_ms) + " ms");
}

void LonghornClient::OnSocket(int fd) {
  fd_ = fd;
  interest_ = EPOLLIN;
  event_loop()->Add(fd_, interest_, this);
  SendPing();
}

void LonghornClient::StopSocket() {
  if (ping_timer_ != 0) event_loop()->CancelTimer(std::exchange(ping_timer_, 0));
  event_loop()->Forget(this);
  if (fd_ < 0) return;
  event_loop()->Remove(fd_);
  close(std::exchange(fd_, -1));
}

// ---- sending

uint64_t LonghornClient::WindowBytes(const StreamRequest& request) const {
  if (IsZeroing(request.op)) return std::min<uint64_t>(request.length, kPayloadBytesMax);
  return IsLocal(request.op) ? 0 : request.length;
}

void LonghornClient::Transmit(StreamRequest* request) {
  if (IsLocal(request->op)) {
    // Never answered within Send.
    ++local_;
    return event_loop()->RunAtEndOfCycle(this);
  }
  size_t index = IdOf(*request) % kStreamRequestsMax;
  if (works_.empty()) works_.resize(kStreamRequestsMax);
  Work* work = &works_[index];
  work->request = request;
  work->step = Work::Step::kWhole;
  work->cursor = request->offset;
  if (IsZeroing(request->op)) return NextZeroes(work);
  bool is_read = request->op == StreamOp::kRead;
  Ask(work, is_read ? DataconnType::kRead : DataconnType::kWrite, request->offset,
      static_cast<uint32_t>(request->length), is_read ? Slice() : request->payload);
}

void LonghornClient::Ask(Work* work, DataconnType type, uint64_t offset, uint32_t length, Slice data) {
  work->sequence = ++work->uses * kIndexes + static_cast<uint32_t>(work - works_.data());
  work->length = length;
  DataconnHead head;
  head.sequence = work->sequence;
  head.type = static_cast<uint32_t>(type);
  head.offset = static_cast<int64_t>(offset);
  head.size = length;
  head.data_length = data.length;
  auto bytes = head.Encode();
  output_.AppendCopy(bytes.data(), bytes.size());
  if (data) output_.Append(std::move(data));
  event_loop()->RunAtEndOfCycle(this);
}

void LonghornClient::SendPing() {
  ping_sequence_ = ++ping_uses_ * kIndexes + kPingIndex;
  pinging_ = true;
  DataconnHead head;
  head.sequence = ping_sequence_;
  head.type = static_cast<uint32_t>(DataconnType::kPing);
  auto bytes = head.Encode();
  output_.AppendCopy(bytes.data(), bytes.size());
  event_loop()->RunAtEndOfCycle(this);
}

void LonghornClient::AtEndOfCycle() {
  if (fd_ < 0) return;
  FinishLocal();
  if (fd_ < 0) return;
  if (!blocked_ && !output_.empty()) {
    size_t before = output_.bytes();
    OutputQueue::Result result = output_.Flush(fd_);
    bytes_sent_ += before - output_.bytes();
    if (result == OutputQueue::Result::kError) return End(Status::kDisconnected, strerror(errno));
    blocked_ = result == OutputQueue::Result::kBlocked;
  }
  UpdateInterest();
}

void LonghornClient::UpdateInterest() {
  uint32_t interest = EPOLLIN | (blocked_ ? static_cast<uint32_t>(EPOLLOUT) : 0u);
  if (interest == interest_) return;
  interest_ = interest;
  event_loop()->Modify(fd_, interest);
}

/// Answers flushes that no change was sent before, and questions about allocation: all may be allocated.
void LonghornClient::FinishLocal() {
  StreamRequest* request = sent().front();
  while (local_ > 0 && request && !IsChange(request->op)) {
    StreamRequest* next = IntrusiveList<StreamRequest>::Next(request);
    if (IsLocal(request->op)) {
      --local_;
      if (request->op == StreamOp::kExtents) request->extents = {{request->offset, request->length}};
      Finish(request, Status::kOk, "");
      if (fd_ < 0) return;
      // What was answered may have sent or ended others.
      next = sent().front();
    }
    request = next;
  }
}

// ---- receiving

void LonghornClient::OnReady(uint32_t events) {
  if (events & EPOLLOUT) {
    blocked_ = false;
    event_loop()->RunAtEndOfCycle(this);
  }
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) Receive();
}

void LonghornClient::Receive() {
  auto [got, direct, rest, rest_length] = ReceiveInto(fd_, DataRoom(), kReceiveBufferBytes);
  if (got == 0) return End(Status::kDisconnected, "the replica closed the connection");
  if (got < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return;
    return End(Status::kDisconnected, strerror(errno));
  }
  bytes_received_ += static_cast<uint64_t>(got);
  data_left_ -= static_cast<uint32_t>(direct);
  if (direct > 0 && data_left_ == 0) MessageEnds();
  Feed(rest, rest_length);
}

void LonghornClient::Feed(const uint8_t* bytes, size_t length) {
  for (size_t used = 0; fd_ >= 0 && used < length;) {
    if (data_left_ > 0) {
      std::span<uint8_t> room = DataRoom();
      size_t taken = std::min(room.size(), length - used);
      memcpy(room.data(), bytes + used, taken);
      used += taken;
      data_left_ -= static_cast<uint32_t>(taken);
      if (data_left_ == 0) MessageEnds();
      continue;
    }
    size_t taken = std::min(DataconnHead::kBytes - head_filled_, length - used);
    memcpy(&head_bytes_[head_filled_], bytes + used, taken);
    used += taken;
    head_filled_ += taken;
    if (head_filled_ < DataconnHead::kBytes) return;
    head_filled_ = 0;
    head_ = DataconnHead::Decode(head_bytes_);
    HeadArrived();
  }
}

LonghornClient::Work* LonghornClient::FindWork(uint32_t sequence) {
  uint32_t index = sequence % kIndexes;
  if (index >= works_.size()) return nullptr;
  Work* work = &works_[index];
  return work->request && work->sequence == sequence ? work : nullptr;
}

/// Where the data of an answer go; null when it has none.
uint8_t* LonghornClient::Destination(const Work& work) {
  if (work.step == Work::Step::kLook) return work.looked.data();
  bool is_read = work.step == Work::Step::kWhole && work.request->op == StreamOp::kRead;
  return is_read ? work.request->payload.data() : nullptr;
}

std::span<uint8_t> LonghornClient::DataRoom() {
  if (data_left_ == 0) return {};
  uint8_t* to = text_ ? text_.data() : Destination(*FindWork(head_.sequence));
  return {to + head_.data_length - data_left_, data_left_};
}

void LonghornClient::HeadArrived() {
  if (head_.magic != kDataconnMagic) {
    bool closes = head_.magic == 0 && head_.type == static_cast<uint32_t>(DataconnType::kClose);
    return End(Status::kDisconnected,
               closes ? "the replica said that it closes"
                      : "the replica does not speak Longhorn's data protocol: magic number " +
                            std::to_string(head_.magic));
  }
  bool is_ping = pinging_ && head_.sequence == ping_sequence_;
  Work* work = FindWork(head_.sequence);
  if (!work && !is_ping) {
    return End(Status::kDisconnected,
               "the replica answered request " + std::to_string(head_.sequence) + ", which is not in flight");
  }
  auto type = static_cast<DataconnType>(head_.type);
  bool is_text = type == DataconnType::kError || type == DataconnType::kNoSpace;
  std::string misfit;
  if (is_text) {
    if (head_.data_length > kDataconnTextBytesMax) misfit = "an error text of ";
  } else if (is_ping) {
    if (type != DataconnType::kResponse || head_.data_length != 0) misfit = "a ping with data of ";
  } else {
    misfit = Misfit(*work);
  }
  if (!misfit.empty()) {
    return End(Status::kDisconnected, "the replica answered with message type " + std::to_string(head_.type) +
                                          ": " + misfit + std::to_string(head_.data_length) + " bytes");
  }
  data_left_ = head_.data_length;
  text_ = is_text && data_left_ > 0 ? Slice::Allocate(data_left_) : Slice();
  if (data_left_ == 0) MessageEnds();
}

std::string LonghornClient::Misfit(const Work& work) const {
  uint32_t wanted = Destination(work) ? work.length : 0;
  switch (static_cast<DataconnType>(head_.type)) {
    case DataconnType::kResponse:
      return head_.data_length == wanted
                 ? ""
                 : "instead of " + std::to_string(wanted) + " bytes of data there are ";
    case DataconnType::kEof:
      return head_.data_length <= wanted ? ""
                                         : "more data than the " + std::to_string(wanted) + " asked for: ";
    default:
      return "that is no answer, with data of ";
  }
}

void LonghornClient::MessageEnds() {
  std::string text;
  if (text_) text.assign(reinterpret_cast<const char*>(text_.data()), text_.length);
  text_ = Slice();
  auto type = static_cast<DataconnType>(head_.type);
  if (pinging_ && head_.sequence == ping_sequence_) {
    if (type == DataconnType::kResponse) return Pong();
    Status status = state() == State::kHandshake ? Status::kNotOpen : Status::kDisconnected;
    return End(status, text.empty() ? "the replica answered a ping with an error" : text);
  }
  Work* work = FindWork(head_.sequence);
  switch (type) {
    case DataconnType::kError:
      return FinishWork(work, StatusOf(text), text);
    case DataconnType::kNoSpace:
      return FinishWork(work, Status::kNoSpace, text);
    case DataconnType::kEof:
      // The end of the file right behind what was asked for.
      if (Destination(*work) && head_.data_length == work->length) return Answered(work);
      return FinishWork(work, Status::kIoError, "the replica's data end before the volume's");
    default:
      return Answered(work);
  }
}

void LonghornClient::Pong() {
  pinging_ = false;
  ping_timer_ = event_loop()->StartTimer(kDataconnPingMs, [this] {
    ping_timer_ = 0;
    SendPing();
  });
  if (state() != State::kHandshake) return;
  HelloReply reply;
  reply.max_requests = kStreamRequestsMax;
  reply.max_payload = kPayloadBytesMax;
  reply.max_payload_in_flight = kStreamPayloadBytesMax;
  Established(reply);
}

void LonghornClient::Answered(Work* work) {
  bool wrote = work->step == Work::Step::kZero ||
               (work->step == Work::Step::kWhole && work->request->op == StreamOp::kWrite);
  if (wrote && head_.size != work->length) {
    return FinishWork(
        work, Status::kIoError,
        "the replica wrote " + std::to_string(head_.size) + " of " + std::to_string(work->length) + " bytes");
  }
  if (work->step == Work::Step::kWhole) return FinishWork(work, Status::kOk, "");
  Progressed(work->request);
  if (work->step == Work::Step::kLook) return ZeroWhatIsNot(work);
  work->cursor += work->step == Work::Step::kZero ? work->looked.length : work->length;
  NextZeroes(work);
}

void LonghornClient::FinishWork(Work* work, Status status, const std::string& message) {
  StreamRequest* request = std::exchange(work->request, nullptr);
  work->looked = Slice();
  if (local_ > 0) event_loop()->RunAtEndOfCycle(this);
  Finish(request, status, message);
}

// ---- zeroes

void LonghornClient::NextZeroes(Work* work) {
  const StreamRequest& request = *work->request;
  uint64_t end = request.offset + request.length;
  if (work->cursor >= end) return FinishWork(work, Status::kOk, "");
  if (request.op == StreamOp::kUnmap && unmap_zeroes_) {
    uint64_t inner_begin = RoundUp(request.offset), inner_end = RoundDown(end);
    if (work->cursor >= inner_begin && work->cursor < inner_end) {
      work->step = Work::Step::kUnmap;
      work->looked = Slice();
      auto length = static_cast<uint32_t>(std::min(inner_end - work->cursor, kDataconnUnmapBytesMax));
      return Ask(work, DataconnType::kUnmap, work->cursor, length, Slice());
    }
    if (work->cursor < inner_begin) end = std::min(end, inner_begin);
  }
  auto length = static_cast<uint32_t>(std::min<uint64_t>(end - work->cursor, kPayloadBytesMax));
  work->step = Work::Step::kLook;
  // What was looked at before may still have to be sent.
  work->looked = Slice::Allocate(length);
  Ask(work, DataconnType::kRead, work->cursor, length, Slice());
}

/// Blocks that are zeroes already are left alone: they may take no space.
void LonghornClient::ZeroWhatIsNot(Work* work) {
  uint8_t* bytes = work->looked.data();
  uint32_t length = work->looked.length;
  uint8_t* last = bytes + length;
  auto is_set = [](uint8_t byte) { return byte != 0; };
  uint8_t* first = std::find_if(bytes, last, is_set);
  if (first == last) {
    work->cursor += length;
    return NextZeroes(work);
  }
  while (last[-1] == 0) --last;
  uint64_t begin = std::max(work->cursor, RoundDown(work->cursor + (first - bytes)));
  uint64_t end = std::min(work->cursor + length, RoundUp(work->cursor + (last - bytes)));
  memset(bytes, 0, length);
  work->step = Work::Step::kZero;
  auto zeroes = static_cast<uint32_t>(end - begin);
  Ask(work, DataconnType::kWrite, begin, zeroes,
      work->looked.Sub(static_cast<uint32_t>(begin - work->cursor), zeroes));
}

}  // namespace aurochs
