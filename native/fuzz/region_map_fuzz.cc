// The write-intent map's file is read after crashes and disk errors: any bytes may stand in it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "map_input.h"
#include "store/region_map.h"

using aurochs::RegionMap;

namespace {

constexpr RegionMap::Geometry kGeometry{uint64_t{40000} << 20, 1 << 20};  // two blocks of bits

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  RegionMap empty(kGeometry);
  std::vector<uint8_t> file = MapFileOf(
      data, size, [&] { return empty.Encode(); }, 40);
  RegionMap map(kGeometry);
  if (!map.Decode(file.data(), file.size()).empty()) return 0;
  uint64_t inherited = map.dirty_regions();
  if (inherited > kGeometry.regions()) abort();
  // What was read can be written on: every inherited region stays in the file.
  while (!map.Covered(uint64_t{39999} << 20, 4096)) {
    RegionMap::Round round = map.TakeImages();
    for (const auto& image : round.regions) {
      if (image.file_offset + image.bytes.size() > file.size()) abort();
      for (size_t i = 0; i < image.bytes.size(); ++i) file[image.file_offset + i] = image.bytes[i];
    }
    map.Written();
  }
  RegionMap again(kGeometry);
  if (!again.Decode(file.data(), file.size()).empty()) abort();
  if (again.dirty_regions() < inherited) abort();
  return 0;
}
