#include "store/io_threads.h"

#include <pthread.h>

#include <utility>

namespace aurochs {

IoThreads::IoThreads(EventLoop* loop, int count, const char* name) : loop_(loop) {
  for (int i = 0; i < count; ++i) {
    threads_.emplace_back([this] { Work(); });
    pthread_setname_np(threads_.back().native_handle(), name);
  }
}

IoThreads::~IoThreads() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void IoThreads::Push(Queue* queue, IoJob* job) {
  job->next_ = nullptr;
  if (queue->last != nullptr) {
    queue->last->next_ = job;
  } else {
    queue->first = job;
  }
  queue->last = job;
}

void IoThreads::Submit(IoJob* job) {
  {
    std::lock_guard lock(mutex_);
    Push(&submitted_, job);
  }
  ready_.notify_one();
}

void IoThreads::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ready_.wait(lock, [this] { return stopping_ || submitted_.first != nullptr; });
    if (submitted_.first == nullptr) return;
    IoJob* job = submitted_.first;
    submitted_.first = job->next_;
    if (submitted_.first == nullptr) submitted_.last = nullptr;
    lock.unlock();
    job->Run();
    lock.lock();
    // Posted under the lock: a batch of finished jobs has exactly one FinishAll on its way, so none is left
    // in the loop's queue once all jobs are finished and this object may go.
    if (done_.first == nullptr) loop_->Post([this] { FinishAll(); });
    Push(&done_, job);
  }
}

void IoThreads::FinishAll() {
  Queue batch;
  {
    std::lock_guard lock(mutex_);
    std::swap(batch, done_);
  }
  for (IoJob* job = batch.first; job != nullptr;) {
    IoJob* next = job->next_;  // Finish may submit the job again
    job->Finish();
    job = next;
  }
}

}  // namespace aurochs
