// A blocking client of Longhorn's data protocol, as liblonghorn is one.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "stream/dataconn_message.h"
#include "stream/socket.h"

namespace aurochs {

struct DataconnReply {
  DataconnHead head;
  std::string data;
};

class DataconnClient {
 public:
  explicit DataconnClient(const SocketAddress& address)
      : DataconnClient(address.storage.ss_family, reinterpret_cast<const sockaddr*>(&address.storage),
                       address.length) {}
  explicit DataconnClient(const std::string& path) : DataconnClient(UnixAddress(path)) {}
  ~DataconnClient() { close(fd_); }

  void SendBytes(const std::string& bytes) {
    ASSERT_EQ(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  static std::string Encoded(DataconnType type, uint32_t sequence, int64_t offset, uint32_t size,
                             const std::string& data = "") {
    DataconnHead head;
    head.sequence = sequence;
    head.type = static_cast<uint32_t>(type);
    head.offset = offset;
    head.size = size;
    head.data_length = static_cast<uint32_t>(data.size());
    auto bytes = head.Encode();
    return std::string(reinterpret_cast<char*>(bytes.data()), bytes.size()) + data;
  }
  void Send(DataconnType type, uint32_t sequence, int64_t offset, uint32_t size,
            const std::string& data = "") {
    SendBytes(Encoded(type, sequence, offset, size, data));
  }
  DataconnReply Receive() {
    DataconnReply reply;
    DataconnHead::Bytes bytes{};
    if (!ReceiveAll(bytes.data(), bytes.size())) {
      ADD_FAILURE() << "the connection ended";
      return reply;
    }
    reply.head = DataconnHead::Decode(bytes);
    reply.data.resize(reply.head.data_length);
    EXPECT_TRUE(ReceiveAll(reinterpret_cast<uint8_t*>(reply.data.data()), reply.data.size()));
    return reply;
  }
  DataconnReply Ask(DataconnType type, uint32_t sequence, int64_t offset, uint32_t size,
                    const std::string& data = "") {
    Send(type, sequence, offset, size, data);
    return Receive();
  }
  bool Ended() {
    uint8_t byte;
    return !ReceiveAll(&byte, 1);
  }

 private:
  static constexpr int kWaitMs = 20'000;

  static sockaddr_un UnixAddress(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path.data(), path.size());
    return address;
  }
  explicit DataconnClient(const sockaddr_un& address)
      : DataconnClient(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address) {}
  DataconnClient(int family, const sockaddr* address, socklen_t length)
      : fd_(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (connect(fd_, address, length) != 0) abort();
  }
  bool ReceiveAll(uint8_t* bytes, size_t length) {
    for (size_t done = 0; done < length;) {
      pollfd waits{fd_, POLLIN, 0};
      if (poll(&waits, 1, kWaitMs) != 1) return false;
      ssize_t got = recv(fd_, bytes + done, length - done, 0);
      if (got <= 0) return false;
      done += got;
    }
    return true;
  }

  int fd_;
};

inline void ExpectError(const DataconnReply& reply, uint32_t sequence, const std::string& text) {
  EXPECT_EQ(reply.head.type, static_cast<uint32_t>(DataconnType::kError));
  EXPECT_EQ(reply.head.sequence, sequence);
  EXPECT_EQ(reply.head.size, reply.data.size());
  EXPECT_EQ(reply.data, text);
}

}  // namespace aurochs
