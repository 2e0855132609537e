#include "store/zero_map.h"

#include <algorithm>

#include "store/map_header.h"

namespace aurochs {

namespace {

constexpr MapHeader kHeader{"AUROZERO", 1, 56};

}  // namespace

ZeroMap::ZeroMap(FileIdentity head, uint64_t volume_bytes)
    : head_(head),
      volume_bytes_(volume_bytes),
      grains_((volume_bytes + kZeroGrainBytes - 1) / kZeroGrainBytes),
      blocks_((grains_ + kMapBlockBits - 1) / kMapBlockBits),
      durable_(blocks_ * kMapBlockWords) {}

std::vector<uint8_t> ZeroMap::Encode() const {
  std::vector<uint8_t> file(FileBytes());
  StoreNumber<uint64_t>(&file[16], volume_bytes_);
  StoreNumber<uint64_t>(&file[24], kZeroGrainBytes);
  StoreNumber<uint64_t>(&file[32], grains_);
  StoreNumber<uint64_t>(&file[40], head_.inode);
  StoreNumber<uint64_t>(&file[48], head_.generation);
  kHeader.Seal(file.data());
  EncodeMapBlocks(durable_, &file[kMapBlockBytes]);
  return file;
}

std::string ZeroMap::Decode(const uint8_t* bytes, size_t length) {
  if (!kHeader.IsOf(bytes, length)) return "is not a map of zeros";
  if (!kHeader.IsSound(bytes)) return "the map's header is damaged";
  if (auto version = MapHeader::VersionOf(bytes); version != kHeader.version) {
    return "version " + std::to_string(version) + " is not supported";
  }
  if (LoadNumber<uint64_t>(bytes + 40) != head_.inode ||
      LoadNumber<uint64_t>(bytes + 48) != head_.generation) {
    return "the map is another head's";
  }
  if (LoadNumber<uint64_t>(bytes + 16) != volume_bytes_ ||
      LoadNumber<uint64_t>(bytes + 24) != kZeroGrainBytes || LoadNumber<uint64_t>(bytes + 32) != grains_) {
    return "the map is for a volume of " + std::to_string(LoadNumber<uint64_t>(bytes + 16)) + " bytes";
  }
  if (length != FileBytes()) {
    return "the map has " + std::to_string(length) + " bytes instead of " + std::to_string(FileBytes());
  }
  DecodeMapBlocks(bytes + kMapBlockBytes, &durable_);
  ClearBitsFrom(durable_, grains_);
  return {};
}

BitRun ZeroMap::GrainsOf(uint64_t offset, uint64_t length) const {
  return {offset / kZeroGrainBytes, std::min((offset + length - 1) / kZeroGrainBytes, grains_ - 1)};
}

void ZeroMap::Mark(uint64_t offset, uint64_t length) {
  auto [first, last] = GrainsOf(offset, length);
  SetBits(durable_, first, last);
}

bool ZeroMap::Covered(uint64_t offset, uint64_t length) {
  auto [first, last] = GrainsOf(offset, length);
  for (uint64_t grain = first; grain <= last; ++grain) {
    if (TestBit(durable_, grain)) continue;
    wanted_.emplace_back(grain, last);
    return false;
  }
  return true;
}

std::vector<MapBlockImage> ZeroMap::TakeImages() {
  writing_ = std::move(wanted_);
  wanted_.clear();
  std::vector<bool> touched(blocks_);
  TouchBlocks(writing_, &touched);
  std::vector<MapBlockImage> images;
  for (uint64_t block = 0; block < blocks_; ++block) {
    if (!touched[block]) continue;
    Bits words(&durable_[block * kMapBlockWords], &durable_[block * kMapBlockWords] + kMapBlockWords);
    SetRuns(writing_, block, &words);
    images.push_back(MapBlockOf(block, words.data()));
  }
  return images;
}

void ZeroMap::Written() {
  for (auto [first, last] : writing_) SetBits(durable_, first, last);
  writing_.clear();
}

}  // namespace aurochs
