// A connection that a thread of its own waits for.
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "stream/socket.h"
#include "sync/frame.h"

namespace aurochs {

class Wire {
 public:
  Wire() = default;
  /// Takes a connected socket.
  explicit Wire(int fd);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  /// To the first address that answers within `timeout_ms`.
  bool Connect(const std::vector<SocketAddress>& addresses, int timeout_ms);
  /// How long a call waits while nothing moves.
  void SetTimeout(int timeout_ms);

  /// All of it, or false.
  bool Send(std::span<iovec> parts);
  /// Exactly so many bytes, or false.
  bool Receive(void* bytes, size_t length);
  /// Whether Receive has something to begin with, or would tell the end.
  bool HasInput() const;
  /// Any thread, idempotent: what waits, and whatever is called later, fails.
  void Cancel();

  bool SendFrame(const FrameHead& head, std::span<const uint8_t> body);
  /// Says no more, and throws away what comes until the other end has closed; bounded by `timeout_ms`.
  void Drain(int timeout_ms);

  bool cancelled() const { return cancelled_; }
  /// After a call that returned false.
  const std::string& error() const { return error_; }

 private:
  bool Fail(const char* doing, int system_errno);

  std::atomic<int> fd_{-1};
  std::atomic<bool> cancelled_{false};
  std::string error_;
};

}  // namespace aurochs
