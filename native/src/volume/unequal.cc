#include "volume/unequal.h"

#include <algorithm>

namespace aurochs {

// What is equal stays in its place, without length: nothing is moved, of what may be many.
void Unequal::Copied(int slot, uint64_t begin, uint64_t end) {
  std::vector<Range>& ranges = ranges_[slot];
  auto range = std::partition_point(ranges.begin(), ranges.end(),
                                    [begin](const Range& range) { return range.begin < begin; });
  for (; range != ranges.end() && range->end <= end; ++range) range->end = range->begin;
}

bool Unequal::Touches(uint64_t begin, uint64_t end) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [&](const std::vector<Range>& ranges) {
    auto range = std::partition_point(ranges.begin(), ranges.end(),
                                      [begin](const Range& range) { return range.end <= begin; });
    while (range != ranges.end() && range->begin < end && range->begin == range->end) ++range;
    return range != ranges.end() && range->begin < end;
  });
}

}  // namespace aurochs
