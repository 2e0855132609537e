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

std::string ListExtents(int fd, uint64_t limit, const std::function<void(uint64_t, uint64_t)>& extent) {
  std::vector<uint64_t> storage((sizeof(fiemap) + kExtentsPerCall * sizeof(fiemap_extent)) / 8 + 1);
  auto* map = reinterpret_cast<fiemap*>(storage.data());
  uint64_t position = 0;
  while (position < limit) {
    memset(map, 0, sizeof *map);
    map->fm_start = position;
    map->fm_length = limit - position;
    map->fm_flags = position == 0 ? FIEMAP_FLAG_SYNC : 0;
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
      uint64_t start = std::max<uint64_t>(found.fe_logical, position);
      uint64_t end = std::min<uint64_t>(found.fe_logical + found.fe_length, limit);
      last = (found.fe_flags & FIEMAP_EXTENT_LAST) != 0;
      if (end <= start) continue;
      extent(start, end - start);
      position = end;
    }
    if (last || position == before) break;
  }
  return {};
}

}  // namespace aurochs
