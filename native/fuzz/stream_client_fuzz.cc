// The engine's end of the data stream against a replica that sends any bytes: as HTTP/2, as messages before
// HELLO's answer, or as answers to the requests in flight.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "base/crc32c.h"
#include "base/event_loop.h"
#include "stream/http2_client.h"
#include "stream_frames.h"

namespace aurochs {
namespace {

constexpr int kRequests = 12;

struct FuzzRequest final : StreamRequest {
  void Answered(Status status, const std::string&) override {
    if (answered) abort();
    answered = true;
    // What is given out as read has the checksum that came with it; only zeros and errors are likely here.
    if (status == Status::kOk && op == StreamOp::kExtents) {
      for (auto [from, count] : extents) {
        if (from < offset || count > length || from - offset > length - count) abort();
      }
    }
  }
  bool answered = false;
};

class Engine final : public StreamClient::Owner {
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
      client_ = std::make_unique<StreamClient>(&loop_, this);
      client_->Connect({address_}, Hello{1, "volume", "replica", "engine", 1}, 60'000);
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
      request.offset = 4096 * i;
      request.length = request.op == StreamOp::kFlush ? 0 : 512 << (i / 6);
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
  std::unique_ptr<StreamClient> client_;
  std::vector<FuzzRequest>* requests_ = nullptr;
  std::promise<void>* ended_ = nullptr;
};

std::string HelloAnswer() {
  ResponseMessage message;
  message.hello = HelloReply{1, 1 << 20, 8, kPayloadBytesMax, kStreamPayloadBytesMax};
  Slice bytes = EncodeResponse(message);
  return std::string(reinterpret_cast<char*>(bytes.data()), bytes.length);
}

}  // namespace
}  // namespace aurochs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aurochs;
  static auto* engine = new Engine;  // its thread runs until the process ends
  if (size < 2) return 0;
  std::string bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  size_t frame_bytes = size_t{1} + data[1] * 16;
  switch (data[0] % 4) {
    case 0:
      engine->Meet(bytes);
      break;
    case 1:
      engine->Meet(ServerGreeting() + bytes);
      break;
    case 2:
      engine->Meet(ServerGreeting() + DataFrames(bytes, frame_bytes));
      break;
    case 3:
      engine->Meet(ServerGreeting() + DataFrames(HelloAnswer() + bytes, frame_bytes));
      break;
  }
  return 0;
}
