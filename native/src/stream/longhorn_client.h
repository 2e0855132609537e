// The engine's end of a connection of Longhorn's data protocol to one of Longhorn's replicas.
//
// The protocol knows neither a handshake, nor checksums, nor a flush, nor a write of zeroes:
// - a first ping is answered before the connection counts, and a further one is sent now and then;
// - a flush is answered when every change sent before it has been: Longhorn's replica writes past the page
//   cache, and nothing tells it to do more;
// - what is to read as zeroes is read, and overwritten where it does not (an unmap on a replica with
//   snapshots, after which their data would show again when it is opened anew), or unmapped.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/event_loop.h"
#include "base/output_queue.h"
#include "stream/dataconn_message.h"
#include "stream/replica_client.h"

namespace aurochs {

class LonghornClient final : public ReplicaClient, private EventLoop::Handler, private EventLoop::CycleTask {
 public:
  LonghornClient(EventLoop* loop, Owner* owner);
  ~LonghornClient() override;

  /// Once. Tries the addresses one after the other; all of it has to be done within `timeout_ms`.
  void Connect(std::vector<SocketAddress> addresses, int64_t timeout_ms);
  /// Whether unmapped blocks read as zeroes for good there: nothing lies below the head.
  void SetUnmapZeroes(bool zeroes) { unmap_zeroes_ = zeroes; }

  uint64_t bytes_sent() const override { return bytes_sent_; }
  uint64_t bytes_received() const override { return bytes_received_; }

 private:
  /// What is asked for on behalf of a request, one message at a time.
  struct Work {
    enum class Step : uint8_t { kWhole, kLook, kZero, kUnmap };
    StreamRequest* request = nullptr;
    Step step = Step::kWhole;
    uint32_t uses = 0;
    uint32_t sequence = 0;
    uint64_t cursor = 0;  // what lies before it is done
    uint32_t length = 0;  // of the present message's range
    Slice looked;         // kLook, kZero
  };

  void OnSocket(int fd) final;
  void Transmit(StreamRequest* request) final;
  uint64_t WindowBytes(const StreamRequest& request) const final;
  void StopSocket() final;

  void OnReady(uint32_t epoll_events) final;
  void AtEndOfCycle() final;
  void Receive();
  void Feed(const uint8_t* bytes, size_t length);
  std::span<uint8_t> DataRoom();
  void HeadArrived();
  void MessageEnds();
  /// Why the message cannot be an answer to `work`, or nothing.
  std::string Misfit(const Work& work) const;
  Work* FindWork(uint32_t sequence);
  static uint8_t* Destination(const Work& work);

  void Pong();
  void Answered(Work* work);
  void FinishWork(Work* work, Status status, const std::string& message);
  void NextZeroes(Work* work);
  void ZeroWhatIsNot(Work* work);
  void FinishLocal();

  void Ask(Work* work, DataconnType type, uint64_t offset, uint32_t length, Slice data);
  void SendPing();
  void UpdateInterest();

  int fd_ = -1;
  uint32_t interest_ = 0;
  bool blocked_ = false;
  bool unmap_zeroes_ = false;
  OutputQueue output_;
  uint64_t bytes_sent_ = 0;
  uint64_t bytes_received_ = 0;

  DataconnHead::Bytes head_bytes_{};
  size_t head_filled_ = 0;
  DataconnHead head_;
  uint32_t data_left_ = 0;  // of the message that is being received
  Slice text_;              // its data, when they belong nowhere else

  std::vector<Work> works_;  // by the index in a request's id
  uint32_t local_ = 0;       // requests in flight that are answered without a message
  EventLoop::TimerId ping_timer_ = 0;
  uint32_t ping_uses_ = 0;
  uint32_t ping_sequence_ = 0;
  bool pinging_ = false;
};

}  // namespace aurochs
