// Puts into a new file what a sender (file_sender.h) says of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sync/frame.h"
#include "sync/wire.h"
#include "sync/write_behind.h"

namespace aurochs {

class FileReceiver {
 public:
  /// Told by the thread of Run, with bytes of data since the last time.
  using OnReceived = std::function<void(uint64_t)>;

  /// @param fd taken; of a file of `size` bytes in which nothing is allocated yet
  /// @param name for texts of errors
  FileReceiver(int fd, uint64_t size, std::string name, OnReceived on_received);
  ~FileReceiver();
  FileReceiver(const FileReceiver&) = delete;
  FileReceiver& operator=(const FileReceiver&) = delete;

  /// Once, on a thread that may wait: until all was written (not synced: see WriteBehind), or something
  /// failed, which the sender is told.
  void Run(Wire* wire);
  /// In its place: no sender came.
  void Abandon();

  // ---- after Run
  /// Empty, or what failed.
  const std::string& error() const { return error_; }
  /// 0: it was not a system call of this end
  int system_errno() const { return system_errno_; }
  /// of data
  uint64_t received_bytes() const { return received_bytes_; }

 private:
  bool Fail(const std::string& text, int system_errno = 0);
  bool FailFile(int system_errno);
  /// @return whether there is more to come
  bool ReceiveFrame();
  bool TakeData(const FrameHead& head);

  int fd_;
  uint64_t size_;
  std::string name_;
  OnReceived on_received_;
  WriteBehind write_behind_;
  Wire* wire_ = nullptr;

  std::unique_ptr<uint8_t[]> body_;
  std::vector<FileRange> extents_;
  uint64_t position_ = 0;  // all before it is dealt with
  uint64_t received_bytes_ = 0;
  uint64_t untold_ = 0;

  std::string error_;
  int system_errno_ = 0;
};

}  // namespace aurochs
