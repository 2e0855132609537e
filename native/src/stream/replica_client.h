// What an engine's ends of its connections to replicas have in common, whatever they speak: connecting, the
// requests in flight, and the windows that bound them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/intrusive_list.h"
#include "base/limits.h"
#include "stream/message.h"
#include "stream/socket.h"

namespace aurochs {

/// One request to one replica, embedded in what waits for it. Its owner keeps it alive until Answered, or
/// until it has taken it back with TakeRequest.
struct StreamRequest : ListNode<StreamRequest> {
  /// Once, on the loop's thread, never inside Send. `message` lives as long as the call.
  virtual void Answered(Status status, const std::string& message) = 0;

  StreamOp op = StreamOp::kUnspecified;
  bool fua = false;
  uint64_t offset = 0;  // bytes
  uint64_t length = 0;  // bytes; reads and writes at most kPayloadBytesMax
  uint32_t crc32c = 0;  // kWrite: of the payload
  uint64_t mark = 0;    // kFlush
  uint64_t settled = 0;
  /// kWrite: the data. kRead: where they go.
  Slice payload;
  /// kExtents: replaced by the answer.
  Extents extents;

 protected:
  ~StreamRequest() = default;

 private:
  friend class ReplicaClient;
  uint64_t id_ = 0;
  int64_t sent_ms_ = 0;
};

class ReplicaClient {
 public:
  class Owner {
   public:
    virtual void OnConnected(ReplicaClient* client, const HelloReply& reply) = 0;
    /// Once, unless Close was called before. `status` is what the replica refused the connection with, else
    /// kDisconnected. Requests can be taken back; the client must not be destroyed inside.
    virtual void OnClosed(ReplicaClient* client, Status status, const std::string& reason) = 0;

   protected:
    ~Owner() = default;
  };

  ReplicaClient(const ReplicaClient&) = delete;
  ReplicaClient& operator=(const ReplicaClient&) = delete;
  virtual ~ReplicaClient() = default;

  /// After OnConnected. Sent at the end of the cycle, or when earlier requests have made room in the windows.
  void Send(StreamRequest* request);
  /// Ends the connection without a call to the owner. Not from within Answered.
  void Close();
  /// Takes back the oldest request that was not answered, the sent ones first. Null when there is none.
  /// Only after the connection has ended.
  StreamRequest* TakeRequest();

  bool connected() const { return state_ == State::kConnected; }
  size_t in_flight() const { return sent_.size() + queued_.size(); }
  /// Null when nothing is unanswered.
  const StreamRequest* oldest() const { return sent_.front(); }
  int64_t oldest_age_ms() const { return sent_.empty() ? 0 : loop_->now_ms() - sent_.front()->sent_ms_; }
  uint64_t crc_errors() const { return crc_errors_; }
  virtual uint64_t bytes_sent() const = 0;
  virtual uint64_t bytes_received() const = 0;

 protected:
  enum class State { kIdle, kConnecting, kHandshake, kConnected, kClosed };

  ReplicaClient(EventLoop* loop, Owner* owner) : loop_(loop), owner_(owner) {}

  /// Tries the addresses one after the other; all of it, up to Established, has to be done within
  /// `timeout_ms`, else the connection ends with `late`.
  void StartConnecting(std::vector<SocketAddress> addresses, int64_t timeout_ms, std::string late);
  /// Requests may be sent from now on.
  void Established(const HelloReply& reply);
  /// Null when no such request is in flight.
  StreamRequest* Find(uint64_t id) const;
  static uint64_t IdOf(const StreamRequest& request) { return request.id_; }
  /// A part of it was answered: its time starts anew.
  void Progressed(StreamRequest* request) { request->sent_ms_ = loop_->now_ms(); }
  void Finish(StreamRequest* request, Status status, const std::string& message);
  void End(Status status, const std::string& reason);

  State state() const { return state_; }
  EventLoop* event_loop() const { return loop_; }
  const std::string& peer() const { return peer_; }
  const IntrusiveList<StreamRequest>& sent() const { return sent_; }

  /// A connected socket, which is the derived class's from now on.
  virtual void OnSocket(int fd) = 0;
  virtual void Transmit(StreamRequest* request) = 0;
  /// Bytes of memory that a request takes on either side.
  virtual uint64_t WindowBytes(const StreamRequest& request) const = 0;
  /// Closes the socket; no callback runs after it.
  virtual void StopSocket() = 0;

 private:
  /// Waits for a socket that is connecting.
  struct Connector : EventLoop::Handler {
    explicit Connector(ReplicaClient* client) : client(client) {}
    void OnReady(uint32_t) override { client->SocketDecided(); }
    ReplicaClient* client;
    int fd = -1;
  };

  void TryNextAddress();
  void SocketDecided();
  bool FitsWindow(const StreamRequest& request) const;
  void SendNow(StreamRequest* request);
  void SendQueued();

  EventLoop* loop_;
  Owner* owner_;
  State state_ = State::kIdle;
  std::vector<SocketAddress> addresses_;
  size_t next_address_ = 0;
  Connector connector_{this};
  std::string connect_error_;
  std::string peer_;
  EventLoop::TimerId timer_ = 0;

  uint32_t requests_max_ = 0;
  uint64_t payload_bytes_max_ = 0;
  uint64_t payload_bytes_ = 0;           // of sent_
  IntrusiveList<StreamRequest> sent_;    // oldest first
  IntrusiveList<StreamRequest> queued_;  // wait for room in the windows
  // By the low bits of the id; the high bits tell the uses of an entry apart, so an id is never used twice.
  struct Entry {
    StreamRequest* request = nullptr;
    uint64_t uses = 0;
  };
  std::vector<Entry> entries_;
  std::vector<uint16_t> free_entries_;
  uint64_t crc_errors_ = 0;
};

}  // namespace aurochs
