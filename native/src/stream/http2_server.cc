#include "stream/http2_server.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/crc32c.h"
#include "stream/data_server.h"

namespace aurochs {

namespace {

constexpr uint64_t kSectorBytes = 512;

// gRPC sends the text of a status percent-encoded (PROTOCOL-HTTP2, "Status-Message").
std::string PercentEncode(const std::string& text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (unsigned char byte : text) {
    if (byte >= 0x20 && byte <= 0x7e && byte != '%') {
      encoded += static_cast<char>(byte);
    } else {
      encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return encoded;
}

std::string Number(GrpcStatus status) { return std::to_string(static_cast<int>(status)); }

bool KindOf(uint32_t op, StoreRequest::Kind* kind) {
  switch (static_cast<StreamOp>(op)) {
    case StreamOp::kRead:
      *kind = StoreRequest::Kind::kRead;
      return true;
    case StreamOp::kWrite:
      *kind = StoreRequest::Kind::kWrite;
      return true;
    case StreamOp::kFlush:
      *kind = StoreRequest::Kind::kFlush;
      return true;
    case StreamOp::kUnmap:
      *kind = StoreRequest::Kind::kUnmap;
      return true;
    case StreamOp::kWriteZeroes:
      *kind = StoreRequest::Kind::kWriteZeroes;
      return true;
    case StreamOp::kExtents:
      *kind = StoreRequest::Kind::kExtents;
      return true;
    default:
      return false;
  }
}

/// What the answer may take where that is much, bytes.
uint64_t LongAnswerBytes(const StoreRequest& request) {
  if (request.kind == StoreRequest::Kind::kRead) return request.length;
  return request.kind == StoreRequest::Kind::kExtents ? kResponseBytesMax : 0;
}

}  // namespace

// ---------------------------------------------------------------------------------------------- ServerStream

ServerStream::ServerStream(DataServer* server, ServerConnection* connection, uint64_t id, int32_t http2_id)
    : server_(server),
      connection_(connection),
      id_(id),
      reader_(this, server->options_.max_payload + kMessageOverheadBytesMax) {
  output_.stream_id = http2_id;
}

void ServerStream::OnHeader(const std::string& name, const std::string& value) {
  if (state_ != State::kHeaders) return;
  if (name == ":method") method_ = value;
  if (name == ":path") path_ = value;
  if (name == "content-type") content_type_ = value;
}

void ServerStream::OnHeaders() {
  if (state_ != State::kHeaders) return;  // trailers, which mean nothing to us
  if (method_ != "POST" || !content_type_.starts_with("application/grpc")) {
    state_ = State::kClosed;
    connection_->RespondWithoutBody(output_.stream_id, "415", GrpcStatus::kUnimplemented,
                                    "this port speaks gRPC");
  } else if (path_ != kConnectPath) {
    state_ = State::kClosed;
    connection_->RespondWithoutBody(output_.stream_id, "200", GrpcStatus::kUnimplemented,
                                    "no method " + path_);
  } else {
    state_ = State::kAwaitsHello;
    connection_->RespondTo(this, content_type_);
  }
}

void ServerStream::OnData(const uint8_t* bytes, size_t length) {
  if (state_ == State::kClosed) return;
  if (!reader_.Feed(bytes, length) && !reader_.error().empty()) {
    End(GrpcStatus::kInvalidArgument, reader_.error());
  }
}

std::span<uint8_t> ServerStream::DataRoom() const {
  return state_ == State::kClosed ? std::span<uint8_t>() : reader_.PayloadRoom();
}

void ServerStream::OnEndOfStream() {
  half_closed_ = true;
  if (state_ == State::kAwaitsHello) {
    End(GrpcStatus::kInvalidArgument, "the stream ended before HELLO");
  } else if (state_ != State::kClosed) {
    EndIfFinished();
  }
}

void ServerStream::Detach(const std::string& reason) {
  connection_ = nullptr;
  if (state_ != State::kClosed) Close(reason);
  server_->ScheduleSweep();
}

uint8_t* ServerStream::PayloadStarts(const RequestMessage&, uint32_t length) {
  payload_ = Slice();
  if (state_ == State::kClosed) return nullptr;
  if (state_ == State::kAwaitsHello) {
    End(GrpcStatus::kInvalidArgument, "a payload before HELLO");
  } else if (length > server_->options_.max_payload) {
    return nullptr;  // refused when the message is complete
  } else if (write_bytes_ + length > server_->options_.max_payload_in_flight) {
    End(GrpcStatus::kResourceExhausted, "more than " +
                                            std::to_string(server_->options_.max_payload_in_flight) +
                                            " bytes of payload in flight");
  } else {
    payload_ = Slice::Allocate(length);
    return payload_.data();
  }
  return nullptr;
}

bool ServerStream::MessageEnds(RequestMessage& message) {
  Slice payload = std::move(payload_);
  payload_ = Slice();
  if (state_ == State::kClosed) return false;
  if (state_ == State::kAwaitsHello) {
    TakeHello(message);
    return state_ != State::kClosed;
  }
  if (requests_ >= server_->options_.max_requests) {
    End(GrpcStatus::kResourceExhausted,
        "more than " + std::to_string(server_->options_.max_requests) + " requests in flight");
    return false;
  }
  if (output_.queue.bytes() > server_->options_.max_payload_in_flight + kStreamAnswerBytesMax) {
    End(GrpcStatus::kResourceExhausted, "the answers are not taken");
    return false;
  }
  Status status = Status::kOk;
  const char* refusal = Refusal(message, &status);
  if (!refusal && message.op == static_cast<uint32_t>(StreamOp::kWrite) &&
      Crc32c(payload.data(), payload.length) != message.crc32c) {
    status = Status::kChecksumMismatch;
    refusal = "the payload does not match its CRC32C";
  }
  if (refusal) return Refuse(message.id, status, refusal);

  ServerRequest* request = server_->TakeRequest();
  KindOf(message.op, &request->kind);
  request->source = this;
  request->id = message.id;
  request->payload = std::move(payload);
  ++requests_;
  write_bytes_ += request->payload.length;
  request->offset = message.offset;
  request->length = message.length;
  request->fua = message.fua;
  request->mark = message.mark;
  request->settled = message.settled;
  bool overtakes = LongAnswerBytes(*request) == 0;
  if (state_ == State::kOpen && (overtakes || deferred_.empty()) && HasRoomFor(*request)) {
    Submit(request);
  } else {
    deferred_.PushBack(request);
  }
  return state_ != State::kClosed;
}

bool ServerStream::Refuse(uint64_t id, Status status, const char* why) {
  if (state_ != State::kOpen) {
    End(GrpcStatus::kInvalidArgument, why);  // nothing may be answered before HELLO
    return false;
  }
  ResponseMessage response;
  response.id = id;
  response.status = static_cast<uint32_t>(status);
  response.message = why;
  Send(response, Slice());
  return true;
}

const char* ServerStream::Refusal(const RequestMessage& message, Status* status) const {
  *status = Status::kInvalid;
  StoreRequest::Kind kind;
  if (message.id == 0) return "id 0 is HELLO's";
  if (!KindOf(message.op, &kind)) return "unknown op";
  if (message.payload_length > server_->options_.max_payload) return "the payload is too long";
  if (kind == StoreRequest::Kind::kFlush) {
    return message.payload_length == 0 ? nullptr : "a payload where none belongs";
  }
  bool is_write = kind == StoreRequest::Kind::kWrite;
  if (message.length == 0) return "the range is empty";
  if (message.offset % kSectorBytes != 0 || message.length % kSectorBytes != 0) {
    return "the range is not a multiple of 512 bytes";
  }
  if (kind == StoreRequest::Kind::kRead && message.length > server_->options_.max_payload) {
    return "the range is longer than a payload may be";
  }
  if (is_write ? message.payload_length != message.length : message.payload_length != 0) {
    return is_write ? "the payload is not as long as the range" : "a payload where none belongs";
  }
  uint64_t size = server_->store_->size();
  if (message.offset > size || message.length > size - message.offset) {
    *status = Status::kOutOfRange;
    return "the range passes the end of the volume";
  }
  return nullptr;
}

void ServerStream::TakeHello(RequestMessage& message) {
  if (message.op != static_cast<uint32_t>(StreamOp::kHello) || message.id != 0 || !message.hello) {
    return End(GrpcStatus::kInvalidArgument, "the first request is not HELLO");
  }
  engine_id_ = message.hello->engine_id;
  state_ = State::kAwaitsDecision;
  server_->listener_->OnHello(id_, *message.hello, connection_->remote());
}

bool ServerStream::HasRoomFor(const ServerRequest& request) const {
  uint64_t bytes = LongAnswerBytes(request);
  uint64_t held = long_answer_bytes_ + output_.queue.bytes() + connection_->output_bytes();
  return bytes == 0 || held == 0 || held + bytes <= server_->options_.max_payload_in_flight;
}

void ServerStream::SubmitDeferred() {
  if (submitting_) return;  // an answer that came at once brought us back here
  submitting_ = true;
  while (state_ == State::kOpen && !deferred_.empty() && HasRoomFor(*deferred_.front())) {
    Submit(deferred_.PopFront());
  }
  submitting_ = false;
}

void ServerStream::Submit(ServerRequest* request) {
  if (request->kind == StoreRequest::Kind::kRead) {
    request->payload = Slice::Allocate(static_cast<uint32_t>(request->length));
  }
  long_answer_bytes_ += LongAnswerBytes(*request);
  server_->store_->Submit(request);
}

void ServerStream::Open(const HelloReply& reply) {
  ResponseMessage response;
  response.hello = reply;
  Send(response, Slice());
  state_ = State::kOpen;
  SubmitDeferred();
  EndIfFinished();
}

void ServerStream::Reject(Status status, const std::string& message) {
  ResponseMessage response;
  response.status = static_cast<uint32_t>(status);
  response.message = message;
  Send(response, Slice());
  End(GrpcStatus::kOk, message);
}

void ServerStream::Answer(ServerRequest* request, Status status, const char* message) {
  --requests_;
  bool is_read = request->kind == StoreRequest::Kind::kRead;
  long_answer_bytes_ -= LongAnswerBytes(*request);
  if (request->kind == StoreRequest::Kind::kWrite) write_bytes_ -= request->length;
  if (state_ == State::kClosed) return;
  ResponseMessage response;
  response.id = request->id;
  response.status = static_cast<uint32_t>(status);
  response.message = message;
  Slice payload;
  if (status == Status::kOk && is_read) {
    payload = std::move(request->payload);
    response.crc32c = Crc32c(payload.data(), payload.length);
    response.payload_length = payload.length;
  } else if (status == Status::kOk && request->kind == StoreRequest::Kind::kExtents) {
    if (request->extents.size() <= kExtentsMax) {
      response.extents = std::move(request->extents);
    } else {
      response.status = static_cast<uint32_t>(Status::kInvalid);
      response.message = "too many runs in the range: ask for less of it";
    }
  }
  Send(response, std::move(payload));
  EndIfFinished();
}

void ServerStream::Send(const ResponseMessage& message, Slice payload) {
  if (message.hello || !message.message.empty() || !message.extents.empty()) {
    output_.queue.Append(EncodeResponse(message));
  } else {
    EncodedHead head;
    EncodeResponseHead(message, &head);
    output_.queue.AppendCopy(head.bytes.data(), head.length);
    output_.queue.Append(std::move(payload));
  }
  connection_->ScheduleFlush();
}

void ServerStream::EndIfFinished() {
  if (half_closed_ && state_ == State::kOpen && requests_ == 0) {
    End(GrpcStatus::kOk, "the engine ended the stream");
  }
}

void ServerStream::End(GrpcStatus status, const std::string& reason) {
  if (state_ == State::kClosed) return;
  end_status_ = status;
  end_message_ = reason;
  if (status != GrpcStatus::kOk) output_.queue = OutputQueue();
  output_.ending = true;
  connection_->ScheduleFlush();
  Close(reason);
}

void ServerStream::Close(const std::string& reason) {
  bool announced = state_ != State::kHeaders && state_ != State::kAwaitsHello;
  state_ = State::kClosed;
  payload_ = Slice();
  while (ServerRequest* request = deferred_.PopFront()) {
    --requests_;
    server_->GiveRequest(request);
  }
  server_->with_store_of_ended_ += requests_;
  if (announced) server_->listener_->OnStreamClosed(id_, reason);
}

bool ServerStream::SubmitTrailers() {
  std::string status = Number(end_status_), message = PercentEncode(end_message_);
  const std::string status_name = "grpc-status", message_name = "grpc-message";
  nghttp2_nv trailers[] = {HeaderField(status_name, status), HeaderField(message_name, message)};
  size_t count = end_status_ == GrpcStatus::kOk ? 1 : 2;
  return nghttp2_submit_trailer(connection_->session(), output_.stream_id, trailers, count) == 0;
}

// ----------------------------------------------------------------------------------------------
// ServerConnection

ServerConnection::ServerConnection(DataServer* server, int fd, std::string remote)
    : Http2Connection(server->loop_, Role::kServer),
      server_(server),
      remote_(std::move(remote)),
      idle_since_ms_(server->loop_->now_ms()) {
  Start(fd);
}

ServerConnection::~ServerConnection() = default;

int64_t ServerConnection::IdleMs() {
  bool open = std::any_of(streams_.begin(), streams_.end(),
                          [](auto& item) { return item.second->state() == ServerStream::State::kOpen; });
  if (open) idle_since_ms_ = loop()->now_ms();
  return loop()->now_ms() - idle_since_ms_;
}

void ServerConnection::Abandon(const std::string& reason) {
  if (!started()) return;
  Stop();
  OnBroken(reason);
}

ServerStream* ServerConnection::Find(int32_t http2_id) const {
  auto found = streams_.find(http2_id);
  return found == streams_.end() ? nullptr : found->second;
}

void ServerConnection::OnStreamStarts(int32_t http2_id) {
  had_stream_ = true;
  streams_[http2_id] = server_->AddStream(this, http2_id);
}

void ServerConnection::OnHeaders(int32_t http2_id, bool) {
  if (ServerStream* stream = Find(http2_id)) stream->OnHeaders();
}

void ServerConnection::OnHeader(int32_t http2_id, const std::string& name, const std::string& value) {
  if (ServerStream* stream = Find(http2_id)) stream->OnHeader(name, value);
}

void ServerConnection::OnData(int32_t http2_id, const uint8_t* bytes, size_t length) {
  if (ServerStream* stream = Find(http2_id)) stream->OnData(bytes, length);
}

std::span<uint8_t> ServerConnection::DataRoom(int32_t http2_id) {
  ServerStream* stream = Find(http2_id);
  return stream ? stream->DataRoom() : std::span<uint8_t>();
}

void ServerConnection::OnEndOfStream(int32_t http2_id) {
  if (ServerStream* stream = Find(http2_id)) stream->OnEndOfStream();
}

void ServerConnection::OnStreamClosed(int32_t http2_id, uint32_t http2_error) {
  auto found = streams_.find(http2_id);
  if (found == streams_.end()) return;
  ServerStream* stream = found->second;
  streams_.erase(found);
  stream->Detach(std::string("the engine reset the stream: ") + nghttp2_http2_strerror(http2_error));
}

void ServerConnection::OnTrailersSent(int32_t http2_id) {
  // The answer is complete: what the engine still sends on the stream is of no use (RFC 9113, section 8.1).
  ServerStream* stream = Find(http2_id);
  if (stream && !stream->half_closed()) {
    nghttp2_submit_rst_stream(session(), NGHTTP2_FLAG_NONE, http2_id, NGHTTP2_NO_ERROR);
  }
}

bool ServerConnection::OnOutputEnds(StreamOutput* output) {
  ServerStream* stream = Find(output->stream_id);
  return stream && stream->SubmitTrailers();
}

void ServerConnection::BeforeFlush() {
  for (auto& [http2_id, stream] : streams_) Resume(stream->output());
}

void ServerConnection::AfterFlush() {
  for (auto& [http2_id, stream] : streams_) stream->SubmitDeferred();
  PauseReading(output_bytes() > kOutputBytesHigh);
}

void ServerConnection::OnBroken(const std::string& reason) {
  auto streams = std::exchange(streams_, {});
  for (auto& [http2_id, stream] : streams) stream->Detach(reason);
  if (!had_stream_ && bytes_received() > 0) server_->listener_->OnStreamClosed(0, remote_ + ": " + reason);
  server_->ScheduleSweep();
}

void ServerConnection::RespondTo(ServerStream* stream, const std::string& content_type) {
  const std::pair<std::string, std::string> fields[] = {{":status", "200"}, {"content-type", content_type}};
  nghttp2_nv headers[] = {HeaderField(fields[0].first, fields[0].second),
                          HeaderField(fields[1].first, fields[1].second)};
  nghttp2_data_provider provider = ProviderOf(stream->output());
  nghttp2_submit_response(session(), stream->output()->stream_id, headers, 2, &provider);
  ScheduleFlush();
}

void ServerConnection::RespondWithoutBody(int32_t http2_id, const std::string& http_status, GrpcStatus status,
                                          const std::string& message) {
  const std::pair<std::string, std::string> fields[] = {{":status", http_status},
                                                        {"content-type", "application/grpc"},
                                                        {"grpc-status", Number(status)},
                                                        {"grpc-message", PercentEncode(message)}};
  std::vector<nghttp2_nv> headers;
  for (auto& [name, value] : fields) headers.push_back(HeaderField(name, value));
  nghttp2_submit_response(session(), http2_id, headers.data(), headers.size(), nullptr);
  ScheduleFlush();
}

}  // namespace aurochs
