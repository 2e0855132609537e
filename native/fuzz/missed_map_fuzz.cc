// The map of what absent members miss is read after crashes and disk errors: any bytes may stand in its file.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "map_input.h"
#include "store/missed_map.h"

using aurochs::Bits;
using aurochs::MissedMap;

namespace {

constexpr uint64_t kVolumeBytes =
    (uint64_t{3} << 30) + 512;  // two blocks of bits, the last grain a short one

bool Contains(const Bits& all, const Bits& part) {
  for (size_t i = 0; i < all.size(); ++i) {
    if ((part[i] & ~all[i]) != 0) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  MissedMap map(kVolumeBytes);
  std::vector<uint8_t> file = MapFileOf(
      data, size, [&] { return map.EncodeEmpty(7); }, 48);
  if (!map.Decode(file.data(), file.size()).empty()) {
    Require(map.since() == 0);
    return 0;
  }
  Require(map.since() != 0);
  Bits read = map.Missed();
  for (uint64_t grain = map.grains(); grain < read.size() * 64; ++grain) {
    Require((read[grain / 64] >> grain % 64 & 1) == 0);
  }
  // What was read can be added to, and nothing of it is lost on the way through the file.
  map.Mark(kVolumeBytes - 512, 512);
  map.Mark(uint64_t{data[1]} << 23, uint64_t{1} + data[2] * 4096);
  map.EndEpochs();
  Bits added = map.Missed();
  Require(Contains(added, read));
  for (const auto& image : map.TakeImages()) {
    Require(image.file_offset + image.bytes.size() <= file.size());
    for (size_t i = 0; i < image.bytes.size(); ++i) file[image.file_offset + i] = image.bytes[i];
  }
  MissedMap again(kVolumeBytes);
  Require(again.Decode(file.data(), file.size()).empty());
  Require(again.since() == map.since() && Contains(again.Missed(), added));
  return 0;
}
