// Has the disk write what was written to a file, while more is: so that the sync at the end is short.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>

#include "store/file_ranges.h"

namespace aurochs {

class WriteBehind {
 public:
  /// @param fd stays the caller's, open until this is gone
  explicit WriteBehind(int fd);
  ~WriteBehind();
  WriteBehind(const WriteBehind&) = delete;
  WriteBehind& operator=(const WriteBehind&) = delete;

  /// So much was written to a range, behind all earlier ones. Waits while the disk is too far behind.
  /// @return 0, or the error number of an earlier portion
  int Written(FileRange range, uint64_t bytes);
  /// All that was handed over is on the disk, but for what a sync adds.
  /// @return 0, or the error number of any portion: a sync afterwards need not tell it again
  int Finish();

 private:
  void Run();

  int fd_;
  // The caller's.
  FileRange portion_;
  uint64_t portion_bytes_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<FileRange> queue_;  // guarded by mutex_
  bool ends_ = false;            // guarded by mutex_
  int error_ = 0;                // guarded by mutex_
  std::thread thread_;
};

}  // namespace aurochs
