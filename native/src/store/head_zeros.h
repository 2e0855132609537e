// The map of a head's zeros and its file. Without one any zeros of the head may be meant: nothing is
// concluded from them, and so they need no mark.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "store/layer.h"
#include "store/map_file.h"
#include "store/zero_map.h"

namespace aurochs {

class HeadZeros {
 public:
  /// Null: there is none, or it is damaged, another head's, or for a volume of another size; or, with `error`
  /// set, it cannot be told.
  static std::unique_ptr<HeadZeros> Open(const std::string& path, const Layer& head, uint64_t volume_bytes,
                                         MapFile::Error* error);
  /// Replaces what is at `path`, durably. Null on error, see MapFile::Create.
  static std::unique_ptr<HeadZeros> Create(const std::string& path, ZeroMap map, MapFile::Error* error);

  ZeroMap& map() { return map_; }
  /// Any thread, one call at a time. @return false with `error` set
  bool Write(const std::vector<MapBlockImage>& images, MapFile::Error* error) const {
    return file_->Write(images, error);
  }
  /// Replaces what is at `path` by this one's file. A crash may find either. @return false: neither is
  /// certain
  bool MoveTo(const std::string& path) { return file_->MoveTo(path); }

 private:
  HeadZeros(ZeroMap map, std::unique_ptr<MapFile> file) : map_(std::move(map)), file_(std::move(file)) {}

  ZeroMap map_;
  std::unique_ptr<MapFile> file_;
};

}  // namespace aurochs
