// The file of the write-intent map: created whole or not at all, then written block by block.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "store/region_map.h"

namespace aurochs {

class RegionFile {
 public:
  /// Opens `path` into `map`, or creates it with no bits set.
  static std::unique_ptr<RegionFile> Open(const std::string& path, RegionMap* map, std::string* error,
                                          int* system_errno);
  ~RegionFile();
  RegionFile(const RegionFile&) = delete;
  RegionFile& operator=(const RegionFile&) = delete;

  /// Writes the blocks and syncs. Any thread, one call at a time. @return empty, or what failed
  std::string Write(const std::vector<RegionMap::BlockImage>& images, int* system_errno) const;

 private:
  RegionFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_;
};

}  // namespace aurochs
