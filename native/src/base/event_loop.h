// One thread, one epoll set: reads everything that is ready, then runs what asked for the end of the cycle
// (one sendmsg per socket), then sleeps. All objects of a loop are used on its thread only; Post() is the way
// in.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/poll_rule.h"

struct epoll_event;

namespace aurochs {

class EventLoop {
 public:
  /// Told when its descriptor is ready. May remove itself (and be deleted) inside OnReady.
  class Handler {
   public:
    virtual void OnReady(uint32_t epoll_events) = 0;

   protected:
    ~Handler() = default;
  };

  /// Work to be done once, after all ready descriptors were handled.
  class CycleTask {
   public:
    virtual void AtEndOfCycle() = 0;

   protected:
    /// A task may be destroyed while it is queued only after EventLoop::Forget.
    ~CycleTask() = default;

   private:
    friend class EventLoop;
    bool queued_ = false;
  };

  using TimerId = uint64_t;

  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // ---- any thread
  void Post(std::function<void()> work);
  /// Starts the loop's thread. `name` (at most 15 characters) shows in ps and perf.
  void Start(const char* name);
  /// Runs what was posted before, ends the loop and joins its thread. Idempotent; not from the loop's own
  /// thread.
  void Stop();

  // ---- the loop's thread
  void Add(int fd, uint32_t epoll_events, Handler* handler);
  void Modify(int fd, uint32_t epoll_events);
  /// Its handler is not called any more, not even for events that are already fetched. Does not close `fd`.
  void Remove(int fd);
  void RunAtEndOfCycle(CycleTask* task);
  void Forget(CycleTask* task);
  TimerId StartTimer(int64_t delay_ms, std::function<void()> work);
  void CancelTimer(TimerId id);
  /// Milliseconds of CLOCK_MONOTONIC, read once per cycle.
  int64_t now_ms() const { return now_ms_; }
  bool InLoopThread() const { return std::this_thread::get_id() == thread_id_; }

 private:
  struct Registration {
    int fd;
    Handler* handler;
  };

  void Run();
  int WaitForEvents(epoll_event* events);
  void RunPosted();
  void RunTimers();
  void RunCycleTasks();
  int NextTimeoutMs() const;

  int epoll_fd_;
  int wake_fd_;
  std::thread thread_;
  std::thread::id thread_id_;
  bool stopping_ = false;
  int64_t now_ms_ = 0;
  bool buffers_kept_ = false;
  PollRule poll_rule_;

  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by mutex_
  bool wake_pending_ = false;                  // guarded by mutex_

  std::map<int, std::unique_ptr<Registration>> registrations_;
  std::vector<std::unique_ptr<Registration>> removed_;  // kept until the fetched events are through
  std::vector<CycleTask*> cycle_tasks_;
  std::map<std::pair<int64_t, TimerId>, std::function<void()>> timers_;
  std::map<TimerId, int64_t> timer_due_;
  TimerId next_timer_ = 1;
};

}  // namespace aurochs
