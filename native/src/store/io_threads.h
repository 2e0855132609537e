// A few threads for file operations that may wait for a disk. Jobs are submitted on the loop's thread, run on
// one of the threads in any order, and finish on the loop's thread again.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "base/event_loop.h"

namespace aurochs {

/// One piece of work, owned by the submitter, who keeps it alive until Finish.
class IoJob {
 public:
  virtual void Run() = 0;     // on a helper thread
  virtual void Finish() = 0;  // on the loop's thread

 protected:
  ~IoJob() = default;

 private:
  friend class IoThreads;
  IoJob* next_ = nullptr;
};

class IoThreads {
 public:
  /// `name` (at most 15 characters) shows in ps and perf.
  IoThreads(EventLoop* loop, int count, const char* name);
  /// Joins the threads. Every job has to be finished.
  ~IoThreads();
  IoThreads(const IoThreads&) = delete;
  IoThreads& operator=(const IoThreads&) = delete;

  void Submit(IoJob* job);

 private:
  struct Queue {
    IoJob* first = nullptr;
    IoJob* last = nullptr;
  };

  static void Push(Queue* queue, IoJob* job);
  void Work();
  void FinishAll();

  EventLoop* loop_;
  std::mutex mutex_;
  std::condition_variable ready_;
  Queue submitted_;        // guarded by mutex_
  Queue done_;             // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace aurochs
