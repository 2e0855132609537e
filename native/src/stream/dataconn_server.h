// One connection of Longhorn's data protocol, the replica's end. There is no handshake: nothing is read from
// it before the owner has accepted it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/event_loop.h"
#include "base/output_queue.h"
#include "stream/dataconn_message.h"
#include "stream/request_source.h"

namespace aurochs {

/// Owned by the DataServer, which keeps it until no request refers to it.
class DataconnConnection final : public RequestSource,
                                 private EventLoop::Handler,
                                 private EventLoop::CycleTask {
 public:
  DataconnConnection(DataServer* server, EventLoop* loop, uint64_t id, int fd, std::string remote);
  ~DataconnConnection() override;

  uint64_t id() const { return id_; }
  const std::string& remote() const { return remote_; }
  int64_t waiting_since_ms() const { return since_ms_; }
  bool accepted() const { return accepted_; }

  bool ended() const override { return fd_ < 0; }
  bool idle() const override { return requests_ == 0; }
  void Answer(ServerRequest* request, Status status, const char* message) override;
  void SubmitDeferred() override;

  void Accept();
  /// Tells the peer, closes the socket.
  void End(const std::string& reason);

 private:
  void OnReady(uint32_t epoll_events) final;
  void AtEndOfCycle() final;
  void Receive();
  /// @returns the bytes used: fewer than `length` when there is no room for more, or the connection ended
  size_t Feed(const uint8_t* bytes, size_t length);
  void TakeMessage();
  /// Null when it may be passed to the store; else why not.
  const char* Refusal() const;
  void Submit(StoreRequest::Kind kind, uint64_t offset, uint64_t length);
  bool HasRoom() const;
  void Send(uint32_t sequence, int64_t offset, DataconnType type, uint32_t size, Slice data);
  void SendError(uint32_t sequence, int64_t offset, const std::string& text);
  void UpdateInterest();

  DataServer* server_;
  EventLoop* loop_;
  uint64_t id_;
  int fd_;
  std::string remote_;
  int64_t since_ms_;
  bool accepted_ = false;
  bool blocked_ = false;
  uint32_t interest_ = 0;

  DataconnHead::Bytes head_bytes_;
  size_t head_filled_ = 0;
  DataconnHead head_;
  Slice data_;  // of the message that is being received; empty when they are skipped
  uint32_t data_left_ = 0;
  std::vector<uint8_t> waiting_;  // received, but there was no room for what they ask

  OutputQueue output_;
  uint32_t requests_ = 0;       // with the store
  uint64_t payload_bytes_ = 0;  // of these
};

}  // namespace aurochs
