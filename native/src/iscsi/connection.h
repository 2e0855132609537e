// One TCP connection: reads PDUs, sends PDUs, knows its phase. In login phase PDUs go to JavaScript one by
// one, in full feature phase to the session.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/output_queue.h"
#include "iscsi/pdu_reader.h"
#include "iscsi/types.h"

namespace aurochs::iscsi {

class Session;
class Target;

class Connection final : public EventLoop::Handler, public EventLoop::CycleTask, public PduReader::Sink {
 public:
  /// Takes over `fd`, which is connected and non-blocking.
  Connection(Target* target, uint64_t id, int fd, std::string remote);
  ~Connection();

  /// A PDU of JavaScript's.
  void SendScripted(const uint8_t* bhs, Slice data, AfterSend then, const SessionParameters* session);
  /// Queues a PDU with its digests; DataSegmentLength is filled in. It leaves at the end of the cycle.
  void Send(uint8_t* bhs, Slice data);
  void ScheduleFlush();
  /// At once; tasks are aborted. Idempotent.
  void Close(const std::string& reason);

  uint64_t id() const { return id_; }
  uint64_t nexus() const { return nexus_; }
  const std::string& remote() const { return remote_; }
  Session* session() const { return session_.get(); }
  bool closed() const { return phase_ == Phase::kClosed; }
  /// So much waits to be sent that no more should be produced.
  bool output_high() const;

  void OnReady(uint32_t epoll_events) override;
  void AtEndOfCycle() override;
  Slice DirectDestination(const uint8_t* bhs, uint32_t length) override;

 private:
  //  kLogin -> kFullFeature -> kLingering -> kClosed      any but kClosed --Close--> kClosed
  enum class Phase : uint8_t {
    kLogin,
    kFullFeature,
    kLingering,  // our last PDU is on its way, the other end has to close
    kClosed,
  };

  void Read();
  void HandlePdus();
  void Handle(const Pdu& pdu);
  bool MayRead() const;
  void Flush();
  void Linger();
  void UpdateInterest();
  /// The peer has shown that it is there.
  void Alive();
  void StartPingTimer(int64_t delay_ms);
  void OnPingTimer();

  Target* const target_;
  const uint64_t id_;
  const int fd_;
  const std::string remote_;
  uint64_t nexus_ = 0;
  Phase phase_ = Phase::kLogin;
  bool awaits_script_ = false;  // login phase: a request is with JavaScript
  bool closes_when_sent_ = false;
  const char* farewell_ = "closed by the target";  // the reason once all is sent
  bool output_paused_ = false;                     // reading pauses until the output has drained
  bool handling_ = false;
  uint32_t interest_ = 0;

  PduReader reader_;
  OutputQueue output_;
  bool header_digest_ = false;
  bool data_digest_ = false;
  std::unique_ptr<Session> session_;

  int64_t last_alive_ms_ = 0;
  bool ping_sent_ = false;
  EventLoop::TimerId phase_timer_ = 0;  // login, then lingering
  EventLoop::TimerId ping_timer_ = 0;
};

}  // namespace aurochs::iscsi
