// The engine's end of the data stream to one replica: HELLO, then requests within the replica's windows.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/intrusive_list.h"
#include "base/limits.h"
#include "stream/grpc_frame.h"
#include "stream/http2_connection.h"
#include "stream/message.h"
#include "stream/socket.h"

namespace aurochs {

/// One request to one replica, embedded in what waits for it. Its owner keeps it alive until Answered, or
/// until it has taken it back with TakeRequests.
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
  friend class StreamClient;
  uint64_t id_ = 0;
  int64_t sent_ms_ = 0;
};

class StreamClient final : private Http2Connection, private MessageReader<ResponseMessage>::Handler {
 public:
  class Owner {
   public:
    virtual void OnConnected(StreamClient* client, const HelloReply& reply) = 0;
    /// Once, unless Close was called before. `status` is what the replica answered HELLO with, else
    /// kDisconnected. Requests can be taken back; the client must not be destroyed inside.
    virtual void OnClosed(StreamClient* client, Status status, const std::string& reason) = 0;

   protected:
    ~Owner() = default;
  };

  StreamClient(EventLoop* loop, Owner* owner);
  ~StreamClient();

  /// Once. Tries the addresses one after the other; all of it has to be done within `timeout_ms`.
  void Connect(std::vector<SocketAddress> addresses, const Hello& hello, int64_t timeout_ms);
  /// After OnConnected. Sent at the end of the cycle, or when earlier requests have made room in the windows.
  void Send(StreamRequest* request);
  /// Ends the stream without a call to the owner. Not from within Answered.
  void Close();
  /// Takes back the oldest request that was not answered, the sent ones first. Null when there is none.
  /// Only after the stream has ended.
  StreamRequest* TakeRequest();

  bool connected() const { return state_ == State::kConnected; }
  size_t in_flight() const { return sent_.size() + queued_.size(); }
  /// Null when nothing is unanswered.
  const StreamRequest* oldest() const { return sent_.front(); }
  int64_t oldest_age_ms() const { return sent_.empty() ? 0 : loop()->now_ms() - sent_.front()->sent_ms_; }
  uint64_t crc_errors() const { return crc_errors_; }
  using Http2Connection::bytes_received;
  using Http2Connection::bytes_sent;

 private:
  enum class State { kIdle, kConnecting, kHello, kConnected, kClosed };

  /// Waits for a socket that is connecting.
  struct Connector : EventLoop::Handler {
    explicit Connector(StreamClient* client) : client(client) {}
    void OnReady(uint32_t) override { client->SocketDecided(); }
    StreamClient* client;
    int fd = -1;
  };

  void TryNextAddress();
  void SocketDecided();
  void StartSession(int fd);
  void SendNow(StreamRequest* request);
  bool FitsWindow(const StreamRequest& request) const;
  void SendQueued();
  StreamRequest* Find(uint64_t id) const;
  void Finish(StreamRequest* request, Status status, const std::string& message);
  void End(Status status, const std::string& reason);

  void OnHeaders(int32_t stream_id, bool end_stream) final;
  void OnHeader(int32_t stream_id, const std::string& name, const std::string& value) final;
  void OnData(int32_t stream_id, const uint8_t* bytes, size_t length) final;
  std::span<uint8_t> DataRoom(int32_t) final { return reader_.PayloadRoom(); }
  void OnEndOfStream(int32_t stream_id) final;
  void OnStreamClosed(int32_t stream_id, uint32_t http2_error) final;
  void BeforeFlush() final;
  void OnBroken(const std::string& reason) final;

  uint8_t* PayloadStarts(const ResponseMessage& message, uint32_t length) final;
  bool MessageEnds(ResponseMessage& message) final;
  bool HelloAnswered(const ResponseMessage& message);
  Status CheckRead(StreamRequest* request, const ResponseMessage& message, std::string* why);
  static Status CheckExtents(const StreamRequest& request, const Extents& extents, std::string* why);
  std::string EndReason() const;

  Owner* owner_;
  State state_ = State::kIdle;
  std::vector<SocketAddress> addresses_;
  size_t next_address_ = 0;
  Connector connector_{this};
  std::string connect_error_;
  Slice hello_;
  std::string authority_;
  EventLoop::TimerId timer_ = 0;

  StreamOutput output_;
  MessageReader<ResponseMessage> reader_;
  // A payload that arrived before its message's id, or whose destination is unknown for another reason.
  Slice stray_payload_;
  std::string http_status_, content_type_, grpc_status_, grpc_message_;
  Status hello_status_ = Status::kDisconnected;
  std::string refusal_;  // why we do not go on with what the replica sent

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
