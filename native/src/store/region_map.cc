#include "store/region_map.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/limits.h"
#include "store/map_header.h"

namespace aurochs {

namespace {

constexpr MapHeader kHeader{"AUROREGN", 1, 40};

}  // namespace

RegionMap::RegionMap(Geometry geometry)
    : geometry_(geometry),
      missed_(geometry.volume_bytes),
      shift_(std::countr_zero(geometry.region_bytes)),
      regions_(geometry.regions()),
      blocks_((regions_ + kMapBlockBits - 1) / (kMapBlockBits)),
      words_(blocks_ * kMapBlockWords),
      current_(words_),
      previous_(words_),
      inherited_(words_),
      durable_(words_),
      stale_blocks_(blocks_) {}

uint64_t RegionMap::FileBytes() const { return kMapBlockBytes * (1 + blocks_); }

std::vector<uint8_t> RegionMap::Encode() const {
  std::vector<uint8_t> file(FileBytes());
  StoreNumber<uint64_t>(&file[16], geometry_.volume_bytes);
  StoreNumber<uint64_t>(&file[24], geometry_.region_bytes);
  StoreNumber<uint64_t>(&file[32], regions_);
  kHeader.Seal(file.data());
  EncodeMapBlocks(durable_, &file[kMapBlockBytes]);
  return file;
}

bool RegionMap::DecodeGeometry(const uint8_t* bytes, size_t length, Geometry* geometry) {
  if (!kHeader.IsOf(bytes, length)) return false;
  if (!kHeader.IsSound(bytes)) return false;
  if (MapHeader::VersionOf(bytes) != kHeader.version) return false;
  *geometry = {LoadNumber<uint64_t>(bytes + 16), LoadNumber<uint64_t>(bytes + 24)};
  if (!std::has_single_bit(geometry->region_bytes) || geometry->volume_bytes > INT64_MAX) return false;
  uint64_t regions = geometry->regions();
  return LoadNumber<uint64_t>(bytes + 32) == regions &&
         length == kMapBlockBytes * (1 + (regions + kMapBlockBits - 1) / kMapBlockBits);
}

std::string RegionMap::Decode(const uint8_t* bytes, size_t length) {
  if (!kHeader.IsOf(bytes, length)) return "is not a region map";
  if (!kHeader.IsSound(bytes)) return "the region map's header is damaged";
  if (auto version = MapHeader::VersionOf(bytes); version != kHeader.version) {
    return "region map version " + std::to_string(version) + " is not supported";
  }
  auto volume_bytes = LoadNumber<uint64_t>(bytes + 16);
  auto region_bytes = LoadNumber<uint64_t>(bytes + 24);
  if (volume_bytes != geometry_.volume_bytes || region_bytes != geometry_.region_bytes ||
      LoadNumber<uint64_t>(bytes + 32) != regions_) {
    return "the region map is for a volume of " + std::to_string(volume_bytes) + " bytes with regions of " +
           std::to_string(region_bytes) + ", not of " + std::to_string(geometry_.volume_bytes) + " with " +
           std::to_string(geometry_.region_bytes);
  }
  if (length != FileBytes()) {
    return "the region map has " + std::to_string(length) + " bytes instead of " +
           std::to_string(FileBytes());
  }
  Bits found(words_);
  damaged_blocks_ += DecodeMapBlocks(bytes + kMapBlockBytes, &found);
  ClearBitsFrom(found, regions_);
  durable_ = found;
  {
    std::lock_guard lock(mutex_);
    inherited_ = std::move(found);
  }
  Forgot();
  return {};
}

void RegionMap::SetCurrent(uint64_t region) {
  if (TestBit(current_, region)) return;
  SetBit(current_, region);
  if (TestBit(previous_, region) || TestBit(inherited_, region)) return;
  dirty_regions_.store(dirty_regions() + 1, std::memory_order_relaxed);
}

// The slow part of Covered: `region` is the first one without a bit in the present epoch.
bool RegionMap::Mark(uint64_t region, uint64_t last, uint64_t offset, uint64_t length) {
  uint64_t near = geometry_.region_bytes * 4;  // how far writes of one stream may overtake each other
  bool sequential = last_end_ != UINT64_MAX && offset + near >= last_end_ && offset <= last_end_ + near;
  last_end_ = offset + length;
  for (; region <= last; ++region) {
    if (TestBit(current_, region)) continue;
    if (!TestBit(durable_, region)) break;
    SetCurrent(region);
  }
  if (region > last) return true;
  if (sequential && region > 0 && TestBit(current_, region - 1)) {
    last = std::min(last + kRegionsAhead, regions_ - 1);
  }
  wanted_.emplace_back(region, last);
  return false;
}

RegionMap::Round RegionMap::TakeImages() {
  std::vector<bool> touched = std::move(stale_blocks_);
  stale_blocks_.assign(blocks_, false);
  want_forgotten_ = false;
  writing_ = std::move(wanted_);
  wanted_.clear();
  TouchBlocks(writing_, &touched);
  Round round;
  ChangeMissed(&round);
  round.missed = missed_.TakeImages();
  for (uint64_t block = 0; block < blocks_; ++block) {
    if (!touched[block]) continue;
    uint64_t base = block * kMapBlockWords;
    std::vector<uint64_t> words(kMapBlockWords);
    for (size_t i = 0; i < kMapBlockWords; ++i) {
      words[i] = current_[base + i] | previous_[base + i] | inherited_[base + i];
    }
    SetRuns(writing_, block, &words);
    // Until the round is synced the file holds the old block or the new one: only what is in both is certain.
    for (size_t i = 0; i < kMapBlockWords; ++i) durable_[base + i] &= words[i];
    round.regions.push_back(MapBlockOf(block, words.data()));
    images_.emplace_back(base, std::move(words));
  }
  return round;
}

void RegionMap::ChangeMissed(Round* round) {
  switch (std::exchange(missed_change_, MissedChange::kNone)) {
    case MissedChange::kNone:
      return;
    case MissedChange::kTrack:
      round->new_missed_file = missed_.EncodeEmpty(track_since_);
      return missed_.Start(track_since_);
    case MissedChange::kForget:
      round->forget_missed = true;
      return missed_.Stop();
  }
}

void RegionMap::Written() {
  for (auto& [base, words] : images_) std::copy(words.begin(), words.end(), durable_.begin() + base);
  images_.clear();
  for (auto [first, last] : writing_) {
    for (uint64_t region = first; region <= last; ++region) SetCurrent(region);
  }
  writing_.clear();
}

void RegionMap::StartEpoch(uint64_t epoch) {
  // A mark that is sent again after a reconnect must not move what was written since the first time.
  if (epoch <= epoch_) return;
  for (size_t i = 0; i < words_; ++i) previous_[i] |= current_[i];
  current_.assign(words_, 0);
  missed_.StartEpoch();
  epoch_ = epoch;
  ++ticket_;
}

bool RegionMap::Settle(uint64_t ticket) {
  if (ticket != ticket_) return false;
  previous_.assign(words_, 0);
  missed_.Settle();
  Forgot();
  return true;
}

void RegionMap::Inherit() {
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < words_; ++i) inherited_[i] |= current_[i] | previous_[i];
  current_.assign(words_, 0);
  previous_.assign(words_, 0);
  missed_.EndEpochs();
  epoch_ = 0;
  ++ticket_;
  ++inherit_count_;
}

