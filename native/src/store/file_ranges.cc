#include "store/file_ranges.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>

namespace aurochs {

int ListFileExtents(int fd, uint64_t begin, uint64_t end, bool sync, std::vector<FileRange>* extents) {
  if (end <= begin) return 0;
  std::vector<uint64_t> storage((sizeof(fiemap) + kFileExtentsMax * sizeof(fiemap_extent)) / 8 + 1);
  auto* map = reinterpret_cast<fiemap*>(storage.data());
  map->fm_start = begin;
  map->fm_length = end - begin;
  map->fm_flags = sync ? FIEMAP_FLAG_SYNC : 0;
  map->fm_extent_count = kFileExtentsMax;
  int result;
  do {
    result = ioctl(fd, FS_IOC_FIEMAP, map);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return errno == ENOTTY || errno == EBADR ? EOPNOTSUPP : errno;
  for (uint32_t i = 0; i < map->fm_mapped_extents; ++i) {
    const fiemap_extent& found = map->fm_extents[i];
    uint64_t from = std::max<uint64_t>(found.fe_logical, begin);
    uint64_t to = std::min<uint64_t>(found.fe_logical + found.fe_length, end);
    if (from < to) extents->push_back({from, to - from});
  }
  return 0;
}

int PunchFileHole(int fd, uint64_t offset, uint64_t length) {
  int result;
  do {
    result = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                       static_cast<off_t>(length));
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

}  // namespace aurochs
