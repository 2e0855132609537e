// The engine's end of the data stream to one replica: HELLO, then requests within the replica's windows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "stream/grpc_frame.h"
#include "stream/http2_connection.h"
#include "stream/message.h"
#include "stream/replica_client.h"

namespace aurochs {

class StreamClient final : public ReplicaClient,
                           private Http2Connection,
                           private MessageReader<ResponseMessage>::Handler {
 public:
  StreamClient(EventLoop* loop, Owner* owner);
  ~StreamClient();

  /// Once. Tries the addresses one after the other; all of it has to be done within `timeout_ms`.
  void Connect(std::vector<SocketAddress> addresses, const Hello& hello, int64_t timeout_ms);
  uint64_t bytes_sent() const override { return Http2Connection::bytes_sent(); }
  uint64_t bytes_received() const override { return Http2Connection::bytes_received(); }

 private:
  void OnSocket(int fd) final;
  void Transmit(StreamRequest* request) final;
  uint64_t WindowBytes(const StreamRequest& request) const final;
  void StopSocket() final { Stop(); }

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

  Slice hello_;
  StreamOutput output_;
  MessageReader<ResponseMessage> reader_;
  // A payload that arrived before its message's id, or whose destination is unknown for another reason.
  Slice stray_payload_;
  std::string http_status_, content_type_, grpc_status_, grpc_message_;
  Status hello_status_ = Status::kDisconnected;
  std::string refusal_;  // why we do not go on with what the replica sent
};

}  // namespace aurochs
