#include "batched_socket.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <vector>

namespace aurochs {
namespace {

// Depth 128 of 4 KiB with headers fits; more is sent in parts.
constexpr size_t kCollectedBytesMax = 1u << 20;
constexpr size_t kReadAheadBytes = 256u << 10;

struct Batch {
  int fd = -1;
  std::vector<uint8_t> output;
  size_t sent = 0;  // bytes of `output`
  std::vector<uint8_t> input;
  size_t input_begin = 0;
  size_t input_end = 0;
  bool drained = false;  // the last read took all there was: ask poll before the next one
};

Batch batch;

ssize_t Collect(const iovec* pieces, int count) {
  if (batch.output.size() > kCollectedBytesMax && !FlushBatch()) {
    errno = EAGAIN;
    return -1;
  }
  ssize_t bytes = 0;
  for (int i = 0; i < count; ++i) {
    const auto* data = static_cast<const uint8_t*>(pieces[i].iov_base);
    batch.output.insert(batch.output.end(), data, data + pieces[i].iov_len);
    bytes += static_cast<ssize_t>(pieces[i].iov_len);
  }
  return bytes;
}

size_t TakeReadAhead(void* data, size_t length) {
  size_t taken = std::min(length, batch.input_end - batch.input_begin);
  std::memcpy(data, batch.input.data() + batch.input_begin, taken);
  batch.input_begin += taken;
  return taken;
}

}  // namespace

void StartBatching(int fd) {
  batch = Batch{};
  batch.fd = fd;
  batch.input.resize(kReadAheadBytes);
}

void StopBatching() { batch = Batch{}; }

bool FlushBatch() {
  while (batch.sent < batch.output.size()) {
    ssize_t sent = sendto(batch.fd, batch.output.data() + batch.sent, batch.output.size() - batch.sent,
                          MSG_NOSIGNAL | MSG_DONTWAIT, nullptr, 0);
    if (sent < 0 && errno == EINTR) continue;
    // Any other failure shows at the next read of this socket.
    if (sent < 0) return errno != EAGAIN;
    batch.sent += static_cast<size_t>(sent);
  }
  batch.output.clear();
  batch.sent = 0;
  return true;
}

}  // namespace aurochs

// Libraries look these names up in the executable before libc. Descriptors other than the batch's go straight
// to the kernel.
using aurochs::batch;

extern "C" ssize_t send(int fd, const void* data, size_t length, int flags) {
  if (fd != batch.fd) return sendto(fd, data, length, flags, nullptr, 0);
  iovec piece = {const_cast<void*>(data), length};
  return aurochs::Collect(&piece, 1);
}

extern "C" ssize_t writev(int fd, const iovec* pieces, int count) {
  if (fd != batch.fd) return syscall(SYS_writev, fd, pieces, count);
  return aurochs::Collect(pieces, count);
}

// libiscsi receives each header with this.
extern "C" ssize_t recv(int fd, void* data, size_t length, int flags) {
  if (fd != batch.fd) return recvfrom(fd, data, length, flags, nullptr, nullptr);
  if (batch.input_begin == batch.input_end) {
    if (batch.drained) {
      batch.drained = false;
      errno = EAGAIN;
      return -1;
    }
    ssize_t received = recvfrom(fd, batch.input.data(), batch.input.size(), MSG_DONTWAIT, nullptr, nullptr);
    if (received <= 0) return received;
    batch.input_begin = 0;
    batch.input_end = static_cast<size_t>(received);
    batch.drained = batch.input_end < batch.input.size();
  }
  return static_cast<ssize_t>(aurochs::TakeReadAhead(data, length));
}

// ... and data that have a buffer with this.
extern "C" ssize_t readv(int fd, const iovec* pieces, int count) {
  if (fd != batch.fd || batch.input_begin == batch.input_end) return syscall(SYS_readv, fd, pieces, count);
  ssize_t bytes = 0;
  for (int i = 0; i < count; ++i) {
    size_t taken = aurochs::TakeReadAhead(pieces[i].iov_base, pieces[i].iov_len);
    bytes += static_cast<ssize_t>(taken);
    if (taken < pieces[i].iov_len) break;
  }
  return bytes;
}
