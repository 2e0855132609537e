#include "stream/http2_client.h"

#include <algorithm>
#include <cstring>

#include "base/crc32c.h"

namespace aurochs {

namespace {

// A replica that floods us with frames that have to be answered while it does not read the answers.
constexpr size_t kOutputBytesMax = kStreamPayloadBytesMax + 2 * kOutputBytesHigh;

bool HasPayload(StreamOp op) { return op == StreamOp::kRead || op == StreamOp::kWrite; }

}  // namespace

StreamClient::StreamClient(EventLoop* loop, Owner* owner)
    : ReplicaClient(loop, owner), Http2Connection(loop, Role::kClient), reader_(this, kResponseBytesMax) {}

StreamClient::~StreamClient() { Close(); }

void StreamClient::Connect(std::vector<SocketAddress> addresses, const Hello& hello, int64_t timeout_ms) {
  RequestMessage message;
  message.op = static_cast<uint32_t>(StreamOp::kHello);
  message.hello = std::make_shared<Hello>(hello);
  hello_ = EncodeRequest(message);
  StartConnecting(std::move(addresses), timeout_ms,
                  "the replica did not answer HELLO within " + std::to_string(timeout_ms) + " ms");
}

void StreamClient::OnSocket(int fd) {
  Start(fd);
  // Of a unix socket there is only a path, which is no authority: it is localhost, as with gRPC.
  const std::pair<std::string, std::string> fields[] = {
      {":method", "POST"},       {":scheme", "http"},
      {":path", kConnectPath},   {":authority", peer().starts_with('/') ? "localhost" : peer()},
      {"te", "trailers"},        {"content-type", "application/grpc"},
      {"user-agent", "aurochs"},
  };
  std::vector<nghttp2_nv> headers;
  for (auto& [name, value] : fields) headers.push_back(HeaderField(name, value));
  output_.queue.Append(std::move(hello_));
  nghttp2_data_provider provider = ProviderOf(&output_);
  output_.stream_id =
      nghttp2_submit_request(session(), nullptr, headers.data(), headers.size(), &provider, nullptr);
  ScheduleFlush();
}

uint64_t StreamClient::WindowBytes(const StreamRequest& request) const {
  return HasPayload(request.op) ? request.length : 0;
}

void StreamClient::Transmit(StreamRequest* request) {
  RequestMessage message;
  message.id = IdOf(*request);
  message.op = static_cast<uint32_t>(request->op);
  message.offset = request->offset;
  message.length = request->length;
  message.fua = request->fua;
  message.mark = request->mark;
  message.settled = request->settled;
  if (request->op == StreamOp::kWrite) {
    message.crc32c = request->crc32c;
    message.payload_length = request->payload.length;
  }
  EncodedHead head;
  EncodeRequestHead(message, &head);
  output_.queue.AppendCopy(head.bytes.data(), head.length);
  if (request->op == StreamOp::kWrite) output_.queue.Append(request->payload);
  ScheduleFlush();
}

void StreamClient::OnHeader(int32_t, const std::string& name, const std::string& value) {
  if (name == ":status") http_status_ = value;
  if (name == "content-type") content_type_ = value;
  if (name == "grpc-status") grpc_status_ = value;
  if (name == "grpc-message") grpc_message_ = value;
}

void StreamClient::OnHeaders(int32_t, bool end_stream) {
  // 1xx responses are not the final ones. What ends with its headers is explained by OnEndOfStream.
  if (end_stream || http_status_.starts_with('1')) return;
  if (http_status_ != "200") return Fail("the peer answered with HTTP status " + http_status_);
  if (!content_type_.starts_with("application/grpc")) Fail("the peer does not speak gRPC");
}

void StreamClient::OnData(int32_t, const uint8_t* bytes, size_t length) {
  if (reader_.Feed(bytes, length)) return;
  Fail(reader_.error().empty() ? refusal_ : reader_.error());
}

void StreamClient::OnEndOfStream(int32_t) { Fail(EndReason()); }

void StreamClient::OnStreamClosed(int32_t, uint32_t http2_error) {
  Fail(http2_error == NGHTTP2_NO_ERROR
           ? EndReason()
           : std::string("the replica reset the stream: ") + nghttp2_http2_strerror(http2_error));
}

std::string StreamClient::EndReason() const {
  if (grpc_status_.empty() && http_status_ != "200")
    return "the peer answered with HTTP status " + http_status_;
  return "the replica ended the stream with gRPC status " +
         (grpc_status_.empty() ? "missing" : grpc_status_) +
         (grpc_message_.empty() ? "" : ": " + grpc_message_);
}

void StreamClient::BeforeFlush() {
  if (output_bytes() > kOutputBytesMax) return Fail("the replica does not read what we send");
  Resume(&output_);
}

void StreamClient::OnBroken(const std::string& reason) { End(hello_status_, reason); }

uint8_t* StreamClient::PayloadStarts(const ResponseMessage& message, uint32_t length) {
  StreamRequest* request = Find(message.id);
  if (request && request->op == StreamOp::kRead && request->length == length) return request->payload.data();
  if (message.id != 0 || length > kPayloadBytesMax) return nullptr;
  stray_payload_ = Slice::Allocate(length);
  return stray_payload_.data();
}

bool StreamClient::MessageEnds(ResponseMessage& message) {
  Slice stray = std::move(stray_payload_);
  stray_payload_ = Slice();
  if (state() == State::kHandshake) return HelloAnswered(message);
  StreamRequest* request = Find(message.id);
  if (!request) {
    refusal_ = "the replica answered request " + std::to_string(message.id) + ", which is not in flight";
    return false;
  }
  Status status = StatusFromWire(message.status);
  std::string why = std::move(message.message);
  if (status == Status::kOk && request->op == StreamOp::kRead) {
    if (stray && stray.length == request->length) memcpy(request->payload.data(), stray.data(), stray.length);
    status = CheckRead(request, message, &why);
  }
  if (status == Status::kOk && request->op == StreamOp::kExtents) {
    status = CheckExtents(*request, message.extents, &why);
    request->extents = std::move(message.extents);
  }
  Finish(request, status, why);
  return true;
}

Status StreamClient::CheckRead(StreamRequest* request, const ResponseMessage& message, std::string* why) {
  if (message.payload_length != request->length) {
    *why = "the replica answered a read of " + std::to_string(request->length) + " bytes with " +
           std::to_string(message.payload_length);
    return Status::kIoError;
  }
  if (Crc32c(request->payload.data(), request->length) != message.crc32c) {
    *why = "the data read do not match their CRC32C";
    return Status::kChecksumMismatch;
  }
  return Status::kOk;
}

Status StreamClient::CheckExtents(const StreamRequest& request, const Extents& extents, std::string* why) {
  uint64_t end = request.offset;
  for (auto [offset, length] : extents) {
    if (offset < end || length > request.offset + request.length - offset) {
      *why = "the replica answered EXTENTS with runs that are not ascending within the range";
      return Status::kIoError;
    }
    end = offset + length;
  }
  return Status::kOk;
}

bool StreamClient::HelloAnswered(const ResponseMessage& message) {
  Status status = StatusFromWire(message.status);
  if (message.id != 0 || (status == Status::kOk && !message.hello)) {
    refusal_ = "the first response does not answer HELLO";
    return false;
  }
  if (status != Status::kOk) {
    hello_status_ = status;
    refusal_ = message.message.empty() ? StatusName(status) : message.message;
    return false;
  }
  const HelloReply& reply = *message.hello;
  if (reply.protocol_version != kProtocolVersion) {
    refusal_ = "the replica speaks protocol version " + std::to_string(reply.protocol_version) + ", we " +
               std::to_string(kProtocolVersion);
    return false;
  }
  if (reply.max_requests == 0 || reply.max_payload < kPayloadBytesMax ||
      reply.max_payload_in_flight < kPayloadBytesMax) {
    refusal_ = "the replica takes " + std::to_string(reply.max_requests) + " requests with payloads of " +
               std::to_string(reply.max_payload) + " bytes, " + std::to_string(reply.max_payload_in_flight) +
               " in all: too little";
    return false;
  }
  Established(reply);
  return true;
}

}  // namespace aurochs
