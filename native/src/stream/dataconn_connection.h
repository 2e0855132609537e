// One connection of Longhorn's data protocol, the serving end: takes messages apart, checks what they ask and
// bounds it. There is no handshake: nothing is read from it before the owner has accepted it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/event_loop.h"
#include "base/intrusive_list.h"
#include "base/output_queue.h"
#include "base/range_locks.h"
#include "base/status.h"
#include "stream/dataconn_message.h"

namespace aurochs {

class DataconnConnection;
struct DataconnChange;

enum class DataconnKind { kRead, kWrite, kUnmap };

/// What the answer to a request needs of it.
struct DataconnAsk {
  uint32_t sequence = 0;
  int64_t offset = 0;                // as the peer named it
  uint32_t size = 0;                 // of a read or a write, bytes
  uint32_t skipped = 0;              // bytes of its first sector before those
  uint32_t held_bytes = 0;           // payload that counts against the connection's bound
  DataconnChange* change = nullptr;  // null: it is a read
};

/// A write or an unmap from its arrival to its answer. Those that share a sector go one after the other: of a
/// sector that a write covers in part the rest is read first, and has to be the same when all of it is
/// written.
struct DataconnChange final : RangeLocks::Entry, ListNode<DataconnChange> {
  DataconnConnection* connection = nullptr;
  DataconnKind kind = DataconnKind::kWrite;
  DataconnAsk ask;
  Slice data;     // of a write that is not of whole sectors, as it came
  Slice payload;  // of a write, whole sectors
  // A part of this sector stays as it is, and was not read yet.
  bool keeps_first = false;
  bool keeps_last = false;
  bool is_carried_out = false;
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
  using Kind = DataconnKind;

  /// @param locks those of all connections to what is served, the owner's
  DataconnConnection(EventLoop* loop, int fd, const Limits& limits, RangeLocks* locks);
  ~DataconnConnection();

  virtual uint64_t served_size() const = 0;  // bytes
  /// What the peer reads when a range passes the end.
  virtual std::string PastTheEnd(Kind kind, int64_t offset, uint32_t length) const = 0;
  /// The range is in whole sectors and inside; it ends with one of the answers below, possibly at once.
  /// @param payload of a write the data, of a read the place for them
  virtual void Submit(Kind kind, const DataconnAsk& ask, uint64_t offset, uint64_t length, Slice payload) = 0;
  /// Once.
  virtual void Ended(const std::string& reason) = 0;
  /// It has ended, and what had not been submitted was dropped: it is idle.
  virtual void Emptied() = 0;

  /// @param freed bytes, by an unmap
  /// @param data of a read, as many as were submitted
  void Answer(const DataconnAsk& ask, uint64_t freed, Slice data);
  void AnswerError(const DataconnAsk& ask, DataconnType type, const std::string& text);
  /// Looks at what had to wait, when there is room.
  void TakeWaiting();
  /// Requests that were submitted and not answered.
  uint32_t submitted() const { return requests_ - waiting_changes_; }

 private:
  void OnReady(uint32_t epoll_events) final;
  void AtEndOfCycle() final;
  void Receive();
  /// @returns the bytes used: fewer than `length` when there is no room for more, or the connection ended
  size_t Feed(const uint8_t* bytes, size_t length);
  void TakeMessage();
  /// Empty when it may be submitted; else why not.
  std::string Refusal(Kind kind) const;
  void Begin(Kind kind, uint64_t begin, uint64_t end);
  void BeginChange(Kind kind, const DataconnAsk& ask, uint64_t begin, uint64_t end, Slice data,
                   Slice payload);
  /// Reads the next sector of which a part stays, or carries the change out when there is none.
  void Proceed(DataconnChange* change);
  /// Its sectors are its own from now on.
  void Granted(DataconnChange* change);
  void StartGranted();
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
  uint32_t requests_ = 0;       // not answered
  uint64_t payload_bytes_ = 0;  // of these

  RangeLocks* locks_;
  IntrusiveList<DataconnChange> changes_;  // owned
  std::vector<DataconnChange*> granted_;   // to be started at the end of the cycle
  uint32_t waiting_changes_ = 0;           // for their sectors, or to be started
};

/// The texts that Longhorn's engine and its clients look for.
std::string DataconnErrorText(Status status, const char* message);

}  // namespace aurochs
