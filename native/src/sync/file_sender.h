// What a file holds goes to a receiver (file_receiver.h), as its file system has it: extents, and holes
// between them.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "sync/frame.h"
#include "sync/wire.h"

namespace aurochs {

class FileSender {
 public:
  struct Options {
    std::string host;
    uint16_t port = 0;
    /// while nothing moves
    int timeout_ms = 0;
    /// for the answer to the end
    int end_timeout_ms = 0;
  };
  /// Told by the thread of Run, with bytes of data since the last time.
  using OnSent = std::function<void(uint64_t)>;

  /// @param fd taken; nobody may change the file
  FileSender(int fd, uint64_t size, Options options, OnSent on_sent);
  ~FileSender();
  FileSender(const FileSender&) = delete;
  FileSender& operator=(const FileSender&) = delete;

  /// Once, on a thread that may wait: until the receiver has all, or something failed.
  void Run();
  /// Any thread: so many bytes of data more may be sent. At first none may.
  void Allow(uint64_t bytes);
  /// Any thread: Run ends soon, with the error ECANCELED.
  void Cancel();

  // ---- after Run
  /// Empty, or what failed.
  const std::string& error() const { return error_; }
  /// 0: it was not a system call of this end
  int system_errno() const { return system_errno_; }

 private:
  bool Fail(const std::string& text, int system_errno = 0);
  /// Its own words are better than what the socket says.
  bool FailWire();
  bool SendAll();
  bool Add(FileRange extent);
  bool SendFrame(uint64_t end);
  bool SendEnd();
  bool ReadAnswer();
  bool AwaitAllowance(uint64_t bytes);

  int fd_;
  uint64_t size_;
  Options options_;
  OnSent on_sent_;
  Wire wire_;
  uint64_t untold_ = 0;  // sent
  bool end_sent_ = false;

  // The frame that is being filled.
  uint64_t begin_ = 0;
  std::vector<FileRange> extents_;
  uint32_t data_bytes_ = 0;
  std::unique_ptr<uint8_t[]> data_;

  std::mutex mutex_;
  std::condition_variable allowed_more_;
  uint64_t allowed_ = 0;    // guarded by mutex_
  bool cancelled_ = false;  // guarded by mutex_

  std::string error_;
  int system_errno_ = 0;
};

}  // namespace aurochs
