#include "store/missed_map.h"

#include <algorithm>

#include "store/map_header.h"

namespace aurochs {

namespace {

constexpr MapHeader kHeader{"AUROMISS", 1, 48};

}  // namespace

MissedMap::MissedMap(uint64_t volume_bytes)
    : volume_bytes_(volume_bytes),
      grains_((volume_bytes + kMissedGrainBytes - 1) / kMissedGrainBytes),
      blocks_((grains_ + kMapBlockBits - 1) / kMapBlockBits),
      words_(blocks_ * kMapBlockWords),
      current_(words_),
      previous_(words_),
      missed_(words_),
      is_dirty_(blocks_) {}

std::vector<uint8_t> MissedMap::EncodeEmpty(uint64_t since) const {
  std::vector<uint8_t> file(FileBytes());
  StoreNumber<uint64_t>(&file[16], volume_bytes_);
  StoreNumber<uint64_t>(&file[24], kMissedGrainBytes);
  StoreNumber<uint64_t>(&file[32], grains_);
  StoreNumber<uint64_t>(&file[40], since);
  kHeader.Seal(file.data());
  for (uint64_t block = 0; block < blocks_; ++block) SealMapBlock(block, &file[kMapBlockBytes * (1 + block)]);
  return file;
}

std::vector<uint8_t> MissedMap::Encode() const {
  std::vector<uint8_t> file = EncodeEmpty(since_);
  EncodeMapBlocks(missed_, &file[kMapBlockBytes]);
  return file;
}

MissedMap MissedMap::Resized(uint64_t volume_bytes) const {
  MissedMap map(volume_bytes);
  map.since_ = since_;
  CopyBits(current_, map.grains_, &map.current_);
  CopyBits(previous_, map.grains_, &map.previous_);
  CopyBits(missed_, map.grains_, &map.missed_);
  for (uint64_t block : dirty_blocks_) {
    if (block < map.blocks_) map.Dirty(block * kMapBlockWords, block * kMapBlockWords);
  }
  return map;
}

std::string MissedMap::Decode(const uint8_t* bytes, size_t length) {
  if (!kHeader.IsOf(bytes, length)) return "is not a map of changes";
  if (!kHeader.IsSound(bytes)) return "the map's header is damaged";
  if (auto version = MapHeader::VersionOf(bytes); version != kHeader.version) {
    return "version " + std::to_string(version) + " is not supported";
  }
  auto since = LoadNumber<uint64_t>(bytes + 40);
  if (LoadNumber<uint64_t>(bytes + 16) != volume_bytes_ ||
      LoadNumber<uint64_t>(bytes + 24) != kMissedGrainBytes || LoadNumber<uint64_t>(bytes + 32) != grains_ ||
      since == 0) {
    return "the map is for a volume of " + std::to_string(LoadNumber<uint64_t>(bytes + 16)) + " bytes";
  }
  if (length != FileBytes()) {
    return "the map has " + std::to_string(length) + " bytes instead of " + std::to_string(FileBytes());
  }
  DecodeMapBlocks(bytes + kMapBlockBytes, &missed_);
  ClearBitsFrom(missed_, grains_);
  since_ = since;
  return {};
}

std::vector<MapBlockImage> MissedMap::TakeImages() {
  std::vector<MapBlockImage> images;
  for (uint64_t block : dirty_blocks_) {
    images.push_back(MapBlockOf(block, &missed_[block * kMapBlockWords]));
    is_dirty_[block] = false;
  }
  dirty_blocks_.clear();
  return images;
}

void MissedMap::StartEpoch() {
  for (size_t i = 0; i < words_; ++i) previous_[i] |= current_[i];
  current_.assign(words_, 0);
}

void MissedMap::Settle() {
  Add(previous_);
  previous_.assign(words_, 0);
}

void MissedMap::EndEpochs() {
  StartEpoch();
  Settle();
}

void MissedMap::Settled(uint64_t offset, uint64_t length) {
  if (since_ == 0) return;
  uint64_t first = offset / kMissedGrainBytes, last = (offset + length - 1) / kMissedGrainBytes;
  SetBits(missed_, first, last);
  Dirty(first / 64, last / 64);
}

void MissedMap::Add(const Bits& bits) {
  if (since_ == 0) return;
  for (size_t i = 0; i < words_; ++i) {
    if ((bits[i] & ~missed_[i]) == 0) continue;
    missed_[i] |= bits[i];
    Dirty(i, i);
  }
}

void MissedMap::Dirty(uint64_t first_word, uint64_t last_word) {
  for (uint64_t block = first_word / kMapBlockWords; block <= last_word / kMapBlockWords; ++block) {
    if (is_dirty_[block]) continue;
    is_dirty_[block] = true;
    dirty_blocks_.push_back(block);
  }
}

void MissedMap::Start(uint64_t since) {
  Stop();
  since_ = since;
}

void MissedMap::Stop() {
  since_ = 0;
  missed_.assign(words_, 0);
  dirty_blocks_.clear();
  is_dirty_.assign(blocks_, false);
}

Bits MissedMap::Missed() const {
  Bits all = missed_;
  for (size_t i = 0; i < words_; ++i) all[i] |= current_[i] | previous_[i];
  return all;
}

}  // namespace aurochs
