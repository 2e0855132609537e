// One connection of Longhorn's data protocol, the serving end: takes messages apart, checks what they ask and
// bounds it. There is no handshake: nothing is read from it before the owner has accepted it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/event_loop.h"
#include "base/output_queue.h"
#include "base/status.h"
#include "stream/dataconn_message.h"

namespace aurochs {

/// What the answer to a request needs of it.
struct DataconnAsk {
  uint32_t sequence = 0;
  int64_t offset = 0;       // as the peer named it
  uint32_t held_bytes = 0;  // payload that counts against the connection's bound
};

/// A derived class brings what is served. Its owner keeps it until it has ended and is idle.
class DataconnConnection : private EventLoop::Handler, private EventLoop::CycleTask {
 public:
  struct Limits {
    uint32_t requests_max;
    uint64_t payload_in_flight_max;  // bytes, also of what is read
  };

  bool ended() const { return fd_ < 0; }
  /// No request of it is under way.
  bool idle() const { return requests_ == 0; }

  void Accept();
  /// Tells the peer, closes the socket. Requests under way are not answered.
  void End(const std::string& reason);

 protected:
  enum class Kind { kRead, kWrite, kUnmap };

  DataconnConnection(EventLoop* loop, int fd, const Limits& limits);
  ~DataconnConnection();

  virtual uint64_t served_size() const = 0;  // bytes
  /// What the peer reads when a range passes the end.
  virtual std::string PastTheEnd(Kind kind, int64_t offset, uint32_t length) const = 0;
  /// The range is in sectors and inside; it ends with one of the answers below, possibly at once.
  /// @param payload of a write the data, of a read the place for them
  virtual void Submit(Kind kind, const DataconnAsk& ask, uint64_t offset, uint64_t length, Slice payload) = 0;
  /// Once.
  virtual void Ended(const std::string& reason) = 0;

  /// @param size bytes that were read, written or freed
  void Answer(const DataconnAsk& ask, uint64_t size, Slice data);
  void AnswerError(const DataconnAsk& ask, DataconnType type, const std::string& text);
  /// Looks at what had to wait, when there is room.
  void TakeWaiting();
  /// Requests that have not been answered.
  uint32_t requests() const { return requests_; }

 private:
  void OnReady(uint32_t epoll_events) final;
  void AtEndOfCycle() final;
  void Receive();
  /// @returns the bytes used: fewer than `length` when there is no room for more, or the connection ended
  size_t Feed(const uint8_t* bytes, size_t length);
  void TakeMessage();
  /// Empty when it may be submitted; else why not.
  std::string Refusal(Kind kind) const;
  void Begin(Kind kind, uint64_t offset, uint64_t length);
  bool HasRoom() const;
  void EndRequest(const DataconnAsk& ask);
  void Send(uint32_t sequence, int64_t offset, DataconnType type, uint32_t size, Slice data);
  void SendText(uint32_t sequence, int64_t offset, DataconnType type, const std::string& text);
  void UpdateInterest();

  EventLoop* loop_;
  Limits limits_;
  int fd_;
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
  uint32_t requests_ = 0;       // submitted and not answered
  uint64_t payload_bytes_ = 0;  // of these
};

/// The texts that Longhorn's engine and its clients look for.
std::string DataconnErrorText(Status status, const char* message);

}  // namespace aurochs
