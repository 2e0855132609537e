// Which parts of a file have space, and giving space back: for whoever copies sparse files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace aurochs {

struct FileRange {
  uint64_t offset = 0;
  uint64_t length = 0;
};

/// Extents in one answer: 56 KiB of the kernel's records.
constexpr size_t kFileExtentsMax = 1024;

/// Appends the first extents that touch `[begin, end)`, cut to it, ascending, at most kFileExtentsMax;
/// neighbours are not joined. Unwritten ones count: in Longhorn's format they decide. `sync`: data without an
/// extent yet (delayed allocation) are written out first.
/// @return 0, or the system's error number; EOPNOTSUPP where the file system cannot tell
int ListFileExtents(int fd, uint64_t begin, uint64_t end, bool sync, std::vector<FileRange>* extents);

/// Makes a range a hole; the file's size stays.
/// @return 0, or the system's error number
int PunchFileHole(int fd, uint64_t offset, uint64_t length);

}  // namespace aurochs
