#include "iscsi/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "iscsi/limits.h"

namespace aurochs::iscsi {

namespace {

struct Endpoint {
  std::string host;
  std::string port;
  bool is_v6 = false;
};

Endpoint EndpointOf(int fd, bool peer) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  int result = peer ? getpeername(fd, generic, &length) : getsockname(fd, generic, &length);
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (result != 0 || getnameinfo(generic, length, host, sizeof host, port, sizeof port,
                                 NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return {"unknown", "0", false};
  }
  return {host, port, address.ss_family == AF_INET6};
}

}  // namespace

std::string SocketAddress(int fd, bool peer) {
  Endpoint endpoint = EndpointOf(fd, peer);
  return endpoint.is_v6 ? "[" + endpoint.host + "]:" + endpoint.port : endpoint.host + ":" + endpoint.port;
}

Listener::~Listener() {
  if (pause_timer_ != 0) loop_->CancelTimer(pause_timer_);
  if (fd_ < 0) return;
  loop_->Remove(fd_);
  close(fd_);
}

int Listener::Open(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;  // no name look-up on the I/O thread
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return EINVAL;
  int error = 0;
  int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int on = 1;
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0) {
    error = errno;
  }
  freeaddrinfo(found);
  if (error != 0) {
    if (fd >= 0) close(fd);
    return error;
  }
  fd_ = fd;
  Endpoint endpoint = EndpointOf(fd, false);
  host_ = endpoint.host;
  port_ = static_cast<uint16_t>(std::stoi(endpoint.port));
  loop_->Add(fd_, EPOLLIN, this);
  return 0;
}

void Listener::OnReady(uint32_t) {
  for (;;) {
    int fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        // The connection stays in the queue and would wake us up at once again.
        loop_->Modify(fd_, 0);
        pause_timer_ = loop_->StartTimer(kAcceptPauseMs, [this] {
          pause_timer_ = 0;
          loop_->Modify(fd_, EPOLLIN);
        });
      }
      return;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    owner_->OnAccepted(fd);
  }
}

}  // namespace aurochs::iscsi
