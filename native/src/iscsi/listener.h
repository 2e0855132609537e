// A listening TCP socket.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/event_loop.h"

namespace aurochs::iscsi {

class Listener final : public EventLoop::Handler {
 public:
  /// Gets accepted sockets: non-blocking, TCP_NODELAY.
  class Owner {
   public:
    virtual void OnAccepted(int fd) = 0;

   protected:
    ~Owner() = default;
  };

  Listener(EventLoop* loop, Owner* owner) : loop_(loop), owner_(owner) {}
  ~Listener();

  /// @param host a numeric address, IPv4 or IPv6
  /// @returns 0 or an errno; EINVAL: not an address
  int Open(const std::string& host, uint16_t port);
  /// What was bound.
  const std::string& host() const { return host_; }
  uint16_t port() const { return port_; }

  void OnReady(uint32_t epoll_events) override;

 private:
  EventLoop* const loop_;
  Owner* const owner_;
  int fd_ = -1;
  std::string host_;
  uint16_t port_ = 0;
  EventLoop::TimerId pause_timer_ = 0;
};

/// "10.0.0.1:3260", "[fe80::1]:3260" of a connected socket; `peer` or our end.
std::string SocketAddress(int fd, bool peer);

}  // namespace aurochs::iscsi
