// Longhorn's `revision.counter`: how many writes a replica has done, by which Longhorn's engine tells who is
// current.
#pragma once

#include <cstdint>
#include <string>

namespace aurochs {

/// One block of decimal text and zero bytes behind it, changed in place and durably.
class RevisionFile {
 public:
  RevisionFile() = default;
  ~RevisionFile();
  RevisionFile(const RevisionFile&) = delete;
  RevisionFile& operator=(const RevisionFile&) = delete;

  bool kept() const { return fd_ >= 0; }
  /// Counts from here on: `revision` when the store had done `changes`.
  /// @returns 0 or an errno, and then it is as it was
  int Open(const std::string& path, uint64_t revision, uint64_t changes);
  /// Makes the file tell what it is after `changes`. Nothing without a file.
  /// @returns 0 or an errno
  int Write(uint64_t changes);

 private:
  int fd_ = -1;
  uint64_t revision_ = 0;
  uint64_t changes_ = 0;
};

}  // namespace aurochs
