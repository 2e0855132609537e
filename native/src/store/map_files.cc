#include "store/map_files.h"

#include <cerrno>
#include <utility>
#include <vector>

namespace aurochs {

std::unique_ptr<MapFiles> MapFiles::Open(Paths paths, RegionMap* map, MapFile::Error* error) {
  std::unique_ptr<MapFiles> files(new MapFiles(std::move(paths)));
  const std::string& path = files->paths_.regions;
  std::vector<uint8_t> content;
  files->regions_ = MapFile::Open(path, map->FileBytes(), &content, error);
  if (files->regions_ != nullptr) {
    std::string problem = map->Decode(content.data(), content.size());
    if (!problem.empty()) {
      error->message = path + ": " + problem;
      return nullptr;
    }
  } else if (error->system_errno == ENOENT) {
    *error = MapFile::Error();
    files->regions_ = MapFile::Create(path, map->EncodeEmpty(), error);
  }
  if (files->regions_ == nullptr) return nullptr;
  if (files->paths_.missed.empty()) return files;

  // One that is damaged tracks nothing: whoever relies on it is told so and makes do without, which is no
  // reason not to open.
  MapFile::Error ignored;
  files->missed_ = MapFile::Open(files->paths_.missed, map->missed().FileBytes(), &content, &ignored);
  if (files->missed_ != nullptr && !map->missed().Decode(content.data(), content.size()).empty()) {
    files->missed_.reset();
  }
  return files;
}

bool MapFiles::Write(const RegionMap::Round& round, MapFile::Error* error) {
  return WriteMissed(round, error) && (round.regions.empty() || regions_->Write(round.regions, error));
}

bool MapFiles::WriteMissed(const RegionMap::Round& round, MapFile::Error* error) {
  if (round.forget_missed) {
    missed_.reset();
    return MapFile::Remove(paths_.missed, error);
  }
  if (!round.new_missed_file.empty()) {
    missed_ = MapFile::Create(paths_.missed, round.new_missed_file, error);
    if (missed_ == nullptr) return false;
  }
  return round.missed.empty() || missed_->Write(round.missed, error);
}

}  // namespace aurochs
