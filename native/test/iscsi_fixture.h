// A target over a memory volume on a real loop and real sockets, and an initiator that speaks PDUs byte by
// byte.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/crc32c.h"
#include "base/event_loop.h"
#include "iscsi/bhs.h"
#include "iscsi/target.h"
#include "memory_backend.h"

namespace aurochs::iscsi {

using Bytes = std::vector<uint8_t>;

inline Bytes Pattern(size_t length, uint8_t seed) {
  Bytes bytes(length);
  for (size_t i = 0; i < length; ++i) bytes[i] = static_cast<uint8_t>(seed + i * 7 + (i >> 8) * 13);
  return bytes;
}

inline Bytes ToBytes(const Slice& slice) {
  return slice ? Bytes(slice.data(), slice.data() + slice.length) : Bytes();
}

struct WirePdu {
  uint8_t bhs[kBhsBytes] = {};
  Bytes data;

  Opcode opcode() const { return OpcodeOf(bhs); }
  uint32_t itt() const { return IttOf(bhs); }
  uint32_t stat_sn() const { return GetBe32(bhs + 24); }
  uint32_t exp_cmd_sn() const { return GetBe32(bhs + 28); }
  uint32_t max_cmd_sn() const { return GetBe32(bhs + 32); }
};

/// What the initiator got for one command.
struct Answer {
  uint8_t status = 0xff;
  uint8_t flags = 0;
  uint32_t residual = 0;
  Bytes data;
  Bytes sense;
  int data_in_pdus = 0;
  bool collapsed = false;

