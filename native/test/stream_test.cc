// The data stream's two ends over loopback sockets.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <random>
#include <string>

#include "../fuzz/stream_frames.h"
#include "base/crc32c.h"
#include "resident_bytes.h"
#include "stream/http2_client.h"
#include "stream_fixture.h"

namespace aurochs {
namespace {

constexpr uint64_t kSize = 16 << 20;

/// One client on its own loop, with calls that wait.
class Client final : public StreamClient::Owner {
 public:
  struct Request final : StreamRequest {
    void Answered(Status result, const std::string& why) override {
      status = result;
      message = why;
      done.set_value();
    }
    Status status = Status::kOk;
    std::string message;
    std::promise<void> done;
  };

  Client() { loop.Start("client"); }
  ~Client() {
    OnLoop(loop, [&] { client.reset(); });
    loop.Stop();
  }

  Status Connect(const SocketAddress& address, int64_t timeout_ms = 10'000) {
    OnLoop(loop, [&] {
      connected_ = std::promise<Status>();
      closed_ = std::promise<void>();
      client = std::make_unique<StreamClient>(&loop, this);
      client->Connect({address}, TestHello(), timeout_ms);
    });
    return connected_.get_future().get();
  }
  std::unique_ptr<Request> Start(StreamOp op, uint64_t offset, uint64_t length, Slice payload = Slice()) {
    auto request = std::make_unique<Request>();
    request->op = op;
    request->offset = offset;
    request->length = length;
    request->payload = op == StreamOp::kRead ? Slice::Allocate(static_cast<uint32_t>(length)) : payload;
    if (op == StreamOp::kWrite) request->crc32c = Crc32c(payload.data(), payload.length);
    return request;
  }
  void Send(Request* request) {
    loop.Post([this, request] { client->Send(request); });
  }
  Status Run(Request* request) {
    Send(request);
    request->done.get_future().get();
    return request->status;
  }
  void WaitClosed() { closed_.get_future().get(); }

  EventLoop loop;
  std::unique_ptr<StreamClient> client;
  HelloReply reply;
  std::string reason;

 private:
  void OnConnected(ReplicaClient*, const HelloReply& given) override {
    reply = given;
    was_connected_ = true;
    connected_.set_value(Status::kOk);
  }
  void OnClosed(ReplicaClient*, Status status, const std::string& why) override {
    reason = why;
    if (!was_connected_) connected_.set_value(status);
    closed_.set_value();
  }

