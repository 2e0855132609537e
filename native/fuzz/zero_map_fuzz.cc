// The map of a head's zeros is read after crashes and disk errors: any bytes may stand in its file.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "map_input.h"
#include "store/zero_map.h"

using aurochs::kZeroGrainBytes;
using aurochs::ZeroMap;

namespace {

constexpr uint64_t kVolumeBytes =
    (uint64_t{3} << 30) + 512;  // two blocks of bits, the last grain a short one
constexpr aurochs::FileIdentity kHead{12, 34};

std::vector<bool> GrainsOf(const ZeroMap& map) {
  std::vector<bool> grains;
  for (uint64_t offset = 0; offset < kVolumeBytes; offset += kZeroGrainBytes)
    grains.push_back(map.marked(offset));
  return grains;
}

bool Contains(const std::vector<bool>& all, const std::vector<bool>& part) {
  for (size_t i = 0; i < all.size(); ++i) {
    if (part[i] && !all[i]) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  ZeroMap map(kHead, kVolumeBytes);
  std::vector<uint8_t> file = MapFileOf(
      data, size, [&] { return map.Encode(); }, 56);
  if (!map.Decode(file.data(), file.size()).empty()) return 0;
  auto read = GrainsOf(map);
  // What was read can be added to, and nothing of it is lost on the way through the file.
  uint64_t offset = uint64_t{data[1]} << 23, length = uint64_t{1} + data[2] * 4096;
  if (!map.Covered(offset, length)) {
    Require(map.needs_write());
    for (const auto& image : map.TakeImages()) {
      Require(image.file_offset + image.bytes.size() <= file.size());
      for (size_t i = 0; i < image.bytes.size(); ++i) file[image.file_offset + i] = image.bytes[i];
    }
    map.Written();
  }
  Require(!map.needs_write() && map.Covered(offset, length) && map.marked(offset));
  auto added = GrainsOf(map);
  Require(Contains(added, read));
  ZeroMap again(kHead, kVolumeBytes);
  Require(again.Decode(file.data(), file.size()).empty() && Contains(GrainsOf(again), added));
  ZeroMap another({kHead.inode, kHead.generation + 1}, kVolumeBytes);
  Require(!another.Decode(file.data(), file.size()).empty());
  return 0;
}