  scsi::Sense sense_key() const {
    if (sense.size() < 14) return {};
    return {static_cast<uint8_t>(sense[2] & 0xf), sense[12], sense[13]};
  }
};

class Initiator {
 public:
  explicit Initiator(uint16_t port) {
    fd_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    timeval timeout{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  }
  ~Initiator() { Disconnect(); }

  void Disconnect() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  void SendRaw(const void* data, size_t length) {
    ASSERT_EQ(send(fd_, data, length, MSG_NOSIGNAL), static_cast<ssize_t>(length));
  }

  /// Fills lengths and digests.
  void Send(WirePdu pdu) {
    Bytes wire = Encode(std::move(pdu));
    SendRaw(wire.data(), wire.size());
  }

  Bytes Encode(WirePdu pdu) const {
    PutBe24(pdu.bhs + 5, pdu.data.size());
    Bytes wire(pdu.bhs, pdu.bhs + kBhsBytes);
    if (header_digest) AppendDigest(&wire, Crc32c(wire.data(), kBhsBytes) ^ spoil_header_digest);
    if (!pdu.data.empty()) {
      size_t from = wire.size();
      wire.insert(wire.end(), pdu.data.begin(), pdu.data.end());
      wire.resize(from + Padded(pdu.data.size()));
      if (data_digest) AppendDigest(&wire, Crc32c(&wire[from], wire.size() - from) ^ spoil_data_digest);
    }
    return wire;
  }

  /// The next PDU, or nothing when the target closed the connection. Checks digests.
  std::optional<WirePdu> Receive() {
    WirePdu pdu;
    if (!ReadFull(pdu.bhs, kBhsBytes)) return std::nullopt;
    if (header_digest) CheckDigest(Crc32c(pdu.bhs, kBhsBytes));
    uint32_t length = DataLengthOf(pdu.bhs);
    if (length > 0) {
      pdu.data.resize(Padded(length));
      EXPECT_TRUE(ReadFull(pdu.data.data(), pdu.data.size()));
      if (data_digest) CheckDigest(Crc32c(pdu.data.data(), pdu.data.size()));
      pdu.data.resize(length);
    }
    last_exp_cmd_sn = pdu.exp_cmd_sn();
    last_max_cmd_sn = pdu.max_cmd_sn();
    return pdu;
  }

  /// Whether anything arrives within a short time: only for what must not happen.
  bool SilentFor(int ms) {
    pollfd poll_fd{fd_, POLLIN, 0};
    return poll(&poll_fd, 1, ms) == 0;
  }

  bool Closed() {
    char byte;
    return recv(fd_, &byte, 1, 0) <= 0;
  }

  void Login() {
    WirePdu pdu;
    pdu.bhs[0] = 0x43;
    pdu.bhs[1] = 0x87;
    Send(pdu);
    auto reply = Receive();
    ASSERT_TRUE(reply);
    ASSERT_EQ(reply->opcode(), Opcode::kLoginResponse);
  }

  WirePdu Command(const Bytes& cdb, uint8_t flags, uint32_t expected_length) {
    WirePdu pdu;
    pdu.bhs[0] = 0x01;
    pdu.bhs[1] = flags;
    PutBe32(pdu.bhs + 16, next_itt++);
    PutBe32(pdu.bhs + 20, expected_length);
    PutBe32(pdu.bhs + 24, cmd_sn++);
    memcpy(pdu.bhs + 32, cdb.data(), std::min<size_t>(cdb.size(), 16));
    return pdu;
  }

  static WirePdu DataOutPdu(uint32_t itt, uint32_t ttt, uint32_t data_sn, uint32_t offset, Bytes data,
                            bool final) {
    WirePdu pdu;
    pdu.bhs[0] = 0x05;
    pdu.bhs[1] = final ? 0x80 : 0;
    PutBe32(pdu.bhs + 16, itt);
    PutBe32(pdu.bhs + 20, ttt);
    PutBe32(pdu.bhs + 36, data_sn);
    PutBe32(pdu.bhs + 40, offset);
    pdu.data = std::move(data);
    return pdu;
  }

  /// Serves R2Ts from `data_out` and gathers data until the command's status comes.
  Answer Finish(uint32_t itt, const Bytes& data_out = {}, uint32_t segment = 8192) {
    Answer answer;
    uint32_t next_data_sn = 0;
    uint32_t next_r2t_sn = 0;
    for (;;) {
      auto pdu = Receive();
      if (!pdu) {
        ADD_FAILURE() << "connection closed";
        return answer;
      }
      EXPECT_EQ(pdu->itt(), itt);
      if (pdu->opcode() == Opcode::kR2t) {
        EXPECT_EQ(GetBe32(pdu->bhs + 36), next_r2t_sn++);
        uint32_t offset = GetBe32(pdu->bhs + 40);
        uint32_t length = GetBe32(pdu->bhs + 44);
        SendSequence(itt, TttOf(pdu->bhs), offset, length, data_out, segment);
        continue;
      }
      if (pdu->opcode() == Opcode::kDataIn) {
        EXPECT_EQ(GetBe32(pdu->bhs + 36), next_data_sn++);
        EXPECT_EQ(GetBe32(pdu->bhs + 40), answer.data.size());
        answer.data.insert(answer.data.end(), pdu->data.begin(), pdu->data.end());
        ++answer.data_in_pdus;
        if ((pdu->bhs[1] & kStatusBit) == 0) continue;
        answer.collapsed = true;
      } else {
        EXPECT_EQ(pdu->opcode(), Opcode::kScsiResponse);
        if (pdu->data.size() > 2) answer.sense.assign(pdu->data.begin() + 2, pdu->data.end());
      }
      EXPECT_EQ(pdu->stat_sn(), next_stat_sn);
      ++next_stat_sn;
      answer.status = pdu->bhs[3];
      answer.flags = pdu->bhs[1] & (kOverflowBit | kUnderflowBit);
      answer.residual = GetBe32(pdu->bhs + 44);
      return answer;
    }
  }

  void SendSequence(uint32_t itt, uint32_t ttt, uint32_t offset, uint32_t length, const Bytes& from,
                    uint32_t segment) {
    Bytes wire;
    uint32_t data_sn = 0;
    for (uint32_t at = 0; at < length;) {
      uint32_t bytes = std::min(segment, length - at);
      Bytes part(from.begin() + offset + at, from.begin() + offset + at + bytes);
      Bytes pdu = Encode(DataOutPdu(itt, ttt, data_sn++, offset + at, std::move(part), at + bytes == length));
      wire.insert(wire.end(), pdu.begin(), pdu.end());
      at += bytes;
    }
    SendRaw(wire.data(), wire.size());
  }

  Answer Read(const Bytes& cdb, uint32_t expected_length) {
    WirePdu pdu = Command(cdb, 0xc0, expected_length);
    Send(pdu);
    return Finish(pdu.itt());
  }

  /// @param immediate bytes sent with the command
  Answer Write(const Bytes& cdb, const Bytes& data, uint32_t immediate) {
    WirePdu pdu = Command(cdb, 0xa0, data.size());
    pdu.data.assign(data.begin(), data.begin() + immediate);
    Send(pdu);
    return Finish(pdu.itt(), data);
  }

  bool header_digest = false;
  bool data_digest = false;
  uint32_t spoil_header_digest = 0;
  uint32_t spoil_data_digest = 0;
  uint32_t cmd_sn = 1;
  uint32_t next_itt = 100;
  uint32_t next_stat_sn = 1;
  uint32_t last_exp_cmd_sn = 0;
  uint32_t last_max_cmd_sn = 0;

 private:
  static void AppendDigest(Bytes* wire, uint32_t crc) {
    for (int i = 0; i < 4; ++i) wire->push_back(crc >> (8 * i));
  }
  void CheckDigest(uint32_t crc) {
    uint8_t digest[4];
    ASSERT_TRUE(ReadFull(digest, 4));
    for (int i = 0; i < 4; ++i) EXPECT_EQ(digest[i], (crc >> (8 * i)) & 0xff);
  }
  bool ReadFull(uint8_t* to, size_t length) {
    while (length > 0) {
      ssize_t got = recv(fd_, to, length, 0);
      if (got <= 0) return false;
      to += got;
      length -= got;
    }
    return true;
  }

  int fd_ = -1;
};

/// Builds CDBs of 10 and 16 bytes.
inline Bytes Cdb10(uint8_t opcode, uint32_t lba, uint32_t blocks, uint8_t flags = 0) {
  Bytes cdb(16);
  cdb[0] = opcode;
  cdb[1] = flags;
  PutBe32(&cdb[2], lba);
  PutBe16(&cdb[7], blocks);
  return cdb;
}
inline Bytes Cdb16(uint8_t opcode, uint64_t lba, uint32_t blocks, uint8_t flags = 0) {
  Bytes cdb(16);
  cdb[0] = opcode;
  cdb[1] = flags;
  PutBe64(&cdb[2], lba);
  PutBe32(&cdb[10], blocks);
  return cdb;
}

/// Answers every Login Request with a switch to full feature phase; records the rest.
class Recorder final : public TargetEvents {
 public:
  struct Event {
    std::string type;
    uint64_t connection = 0;
    uint64_t nexus = 0;
    uint64_t task = 0;
    int64_t lun = 0;
    Bytes bhs;
    Bytes data;
    std::string reason;
  };

