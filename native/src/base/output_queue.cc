#include "base/output_queue.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/limits.h"

namespace aurochs {

void OutputQueue::AppendCopy(const void* data, size_t length) { memcpy(AppendSpace(length), data, length); }

uint8_t* OutputQueue::AppendSpace(size_t length) {
  if (!slab_ || slab_used_ + length > kSlabBytes) {
    slab_ = Buffer::Allocate(kSlabBytes);
    slab_used_ = 0;
  }
  uint8_t* space = slab_.data() + slab_used_;
  // Neighbouring headers become one piece, hence one iovec.
  if (!pieces_.empty() && pieces_.back().buffer.operator->() == slab_.operator->() &&
      pieces_.back().data() + pieces_.back().length == space) {
    pieces_.back().length += length;
  } else {
    pieces_.push_back(Slice{slab_, static_cast<uint32_t>(slab_used_), static_cast<uint32_t>(length)});
  }
  slab_used_ += length;
  bytes_ += length;
  return space;
}

void OutputQueue::Append(Slice slice) {
  if (slice.length == 0) return;
  if (slice.length <= kCopiedBytesMax) return AppendCopy(slice.data(), slice.length);
  bytes_ += slice.length;
  pieces_.push_back(std::move(slice));
}

void OutputQueue::MoveTo(OutputQueue* to, size_t length) {
  bytes_ -= length;
  to->bytes_ += length;
  while (length > 0) {
    Slice& first = pieces_.front();
    if (first.length > length) {
      to->pieces_.push_back(first.Sub(0, static_cast<uint32_t>(length)));
      first.offset += length;
      first.length -= length;
      break;
    }
    length -= first.length;
    to->pieces_.push_back(std::move(first));
    pieces_.pop_front();
  }
  if (pieces_.empty()) {
    slab_ = BufferRef();
    slab_used_ = 0;
  }
}

OutputQueue::Result OutputQueue::Flush(int fd) {
  while (!pieces_.empty()) {
    iovec vectors[kIovecsMax];
    int count = 0;
    for (auto piece = pieces_.begin(); piece != pieces_.end() && count < kIovecsMax; ++piece, ++count) {
      vectors[count] = {piece->data(), piece->length};
    }
    msghdr message{};
    message.msg_iov = vectors;
    message.msg_iovlen = count;
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN || errno == EWOULDBLOCK ? Result::kBlocked : Result::kError;
    }
    bytes_ -= sent;
    while (sent > 0) {
      Slice& first = pieces_.front();
      uint32_t taken = std::min<size_t>(sent, first.length);
      first.offset += taken;
      first.length -= taken;
      sent -= taken;
      if (first.length == 0) pieces_.pop_front();
    }
  }
  // An idle socket keeps no memory.
  slab_ = BufferRef();
  slab_used_ = 0;
  return Result::kDrained;
}

}  // namespace aurochs
