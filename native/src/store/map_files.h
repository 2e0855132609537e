// The two files of the write-intent map: its own bits, and what replicas that are away miss. What the first
// one forgets is durable in the second one before.
#pragma once

#include <memory>
#include <string>

#include "store/map_file.h"
#include "store/region_map.h"

namespace aurochs {

class MapFiles {
 public:
  struct Paths {
    std::string regions;
    std::string missed;  // empty: nothing can be tracked
  };

  /// Opens both into `map`. The first is created with no bits set when there is none, and both are made to
  /// fit when they are for another size: a crash may come between the change of the map's size and the
  /// volume's. The second tracks when it is there and sound. Null on error.
  static std::unique_ptr<MapFiles> Open(Paths paths, std::unique_ptr<RegionMap>* map, MapFile::Error* error);

  /// Replaces both by what `map` holds. As Write. Unless the error is uncertain, the files still do for what
  /// they did for before, but that what is missed may not be known any more when they are opened again.
  bool Replace(const RegionMap& map, MapFile::Error* error);

  /// Any thread, one call at a time. @return false with `error` set
  bool Write(const RegionMap::Round& round, MapFile::Error* error);
  /// Of the last Write: what is missed has no file now, since there was no space for a new one. No error.
  bool missed_refused() const { return missed_refused_; }

 private:
  explicit MapFiles(Paths paths) : paths_(std::move(paths)) {}
  void OpenMissed(uint64_t volume_bytes, RegionMap* map);
  bool WriteMissed(const RegionMap::Round& round, MapFile::Error* error);

  Paths paths_;
  std::unique_ptr<MapFile> regions_;
  std::unique_ptr<MapFile> missed_;
  bool missed_refused_ = false;
};

}  // namespace aurochs