  bool was_connected_ = false;
  std::promise<Status> connected_;
  std::promise<void> closed_;
};

Slice Random(uint32_t length, uint32_t seed) {
  std::mt19937 random(seed);
  Slice slice = Slice::Allocate(length);
  for (uint32_t i = 0; i < length; ++i) slice.data()[i] = static_cast<uint8_t>(random());
  return slice;
}

TEST(Stream, AllOperationsOfAllSizes) {
  Replica replica(kSize);
  Client client;
  ASSERT_EQ(client.Connect(replica.address), Status::kOk) << client.reason;
  EXPECT_EQ(client.reply.size, kSize);
  EXPECT_EQ(replica.Do([&] { return replica.hellos.at(0).engine_id; }), "engine-1");
  for (uint32_t length : {512u, 4096u, 65536u, 1u << 20}) {
    Slice data = Random(length, length);
    auto write = client.Start(StreamOp::kWrite, length, length, data);
    ASSERT_EQ(client.Run(write.get()), Status::kOk);
    auto read = client.Start(StreamOp::kRead, length, length);
    ASSERT_EQ(client.Run(read.get()), Status::kOk) << read->message;
    EXPECT_EQ(memcmp(read->payload.data(), data.data(), length), 0);
  }
  auto unmap = client.Start(StreamOp::kUnmap, 0, 4 << 20);
  EXPECT_EQ(client.Run(unmap.get()), Status::kOk);
  auto write = client.Start(StreamOp::kWrite, 8192, 512, Random(512, 1));
  EXPECT_EQ(client.Run(write.get()), Status::kOk);
  auto extents = client.Start(StreamOp::kExtents, 0, kSize);
  EXPECT_EQ(client.Run(extents.get()), Status::kOk);
  EXPECT_EQ(extents->extents, (Extents{{8192, 512}}));
  auto zeroes = client.Start(StreamOp::kWriteZeroes, 8192, 512);
  EXPECT_EQ(client.Run(zeroes.get()), Status::kOk);
  auto flush = client.Start(StreamOp::kFlush, 0, 0);
  flush->mark = 5;
  flush->settled = 4;
  EXPECT_EQ(client.Run(flush.get()), Status::kOk);
  EXPECT_EQ(replica.Do([&] { return replica.store.flushes.at(0); }), (std::pair<uint64_t, uint64_t>{5, 4}));
  auto beyond = client.Start(StreamOp::kRead, kSize, 512);
  EXPECT_EQ(client.Run(beyond.get()), Status::kOutOfRange);
  auto odd = client.Start(StreamOp::kUnmap, 0, 100);
  EXPECT_EQ(client.Run(odd.get()), Status::kInvalid);
}

TEST(Stream, PayloadsThatDoNotMatchTheirChecksumAreCaughtAtBothEnds) {
  Replica replica(kSize);
  Client client;
  ASSERT_EQ(client.Connect(replica.address), Status::kOk);
  auto write = client.Start(StreamOp::kWrite, 0, 4096, Random(4096, 1));
  write->crc32c ^= 1;
  uint64_t before = replica.Do([&] { return replica.store.submitted; });
  EXPECT_EQ(client.Run(write.get()), Status::kChecksumMismatch);
  EXPECT_EQ(replica.Do([&] { return replica.store.submitted; }), before) << "the store has seen it";

  auto read = client.Start(StreamOp::kRead, 0, 4096);
  replica.Do([&] { replica.store.corrupt_reads = true; });
  EXPECT_EQ(client.Run(read.get()), Status::kChecksumMismatch);
  replica.Do([&] { replica.store.corrupt_reads = false; });
  auto good = client.Start(StreamOp::kRead, 0, 4096);
  EXPECT_EQ(client.Run(good.get()), Status::kOk);
  EXPECT_EQ(OnLoop(client.loop, [&] { return client.client->crc_errors(); }), 2u);
}

TEST(Stream, HelloIsRejectedWithTheStatusGiven) {
  Replica replica(kSize);
  replica.rejection = Status::kFenced;
  Client client;
  EXPECT_EQ(client.Connect(replica.address), Status::kFenced);
  EXPECT_EQ(client.reason, "rejected by the test");
}

TEST(Stream, HelloThatIsNotAnsweredTimesOut) {
  Replica replica(kSize);
  replica.Do([&] { replica.decide = false; });
  Client client;
  EXPECT_EQ(client.Connect(replica.address, 50), Status::kDisconnected);
  EXPECT_NE(client.reason.find("did not answer HELLO within 50 ms"), std::string::npos);
}

TEST(Stream, TheClientKeepsWithinTheWindowsOfTheReply) {
  DataServer::Options options;
  options.max_requests = 4;
  options.max_payload_in_flight = 2 << 20;
  Replica replica(kSize, options);
  Client client;
  ASSERT_EQ(client.Connect(replica.address), Status::kOk);
  replica.Do([&] { replica.store.hold = true; });
  size_t most_requests = 0;
  uint64_t most_bytes = 0;
  std::vector<std::unique_ptr<Client::Request>> requests;
  for (int i = 0; i < 12; ++i) {
    uint32_t length = i % 2 ? 1 << 20 : 4096;
    requests.push_back(
        client.Start(StreamOp::kWrite, static_cast<uint64_t>(i) << 20, length, Random(length, i)));
    client.Send(requests.back().get());
  }
  // One at a time, so that the client refills its window as often as possible.
  for (bool done = false; !done;) {
    replica.Do([&] {
      MemoryStore& store = replica.store;
      uint64_t bytes = 0;
      for (StoreRequest* request : store.held) bytes += request->length;
      most_requests = std::max(most_requests, store.held.size());
      most_bytes = std::max(most_bytes, bytes);
      if (!store.held.empty()) {
        StoreRequest* request = store.held.front();
        store.held.pop_front();
        store.Execute(request);
      }
      done = store.submitted == 12 && store.held.empty();
    });
  }
  for (auto& request : requests) {
    request->done.get_future().get();
    EXPECT_EQ(request->status, Status::kOk);
  }
  EXPECT_LE(most_requests, 4u);
  EXPECT_GE(most_requests, 2u);
  EXPECT_LE(most_bytes, 2u << 20);
}

/// A peer that speaks HTTP/2 by hand, as far as it gets.
class RawPeer {
 public:
  explicit RawPeer(const SocketAddress& address)
      : fd_(socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address.storage), address.length), 0);
  }
  ~RawPeer() { close(fd_); }
  void Send(const std::string& bytes) {
    ASSERT_EQ(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), ssize_t(bytes.size()));
  }
  void Shutdown() { shutdown(fd_, SHUT_WR); }
  /// What has come, or comes next; empty at the end.
  std::string Read() {
    char chunk[4096];
    ssize_t got = read(fd_, chunk, sizeof chunk);
    return std::string(chunk, std::max<ssize_t>(got, 0));
  }
  std::string ReadAll() {
    std::string all;
    for (std::string part; !(part = Read()).empty();) all += part;
    return all;
  }

 private:
  int fd_;
};

