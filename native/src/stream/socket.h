// TCP sockets of the data plane: addresses, listening, connecting.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

namespace aurochs {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  /// "10.0.0.1:9502" or "[fe80::1]:9502"
  std::string ToString() const;
  std::string host() const;
  uint16_t port() const;
};

/// May ask a name server and wait for it. Empty when `host` is unknown; then `error` says why.
std::vector<SocketAddress> ResolveAddress(const std::string& host, uint16_t port, std::string* error);

/// A listening socket, or -1 with errno.
int ListenTcp(const SocketAddress& address);
/// A socket whose connection is under way (writable when it is decided), or -1 with errno.
int ConnectTcp(const SocketAddress& address);
/// What an accepted or connected socket needs: no delay, and probes that find a dead peer.
void TuneTcp(int fd);

SocketAddress LocalAddress(int fd);
SocketAddress RemoteAddress(int fd);

}  // namespace aurochs
