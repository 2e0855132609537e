// Which parts of a file are allocated, as the file system tells it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace aurochs {

/// Calls `extent(offset, length)` (bytes, ascending) for each extent below `limit`, unwritten ones included:
/// in Longhorn's format an extent decides even if it was never written. Data that are still without an extent
/// (delayed allocation) are written out first.
/// @return empty, or what failed (without the file's name): `file extent is unsupported` without FIEMAP
std::string ListExtents(int fd, uint64_t limit, const std::function<void(uint64_t, uint64_t)>& extent);

}  // namespace aurochs
