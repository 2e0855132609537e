// The checksum of a whole file, holes included, as Longhorn keeps it beside a snapshot.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace aurochs {

class FileHash {
 public:
  explicit FileHash(std::string path) : path_(std::move(path)) {}

  /// Reads the file, from the disk and past the page cache where that is possible: it is the disk that is
  /// asked, and the cache belongs to the volumes. Holes are not read. On any thread, once.
  void Run();
  /// Any thread: Run ends soon, with the error ECANCELED.
  void Cancel() { cancelled_ = true; }

  // ---- after Run
  /// Empty, or what failed.
  const std::string& error() const { return error_; }
  int system_errno() const { return system_errno_; }
  uint64_t crc64() const { return crc64_; }

 private:
  void Fail(const char* what, int system_errno);
  void HashFile(int fd);

  std::string path_;
  std::atomic<bool> cancelled_{false};
  std::string error_;
  int system_errno_ = 0;
  uint64_t crc64_ = 0;
};

}  // namespace aurochs
