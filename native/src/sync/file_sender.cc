#include "sync/file_sender.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/crc32c.h"
#include "stream/socket.h"
#include "sync/limits.h"

namespace aurochs {

FileSender::FileSender(int fd, uint64_t size, Options options, OnSent on_sent)
    : fd_(fd),
      size_(size),
      options_(std::move(options)),
      on_sent_(std::move(on_sent)),
      data_(std::make_unique<uint8_t[]>(kFrameDataBytesMax)) {}

FileSender::~FileSender() { close(fd_); }

void FileSender::Allow(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  allowed_ += bytes;
  allowed_more_.notify_one();
}

void FileSender::Cancel() {
  std::lock_guard lock(mutex_);
  cancelled_ = true;
  allowed_more_.notify_one();
  wire_.Cancel();
}

bool FileSender::Fail(const std::string& text, int system_errno) {
  std::lock_guard lock(mutex_);
  error_ = cancelled_ ? "cancelled" : text;
  system_errno_ = cancelled_ ? ECANCELED : system_errno;
  return false;
}

bool FileSender::FailWire() {
  std::string text = wire_.error();
  if (wire_.HasInput()) {
    ReadAnswer();
    // An answer that cannot be read says less than why nothing could be sent.
    if (wire_.error() == text) return false;
  }
  return Fail(text);
}

void FileSender::Run() {
  std::string unknown;
  std::vector<SocketAddress> addresses = ResolveAddress(options_.host, options_.port, &unknown);
  if (addresses.empty()) {
    Fail(unknown);
  } else if (!wire_.Connect(addresses, options_.timeout_ms)) {
    Fail(wire_.error());
  } else {
    wire_.SetTimeout(options_.timeout_ms);
    if (SendAll() && SendEnd()) ReadAnswer();
    // A receiver that failed waits for it.
    wire_.Cancel();
  }
}

bool FileSender::SendAll() {
  std::vector<FileRange> found;
  for (uint64_t position = 0; position < size_;) {
    found.clear();
    int error = ListFileExtents(fd_, position, size_, position == 0, &found);
    if (error == EOPNOTSUPP) return Fail("file extent is unsupported", error);
    if (error != 0) return Fail(std::string("read extents: ") + strerror(error), error);
    if (found.empty()) break;
    for (const FileRange& extent : found) {
      if (!Add(extent)) return false;
      position = extent.offset + extent.length;
    }
  }
  return begin_ == size_ || SendFrame(size_);
}

bool FileSender::Add(FileRange extent) {
  uint64_t position = extents_.empty() ? begin_ : extents_.back().offset + extents_.back().length;
  if (extent.offset - position > kFrameHoleBytesMax && !SendFrame(extent.offset)) return false;
  while (extent.length > 0) {
    bool joins = !extents_.empty() && extents_.back().offset + extents_.back().length == extent.offset;
    if (data_bytes_ == kFrameDataBytesMax || (!joins && extents_.size() == kFrameExtentsMax)) {
      // What is hole up to here belongs to it.
      if (!SendFrame(extent.offset)) return false;
      joins = false;
    }
    uint64_t length = std::min<uint64_t>(extent.length, kFrameDataBytesMax - data_bytes_);
    ssize_t got = pread(fd_, data_.get() + data_bytes_, length, static_cast<off_t>(extent.offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Fail(std::string("read: ") + strerror(errno), errno);
    if (got == 0) return Fail("the file ended at byte " + std::to_string(extent.offset));
    auto bytes = static_cast<uint64_t>(got);
    if (joins) {
      extents_.back().length += bytes;
    } else {
      extents_.push_back({extent.offset, bytes});
    }
    data_bytes_ += static_cast<uint32_t>(bytes);
    extent.offset += bytes;
    extent.length -= bytes;
  }
  return true;
}

bool FileSender::SendFrame(uint64_t end) {
  if (!AwaitAllowance(data_bytes_)) return Fail("cancelled", ECANCELED);
  std::array<uint8_t, kFrameExtentsMax * kFrameExtentBytes> table;
  size_t table_bytes = extents_.size() * kFrameExtentBytes;
  EncodeExtents(begin_, extents_, table.data());
  FrameHead head;
  head.begin = begin_;
  head.end = end;
  head.extents = static_cast<uint32_t>(extents_.size());
  head.data_bytes = data_bytes_;
  head.body_crc = Crc32c(data_.get(), data_bytes_, Crc32c(table.data(), table_bytes));
  FrameHead::Bytes bytes = head.Encode();
  iovec parts[3] = {{bytes.data(), bytes.size()}, {table.data(), table_bytes}, {data_.get(), data_bytes_}};
  if (!wire_.Send(std::span(parts, extents_.empty() ? 1 : 3))) return FailWire();
  // Before the end there is none but to say that it failed.
  if (wire_.HasInput()) return ReadAnswer();
  untold_ += data_bytes_;
  if (untold_ >= kProgressBytes) on_sent_(std::exchange(untold_, 0));
  begin_ = end;
  extents_.clear();
  data_bytes_ = 0;
  return true;
}

bool FileSender::SendEnd() {
  if (untold_ > 0) on_sent_(std::exchange(untold_, 0));
  FrameHead head;
  head.kind = FrameKind::kEnd;
  head.begin = head.end = size_;
  if (!wire_.SendFrame(head, {})) return FailWire();
  end_sent_ = true;
  wire_.SetTimeout(options_.end_timeout_ms);
  return true;
}

bool FileSender::ReadAnswer() {
  FrameHead::Bytes bytes;
  FrameHead head;
  if (!wire_.Receive(bytes.data(), bytes.size())) return Fail(wire_.error());
  if (const char* wrong = FrameHead::Decode(bytes, &head)) return Fail(wrong);
  if (head.kind == FrameKind::kDone && head.end == size_ && end_sent_) return true;
  if (head.kind != FrameKind::kFailed) return Fail("the receiver's answer makes no sense");
  std::string text(head.data_bytes, '\0');
  if (!wire_.Receive(text.data(), text.size())) return Fail(wire_.error());
  if (Crc32c(text.data(), text.size()) != head.body_crc)
    return Fail("CRC32C of the receiver's answer is wrong");
  return Fail(text);
}

bool FileSender::AwaitAllowance(uint64_t bytes) {
  std::unique_lock lock(mutex_);
  allowed_more_.wait(lock, [&] { return cancelled_ || allowed_ >= bytes; });
  allowed_ -= std::min(allowed_, bytes);
  return !cancelled_;
}

}  // namespace aurochs
