// The write-intent map's file is read after crashes and disk errors: any bytes may stand in it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "base/crc32c.h"
#include "store/region_map.h"

using aurochs::RegionMap;

namespace {

constexpr RegionMap::Geometry kGeometry{uint64_t{40000} << 20, 1 << 20};  // two blocks of bits

// Random bytes hardly ever bring a right CRC: half of the inputs get one, so that what lies behind is
// reached.
void MendHeader(std::vector<uint8_t>* file) {
  if (file->size() < 40) return;
  uint32_t crc = aurochs::Crc32c(file->data() + 16, 24, aurochs::Crc32c(file->data(), 12));
  for (int i = 0; i < 4; ++i) (*file)[12 + i] = static_cast<uint8_t>(crc >> (8 * i));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  RegionMap empty(kGeometry);
  // The input is laid over a good file (or stands alone), at a place that it names itself.
  std::vector<uint8_t> file;
  if (data[0] & 1) {
    file = empty.Encode();
    size_t at = size > 2 ? (data[1] | data[2] << 8) % file.size() : 0;
    for (size_t i = 3; i < size && at + i - 3 < file.size(); ++i) file[at + i - 3] = data[i];
  } else {
    file.assign(data + 1, data + size);
  }
  if (data[0] & 2) MendHeader(&file);
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
