// The HTTP/2 side of the data server: one object per connection and per stream on it. Messages go to
// DataServer.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/intrusive_list.h"
#include "stream/grpc_frame.h"
#include "stream/http2_connection.h"
#include "stream/message.h"
#include "stream/request_source.h"

namespace aurochs {

class ServerConnection;

/// gRPC's status codes, as far as we end streams with them.
enum class GrpcStatus : int {
  kOk = 0,
  kInvalidArgument = 3,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kUnimplemented = 12,
};

/// One gRPC call. Owned by the DataServer, which keeps it until neither nghttp2 nor a request refers to it.
class ServerStream final : public RequestSource, private MessageReader<RequestMessage>::Handler {
 public:
  //  kHeaders --path is ours--> kAwaitsHello --HELLO--> kAwaitsDecision --accept--> kDraining --HelloReply-->
  //  kOpen any --> kClosed: nothing of it reaches the store any more but what is there already
  enum class State { kHeaders, kAwaitsHello, kAwaitsDecision, kDraining, kOpen, kClosed };

  ServerStream(DataServer* server, ServerConnection* connection, uint64_t id, int32_t http2_id);

  uint64_t id() const { return id_; }
  State state() const { return state_; }
  const std::string& engine_id() const { return engine_id_; }
  bool ended() const override { return state_ == State::kClosed; }
  bool idle() const override { return requests_ == 0; }
  bool half_closed() const { return half_closed_; }
  /// nghttp2 knows of it.
  bool attached() const { return connection_ != nullptr; }

  // ---- of the connection
  void OnHeader(const std::string& name, const std::string& value);
  void OnHeaders();
  void OnData(const uint8_t* bytes, size_t length);
  std::span<uint8_t> DataRoom() const;
  void OnEndOfStream();
  /// nghttp2 forgets the stream.
  void Detach(const std::string& reason);
  /// @returns whether trailers were submitted
  bool SubmitTrailers();
  StreamOutput* output() { return &output_; }
  /// Submits deferred reads for which there is room.
  void SubmitDeferred() override;

  // ---- of the server
  void Accept() { state_ = State::kDraining; }
  void Open(const HelloReply& reply);
  /// Answers HELLO with an error and ends the stream.
  void Reject(Status status, const std::string& message);
  /// Ends the stream: nothing more is read from it. `reason` goes to the peer and to the owner. But for kOk
  /// answers that have not left are dropped: a peer that does not take them would not let them go.
  void End(GrpcStatus status, const std::string& reason);
  /// The store has answered.
  void Answer(ServerRequest* request, Status status, const char* message) override;

 private:
  uint8_t* PayloadStarts(const RequestMessage& message, uint32_t length) final;
  bool MessageEnds(RequestMessage& message) final;
  void TakeHello(RequestMessage& message);
  /// Null when it may be passed to the store; else why not.
  const char* Refusal(const RequestMessage& message, Status* status) const;
  /// @returns whether the stream goes on
  bool Refuse(uint64_t id, Status status, const char* why);
  void Submit(ServerRequest* request);
  bool HasRoomFor(const ServerRequest& request) const;
  void Send(const ResponseMessage& message, Slice payload);
  void Close(const std::string& reason);
  void EndIfFinished();

  DataServer* server_;
  ServerConnection* connection_;
  uint64_t id_;
  State state_ = State::kHeaders;
  std::string method_, path_, content_type_;
  std::string engine_id_;
  StreamOutput output_;
  MessageReader<RequestMessage> reader_;
  Slice payload_;  // of the message that is being received
  bool half_closed_ = false;
  GrpcStatus end_status_ = GrpcStatus::kOk;
  std::string end_message_;

  uint32_t requests_ = 0;           // deferred, or with the store
  uint64_t write_bytes_ = 0;        // payload of these
  uint64_t long_answer_bytes_ = 0;  // at the most, of what is with the store
  IntrusiveList<ServerRequest> deferred_;
  bool submitting_ = false;
};

class ServerConnection final : private Http2Connection {
 public:
  ServerConnection(DataServer* server, int fd, std::string remote);
  ~ServerConnection();

  const std::string& remote() const { return remote_; }
  bool broken() const { return !started(); }
  /// How long it has been seen without an open stream; an open one starts the time anew.
  int64_t IdleMs();
  /// Closes the socket.
  void Abandon(const std::string& reason);

  using Http2Connection::output_bytes;
  using Http2Connection::ScheduleFlush;
  using Http2Connection::session;
  void RespondTo(ServerStream* stream, const std::string& content_type);
  void RespondWithoutBody(int32_t http2_id, const std::string& http_status, GrpcStatus status,
                          const std::string& message);

 private:
  ServerStream* Find(int32_t http2_id) const;

  void OnStreamStarts(int32_t http2_id) final;
  void OnHeaders(int32_t http2_id, bool end_stream) final;
  void OnHeader(int32_t http2_id, const std::string& name, const std::string& value) final;
  void OnData(int32_t http2_id, const uint8_t* bytes, size_t length) final;
  std::span<uint8_t> DataRoom(int32_t http2_id) final;
  void OnEndOfStream(int32_t http2_id) final;
  void OnStreamClosed(int32_t http2_id, uint32_t http2_error) final;
  void OnTrailersSent(int32_t http2_id) final;
  bool OnOutputEnds(StreamOutput* output) final;
  void BeforeFlush() final;
  void AfterFlush() final;
  void OnBroken(const std::string& reason) final;

  DataServer* server_;
  std::string remote_;
  std::map<int32_t, ServerStream*> streams_;
  bool had_stream_ = false;
  int64_t idle_since_ms_;
};

}  // namespace aurochs
