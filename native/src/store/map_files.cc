#include "store/map_files.h"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "store/limits.h"

namespace aurochs {

std::unique_ptr<MapFiles> MapFiles::Open(Paths paths, std::unique_ptr<RegionMap>* map,
                                         MapFile::Error* error) {
  std::unique_ptr<MapFiles> files(new MapFiles(std::move(paths)));
  const std::string& path = files->paths_.regions;
  RegionMap::Geometry wanted = (*map)->geometry(), found;
  std::vector<uint8_t> content;
  uint64_t bytes_max = std::max((*map)->FileBytes(), kRegionFileBytesMax);
  files->regions_ = MapFile::Open(path, bytes_max, &content, error);
  bool other_size = false;
  if (files->regions_ != nullptr) {
    other_size = RegionMap::DecodeGeometry(content.data(), content.size(), &found) &&
                 found.region_bytes == wanted.region_bytes && found.volume_bytes != wanted.volume_bytes;
    if (other_size) *map = std::make_unique<RegionMap>(found);
    std::string problem = (*map)->Decode(content.data(), content.size());
    if (!problem.empty()) {
      error->message = path + ": " + problem;
      return nullptr;
    }
  } else if (error->system_errno == ENOENT) {
    *error = MapFile::Error();
    files->regions_ = MapFile::Create(path, (*map)->Encode(), error);
  }
  if (files->regions_ == nullptr) return nullptr;
  if (!files->paths_.missed.empty()) files->OpenMissed(wanted.volume_bytes, map->get());
  if (!other_size) return files;
  *map = (*map)->Resized(wanted.volume_bytes);
  return files->Replace(**map, error) ? std::move(files) : nullptr;
}

// One that is damaged tracks nothing: whoever relies on it is told so and makes do without, which is no
// reason not to open. The other file, and so `map`, may have been made to fit a size that the volume then did
// not get.
void MapFiles::OpenMissed(uint64_t volume_bytes, RegionMap* map) {
  MissedMap& missed = map->missed();
  MissedMap of_volume(volume_bytes);
  MapFile::Error ignored;
  std::vector<uint8_t> content;
  missed_ =
      MapFile::Open(paths_.missed, std::max(missed.FileBytes(), of_volume.FileBytes()), &content, &ignored);
  if (missed_ == nullptr || missed.Decode(content.data(), content.size()).empty()) return;
  if (of_volume.Decode(content.data(), content.size()).empty()) {
    missed = of_volume.Resized(map->geometry().volume_bytes);
  } else {
    missed_.reset();
  }
}

bool MapFiles::Replace(const RegionMap& map, MapFile::Error* error) {
  if (map.missed().since() != 0) {
    auto missed = MapFile::Create(paths_.missed, map.missed().Encode(), error);
    if (missed == nullptr) return false;
    missed_ = std::move(missed);
  }
  auto regions = MapFile::Create(paths_.regions, map.Encode(), error);
  if (regions == nullptr) return false;
  regions_ = std::move(regions);
  return true;
}

bool MapFiles::Write(const RegionMap::Round& round, MapFile::Error* error) {
  return WriteMissed(round, error) && (round.regions.empty() || regions_->Write(round.regions, error));
}

bool MapFiles::WriteMissed(const RegionMap::Round& round, MapFile::Error* error) {
  missed_refused_ = false;
  if (round.forget_missed) {
    missed_.reset();
    return MapFile::Remove(paths_.missed, error);
  }
  if (!round.new_missed_file.empty()) {
    missed_ = MapFile::Create(paths_.missed, round.new_missed_file, error);
    if (missed_ == nullptr && error->system_errno == ENOSPC) {
      // An older one would be taken for what is tracked.
      *error = MapFile::Error();
      missed_refused_ = true;
      return MapFile::Remove(paths_.missed, error);
    }
    if (missed_ == nullptr) return false;
  }
  return round.missed.empty() || missed_->Write(round.missed, error);
}

}  // namespace aurochs
