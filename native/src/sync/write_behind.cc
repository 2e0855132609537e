#include "sync/write_behind.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "sync/limits.h"

namespace aurochs {

namespace {

int SyncRange(int fd, FileRange range, unsigned how) {
  int result;
  do {
    result = sync_file_range(fd, static_cast<off_t>(range.offset), static_cast<off_t>(range.length), how);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

}  // namespace

WriteBehind::WriteBehind(int fd) : fd_(fd), thread_([this] { Run(); }) {}

WriteBehind::~WriteBehind() { Finish(); }

int WriteBehind::Written(FileRange range, uint64_t bytes) {
  if (portion_bytes_ == 0) portion_ = range;
  portion_.length = range.offset + range.length - portion_.offset;
  portion_bytes_ += bytes;
  if (portion_bytes_ < kWriteBehindBytes) return 0;
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return queue_.size() < kWriteBehindPortions; });
  queue_.push_back(portion_);
  portion_bytes_ = 0;
  changed_.notify_all();
  return error_;
}

int WriteBehind::Finish() {
  if (thread_.joinable()) {
    {
      std::lock_guard lock(mutex_);
      ends_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  return error_;
}

void WriteBehind::Run() {
  // The disk gets the next portion before the one before is waited for.
  FileRange begun;
  auto finish = [&] {
    return begun.length == 0
               ? 0
               : SyncRange(fd_, std::exchange(begun, {}),
                           SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
  };
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ends_ || !queue_.empty(); });
    if (queue_.empty()) break;
    FileRange next = queue_.front();
    lock.unlock();
    int error = SyncRange(fd_, next, SYNC_FILE_RANGE_WRITE);
    if (int earlier = finish(); error == 0) error = earlier;
    begun = next;
    lock.lock();
    queue_.pop_front();
    if (error_ == 0) error_ = error;
    changed_.notify_all();
  }
  lock.unlock();
  int error = finish();
  lock.lock();
  if (error_ == 0) error_ = error;
}

}  // namespace aurochs
