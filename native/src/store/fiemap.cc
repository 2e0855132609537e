#include "store/fiemap.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace aurochs {

namespace {

constexpr uint32_t kExtentsPerCall = 1024;  // 56 KiB

/// What one call answers.
class Map {
 public:
  explicit Map(uint32_t extents)
      : extents_(extents), storage_((sizeof(fiemap) + extents * sizeof(fiemap_extent)) / 8 + 1) {}
  fiemap* operator->() { return get(); }

  std::string Ask(int fd, uint64_t begin, uint64_t end, bool sync) {
    fiemap* map = get();
    memset(map, 0, sizeof *map);
    map->fm_start = begin;
    map->fm_length = end - begin;
    map->fm_flags = sync ? FIEMAP_FLAG_SYNC : 0;
    map->fm_extent_count = extents_;
    int result;
    do {
      result = ioctl(fd, FS_IOC_FIEMAP, map);
    } while (result != 0 && errno == EINTR);
    if (result == 0) return {};
    if (errno == EOPNOTSUPP || errno == ENOTTY || errno == EBADR) return "file extent is unsupported";
    return std::string("FIEMAP: ") + strerror(errno);
  }

 private:
  fiemap* get() { return reinterpret_cast<fiemap*>(storage_.data()); }

  uint32_t extents_;
  std::vector<uint64_t> storage_;
};

}  // namespace

std::string ListExtents(int fd, uint64_t begin, uint64_t end, bool sync, const ExtentCallback& extent) {
  Map map(kExtentsPerCall);
  uint64_t position = begin;
  while (position < end) {
    if (auto error = map.Ask(fd, position, end, sync && position == begin); !error.empty()) return error;
    uint64_t before = position;
    bool last = false;
    for (uint32_t i = 0; i < map->fm_mapped_extents; ++i) {
      const fiemap_extent& found = map->fm_extents[i];
      uint64_t from = std::max<uint64_t>(found.fe_logical, position);
      uint64_t to = std::min<uint64_t>(found.fe_logical + found.fe_length, end);
      last = (found.fe_flags & FIEMAP_EXTENT_LAST) != 0;
      if (to <= from) continue;
      extent(from, to - from, (found.fe_flags & FIEMAP_EXTENT_UNWRITTEN) != 0);
      position = to;
    }
    if (last || position == before) break;
  }
  return {};
}

std::string FindExtent(int fd, uint64_t begin, uint64_t end, bool sync, uint64_t* found) {
  *found = end;
  if (begin >= end) return {};
  Map map(1);
  if (auto error = map.Ask(fd, begin, end, sync); !error.empty()) return error;
  if (map->fm_mapped_extents > 0) *found = std::clamp<uint64_t>(map->fm_extents[0].fe_logical, begin, end);
  return {};
}

}  // namespace aurochs
