// The replica's end of the data plane: which streams may reach the store, and when none of theirs can any
// more.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/range_locks.h"
#include "store/store.h"
#include "stream/http2_server.h"
#include "stream/message.h"
#include "stream/replica_dataconn.h"
#include "stream/request_source.h"
#include "stream/revision_file.h"
#include "stream/socket.h"

namespace aurochs {

/// A connection whose first byte is awaited: it says which protocol is spoken.
class Arrival final : private EventLoop::Handler {
 public:
  Arrival(DataServer* server, EventLoop* loop, int fd, std::string remote);
  ~Arrival();
  int64_t since_ms() const { return since_ms_; }
  bool over() const { return fd_ < 0; }
  /// Closes the socket, if it still has it.
  void Abandon(const std::string& reason);

 private:
  void OnReady(uint32_t epoll_events) final;

  DataServer* server_;
  EventLoop* loop_;
  int fd_;
  std::string remote_;
  int64_t since_ms_;
};

class DataServer final : private EventLoop::Handler, private EventLoop::CycleTask {
 public:
  struct Options {
    uint32_t max_requests = kStreamRequestsMax;
    uint32_t max_payload = kPayloadBytesMax;
    uint64_t max_payload_in_flight = kStreamPayloadBytesMax;
    uint32_t connections_max = 16;
  };

  class Listener {
   public:
    virtual void OnHello(uint64_t stream, const Hello& hello, const std::string& remote) = 0;
    /// A connection of Longhorn's data protocol, which names nobody. Answered like a HELLO.
    virtual void OnDataconn(uint64_t stream, const std::string& remote) = 0;
    /// `stream` is 0 for a connection that never had one.
    virtual void OnStreamClosed(uint64_t stream, const std::string& reason) = 0;

   protected:
    ~Listener() = default;
  };

  DataServer(EventLoop* loop, StoreBackend* store, const Options& options, Listener* listener);
  /// On the loop's thread or after the loop has ended; no request may be with the store.
  ~DataServer();

  /// Once. Accepts from a listening socket, which it owns from now on.
  void Listen(int fd);
  /// Ends other streams of the same engine: it has connected anew. HELLO is answered, and requests are looked
  /// at, when no request of any ended stream is with the store any more: otherwise a write that the engine
  /// has sent again could be overtaken by its own first copy. Unknown (closed) streams are ignored.
  void Accept(uint64_t stream);
  void Reject(uint64_t stream, Status status, const std::string& message);
  /// Ends every stream but those of `engine_id` (null: every stream); `done` is called when none of their
  /// requests is with the store any more.
  void Fence(const std::string* engine_id, std::function<void()> done);
  /// From now on every change that is made over Longhorn's protocol is counted in that file before it is
  /// answered: a replica that is killed has to tell how far it was. `revision` is what it was when the store
  /// had done `changes`; the file tells at once what it is now.
  /// @returns 0 or an errno
  int KeepRevision(const std::string& path, uint64_t revision, uint64_t changes);
  /// Closes all connections and stops listening; `done` as with Fence. Idempotent.
  void Close(std::function<void()> done);

 private:
  friend class ServerStream;
  friend class ServerConnection;
  friend class ReplicaDataconn;
  friend class Arrival;
  friend struct ServerRequest;

  void OnReady(uint32_t epoll_events) final;
  void AtEndOfCycle() final;
  size_t connection_count() const { return arrivals_.size() + connections_.size() + dataconns_.size(); }
  void Identified(int fd, uint8_t first_byte, const std::string& remote);
  /// A connection of Longhorn's protocol has ended with so many requests under way.
  void SourceEnded(uint64_t stream, uint32_t requests, const std::string& reason);
  ReplicaDataconn* FindDataconn(uint64_t stream);

  ServerStream* AddStream(ServerConnection* connection, int32_t http2_id);
  ServerStream* Find(uint64_t stream);
  ServerRequest* TakeRequest();
  void GiveRequest(ServerRequest* request);
  HelloReply Reply() const;
  /// Calls `then` when no request of an ended stream is with the store.
  void WhenDrained(std::function<void()> then);
  /// `of_ended`: its stream had ended before.
  void RequestEnded(ServerRequest* request, bool of_ended);
  /// At the end of the cycle changes that are durable are counted and answered, and streams and connections
  /// that have ended are deleted.
  void ScheduleSweep();
  void CountChanges();
  void CloseIdleConnections();

  EventLoop* loop_;
  StoreBackend* store_;
  Options options_;
  Listener* listener_;
  int listen_fd_ = -1;
  bool closed_ = false;
  EventLoop::TimerId idle_timer_ = 0;
  EventLoop::TimerId rest_timer_ = 0;
  std::map<uint64_t, std::unique_ptr<ServerStream>> streams_;
  std::vector<std::unique_ptr<Arrival>> arrivals_;
  std::vector<std::unique_ptr<ServerConnection>> connections_;
  RangeLocks dataconn_locks_;
  std::map<uint64_t, std::unique_ptr<ReplicaDataconn>> dataconns_;
  RevisionFile revision_;
  uint64_t next_stream_ = 1;

  std::vector<std::unique_ptr<ServerRequest>> requests_;
  std::vector<ServerRequest*> free_requests_;
  size_t with_store_of_ended_ = 0;
  std::vector<std::function<void()>> drained_;
};

}  // namespace aurochs