  void OnConnected(uint64_t connection, const std::string& remote, const std::string& local) override {
    Add({"connected", connection, 0, 0, 0, {}, {}, remote + " " + local});
  }
  void OnPdu(uint64_t connection, uint64_t nexus, const uint8_t* bhs, const Slice& data) override {
    if (OpcodeOf(bhs) == Opcode::kLoginRequest && answer_logins) {
      uint8_t reply[kBhsBytes] = {};
      reply[0] = 0x23;
      reply[1] = 0x87;
      SessionParameters mine = parameters;
      mine.nexus = next_nexus++;
      target->Send(connection, reply, Slice(), AfterSend::kFullFeature, &mine);
      return target->SetAccess(mine.nexus, access);
    }
    Add({"pdu", connection, nexus, 0, 0, Bytes(bhs, bhs + kBhsBytes), ToBytes(data), ""});
  }
  void OnCommand(uint64_t connection, uint64_t nexus, uint64_t task, int64_t lun, const uint8_t* cdb,
                 const Slice& data) override {
    Add({"command", connection, nexus, task, lun, Bytes(cdb, cdb + 16), ToBytes(data), ""});
  }
  void OnDisconnected(uint64_t connection, uint64_t nexus, const std::string& reason) override {
    Add({"disconnected", connection, nexus, 0, 0, {}, {}, reason});
  }

  /// The next event of that type; earlier ones of other types are dropped.
  Event Wait(const std::string& type) {
    std::unique_lock lock(mutex_);
    for (;;) {
      while (!events_.empty()) {
        Event event = std::move(events_.front());
        events_.erase(events_.begin());
        if (event.type == type) return event;
      }
      if (added_.wait_for(lock, std::chrono::seconds(20)) == std::cv_status::timeout) {
        ADD_FAILURE() << "no event " << type;
        return {};
      }
    }
  }

  Target* target = nullptr;
  SessionParameters parameters;
  NexusAccess access{true, true, false};
  uint64_t next_nexus = 1;
  bool answer_logins = true;

 private:
  void Add(Event event) {
    std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    added_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable added_;
  std::vector<Event> events_;
};

class TargetTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kVolumeBytes = 32u << 20;

  TargetTest() : backend_(kVolumeBytes) {
    recorder_.parameters.exp_cmd_sn = 1;
    recorder_.parameters.stat_sn = 1;
    recorder_.parameters.max_recv_data_segment_length = 256u << 10;
    recorder_.parameters.max_send_data_segment_length = 64u << 10;
  }

  void TearDown() override {
    if (!target_) return;
    std::promise<void> closed;
    loop_.Post([&] {
      target_->Close([&] { closed.set_value(); });
      backend_.ReleaseHeld();
    });
    closed.get_future().wait();
    OnLoop([&] { target_.reset(); });
    loop_.Stop();
  }

  void StartTarget() {
    loop_.Start("test");
    OnLoop([&] {
      target_ = std::make_unique<Target>(&loop_, &backend_, options_, &recorder_);
      recorder_.target = target_.get();
      Target::Bound bound = target_->Listen("127.0.0.1", 0);
      ASSERT_EQ(bound.error, 0);
      port_ = bound.port;
    });
  }

  template <typename Work>
  void OnLoop(Work work) {
    std::promise<void> done;
    loop_.Post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }

  std::unique_ptr<Initiator> LogIn() {
    if (!target_) StartTarget();
    auto initiator = std::make_unique<Initiator>(port_);
    initiator->Login();
    initiator->header_digest = recorder_.parameters.header_digest;
    initiator->data_digest = recorder_.parameters.data_digest;
    return initiator;
  }

  /// Until the backend holds `count` operations.
  void WaitForHeld(size_t count) {
    for (;;) {
      size_t held = 0;
      OnLoop([&] { held = backend_.held.size(); });
      if (held >= count) return;
      usleep(1000);
    }
  }

  Bytes Medium(uint64_t offset, uint64_t length) {
    Bytes bytes;
    OnLoop([&] { bytes.assign(backend_.bytes.begin() + offset, backend_.bytes.begin() + offset + length); });
    return bytes;
  }

  EventLoop loop_;
  MemoryBackend backend_;
  TargetOptions options_;
  Recorder recorder_;
  std::unique_ptr<Target> target_;
  uint16_t port_ = 0;
};

}  // namespace aurochs::iscsi