TEST(Stream, APeerThatDoesNotSpeakHttp2IsClosedAndTheReasonSaysSo) {
  Replica replica(kSize);
  {
    RawPeer peer(replica.address);
    peer.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    peer.ReadAll();
  }
  std::string reason = replica.Do([&] { return replica.closed_reasons.at(0); });
  EXPECT_NE(reason.find("does not speak HTTP/2"), std::string::npos) << reason;
  Client client;
  EXPECT_EQ(client.Connect(replica.address), Status::kOk) << "others are served";
}

TEST(Stream, AServerThatDoesNotSpeakHttp2IsNamedInTheReason) {
  int listener = ListenTcp([] {
    std::string error;
    return ResolveAddress("127.0.0.1", 0, &error)[0];
  }());
  ASSERT_GE(listener, 0);
  std::thread server([&] {
    pollfd waiting{listener, POLLIN, 0};
    poll(&waiting, 1, -1);
    int fd = accept(listener, nullptr, nullptr);
    std::string answer = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    (void)!write(fd, answer.data(), answer.size());
    char chunk[4096];
    while (read(fd, chunk, sizeof chunk) > 0) {
    }
    close(fd);
  });
  Client client;
  EXPECT_EQ(client.Connect(LocalAddress(listener)), Status::kDisconnected);
  EXPECT_NE(client.reason.find("HTTP/2"), std::string::npos) << client.reason;
  server.join();
  close(listener);
}

TEST(Stream, FenceWaitsForRequestsThatAreWithTheStore) {
  Replica replica(kSize);
  Client client;
  ASSERT_EQ(client.Connect(replica.address), Status::kOk);
  replica.Do([&] { replica.store.hold = true; });
  auto write = client.Start(StreamOp::kWrite, 0, 4096, Random(4096, 1));
  client.Send(write.get());
  while (replica.Do([&] { return replica.store.held.empty(); })) std::this_thread::yield();
  std::atomic<bool> fenced{false}, spared{false};
  std::promise<void> done;
  replica.Do([&] {
    std::string self = "engine-1", other = "engine-2";
    replica.server->Fence(&self, [&] { spared = true; });
    replica.server->Fence(&other, [&] {
      fenced = true;
      done.set_value();
    });
  });
  EXPECT_TRUE(spared) << "the engine's own stream need not be waited for";
  EXPECT_FALSE(fenced);
  client.WaitClosed();
  EXPECT_NE(client.reason.find("fenced"), std::string::npos) << client.reason;
  EXPECT_FALSE(replica.Do([&] { return fenced.load(); }));
  replica.Do([&] { replica.store.ReleaseHeld(); });
  done.get_future().get();
  EXPECT_TRUE(fenced);
  OnLoop(client.loop, [&] { EXPECT_EQ(client.client->TakeRequest(), write.get()); });
}

TEST(Stream, AnEngineThatConnectsAnewWaitsForWhatItsOldStreamLeftBehind) {
  Replica replica(kSize);
  auto old_client = std::make_unique<Client>();
  ASSERT_EQ(old_client->Connect(replica.address), Status::kOk);
  replica.Do([&] { replica.store.hold = true; });
  auto write = old_client->Start(StreamOp::kWrite, 0, 4096, Random(4096, 1));
  old_client->Send(write.get());
  while (replica.Do([&] { return replica.store.held.empty(); })) std::this_thread::yield();
  old_client.reset();  // as if its machine's network was cut
  Client client;
  EXPECT_EQ(client.Connect(replica.address, 100), Status::kDisconnected) << "HELLO was answered too early";
  replica.Do([&] { replica.store.ReleaseHeld(); });
  Client third;
  EXPECT_EQ(third.Connect(replica.address), Status::kOk) << third.reason;
}

TEST(Stream, ReadsBeyondTheBudgetWaitInTheServer) {
  DataServer::Options options;
  options.max_payload_in_flight = 1 << 20;
  Replica replica(kSize, options);
  Client client;
  ASSERT_EQ(client.Connect(replica.address), Status::kOk);
  std::vector<std::unique_ptr<Client::Request>> reads;
  for (int i = 0; i < 40; ++i) {
    reads.push_back(client.Start(StreamOp::kRead, static_cast<uint64_t>(i % 16) << 20, 1 << 20));
    client.Send(reads.back().get());
  }
  for (auto& read : reads) {
    read->done.get_future().get();
    EXPECT_EQ(read->status, Status::kOk);
  }
}

