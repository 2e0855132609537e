// What waits to be sent on one socket: small pieces are copied into shared header slabs, longer payloads are
// referenced.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "base/buffer.h"

namespace aurochs {

class OutputQueue {
 public:
  enum class Result { kDrained, kBlocked, kError };

  /// Copies `length` bytes (headers). `length` is at most kSlabBytes.
  void AppendCopy(const void* data, size_t length);
  /// Room for `length` bytes (at most kSlabBytes) that the caller fills before the next call to this queue.
  uint8_t* AppendSpace(size_t length);
  /// Queues a reference, or a copy of what is short; the bytes must stay unchanged until they are sent.
  void Append(Slice slice);

  /// Moves the first `length` bytes (at most bytes()) to the end of `to`.
  void MoveTo(OutputQueue* to, size_t length);

  /// Sends with as few sendmsg calls as possible until drained or the socket is full. kError leaves errno.
  Result Flush(int fd);

  size_t bytes() const { return bytes_; }
  bool empty() const { return bytes_ == 0; }

  static constexpr size_t kSlabBytes = 16384;

 private:
  std::deque<Slice> pieces_;
  size_t bytes_ = 0;
  BufferRef slab_;
  size_t slab_used_ = 0;
};

}  // namespace aurochs
