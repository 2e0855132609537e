#include "store/head_zeros.h"

#include <cerrno>
#include <utility>

namespace aurochs {

std::unique_ptr<HeadZeros> HeadZeros::Open(const std::string& path, const Layer& head, uint64_t volume_bytes,
                                           MapFile::Error* error) {
  auto identity = head.Identity();
  if (!identity) return nullptr;
  ZeroMap map(*identity, volume_bytes);
  std::vector<uint8_t> content;
  auto file = MapFile::Open(path, map.FileBytes(), &content, error);
  if (file == nullptr && error->system_errno == ENOENT) *error = MapFile::Error();
  if (file == nullptr || !map.Decode(content.data(), content.size()).empty()) return nullptr;
  return std::unique_ptr<HeadZeros>(new HeadZeros(std::move(map), std::move(file)));
}

std::unique_ptr<HeadZeros> HeadZeros::Create(const std::string& path, ZeroMap map, MapFile::Error* error) {
  auto file = MapFile::Create(path, map.Encode(), error);
  if (file == nullptr) return nullptr;
  return std::unique_ptr<HeadZeros>(new HeadZeros(std::move(map), std::move(file)));
}

}  // namespace aurochs
