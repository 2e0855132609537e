#include "stream/dataconn_connection.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/limits.h"
#include "stream/socket.h"

namespace aurochs {

namespace {

constexpr uint64_t kSectorBytes = 512;
constexpr uint64_t kUnmapGrainBytes = 4096;

std::string Hex(uint16_t number) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "0x";
  bool started = false;
  for (int shift = 12; shift >= 0; shift -= 4) {
    int digit = number >> shift & 15;
    started |= digit != 0 || shift == 0;
    if (started) text += kDigits[digit];
  }
  return text;
}

}  // namespace

std::string DataconnErrorText(Status status, const char* message) {
  if (status == Status::kNoSpace) return "no space left on device";
  if (message != nullptr && *message != '\0') return message;
  return status == Status::kIoError ? "input/output error" : StatusName(status);
}

DataconnConnection::DataconnConnection(EventLoop* loop, int fd, const Limits& limits, RangeLocks* locks)
    : loop_(loop), limits_(limits), fd_(fd), locks_(locks) {
  loop_->Add(fd_, interest_, this);
}

DataconnConnection::~DataconnConnection() {
  while (DataconnChange* change = changes_.PopFront()) delete change;
  loop_->Forget(this);
  if (fd_ < 0) return;
  loop_->Remove(fd_);
  close(fd_);
}

void DataconnConnection::Accept() {
  accepted_ = true;
  UpdateInterest();
}

void DataconnConnection::End(const std::string& reason) {
  if (fd_ < 0) return;
  DataconnHead farewell;
  farewell.magic = 0;
  farewell.type = static_cast<uint32_t>(DataconnType::kClose);
  auto bytes = farewell.Encode();
  output_.AppendCopy(bytes.data(), bytes.size());
  output_.Flush(fd_);  // as far as it goes: the end of the connection says the same
  loop_->Remove(fd_);
  close(std::exchange(fd_, -1));
  data_ = Slice();
  waiting_.clear();
  Ended(reason);
}

void DataconnConnection::OnReady(uint32_t events) {
  if (events & EPOLLOUT) {
    blocked_ = false;
    loop_->RunAtEndOfCycle(this);
  }
  if ((events & (EPOLLHUP | EPOLLERR)) != 0 && interest_ == 0) return End("the peer closed the connection");
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) Receive();
}

void DataconnConnection::AtEndOfCycle() {
  // Also when it has ended since: whoever waits for the same sectors would wait for ever.
  StartGranted();
  if (fd_ < 0) return;
  if (!blocked_ && !output_.empty()) {
    OutputQueue::Result result = output_.Flush(fd_);
    if (result == OutputQueue::Result::kError) return End(strerror(errno));
    blocked_ = result == OutputQueue::Result::kBlocked;
  }
  TakeWaiting();
  UpdateInterest();
}

void DataconnConnection::UpdateInterest() {
  if (fd_ < 0) return;
  bool reads = accepted_ && waiting_.empty();
  uint32_t interest =
      (reads ? static_cast<uint32_t>(EPOLLIN) : 0u) | (blocked_ ? static_cast<uint32_t>(EPOLLOUT) : 0u);
  if (interest == interest_) return;
  interest_ = interest;
  loop_->Modify(fd_, interest);
}

void DataconnConnection::Receive() {
  std::span<uint8_t> room;
  if (data_left_ > 0 && data_) room = {data_.data() + data_.length - data_left_, data_left_};
  auto [got, direct, rest, rest_length] = ReceiveInto(fd_, room, kReceiveBufferBytes);
  if (got == 0) return End("the peer closed the connection");
  if (got < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return;
    return End(strerror(errno));
  }
  data_left_ -= static_cast<uint32_t>(direct);
  if (direct > 0 && data_left_ == 0) TakeMessage();
  size_t used = Feed(rest, rest_length);
  if (fd_ < 0) return;
  waiting_.assign(rest + used, rest + rest_length);
  loop_->RunAtEndOfCycle(this);
}

void DataconnConnection::TakeWaiting() {
  if (fd_ < 0 || waiting_.empty() || !HasRoom()) return;
  std::vector<uint8_t> bytes = std::exchange(waiting_, {});
  size_t used = Feed(bytes.data(), bytes.size());
  if (fd_ < 0) return;
  waiting_.assign(bytes.begin() + static_cast<ptrdiff_t>(used), bytes.end());
  UpdateInterest();
}

