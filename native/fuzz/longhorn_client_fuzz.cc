// The engine's end of Longhorn's data protocol against a replica that sends any bytes: from the first on, or
// as answers to the requests in flight.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "stream/longhorn_client.h"

namespace aurochs {
namespace {

constexpr int kRequests = 12;

struct FuzzRequest final : StreamRequest {
  void Answered(Status, const std::string&) override {
    if (answered) abort();
    answered = true;
  }
  bool answered = false;
};

class Engine final : public ReplicaClient::Owner {
 public:
  Engine() {
    std::string error;
    listener_ = ListenTcp(ResolveAddress("127.0.0.1", 0, &error)[0]);
    if (listener_ < 0) abort();
    fcntl(listener_, F_SETFL, 0);
    address_ = LocalAddress(listener_);
    loop_.Start("fuzz");
  }

  /// A replica that says `bytes` and closes; returns when the engine has noticed.
  void Meet(const std::string& bytes) {
    std::vector<FuzzRequest> requests(kRequests);
    std::promise<void> ended;
    loop_.Post([&] {
      requests_ = &requests;
      ended_ = &ended;
      client_ = std::make_unique<LonghornClient>(&loop_, this);
      client_->SetUnmapZeroes(bytes.size() % 2 == 0);
      client_->Connect({address_}, 60'000);
    });
    int fd = accept(listener_, nullptr, nullptr);
    for (size_t sent = 0; sent < bytes.size();) {
      ssize_t count = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) break;
      sent += static_cast<size_t>(count);
    }
    shutdown(fd, SHUT_WR);
    ended.get_future().get();
    linger no_wait{1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &no_wait, sizeof no_wait);
    close(fd);
  }

 private:
  void OnConnected(ReplicaClient* client, const HelloReply&) override {
    for (int i = 0; i < kRequests; ++i) {
      FuzzRequest& request = (*requests_)[i];
      request.op = static_cast<StreamOp>(2 + i % 6);
      request.offset = 4096 * i + 512 * (i / 6);
      request.length = request.op == StreamOp::kFlush ? 0 : 512 << (i / 3);
      if (request.op == StreamOp::kRead || request.op == StreamOp::kWrite) {
        request.payload = Slice::Allocate(static_cast<uint32_t>(request.length));
        memset(request.payload.data(), 0, request.length);
      }
      client->Send(&request);
    }
  }
  void OnClosed(ReplicaClient* client, Status, const std::string& reason) override {
    if (reason.empty()) abort();
    while (StreamRequest* request = client->TakeRequest()) {
      if (static_cast<FuzzRequest*>(request)->answered) abort();
    }
    loop_.Post([this] {
      client_.reset();
      ended_->set_value();
    });
  }

  EventLoop loop_;
  int listener_;
  SocketAddress address_;
  std::unique_ptr<LonghornClient> client_;
  std::vector<FuzzRequest>* requests_ = nullptr;
  std::promise<void>* ended_ = nullptr;
};

// What the client numbers its messages with (longhorn_client.cc).
constexpr uint32_t kIndexes = 2 * kStreamRequestsMax;

std::string Encoded(DataconnType type, uint32_t sequence, uint32_t size, uint32_t data_length) {
  DataconnHead head;
  head.type = static_cast<uint32_t>(type);
  head.sequence = sequence;
  head.size = size;
  head.data_length = data_length;
  auto bytes = head.Encode();
  return std::string(reinterpret_cast<char*>(bytes.data()), bytes.size());
}

/// Answers that fit what is in flight, chosen by `bytes`: an index, a type, a length.
std::string Answers(const std::string& bytes) {
  std::string all;
  for (size_t i = 0; i + 3 < bytes.size(); i += 4) {
    auto at = [&](size_t k) { return static_cast<uint32_t>(static_cast<uint8_t>(bytes[i + k])); };
    uint32_t sequence = (1 + at(0) % 3) * kIndexes + (at(0) / 3 % 14);
    uint32_t length = at(1) % 4 == 0 ? 0 : 512u << (at(1) % 8);
    all += Encoded(static_cast<DataconnType>(at(2) % 9), sequence, at(3) % 2 ? length : 512u << (at(3) % 8),
                   length);
    all += std::string(length, static_cast<char>(at(3) / 4));
  }
  return all;
}

}  // namespace
}  // namespace aurochs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aurochs;
  static auto* engine = new Engine;  // its thread runs until the process ends
  if (size < 1) return 0;
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string pong = Encoded(DataconnType::kResponse, kIndexes + kStreamRequestsMax, 0, 0);
  switch (data[0] % 3) {
    case 0:
      engine->Meet(bytes);
      break;
    case 1:
      engine->Meet(pong + bytes);
      break;
    case 2:
      engine->Meet(pong + Answers(bytes));
      break;
  }
  return 0;
}
