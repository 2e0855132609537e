#include "sync/file_receiver.h"

#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/crc32c.h"
#include "sync/limits.h"

namespace aurochs {

namespace {

int WriteAll(int fd, const uint8_t* bytes, FileRange range) {
  while (range.length > 0) {
    ssize_t count = pwrite(fd, bytes, range.length, static_cast<off_t>(range.offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    bytes += count;
    range.offset += static_cast<uint64_t>(count);
    range.length -= static_cast<uint64_t>(count);
  }
  return 0;
}

}  // namespace

FileReceiver::FileReceiver(int fd, uint64_t size, std::string name, OnReceived on_received)
    : fd_(fd),
      size_(size),
      name_(std::move(name)),
      on_received_(std::move(on_received)),
      write_behind_(fd),
      body_(std::make_unique<uint8_t[]>(kFrameBodyBytesMax)) {}

FileReceiver::~FileReceiver() {
  write_behind_.Finish();
  close(fd_);
}

bool FileReceiver::Fail(const std::string& text, int system_errno) {
  error_ = text;
  system_errno_ = system_errno;
  return false;
}

bool FileReceiver::FailFile(int system_errno) {
  std::string words = strerror(system_errno);
  // As the C library's words stand within a sentence.
  if (words.size() > 1 && !std::isupper(static_cast<unsigned char>(words[1])))
    words[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(words[0])));
  return Fail("write " + name_ + ": " + words, system_errno);
}

void FileReceiver::Abandon() { Fail("no sender came", ECANCELED); }

void FileReceiver::Run(Wire* wire) {
  wire_ = wire;
  wire->SetTimeout(kReceiveSilenceMs);
  while (ReceiveFrame()) {
  }
  int error = write_behind_.Finish();
  if (error_.empty() && error != 0) FailFile(error);
  if (untold_ > 0) on_received_(std::exchange(untold_, 0));
  FrameHead answer;
  answer.begin = answer.end = position_;
  std::string text = error_.substr(0, kFrameTextBytesMax);
  auto body = std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  answer.kind = text.empty() ? FrameKind::kDone : FrameKind::kFailed;
  answer.data_bytes = static_cast<uint32_t>(body.size());
  answer.body_crc = Crc32c(body.data(), body.size());
  // It need not be there any more: then its owner knows of no success.
  if (wire->SendFrame(answer, body) && !text.empty()) wire->Drain(kRefusedMsMax);
}

bool FileReceiver::ReceiveFrame() {
  FrameHead::Bytes bytes;
  FrameHead head;
  if (!wire_->Receive(bytes.data(), bytes.size())) return Fail(wire_->error());
  if (const char* wrong = FrameHead::Decode(bytes, &head)) return Fail(wrong);
  if (head.begin != position_ || head.end > size_) return Fail("a frame is not of the range that follows");
  if (head.kind == FrameKind::kData) return TakeData(head);
  if (head.kind != FrameKind::kEnd) return Fail("a frame is not of a kind that senders send");
  // The end, or there is a part missing.
  if (position_ != size_)
    Fail(name_ + " is incomplete: byte " + std::to_string(position_) + " was never received");
  return false;
}

bool FileReceiver::TakeData(const FrameHead& head) {
  if (!wire_->Receive(body_.get(), head.BodyBytes())) return Fail(wire_->error());
  if (Crc32c(body_.get(), head.BodyBytes()) != head.body_crc) return Fail("CRC32C of a frame is wrong");
  if (const char* wrong = DecodeExtents(head, body_.get(), &extents_)) return Fail(wrong);
  const uint8_t* data = body_.get() + head.extents * kFrameExtentBytes;
  for (const FileRange& extent : extents_) {
    if (int error = WriteAll(fd_, data, extent)) return FailFile(error);
    data += extent.length;
  }
  if (int error = write_behind_.Written({head.begin, head.end - head.begin}, head.data_bytes))
    return FailFile(error);
  position_ = head.end;
  received_bytes_ += head.data_bytes;
  untold_ += head.data_bytes;
  if (untold_ >= kProgressBytes) on_received_(std::exchange(untold_, 0));
  return true;
}

}  // namespace aurochs