void RegionMap::ForgetInherited() {
  for (uint64_t region = 0; region < regions_; ++region) {
    if (!TestBit(inherited_, region)) continue;
    uint64_t offset = region * geometry_.region_bytes;
    missed_.Settled(offset, std::min(geometry_.region_bytes, geometry_.volume_bytes - offset));
  }
  {
    std::lock_guard lock(mutex_);
    inherited_.assign(words_, 0);
  }
  Forgot();
}

uint64_t RegionMap::CloseEpoch() {
  for (size_t i = 0; i < words_; ++i) previous_[i] |= current_[i];
  current_.assign(words_, 0);
  missed_.StartEpoch();
  epoch_ = 0;
  return ++ticket_;
}

void RegionMap::WantForgotten() {
  want_forgotten_ = std::find(stale_blocks_.begin(), stale_blocks_.end(), true) != stale_blocks_.end();
  want_forgotten_ |= missed_.needs_write();
}

void RegionMap::Forgot() {
  uint64_t count = 0;
  for (uint64_t block = 0; block < blocks_; ++block) {
    bool stale = false;
    for (size_t i = block * kMapBlockWords; i < (block + 1) * kMapBlockWords; ++i) {
      uint64_t needed = current_[i] | previous_[i] | inherited_[i];
      count += std::popcount(needed);
      stale |= (durable_[i] & ~needed) != 0;
    }
    if (stale) stale_blocks_[block] = true;
  }
  dirty_regions_.store(count, std::memory_order_relaxed);
}

std::unique_ptr<RegionMap> RegionMap::Resized(uint64_t volume_bytes) const {
  auto map = std::make_unique<RegionMap>(Geometry{volume_bytes, geometry_.region_bytes});
  CopyBits(current_, map->regions_, &map->current_);
  CopyBits(previous_, map->regions_, &map->previous_);
  CopyBits(inherited_, map->regions_, &map->inherited_);
  CopyBits(durable_, map->regions_, &map->durable_);
  map->missed_ = missed_.Resized(volume_bytes);
  map->last_end_ = last_end_;
  map->epoch_ = epoch_;
  map->ticket_ = ticket_;
  map->inherit_count_ = inherit_count_;
  map->damaged_blocks_ = damaged_blocks_;
  map->missed_change_ = missed_change_;
  map->track_since_ = track_since_;
  map->Forgot();
  return map;
}

std::vector<uint8_t> RegionMap::InheritedBytes() const {
  std::lock_guard lock(mutex_);
  std::vector<uint8_t> bytes((regions_ + 7) / 8);
  memcpy(bytes.data(), inherited_.data(), bytes.size());
  return bytes;
}

std::vector<uint8_t> RegionMap::MissedBytes() const {
  Bits missed = missed_.Missed();
  for (uint64_t region = 0; region < regions_; ++region) {
    if (!TestBit(inherited_, region)) continue;
    uint64_t first = region * geometry_.region_bytes;
    uint64_t last = std::min(first + geometry_.region_bytes, geometry_.volume_bytes) - 1;
    SetBits(missed, first / kMissedGrainBytes, last / kMissedGrainBytes);
  }
  std::vector<uint8_t> bytes((missed_.grains() + 7) / 8);
  memcpy(bytes.data(), missed.data(), bytes.size());
  return bytes;
}

}  // namespace aurochs
