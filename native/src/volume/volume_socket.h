// Longhorn's `socket` frontend: a volume over Longhorn's data protocol at a unix socket.
//
// The protocol has no flush, and whoever speaks it (Longhorn's tgt) tells its users that there is no cache
// that could be flushed. So every write and unmap is one with FUA: what is answered is durable.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/range_locks.h"
#include "volume/backend.h"

namespace aurochs {

class VolumeDataconn;

/// Used on the loop's thread.
class VolumeSocket final : private EventLoop::Handler, private EventLoop::CycleTask {
 public:
  class Listener {
   public:
    /// A connection has ended, for whatever reason.
    virtual void OnConnectionEnded(const std::string& reason) = 0;

   protected:
    ~Listener() = default;
  };

  /// @param fd a listening socket, owned from now on
  VolumeSocket(EventLoop* loop, Backend* backend, int fd, Listener* listener);
  /// Also after the loop has ended. No operation may be under way.
  ~VolumeSocket();

  /// Closes the socket and all connections; `done` is called when no operation of theirs is under way any
  /// more. Once.
  void Close(std::function<void()> done);

 private:
  friend class VolumeDataconn;

  void OnReady(uint32_t epoll_events) final;
  void AtEndOfCycle() final;
  void StopListening();
  void ConnectionEnded(const std::string& reason);
  /// Looks for connections that can be deleted at the end of the cycle.
  void ScheduleSweep() { loop_->RunAtEndOfCycle(this); }

  EventLoop* loop_;
  Backend* backend_;
  int fd_;
  Listener* listener_;
  EventLoop::TimerId rest_timer_ = 0;
  RangeLocks locks_;
  std::vector<std::unique_ptr<VolumeDataconn>> connections_;
  std::function<void()> closed_;
};

}  // namespace aurochs
