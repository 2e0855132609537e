// The map of what absent members miss is read after crashes and disk errors: any bytes may stand in its file.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "store/missed_map.h"

using aurochs::Bits;
using aurochs::MissedMap;

namespace {

constexpr uint64_t kVolumeBytes =
    (uint64_t{3} << 30) + 512;  // two blocks of bits, the last grain a short one

// Random bytes hardly ever bring a right CRC: half of the inputs get one, so that what lies behind is
// reached.
void MendHeader(std::vector<uint8_t>* file) {
  if (file->size() < 48) return;
  uint32_t crc = aurochs::Crc32c(file->data() + 16, 32, aurochs::Crc32c(file->data(), 12));
  for (int i = 0; i < 4; ++i) (*file)[12 + i] = static_cast<uint8_t>(crc >> (8 * i));
}

bool Contains(const Bits& all, const Bits& part) {
  for (size_t i = 0; i < all.size(); ++i) {
    if ((part[i] & ~all[i]) != 0) return false;
  }
  return true;
}

void Require(bool condition) {
  if (!condition) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  MissedMap map(kVolumeBytes);
  // The input is laid over a good file (or stands alone), at a place that it names itself.
  std::vector<uint8_t> file;
  if (data[0] & 1) {
    file = map.EncodeEmpty(7);
    size_t at = (data[1] | data[2] << 8) % file.size();
    for (size_t i = 3; i < size && at + i - 3 < file.size(); ++i) file[at + i - 3] = data[i];
  } else {
    file.assign(data + 1, data + size);
  }
  if (data[0] & 2) MendHeader(&file);
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
