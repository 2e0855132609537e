#include "stream/http2_client.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/crc32c.h"

namespace aurochs {

namespace {

static_assert((kStreamRequestsMax & (kStreamRequestsMax - 1)) == 0, "ids carry an index in their low bits");

// A replica that floods us with frames that have to be answered while it does not read the answers.
constexpr size_t kOutputBytesMax = kStreamPayloadBytesMax + 2 * kOutputBytesHigh;

bool HasPayload(StreamOp op) { return op == StreamOp::kRead || op == StreamOp::kWrite; }

uint64_t PayloadBytes(const StreamRequest& request) { return HasPayload(request.op) ? request.length : 0; }

}  // namespace

StreamClient::StreamClient(EventLoop* loop, Owner* owner)
    : Http2Connection(loop, Role::kClient), owner_(owner), reader_(this, kResponseBytesMax) {}

StreamClient::~StreamClient() { Close(); }

void StreamClient::Connect(std::vector<SocketAddress> addresses, const Hello& hello, int64_t timeout_ms) {
  addresses_ = std::move(addresses);
  RequestMessage message;
  message.op = static_cast<uint32_t>(StreamOp::kHello);
  message.hello = std::make_shared<Hello>(hello);
  hello_ = EncodeRequest(message);
  state_ = State::kConnecting;
  timer_ = loop()->StartTimer(timeout_ms, [this, timeout_ms] {
    timer_ = 0;
    End(Status::kDisconnected,
        "the replica did not answer HELLO within " + std::to_string(timeout_ms) + " ms");
  });
  TryNextAddress();
}

void StreamClient::TryNextAddress() {
  while (next_address_ < addresses_.size()) {
    const SocketAddress& address = addresses_[next_address_++];
    authority_ = address.ToString();
    int fd = ConnectTcp(address);
    if (fd < 0) {
      connect_error_ = authority_ + ": " + strerror(errno);
      continue;
    }
    connector_.fd = fd;
    loop()->Add(fd, EPOLLOUT, &connector_);
    return;
  }
  // Not from within Connect: its caller has not finished with the client.
  std::string reason = connect_error_.empty() ? "the address is unknown" : connect_error_;
  loop()->CancelTimer(timer_);
  timer_ = loop()->StartTimer(0, [this, reason] {
    timer_ = 0;
    End(Status::kDisconnected, reason);
  });
}

void StreamClient::SocketDecided() {
  int error = 0;
  socklen_t length = sizeof error;
  int fd = connector_.fd;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  loop()->Remove(fd);
  connector_.fd = -1;
  if (error == 0) return StartSession(fd);
  close(fd);
  connect_error_ = authority_ + ": " + strerror(error);
  TryNextAddress();
}

void StreamClient::StartSession(int fd) {
  state_ = State::kHello;
  Start(fd);
  const std::pair<std::string, std::string> fields[] = {
      {":method", "POST"},        {":scheme", "http"}, {":path", kConnectPath},
      {":authority", authority_}, {"te", "trailers"},  {"content-type", "application/grpc"},
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

void StreamClient::Send(StreamRequest* request) {
  if (queued_.empty() && FitsWindow(*request)) {
    SendNow(request);
  } else {
    queued_.PushBack(request);
  }
}

bool StreamClient::FitsWindow(const StreamRequest& request) const {
  return sent_.size() < requests_max_ && payload_bytes_ + PayloadBytes(request) <= payload_bytes_max_;
}

void StreamClient::SendNow(StreamRequest* request) {
  uint16_t index = free_entries_.back();
  free_entries_.pop_back();
  Entry& entry = entries_[index];
  entry.request = request;
  request->id_ = ++entry.uses * kStreamRequestsMax + index;
  request->sent_ms_ = loop()->now_ms();
  payload_bytes_ += PayloadBytes(*request);
  sent_.PushBack(request);

  RequestMessage message;
  message.id = request->id_;
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

void StreamClient::SendQueued() {
  while (!queued_.empty() && FitsWindow(*queued_.front())) SendNow(queued_.PopFront());
}

StreamRequest* StreamClient::Find(uint64_t id) const {
  if (entries_.empty()) return nullptr;
  StreamRequest* request = entries_[id % kStreamRequestsMax].request;
  return request && request->id_ == id ? request : nullptr;
}

void StreamClient::Finish(StreamRequest* request, Status status, const std::string& message) {
  uint16_t index = request->id_ % kStreamRequestsMax;
  entries_[index].request = nullptr;
  free_entries_.push_back(index);
  payload_bytes_ -= PayloadBytes(*request);
  sent_.Remove(request);
  if (status == Status::kChecksumMismatch) ++crc_errors_;
  SendQueued();
  request->Answered(status, message);
}

void StreamClient::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  if (timer_ != 0) loop()->CancelTimer(timer_);
  timer_ = 0;
  if (connector_.fd >= 0) {
    loop()->Remove(connector_.fd);
    close(connector_.fd);
    connector_.fd = -1;
  }
  Stop();
}

void StreamClient::End(Status status, const std::string& reason) {
  if (state_ == State::kClosed) return;
  Close();
  owner_->OnClosed(this, status, reason);
}

StreamRequest* StreamClient::TakeRequest() {
  StreamRequest* request = sent_.PopFront();
  return request ? request : queued_.PopFront();
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
  if (state_ == State::kHello) return HelloAnswered(message);
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
  loop()->CancelTimer(timer_);
  timer_ = 0;
  requests_max_ = std::min(reply.max_requests, kStreamRequestsMax);
  payload_bytes_max_ = std::min(reply.max_payload_in_flight, kStreamPayloadBytesMax);
  entries_.resize(kStreamRequestsMax);
  for (size_t i = entries_.size(); i-- > 0;) free_entries_.push_back(static_cast<uint16_t>(i));
  state_ = State::kConnected;
  owner_->OnConnected(this, reply);
  return true;
}

}  // namespace aurochs
