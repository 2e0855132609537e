// A byte stream against a whole connection over a memory volume, in login and in full feature phase. The loop
// does not run: the fuzzer is the loop, so that an input is always the same run.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "../test/memory_backend.h"
#include "base/event_loop.h"
#include "iscsi/connection.h"
#include "iscsi/session.h"
#include "iscsi/target.h"

namespace aurochs::iscsi {
namespace {

/// Does with events what the input says.
class Owner final : public TargetEvents {
 public:
  explicit Owner(uint8_t choices) : choices_(choices) {}

  void OnConnected(uint64_t, const std::string&, const std::string&) override {}
  void OnDisconnected(uint64_t, uint64_t, const std::string&) override {}
  void OnPdu(uint64_t, uint64_t, const uint8_t* bhs, const Slice& data) override {
    uint8_t reply[kBhsBytes] = {};
    if (OpcodeOf(bhs) == Opcode::kLoginRequest) {
      reply[0] = static_cast<uint8_t>(Opcode::kLoginResponse);
      connection->SendScripted(reply, data, IsFinal(bhs) ? AfterSend::kFullFeature : AfterSend::kContinue,
                               &parameters);
      if (connection->session() != nullptr)
        connection->session()->set_access({true, true, (choices_ & 1) != 0});
      return;
    }
    if ((choices_ & 2) != 0) target->Abort(TaskFilter{}, [](size_t) {});
    reply[0] = bhs[0] == 0x06 ? 0x26 : 0x22;
    connection->SendScripted(reply, Slice(), (choices_ & 4) != 0 ? AfterSend::kClose : AfterSend::kContinue,
                             nullptr);
  }
  void OnCommand(uint64_t, uint64_t, uint64_t task, int64_t, const uint8_t* cdb,
                 const Slice& data_out) override {
    if ((choices_ & 8) != 0) target->Execute(task);
    if ((cdb[0] & 1) == 0) target->Complete(task, 0, nullptr, 0, data_out);
    if ((choices_ & 16) != 0) target->Complete(task, 2, cdb, 16, Slice());
  }

  Target* target = nullptr;
  Connection* connection = nullptr;
  SessionParameters parameters;

 private:
  uint8_t choices_;
};

/// Lets an input get past what chance rarely finds: the right CmdSN, a length that is there, no digests to
/// guess.
std::vector<uint8_t> Repair(const uint8_t* data, size_t size) {
  std::vector<uint8_t> stream;
  uint32_t cmd_sn = 1;
  while (size > kBhsBytes) {
    uint8_t bhs[kBhsBytes];
    memcpy(bhs, data, kBhsBytes);
    data += kBhsBytes;
    size -= kBhsBytes;
    bhs[4] = 0;
    uint32_t length = static_cast<uint32_t>(std::min<size_t>(GetBe16(bhs + 6) % 9000, size));
    PutBe24(bhs + 5, length);
    if (OpcodeOf(bhs) == Opcode::kDataOut) {
      PutBe32(bhs + 16, bhs[19] % 4);
      if ((bhs[20] & 1) != 0) PutBe32(bhs + 20, kNoTag);
    } else if ((bhs[27] & 7) != 7) {
      PutBe32(bhs + 16, bhs[19] % 4);
      PutBe32(bhs + 24, cmd_sn);
      if (!IsImmediate(bhs)) ++cmd_sn;
    }
    stream.insert(stream.end(), bhs, bhs + kBhsBytes);
    stream.insert(stream.end(), data, data + length);
    stream.resize((stream.size() + 3) & ~size_t{3});
    data += length;
    size -= length;
  }
  return stream;
}

void Drain(int fd) {
  static uint8_t waste[1 << 16];
  while (recv(fd, waste, sizeof waste, MSG_DONTWAIT) > 0) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 5) return 0;
  uint8_t flags = data[0];
  Owner owner(data[1]);
  size_t step = 1 + data[2] * 37;
  owner.parameters.nexus = 1;
  owner.parameters.exp_cmd_sn = 1;
  owner.parameters.max_recv_data_segment_length = 8192;
  owner.parameters.max_send_data_segment_length = 512u << (data[3] & 7);
  owner.parameters.max_burst_length = 512u << (data[3] >> 4);
  owner.parameters.first_burst_length = std::min(4096u, owner.parameters.max_burst_length);
  owner.parameters.initial_r2t = (flags & 1) != 0;
  owner.parameters.immediate_data = (flags & 2) != 0;
  owner.parameters.max_outstanding_r2t = 1 + data[4] % 8;
  owner.parameters.header_digest = (flags & 4) != 0 && (flags & 8) != 0;
  owner.parameters.data_digest = (flags & 4) != 0 && (flags & 16) != 0;
  bool login_phase = (flags & 32) != 0;
  std::vector<uint8_t> stream =
      (flags & 128) != 0 ? Repair(data + 5, size - 5) : std::vector<uint8_t>(data + 5, data + size);

  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0) return 0;
  {
    EventLoop loop;
    MemoryBackend backend(256 << 10);
    backend.hold = (flags & 64) != 0;
    Target target(&loop, &backend, TargetOptions{.command_window = 16}, &owner);
    Connection connection(&target, 1, pair[0], "fuzz");
    owner.target = &target;
    owner.connection = &connection;
    if (!login_phase) {
      uint8_t reply[kBhsBytes] = {0x23};
      connection.SendScripted(reply, Slice(), AfterSend::kFullFeature, &owner.parameters);
      connection.session()->set_access({true, true, (data[1] & 1) != 0});
    }
    for (size_t at = 0; at < stream.size() && !connection.closed(); at += step) {
      size_t bytes = std::min(step, stream.size() - at);
      if (send(pair[1], stream.data() + at, bytes, MSG_NOSIGNAL) < 0) break;
      connection.OnReady(EPOLLIN);
      if (!connection.closed()) connection.AtEndOfCycle();
      if (at % 5 == 0 && backend.hold) {
        backend.ReleaseHeld();
        backend.hold = true;
      }
      Drain(pair[1]);
    }
    connection.Close("the input ends");
    backend.ReleaseHeld();
    bool idle = false;
    target.Close([&] { idle = true; });
    if (!idle) abort();
  }
  close(pair[1]);
  return 0;
}

}  // namespace aurochs::iscsi
