#include "stream/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/limits.h"

namespace aurochs {

namespace {

void SetOption(int fd, int level, int name, int value) { setsockopt(fd, level, name, &value, sizeof value); }

int CloseKeepingErrno(int fd) {
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

/// None when a socket cannot have that path.
std::vector<SocketAddress> UnixAddress(const std::string& path) {
  SocketAddress address;
  auto* unix_address = reinterpret_cast<sockaddr_un*>(&address.storage);
  if (path.empty() || path.size() >= sizeof unix_address->sun_path) return {};
  unix_address->sun_family = AF_UNIX;
  memcpy(unix_address->sun_path, path.data(), path.size());
  address.length = sizeof *unix_address;
  return {address};
}

std::string BadLength(const std::string& path) {
  return path + ": the path of a unix socket has 1 to " + std::to_string(sizeof sockaddr_un{}.sun_path - 1) +
         " bytes, not " + std::to_string(path.size());
}

/// While it exists no other process of ours looks at, replaces or makes a socket in that directory: between
/// the look and what follows from it another one could have begun to serve.
class DirectoryTurn {
 public:
  explicit DirectoryTurn(const std::string& path) {
    fd_ = open(path.substr(0, path.rfind('/') + 1).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd_ >= 0) flock(fd_, LOCK_EX);
  }
  ~DirectoryTurn() {
    if (fd_ >= 0) close(fd_);
  }

 private:
  int fd_;
};

/// Removes the file at `address` when it is a socket that nobody listens at.
/// @returns 0, or the errno that says what is there
int RemoveLeftover(const SocketAddress& address, const std::string& path) {
  struct stat file;
  if (lstat(path.c_str(), &file) != 0) return errno == ENOENT ? 0 : errno;
  if (!S_ISSOCK(file.st_mode)) return ENOTSOCK;
  int fd = ConnectTo(address);
  int error = errno;
  if (fd >= 0) close(fd);
  if (fd >= 0 || error == EAGAIN) return EADDRINUSE;
  if (error != ECONNREFUSED) return error;
  return unlink(path.c_str()) == 0 || errno == ENOENT ? 0 : errno;
}

}  // namespace

std::string SocketAddress::host() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr, text, sizeof text);
  } else if (storage.ss_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr, text, sizeof text);
  }
  return text;
}

uint16_t SocketAddress::port() const {
  if (storage.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
  return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
}

std::string SocketAddress::ToString() const {
  if (is_unix()) {
    const char* path = reinterpret_cast<const sockaddr_un*>(&storage)->sun_path;
    return *path == '\0' ? "unix" : path;
  }
  std::string name = storage.ss_family == AF_INET6 ? "[" + host() + "]" : host();
  return name + ":" + std::to_string(port());
}

std::vector<SocketAddress> ResolveAddress(const std::string& host, uint16_t port, std::string* error) {
  if (host.starts_with('/')) {
    std::vector<SocketAddress> addresses = UnixAddress(host);
    if (addresses.empty()) *error = BadLength(host);
    return addresses;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  int result = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  std::vector<SocketAddress> addresses;
  if (result != 0) {
    *error = host + ": " + gai_strerror(result);
    return addresses;
  }
  for (addrinfo* item = found; item; item = item->ai_next) {
    if (item->ai_addrlen > sizeof(sockaddr_storage)) continue;
    SocketAddress address;
    memcpy(&address.storage, item->ai_addr, item->ai_addrlen);
    address.length = item->ai_addrlen;
    addresses.push_back(address);
  }
  freeaddrinfo(found);
  return addresses;
}

int ListenTcp(const SocketAddress& address) {
  int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  SetOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0 ||
      listen(fd, SOMAXCONN) != 0) {
    return CloseKeepingErrno(fd);
  }
  return fd;
}

int ListenUnix(const std::string& path, std::string* error) {
  auto refuse = [&](int why, const std::string& text) {
    *error = text;
    errno = why;
    return -1;
  };
  std::vector<SocketAddress> addresses = UnixAddress(path);
  if (addresses.empty()) return refuse(ENAMETOOLONG, BadLength(path));
  DirectoryTurn turn(path);
  int found = RemoveLeftover(addresses[0], path);
  if (found == ENOTSOCK) return refuse(found, path + " is there and is no socket");
  if (found == EADDRINUSE) return refuse(found, "another process serves " + path);
  int fd = found == 0 ? socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
  if (fd < 0) return refuse(found ? found : errno, "listen " + path + ": " + strerror(found ? found : errno));
  bool bound = bind(fd, reinterpret_cast<const sockaddr*>(&addresses[0].storage), addresses[0].length) == 0;
  // Nobody can have connected before it listens.
  if (bound && chmod(path.c_str(), S_IRUSR | S_IWUSR) == 0 && listen(fd, SOMAXCONN) == 0) return fd;
  int why = errno;
  if (bound) unlink(path.c_str());
  close(fd);
  return refuse(why, "listen " + path + ": " + strerror(why));
}

int ConnectTo(const SocketAddress& address) {
  int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (!address.is_unix()) TuneTcp(fd);
  int result = connect(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.length);
  if (result != 0 && errno != EINPROGRESS) return CloseKeepingErrno(fd);
  return fd;
}

void TuneTcp(int fd) {
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  // A peer whose machine vanished is noticed within half a minute even when we have nothing to send.
  SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, 10);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPCNT, 4);
}

Received ReceiveInto(int fd, std::span<uint8_t> direct, size_t rest_max) {
  // One per thread, since nothing stays in it between two reads: idle connections need none of their own.
  static thread_local auto buffer = std::unique_ptr<uint8_t[]>(new uint8_t[kReceiveBufferBytes]);
  iovec places[2] = {{direct.data(), direct.size()}, {buffer.get(), rest_max}};
  ssize_t got = direct.empty() ? readv(fd, places + 1, 1) : readv(fd, places, 2);
  if (got <= 0) return {got, 0, nullptr, 0};
  size_t placed = std::min<size_t>(got, direct.size());
  return {got, placed, buffer.get(), got - placed};
}

SocketAddress LocalAddress(int fd) {
  SocketAddress address;
  address.length = sizeof address.storage;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.length);
  return address;
}

SocketAddress RemoteAddress(int fd) {
  SocketAddress address;
  address.length = sizeof address.storage;
  getpeername(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.length);
  return address;
}

}  // namespace aurochs
