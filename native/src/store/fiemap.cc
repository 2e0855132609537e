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
}

std::string ListExtents(int fd, uint64_t begin, uint64_t end, bool sync, const ExtentCallback& extent) {
  std::vector<uint64_t> storage((sizeof(fiemap) + kExtentsPerCall * sizeof(fiemap_extent)) / 8 + 1);
  auto* map = reinterpret_cast<fiemap*>(storage.data());
  uint64_t position = begin;
  while (position < end) {
    memset(map, 0, sizeof *map);
    map->fm_start = position;
    map->fm_length = end - position;
    map->fm_flags = sync && position == begin ? FIEMAP_FLAG_SYNC : 0;
    map->fm_extent_count = kExtentsPerCall;
    int result;
    do {
      result = ioctl(fd, FS_IOC_FIEMAP, map);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
      if (errno == EOPNOTSUPP || errno == ENOTTY || errno == EBADR) return "file extent is unsupported";
      return std::string("FIEMAP: ") + strerror(errno);
    }
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

}  // namespace aurochs
