#include "sync/wire.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>

#include "base/limits.h"

namespace aurochs {

namespace {
/// A wait for a connection looks this often whether it was cancelled, ms.
constexpr int kConnectSliceMs = 100;
}  // namespace

Wire::Wire(int fd) : fd_(fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK); }

Wire::~Wire() {
  if (fd_ >= 0) close(fd_);
}

bool Wire::Fail(const char* doing, int system_errno) {
  // A socket's timeout shows as EAGAIN.
  const char* why = cancelled_               ? "cancelled"
                    : system_errno == EAGAIN ? "nothing moved for too long"
                    : system_errno == 0      ? "the other end closed the connection"
                                             : strerror(system_errno);
  error_ = std::string(doing) + ": " + why;
  return false;
}

bool Wire::Connect(const std::vector<SocketAddress>& addresses, int timeout_ms) {
  for (const SocketAddress& address : addresses) {
    std::string doing = "connect " + address.ToString();
    int fd = ConnectTo(address);
    if (fd < 0) {
      Fail(doing.c_str(), errno);
      continue;
    }
    int waited = 0;
    pollfd ready{fd, POLLOUT, 0};
    while (!cancelled_ && waited < timeout_ms && poll(&ready, 1, kConnectSliceMs) == 0)
      waited += kConnectSliceMs;
    int error = 0;
    socklen_t length = sizeof error;
    if (cancelled_ || waited >= timeout_ms) {
      error = ETIMEDOUT;
    } else {
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    }
    if (error != 0) {
      close(fd);
      Fail(doing.c_str(), error);
      continue;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    fd_ = fd;
    // Whoever cancelled in between found no socket.
    if (cancelled_) shutdown(fd, SHUT_RDWR);
    return true;
  }
  return false;
}

void Wire::SetTimeout(int timeout_ms) {
  timeval timeout{timeout_ms / 1000, (timeout_ms % 1000) * 1000};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
}

bool Wire::Send(std::span<iovec> parts) {
  while (!parts.empty()) {
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    ssize_t sent = sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return Fail("send", errno);
    auto left = static_cast<size_t>(sent);
    while (!parts.empty() && left >= parts[0].iov_len) {
      left -= parts[0].iov_len;
      parts = parts.subspan(1);
    }
    if (left > 0) {
      parts[0].iov_base = static_cast<uint8_t*>(parts[0].iov_base) + left;
      parts[0].iov_len -= left;
    }
  }
  return true;
}

bool Wire::Receive(void* bytes, size_t length) {
  auto* at = static_cast<uint8_t*>(bytes);
  while (length > 0) {
    ssize_t got = recv(fd_, at, length, MSG_WAITALL);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Fail("receive", got < 0 ? errno : 0);
    at += got;
    length -= static_cast<size_t>(got);
  }
  return true;
}

bool Wire::HasInput() const {
  pollfd ready{fd_, POLLIN, 0};
  return poll(&ready, 1, 0) > 0;
}

void Wire::Cancel() {
  cancelled_ = true;
  int fd = fd_;
  if (fd >= 0) shutdown(fd, SHUT_RDWR);
}

bool Wire::SendFrame(const FrameHead& head, std::span<const uint8_t> body) {
  FrameHead::Bytes bytes = head.Encode();
  iovec parts[2] = {{bytes.data(), bytes.size()}, {const_cast<uint8_t*>(body.data()), body.size()}};
  return Send(std::span(parts, body.empty() ? 1 : 2));
}

void Wire::Drain(int timeout_ms) {
  using Clock = std::chrono::steady_clock;
  shutdown(fd_, SHUT_WR);
  auto until = Clock::now() + std::chrono::milliseconds(timeout_ms);
  auto buffer = std::make_unique<uint8_t[]>(kReceiveBufferBytes);
  for (;;) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd ready{fd_, POLLIN, 0};
    if (left <= 0 || poll(&ready, 1, static_cast<int>(left)) <= 0) return;
    if (recv(fd_, buffer.get(), kReceiveBufferBytes, MSG_DONTWAIT) <= 0) return;
  }
}

}  // namespace aurochs