size_t DataconnConnection::Feed(const uint8_t* bytes, size_t length) {
  size_t used = 0;
  while (fd_ >= 0 && used < length) {
    if (data_left_ > 0) {
      size_t taken = std::min<size_t>(data_left_, length - used);
      if (data_) memcpy(data_.data() + data_.length - data_left_, bytes + used, taken);
      used += taken;
      data_left_ -= static_cast<uint32_t>(taken);
      if (data_left_ == 0) TakeMessage();
      continue;
    }
    if (head_filled_ == 0 && !HasRoom()) break;
    size_t taken = std::min(DataconnHead::kBytes - head_filled_, length - used);
    memcpy(&head_bytes_[head_filled_], bytes + used, taken);
    used += taken;
    head_filled_ += taken;
    if (head_filled_ < DataconnHead::kBytes) break;
    head_filled_ = 0;
    head_ = DataconnHead::Decode(head_bytes_);
    if (head_.magic != kDataconnMagic) {
      End("wrong API version received: " + Hex(head_.magic));
    } else if (head_.data_length > kDataconnPayloadBytesMax) {
      End("a message of " + std::to_string(head_.data_length) + " bytes exceeds the limit of " +
          std::to_string(kDataconnPayloadBytesMax));
    } else {
      data_left_ = head_.data_length;
      bool wanted = head_.type == static_cast<uint32_t>(DataconnType::kWrite);
      data_ = wanted && data_left_ > 0 ? Slice::Allocate(data_left_) : Slice();
      if (data_left_ == 0) TakeMessage();
    }
  }
  return used;
}

bool DataconnConnection::HasRoom() const {
  return requests_ < limits_.requests_max && payload_bytes_ + output_.bytes() < limits_.payload_in_flight_max;
}

void DataconnConnection::TakeMessage() {
  Kind kind;
  switch (static_cast<DataconnType>(head_.type)) {
    case DataconnType::kPing:
      return Send(head_.sequence, head_.offset, DataconnType::kResponse, 0, Slice());
    case DataconnType::kClose:
      return End("the peer said that it closes");
    case DataconnType::kRead:
      kind = Kind::kRead;
      break;
    case DataconnType::kWrite:
      kind = Kind::kWrite;
      break;
    case DataconnType::kUnmap:
      kind = Kind::kUnmap;
      break;
    default:
      data_ = Slice();
      return;  // Longhorn's own replica does not answer either
  }
  if (std::string refusal = Refusal(kind); !refusal.empty()) {
    data_ = Slice();
    return SendText(head_.sequence, head_.offset, DataconnType::kError, refusal);
  }
  uint64_t begin = static_cast<uint64_t>(head_.offset), end = begin + head_.size;
  if (kind == Kind::kUnmap) {
    // Rounded inwards, as Longhorn's replica does.
    begin = (begin + kUnmapGrainBytes - 1) / kUnmapGrainBytes * kUnmapGrainBytes;
    end = end / kUnmapGrainBytes * kUnmapGrainBytes;
  }
  if (begin >= end) return Send(head_.sequence, head_.offset, DataconnType::kResponse, 0, Slice());
  Begin(kind, begin, end);
}

std::string DataconnConnection::Refusal(Kind kind) const {
  if (kind == Kind::kWrite && head_.data_length != head_.size) return "the data are not as long as the range";
  if (kind != Kind::kWrite && head_.data_length != 0) return "data where none belong";
  if (kind != Kind::kUnmap && head_.size > kDataconnPayloadBytesMax) return "the range is too long";
  uint64_t size = served_size(), offset = static_cast<uint64_t>(head_.offset);
  if (head_.offset < 0 || offset > size || head_.size > size - offset)
    return PastTheEnd(kind, head_.offset, head_.size);
  return "";
}

