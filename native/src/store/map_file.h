// A file of blocks of bits: created whole or not at all, then written block by block.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "store/bit_set.h"

namespace aurochs {

class MapFile {
 public:
  struct Error {
    std::string message;
    int system_errno = 0;
    /// Of Create: the new file is there, and after a crash it may be the old one again.
    bool uncertain = false;
  };

  /// Replaces what is there; a crash leaves the old file, or none, or the whole new one. Null on error: then,
  /// unless it is uncertain, the old file stays.
  static std::unique_ptr<MapFile> Create(const std::string& path, const std::vector<uint8_t>& content,
                                         Error* error);
  /// Opens and reads a file, and makes durable what a killed process or a failed sync may have left volatile.
  /// Null with ENOENT when there is none.
  /// @param content its bytes, cut one after `bytes_max`: a longer file is told, and no more is ever read
  static std::unique_ptr<MapFile> Open(const std::string& path, size_t bytes_max,
                                       std::vector<uint8_t>* content, Error* error);
  /// Durable when it returns. @return false with `error` set
  static bool Remove(const std::string& path, Error* error);

  ~MapFile();
  MapFile(const MapFile&) = delete;
  MapFile& operator=(const MapFile&) = delete;

  /// Takes the place of what is at `path`, which is durable with the directory only. @return false: it may
  /// have
  bool MoveTo(const std::string& path);
  /// Writes the blocks and syncs. Any thread, one call at a time. @return false with `error` set
  bool Write(const std::vector<MapBlockImage>& images, Error* error) const;

 private:
  MapFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_;
};

}  // namespace aurochs
