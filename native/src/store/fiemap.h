// Which parts of a file are allocated, as the file system tells it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace aurochs {

/// offset, length (bytes), and whether it was never written: allocated zeros
using ExtentCallback = std::function<void(uint64_t, uint64_t, bool)>;

/// Calls `extent` (ascending) for each part of an extent in `[begin, end)`, unwritten ones included: in
/// Longhorn's format an extent decides even if it was never written. `sync`: data that are still without an
/// extent (delayed allocation) are written out first, and what counts as unwritten has no data in the page
/// cache either.
/// @return empty, or what failed (without the file's name): `file extent is unsupported` without FIEMAP
std::string ListExtents(int fd, uint64_t begin, uint64_t end, bool sync, const ExtentCallback& extent);

/// Where the first extent at or behind `begin` is; `end` when there is none before. `sync` and errors
/// likewise.
std::string FindExtent(int fd, uint64_t begin, uint64_t end, bool sync, uint64_t* found);

}  // namespace aurochs
