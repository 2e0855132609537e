// The system calls by which the store reads and changes files, watched, delayed and made to fail by tests.
// They are replaced for the whole test program and pass everything through while nothing is armed.
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <string>

namespace aurochs {

struct WatchedCall {
  std::string name;  // "pread", "pwrite", "fdatasync", "fallocate", "sync_file_range"
  std::string file;  // the last part of the path
  uint64_t length;   // of pread and pwrite
  int mode;          // of fallocate
  int fd;
};

struct CallFate {
  int error = 0;                        // errno; 0: goes through
  uint64_t cut_to = 0;                  // pwrite: not more bytes than this; 0: all
  std::shared_future<void> until = {};  // it waits for this, if valid; others go on
};

/// While it lives, `watch` decides about each call, on the thread that makes it, one at a time.
class SyscallWatch {
 public:
  explicit SyscallWatch(std::function<CallFate(const WatchedCall&)> watch);
  ~SyscallWatch();
  SyscallWatch(const SyscallWatch&) = delete;
  SyscallWatch& operator=(const SyscallWatch&) = delete;
};

}  // namespace aurochs
