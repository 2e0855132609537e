#include "base/event_loop.h"

#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/buffer.h"
#include "base/limits.h"

namespace aurochs {

namespace {
constexpr int kEventsPerWait = 128;

int64_t MonotonicNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

int64_t MonotonicMs() { return MonotonicNs() / 1'000'000; }
}  // namespace

EventLoop::EventLoop()
    : epoll_fd_(epoll_create1(EPOLL_CLOEXEC)), wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (epoll_fd_ < 0 || wake_fd_ < 0) abort();  // out of descriptors before anything was served
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;  // the wake-up descriptor is the one without a registration
  epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event);
  now_ms_ = MonotonicMs();
}

EventLoop::~EventLoop() {
  Stop();
  close(wake_fd_);
  close(epoll_fd_);
}

void EventLoop::Post(std::function<void()> work) {
  bool wake;
  {
    std::lock_guard lock(mutex_);
    posted_.push_back(std::move(work));
    wake = !wake_pending_;
    wake_pending_ = true;
  }
  if (wake) {
    uint64_t one = 1;
    [[maybe_unused]] ssize_t written = write(wake_fd_, &one, sizeof one);
  }
}

void EventLoop::Start(const char* name) {
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), name);
}

void EventLoop::Stop() {
  if (!thread_.joinable()) return;
  Post([this] { stopping_ = true; });
  thread_.join();
}

void EventLoop::Add(int fd, uint32_t epoll_events, Handler* handler) {
  auto registration = std::make_unique<Registration>(Registration{fd, handler});
  epoll_event event{};
  event.events = epoll_events;
  event.data.ptr = registration.get();
  epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event);
  registrations_[fd] = std::move(registration);
}

void EventLoop::Modify(int fd, uint32_t epoll_events) {
  auto found = registrations_.find(fd);
  if (found == registrations_.end()) return;
  epoll_event event{};
  event.events = epoll_events;
  event.data.ptr = found->second.get();
  epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event);
}

void EventLoop::Remove(int fd) {
  auto found = registrations_.find(fd);
  if (found == registrations_.end()) return;
  epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
  found->second->handler = nullptr;
  removed_.push_back(std::move(found->second));
  registrations_.erase(found);
}

void EventLoop::RunAtEndOfCycle(CycleTask* task) {
  if (task->queued_) return;
  task->queued_ = true;
  cycle_tasks_.push_back(task);
}

void EventLoop::Forget(CycleTask* task) {
  if (!task->queued_) return;
  task->queued_ = false;
  std::replace(cycle_tasks_.begin(), cycle_tasks_.end(), task, static_cast<CycleTask*>(nullptr));
}

EventLoop::TimerId EventLoop::StartTimer(int64_t delay_ms, std::function<void()> work) {
  TimerId id = next_timer_++;
  int64_t due = MonotonicMs() + delay_ms;
  timers_[{due, id}] = std::move(work);
  timer_due_[id] = due;
  return id;
}

void EventLoop::CancelTimer(TimerId id) {
  auto found = timer_due_.find(id);
  if (found == timer_due_.end()) return;
  timers_.erase({found->second, id});
  timer_due_.erase(found);
}

void EventLoop::Run() {
  thread_id_ = std::this_thread::get_id();
  epoll_event events[kEventsPerWait];
  while (!stopping_) {
    int count = WaitForEvents(events);
    now_ms_ = MonotonicMs();
    for (int i = 0; i < count; ++i) {
      auto* registration = static_cast<Registration*>(events[i].data.ptr);
      if (registration == nullptr) {
        RunPosted();
      } else if (registration->handler != nullptr) {
        registration->handler->OnReady(events[i].events);
      }
    }
    RunTimers();
    RunCycleTasks();
    removed_.clear();
    buffers_kept_ = Buffer::ReleaseUnused(now_ms_);
  }
}

int EventLoop::WaitForEvents(epoll_event* events) {
  int64_t began = MonotonicNs();
  int count = 0;
  if (poll_rule_.polls()) {
    do {
      count = epoll_wait(epoll_fd_, events, kEventsPerWait, 0);
      if (count != 0) return count;
      sched_yield();  // whoever we wait for may need this CPU
    } while (MonotonicNs() - began < kPollNs);
    poll_rule_.Missed();
  }
  count = epoll_wait(epoll_fd_, events, kEventsPerWait, NextTimeoutMs());
  poll_rule_.Slept(MonotonicNs() - began);
  return count;
}

void EventLoop::RunPosted() {
  uint64_t count;
  [[maybe_unused]] ssize_t got = read(wake_fd_, &count, sizeof count);
  std::vector<std::function<void()>> work;
  {
    std::lock_guard lock(mutex_);
    work.swap(posted_);
    wake_pending_ = false;
  }
  for (auto& item : work) item();
}

void EventLoop::RunTimers() {
  while (!timers_.empty() && timers_.begin()->first.first <= now_ms_) {
    auto first = timers_.begin();
    auto work = std::move(first->second);
    timer_due_.erase(first->first.second);
    timers_.erase(first);
    work();
  }
}

void EventLoop::RunCycleTasks() {
  // A task may queue others (a store's completion queues its connection): they run in the same cycle.
  for (size_t i = 0; i < cycle_tasks_.size(); ++i) {
    CycleTask* task = cycle_tasks_[i];
    if (task == nullptr) continue;
    task->queued_ = false;
    task->AtEndOfCycle();
  }
  cycle_tasks_.clear();
}

int EventLoop::NextTimeoutMs() const {
  int64_t wait = timers_.empty() ? INT64_MAX : timers_.begin()->first.first - MonotonicMs();
  // Whoever has nothing to do gives back what it kept.
  if (buffers_kept_) wait = std::min(wait, kBufferUnusedMs);
  return wait == INT64_MAX ? -1 : static_cast<int>(std::clamp<int64_t>(wait, 0, 60'000));
}

}  // namespace aurochs