void DataconnConnection::Begin(Kind kind, uint64_t begin, uint64_t end) {
  uint64_t first = begin / kSectorBytes * kSectorBytes;
  uint64_t last = (end + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
  DataconnAsk ask;
  ask.sequence = head_.sequence;
  ask.offset = head_.offset;
  ask.size = static_cast<uint32_t>(end - begin);
  ask.skipped = static_cast<uint32_t>(begin - first);
  Slice data = std::exchange(data_, Slice());
  Slice payload;
  if (kind == Kind::kWrite && first == begin && last == end) {
    payload = std::exchange(data, Slice());
  } else if (kind != Kind::kUnmap) {
    payload = Slice::Allocate(static_cast<uint32_t>(last - first));
  }
  ask.held_bytes = data.length + payload.length;
  ++requests_;
  payload_bytes_ += ask.held_bytes;
  if (kind == Kind::kRead) return Submit(kind, ask, first, last - first, std::move(payload));
  BeginChange(kind, ask, first, last, std::move(data), std::move(payload));
}

void DataconnConnection::BeginChange(Kind kind, const DataconnAsk& ask, uint64_t begin, uint64_t end,
                                     Slice data, Slice payload) {
  auto* change = new DataconnChange;
  change->connection = this;
  change->kind = kind;
  change->ask = ask;
  change->ask.change = change;
  change->begin = begin;
  change->end = end;
  change->writer = true;
  bool ends_inside = (ask.skipped + ask.size) % kSectorBytes != 0;
  bool is_one_sector = end - begin == kSectorBytes;
  change->keeps_first = ask.skipped > 0 || (is_one_sector && ends_inside);
  change->keeps_last = ends_inside && !is_one_sector;
  change->data = std::move(data);
  change->payload = std::move(payload);
  changes_.PushBack(change);
  if (locks_->Acquire(change)) return Proceed(change);
  ++waiting_changes_;
}

void DataconnConnection::Proceed(DataconnChange* change) {
  // It may be over when Submit returns.
  const DataconnAsk ask = change->ask;
  const uint64_t begin = change->begin, end = change->end;
  if (std::exchange(change->keeps_first, false))
    return Submit(Kind::kRead, ask, begin, kSectorBytes, change->payload.Sub(0, kSectorBytes));
  if (std::exchange(change->keeps_last, false)) {
    Slice place = change->payload.Sub(change->payload.length - kSectorBytes, kSectorBytes);
    return Submit(Kind::kRead, ask, end - kSectorBytes, kSectorBytes, std::move(place));
  }
  if (change->data) {
    memcpy(change->payload.data() + ask.skipped, change->data.data(), change->data.length);
    change->data = Slice();
  }
  change->is_carried_out = true;
  Submit(change->kind, ask, begin, end - begin, std::move(change->payload));
}

void DataconnConnection::Granted(DataconnChange* change) {
  granted_.push_back(change);
  loop_->RunAtEndOfCycle(this);
}

void DataconnConnection::StartGranted() {
  if (granted_.empty()) return;
  for (DataconnChange* change : std::exchange(granted_, {})) {
    --waiting_changes_;
    if (fd_ >= 0) {
      Proceed(change);
    } else {
      EndRequest(change->ask);
    }
  }
  if (fd_ < 0 && idle()) Emptied();
}

void DataconnConnection::EndRequest(const DataconnAsk& ask) {
  --requests_;
  payload_bytes_ -= ask.held_bytes;
  if (ask.change == nullptr) return;
  std::vector<RangeLocks::Entry*> ready;
  DataconnChange* change = ask.change;
  locks_->Release(change, &ready);
  changes_.Remove(change);
  delete change;
  for (RangeLocks::Entry* entry : ready) {
    auto* next = static_cast<DataconnChange*>(entry);
    next->connection->Granted(next);
  }
}

void DataconnConnection::Answer(const DataconnAsk& ask, uint64_t freed, Slice data) {
  DataconnChange* change = ask.change;
  if (fd_ >= 0 && change != nullptr && !change->is_carried_out) return Proceed(change);
  bool is_unmap = change != nullptr && change->kind == Kind::kUnmap;
  EndRequest(ask);
  if (fd_ < 0) return;
  auto size = is_unmap ? static_cast<uint32_t>(std::min<uint64_t>(freed, UINT32_MAX)) : ask.size;
  if (data) data = data.Sub(ask.skipped, ask.size);
  Send(ask.sequence, ask.offset, DataconnType::kResponse, size, std::move(data));
}

void DataconnConnection::AnswerError(const DataconnAsk& ask, DataconnType type, const std::string& text) {
  EndRequest(ask);
  if (fd_ >= 0) SendText(ask.sequence, ask.offset, type, text);
}

void DataconnConnection::Send(uint32_t sequence, int64_t offset, DataconnType type, uint32_t size,
                              Slice data) {
  DataconnHead head;
  head.sequence = sequence;
  head.type = static_cast<uint32_t>(type);
  head.offset = offset;
  head.size = size;
  head.data_length = data.length;
  auto bytes = head.Encode();
  output_.AppendCopy(bytes.data(), bytes.size());
  if (data) output_.Append(std::move(data));
  loop_->RunAtEndOfCycle(this);
}

void DataconnConnection::SendText(uint32_t sequence, int64_t offset, DataconnType type,
                                  const std::string& text) {
  Slice data = Slice::Allocate(static_cast<uint32_t>(text.size()));
  memcpy(data.data(), text.data(), text.size());
  Send(sequence, offset, type, data.length, std::move(data));
}

}  // namespace aurochs
