// The replica's end of the data stream against any bytes. The first byte says how they are wrapped: not at
// all (HTTP/2 itself), as messages before HELLO, as messages of an accepted stream, or as messages of
// Longhorn's data protocol: then the second byte says whether a replica or a volume serves it.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <future>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "stream/data_server.h"
#include "stream/socket.h"
#include "stream_frames.h"
#include "volume/volume_socket.h"

namespace aurochs {
namespace {

constexpr uint64_t kSize = 1 << 20;

void CheckRange(uint64_t offset, uint64_t length) {
  if (length == 0 || offset > kSize || length > kSize - offset || offset % 512 != 0 || length % 512 != 0)
    abort();
}

/// Checks what the server lets through.
class CheckingStore final : public StoreBackend {
 public:
  explicit CheckingStore(EventLoop* loop) : loop_(loop) {}
  uint64_t size() const override { return kSize; }
  uint64_t allocated_bytes() const override { return 0; }
  uint64_t changes() const override { return 0; }
  void Submit(StoreRequest* request) override {
    bool ranged = request->kind != StoreRequest::Kind::kFlush;
    if (ranged) CheckRange(request->offset, request->length);
    if (request->kind == StoreRequest::Kind::kWrite && request->payload.length != request->length) abort();
    if (request->kind == StoreRequest::Kind::kRead) memset(request->payload.data(), 0x5a, request->length);
    if (request->kind == StoreRequest::Kind::kExtents)
      request->extents = {{request->offset, request->length}};
    // Some are answered later, so that others meet them.
    if (request->offset / 512 % 2 == 0) return request->Done(Status::kOk, nullptr);
    loop_->Post([request] { request->Done(Status::kOk, nullptr); });
  }

 private:
  EventLoop* loop_;
};

/// Likewise, of a volume.
class CheckingBackend final : public Backend {
 public:
  uint64_t size() const override { return kSize; }
  void Submit(Operation* operation) override {
    CheckRange(operation->offset, operation->length);
    bool has_payload = operation->kind != OperationKind::kUnmap;
    if (operation->fua != (operation->kind != OperationKind::kRead)) abort();
    if (has_payload && operation->payload.length != operation->length) abort();
    if (operation->kind == OperationKind::kRead) memset(operation->payload.data(), 0x5a, operation->length);
    operation->Done(Status::kOk);
  }
};

/// Sends the bytes and waits until the server has closed the connection.
void Converse(int fd, const std::string& bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    ssize_t count = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) break;
    sent += static_cast<size_t>(count);
  }
  shutdown(fd, SHUT_WR);
  char chunk[65536];
  while (recv(fd, chunk, sizeof chunk, 0) > 0) {
  }
  close(fd);
}

class ServedVolume final : public VolumeSocket::Listener {
 public:
  ServedVolume() {
    char folder[] = "/tmp/aurochs-fuzz-XXXXXX";
    if (!mkdtemp(folder)) abort();
    std::string path = std::string(folder) + "/socket";
    address_.sun_family = AF_UNIX;
    memcpy(address_.sun_path, path.data(), path.size());
    std::string error;
    int listening = ListenUnix(path, &error);
    if (listening < 0) abort();
    loop_.Start("fuzz-volume");
    loop_.Post(
        [this, listening] { socket_ = std::make_unique<VolumeSocket>(&loop_, &backend_, listening, this); });
  }

  void Serve(const std::string& bytes) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address_), sizeof address_) != 0) abort();
    Converse(fd, bytes);
  }

 private:
  void OnConnectionEnded(const std::string& reason) override {
    if (reason.empty()) abort();
  }

  EventLoop loop_;
  CheckingBackend backend_;
  std::unique_ptr<VolumeSocket> socket_;
  sockaddr_un address_{};
};

class Server final : public DataServer::Listener {
 public:
  Server() : server_(&loop_, &store_, Options(), this) {
    loop_.Start("fuzz");
    std::promise<void> listening;
    loop_.Post([&] {
      std::string error;
      int fd = ListenTcp(ResolveAddress("127.0.0.1", 0, &error)[0]);
      if (fd < 0) abort();
      address_ = LocalAddress(fd);
      server_.Listen(fd);
      listening.set_value();
    });
    listening.get_future().get();
  }

  /// Sends the bytes and waits until the server has closed the connection.
  void Serve(const std::string& bytes) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address_.storage), address_.length) != 0) abort();
    linger no_wait{1, 0};  // or the machine runs out of ports
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &no_wait, sizeof no_wait);
    Converse(fd, bytes);
  }

 private:
  static DataServer::Options Options() {
    DataServer::Options options;
    options.max_requests = 16;
    options.max_payload = 64 << 10;
    options.max_payload_in_flight = 256 << 10;
    options.connections_max = 1000;
    return options;
  }
  void OnHello(uint64_t stream, const Hello& hello, const std::string&) override {
    // At once: the bytes that follow are here already, and so is the end of the connection.
    if (hello.generation == 666) {
      server_.Reject(stream, Status::kFenced, "as asked");
    } else {
      server_.Accept(stream);
    }
  }
  void OnDataconn(uint64_t stream, const std::string&) override { server_.Accept(stream); }
  void OnStreamClosed(uint64_t, const std::string& reason) override {
    if (reason.empty()) abort();
  }

  EventLoop loop_;
  CheckingStore store_{&loop_};
  DataServer server_;
  SocketAddress address_;
};

/// Cuts the bytes into messages: the magic is right, and data are as long as there are bytes for them.
std::string DataconnMessages(std::string bytes) {
  for (size_t at = 0; bytes.size() - at >= DataconnHead::kBytes;) {
    DataconnHead::Bytes encoded;
    memcpy(encoded.data(), &bytes[at], encoded.size());
    DataconnHead head = DataconnHead::Decode(encoded);
    head.magic = kDataconnMagic;
    head.type %= 16;
    head.data_length %= bytes.size() - at - DataconnHead::kBytes + 1;
    encoded = head.Encode();
    memcpy(&bytes[at], encoded.data(), encoded.size());
    at += DataconnHead::kBytes + head.data_length;
  }
  return bytes;
}

std::string HelloMessage() {
  RequestMessage hello;
  hello.op = static_cast<uint32_t>(StreamOp::kHello);
  hello.hello = std::make_shared<Hello>(Hello{1, "volume", "replica", "engine", 1});
  Slice bytes = EncodeRequest(hello);
  return std::string(reinterpret_cast<char*>(bytes.data()), bytes.length);
}

}  // namespace
}  // namespace aurochs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aurochs;
  static auto* server = new Server;  // their threads run until the process ends
  static auto* volume = new ServedVolume;
  if (size < 2) return 0;
  std::string bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  size_t frame_bytes = size_t{1} + data[1] * 16;
  switch (data[0] % 5) {
    case 0:
      server->Serve(bytes);
      break;
    case 1:
      server->Serve(ClientGreeting("/x") + bytes);
      break;
    case 2:
      server->Serve(ClientGreeting(kConnectPath) + DataFrames(bytes, frame_bytes));
      break;
    case 3:
      server->Serve(ClientGreeting(kConnectPath) + DataFrames(HelloMessage() + bytes, frame_bytes));
      break;
    case 4:
      if (data[1] % 2 == 0) {
        server->Serve(DataconnMessages(bytes));
      } else {
        volume->Serve(DataconnMessages(bytes));
      }
      break;
  }
  return 0;
}