/// Speaks the data stream, and never opens its flow-control window: no answer can leave.
class ClosedWindowPeer {
 public:
  /// The stream is open when it returns.
  explicit ClosedWindowPeer(Replica& replica) : peer_(replica.address) {
    const std::string no_window{0, 4, 0, 0, 0, 0};  // SETTINGS_INITIAL_WINDOW_SIZE
    peer_.Send(ClientGreeting(kConnectPath, no_window));
    RequestMessage hello;
    hello.op = static_cast<uint32_t>(StreamOp::kHello);
    hello.hello = std::make_shared<Hello>(TestHello());
    Slice message = EncodeRequest(hello);
    Ask(std::string(message.data(), message.data() + message.length));
    Wait();
    peer_.Send(Http2Frame(FrameType::kSettings, 1, 0, ""));  // ACK: the server's window is open
    replica.Do([] {});                                       // behind its decision
  }

  /// `count` times the same.
  void Ask(StreamOp op, uint64_t offset, uint64_t length, int count) {
    RequestMessage request;
    request.id = 1;
    request.op = static_cast<uint32_t>(op);
    request.offset = offset;
    request.length = length;
    EncodedHead head;
    EncodeRequestHead(request, &head);
    std::string messages;
    for (int i = 0; i < count; ++i) messages.append(head.bytes.data(), head.bytes.data() + head.length);
    Ask(messages);
  }

  /// Until the server has looked at all that was sent.
  void Wait() {
    peer_.Send(Http2Frame(FrameType::kPing, 0, 0, "whatever"));
    for (std::string got, part; got.find("whatever") == std::string::npos; got += part) {
      part = peer_.Read();
      ASSERT_FALSE(part.empty()) << "closed";
    }
  }

 private:
  void Ask(const std::string& messages) { peer_.Send(DataFrames(messages, 16 << 10)); }

  RawPeer peer_;
};

DataServer::Options SmallBudget() {
  DataServer::Options options;
  options.max_payload_in_flight = 4 << 20;
  return options;
}

TEST(Stream, APeerThatTakesNoAnswersGetsNoMoreReadsDone) {
  Replica replica(kSize, SmallBudget());
  ClosedWindowPeer peer(replica);
  peer.Ask(StreamOp::kRead, 0, 1 << 20, 100);
  peer.Wait();
  EXPECT_EQ(replica.Do([&] { return replica.store.submitted; }), 3u) << "and HELLO's answer";
}

TEST(Stream, AnswersToExtentsCountAsLongAsTheyMayBe) {
  Replica replica(kSize, SmallBudget());
  replica.Do([&] { replica.store.hold = true; });
  ClosedWindowPeer peer(replica);
  peer.Ask(StreamOp::kExtents, 0, kSize, 100);
  peer.Wait();
  EXPECT_EQ(replica.Do([&] { return replica.store.submitted; }), 1u);
}

TEST(Stream, APeerThatTakesNoAnswersAndGoesOnAskingIsEnded) {
  for (StreamOp op : {StreamOp::kFlush, StreamOp::kUnspecified}) {
    Replica replica(kSize, SmallBudget());
    replica.Do([&] { replica.store.failure = [](const StoreRequest&) { return Status::kIoError; }; });
    ClosedWindowPeer peer(replica);
    std::vector<std::string> reasons;
    for (int i = 0; i < 100 && reasons.empty(); ++i) {
      peer.Ask(op, 0, 0, 10'000);
      peer.Wait();
      reasons = replica.Do([&] { return replica.closed_reasons; });
    }
    EXPECT_EQ(reasons, std::vector<std::string>{"the answers are not taken"});
  }
}

// A sanitizer's malloc keeps what is freed.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(Stream, AStreamThatIsCutOffKeepsNoAnswers) {
  Replica replica(kSize);
  ClosedWindowPeer peer(replica);
  size_t before = ResidentBytes();
  peer.Ask(StreamOp::kRead, 0, 1 << 20, 100);
  peer.Wait();
  EXPECT_GT(ResidentBytes(), before + (40u << 20));
  replica.Cut();
  EXPECT_LT(ResidentBytes(), before + (24u << 20));
}
#endif

TEST(Stream, TheEndOfTheStreamHandsBackWhatWasNotAnswered) {
  Replica replica(kSize);
  Client client;
  ASSERT_EQ(client.Connect(replica.address), Status::kOk);
  replica.Do([&] { replica.store.hold = true; });
  std::vector<std::unique_ptr<Client::Request>> requests;
  for (int i = 0; i < 1500; ++i) {
    requests.push_back(client.Start(StreamOp::kRead, 0, 512));
    client.Send(requests.back().get());
  }
  while (replica.Do([&] { return replica.store.held.size() < 1024; })) std::this_thread::yield();
  replica.Close();
  client.WaitClosed();
  OnLoop(client.loop, [&] {
    size_t next = 0;
    while (StreamRequest* request = client.client->TakeRequest()) {
      ASSERT_EQ(request, requests[next].get()) << "in the order of submission";
      ++next;
    }
    EXPECT_EQ(next, requests.size());
  });
}

}  // namespace
}  // namespace aurochs
