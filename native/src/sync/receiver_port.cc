#include "sync/receiver_port.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "stream/socket.h"
#include "sync/limits.h"

namespace aurochs {

namespace {

/// ms for which nobody is accepted when the process is out of descriptors.
constexpr int kAcceptPauseMs = 100;
/// How often connections that say nothing are looked at, ms.
constexpr int kLookMs = 1'000;

int64_t NowMs() {
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace

ReceiverPort::ReceiverPort(int fd, Listener* listener)
    : fd_(fd), wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), listener_(listener) {}

ReceiverPort::~ReceiverPort() {
  Stop();
  if (thread_.joinable()) thread_.join();
  for (const Unspoken& connection : unspoken_) close(connection.fd);
  close(fd_);
  close(wake_fd_);
}

void ReceiverPort::Start() {
  thread_ = std::thread([this] { Run(); });
}

void ReceiverPort::Receive(std::unique_ptr<FileReceiver> file) {
  {
    std::lock_guard lock(mutex_);
    file_ = std::move(file);
    cancelled_ = stopped_;
  }
  Wake();
}

void ReceiverPort::CancelReceive() {
  {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    if (wire_ != nullptr) wire_->Cancel();
  }
  Wake();
}

void ReceiverPort::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = cancelled_ = true;
    if (wire_ != nullptr) wire_->Cancel();
  }
  Wake();
}

void ReceiverPort::Wake() {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t written = write(wake_fd_, &one, sizeof one);
}

void ReceiverPort::Run() {
  for (;;) {
    {
      std::lock_guard lock(mutex_);
      if (stopped_) break;
    }
    EndCancelled();
    bool full = unspoken_.size() >= kUnspokenConnectionsMax;
    std::vector<pollfd> ready = {{wake_fd_, POLLIN, 0}, {full ? -1 : fd_, POLLIN, 0}};
    for (const Unspoken& connection : unspoken_) ready.push_back({connection.fd, POLLIN, 0});
    poll(ready.data(), ready.size(), unspoken_.empty() ? -1 : kLookMs);
    uint64_t count;
    [[maybe_unused]] ssize_t got = read(wake_fd_, &count, sizeof count);
    if (!full) Accept();
    Hear();
  }
  EndCancelled();
  listener_->OnStopped();
}

void ReceiverPort::EndCancelled() {
  std::unique_ptr<FileReceiver> file;
  {
    std::lock_guard lock(mutex_);
    if (cancelled_) file = std::move(file_);
  }
  if (file == nullptr) return;
  file->Abandon();
  listener_->OnEnded(std::move(file));
}

void ReceiverPort::Accept() {
  while (unspoken_.size() < kUnspokenConnectionsMax) {
    int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        poll(nullptr, 0, kAcceptPauseMs);
      return;
    }
    TuneTcp(fd);
    unspoken_.push_back({fd, NowMs()});
  }
}

void ReceiverPort::Hear() {
  int64_t now = NowMs();
  for (size_t i = 0; i < unspoken_.size();) {
    auto [fd, since_ms] = unspoken_[i];
    uint8_t first;
    ssize_t got = recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR) && now - since_ms < kUnspokenMsMax) {
      ++i;
      continue;
    }
    unspoken_.erase(unspoken_.begin() + static_cast<ptrdiff_t>(i));
    if (got != 1) {
      close(fd);
    } else if (first == kFrameFirstByte) {
      Serve(fd);
    } else {
      listener_->OnForeign(fd);
    }
  }
}

void ReceiverPort::Serve(int fd) {
  Wire wire(fd);
  std::unique_ptr<FileReceiver> file;
  {
    std::lock_guard lock(mutex_);
    // Nobody has been told that it may come.
    if (cancelled_ || file_ == nullptr) return;
    file = std::move(file_);
    wire_ = &wire;
  }
  file->Run(&wire);
  {
    std::lock_guard lock(mutex_);
    wire_ = nullptr;
  }
  listener_->OnEnded(std::move(file));
}

}  // namespace aurochs
