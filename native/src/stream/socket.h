// Sockets of the data plane: addresses, listening, connecting.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace aurochs {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  bool is_unix() const { return storage.ss_family == AF_UNIX; }
  /// "10.0.0.1:9502", "[fe80::1]:9502", or a unix socket's path, "unix" when it has none
  std::string ToString() const;
  std::string host() const;
  uint16_t port() const;
};

/// May ask a name server and wait for it. Empty when `host` is unknown; then `error` says why.
/// @param host one that begins with "/" is the path of a unix socket, which has no port
std::vector<SocketAddress> ResolveAddress(const std::string& host, uint16_t port, std::string* error);

/// A listening socket, or -1 with errno.
int ListenTcp(const SocketAddress& address);
/// A listening unix socket whose file only its owner may connect to, or -1 with errno; then `error` says why.
/// What a process has left there that has ended is replaced, nothing else is: not a socket that is served,
/// nor another kind of file.
int ListenUnix(const std::string& path, std::string* error);
/// A socket whose connection is under way (writable when it is decided), or -1 with errno.
int ConnectTo(const SocketAddress& address);
/// What an accepted or connected socket of TCP needs: no delay, and probes that find a dead peer.
void TuneTcp(int fd);

/// What one read of a socket brought: first as much as fits where it belongs, the rest in a buffer.
struct Received {
  /// bytes; 0 at the end of the connection, negative with errno
  ssize_t got;
  /// Of these where they belong.
  size_t direct;
  const uint8_t* rest;
  size_t rest_length;
};
/// Reads once without waiting. `rest` is the thread's and holds until its next call.
/// @param rest_max bytes, at most kReceiveBufferBytes
Received ReceiveInto(int fd, std::span<uint8_t> direct, size_t rest_max);

SocketAddress LocalAddress(int fd);
SocketAddress RemoteAddress(int fd);

}  // namespace aurochs
