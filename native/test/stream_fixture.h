// A replica in memory behind a real DataServer, with faults; and calls into a loop's thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "stream/data_server.h"

namespace aurochs {

/// Runs `work` on the loop and returns what it returns.
template <class Work>
auto OnLoop(EventLoop& loop, Work work) {
  std::promise<decltype(work())> promise;
  loop.Post([&] {
    if constexpr (std::is_void_v<decltype(work())>) {
      work();
      promise.set_value();
    } else {
      promise.set_value(work());
    }
  });
  return promise.get_future().get();
}

/// Bytes in memory. Used on its loop's thread only.
class MemoryStore final : public StoreBackend {
 public:
  explicit MemoryStore(uint64_t size) : bytes(size) {}
  uint64_t size() const override { return bytes.size(); }
  uint64_t allocated_bytes() const override { return allocated; }
  uint64_t changes() const override { return changed; }

  void Submit(StoreRequest* request) override {
    ++submitted;
    if (on_submit) on_submit(request);
    if (hold) {
      held.push_back(request);
    } else {
      Execute(request);
    }
  }

  void Execute(StoreRequest* request) {
    if (failure) {
      Status status = failure(*request);
      if (status != Status::kOk) return request->Done(status, "injected");
    }
    using Kind = StoreRequest::Kind;
    if (request->kind == Kind::kWrite || request->kind == Kind::kUnmap || request->kind == Kind::kWriteZeroes)
      ++changed;
    switch (request->kind) {
      case Kind::kRead:
        memcpy(request->payload.data(), &bytes[request->offset], request->length);
        break;
      case Kind::kWrite:
        memcpy(&bytes[request->offset], request->payload.data(), request->length);
        break;
      case Kind::kUnmap:
      case Kind::kWriteZeroes:
        memset(&bytes[request->offset], 0, request->length);
        break;
      case Kind::kExtents:
        for (uint64_t at = request->offset; at < request->offset + request->length; at += 512) {
          bool used = std::any_of(&bytes[at], &bytes[at] + 512, [](uint8_t byte) { return byte != 0; });
          if (!used) continue;
          if (!request->extents.empty() &&
              request->extents.back().first + request->extents.back().second == at) {
            request->extents.back().second += 512;
          } else {
            request->extents.emplace_back(at, 512);
          }
        }
        break;
      case Kind::kFlush:
        flushes.push_back({request->mark, request->settled});
        break;
    }
    Slice payload = request->payload;
    bool is_read = request->kind == Kind::kRead;
    request->Done(Status::kOk, nullptr);
    // After the checksum was taken, before the bytes leave: those of a longer read are not copied.
    if (is_read && corrupt_reads) payload.data()[payload.length / 2] ^= 0x10;
  }

  void ReleaseHeld() {
    hold = false;
    while (!held.empty()) {
      StoreRequest* request = held.front();
      held.pop_front();
      Execute(request);
    }
  }

  std::vector<uint8_t> bytes;
  uint64_t allocated = 0;
  uint64_t changed = 0;
  bool hold = false;
  bool corrupt_reads = false;
  std::deque<StoreRequest*> held;
  uint64_t submitted = 0;
  std::vector<std::pair<uint64_t, uint64_t>> flushes;  // mark, settled
  std::function<Status(const StoreRequest&)> failure;
  std::function<void(StoreRequest*)> on_submit;
};

/// One replica on a thread of its own; every HELLO is accepted unless `rejection` says otherwise.
class Replica final : public DataServer::Listener {
 public:
  explicit Replica(uint64_t size, DataServer::Options options = {}) : store(size), options_(options) {
    loop.Start("replica");
    Open(0);
  }
  ~Replica() {
    Close();
    loop.Stop();
  }

  void Open(uint16_t port) {
    OnLoop(loop, [&] {
      server = std::make_unique<DataServer>(&loop, &store, options_, this);
      std::string error;
      int fd = ListenTcp(ResolveAddress("127.0.0.1", port, &error)[0]);
      if (fd < 0) abort();
      address = LocalAddress(fd);
      server->Listen(fd);
    });
  }
  /// Cuts all streams off. What the store holds is executed first.
  void Close() {
    std::promise<void> closed;
    loop.Post([&] {
      if (!server) return closed.set_value();
      server->Close([&] { closed.set_value(); });
      store.ReleaseHeld();
    });
    closed.get_future().get();
    OnLoop(loop, [&] { server.reset(); });
  }
  void Restart() {
    uint16_t port = address.port();
    Close();
    Open(port);
  }
  /// Cuts all streams off and goes on listening.
  void Cut() {
    std::promise<void> done;
    loop.Post([&] { server->Fence(nullptr, [&] { done.set_value(); }); });
    done.get_future().get();
  }

  template <class Work>
  auto Do(Work work) {
    return OnLoop(loop, work);
  }

  EventLoop loop;
  MemoryStore store;
  std::unique_ptr<DataServer> server;
  SocketAddress address;
  std::vector<Hello> hellos;
  int dataconns = 0;
  std::vector<std::string> closed_reasons;
  Status rejection = Status::kOk;
  bool decide = true;
  uint64_t last_stream = 0;

 private:
  void OnHello(uint64_t stream, const Hello& hello, const std::string&) override {
    hellos.push_back(hello);
    last_stream = stream;
    if (!decide) return;
    // As in JavaScript: not within the event.
    loop.Post([this, stream] {
      if (!server) return;
      if (rejection == Status::kOk) {
        server->Accept(stream);
      } else {
        server->Reject(stream, rejection, "rejected by the test");
      }
    });
  }
  void OnDataconn(uint64_t stream, const std::string&) override {
    ++dataconns;
    last_stream = stream;
    if (!decide) return;
    loop.Post([this, stream] {
      if (!server) return;
      if (rejection == Status::kOk) {
        server->Accept(stream);
      } else {
        server->Reject(stream, rejection, "rejected by the test");
      }
    });
  }
  void OnStreamClosed(uint64_t, const std::string& reason) override { closed_reasons.push_back(reason); }

  DataServer::Options options_;
};

inline Hello TestHello() {
  Hello hello;
  hello.volume = "volume-1";
  hello.replica_id = "replica-1";
  hello.engine_id = "engine-1";
  hello.generation = 7;
  return hello;
}

}  // namespace aurochs
