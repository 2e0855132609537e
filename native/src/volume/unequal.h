// Ranges where a copy may still differ from the one that is read, as after a crash of everything. What was
// read there could go back if another copy were read later: it has to be the same on all of them first.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "volume/flight.h"

namespace aurochs {

class Unequal {
 public:
  struct Range {
    uint64_t begin;
    uint64_t end;
  };

  /// @param ranges ascending, without overlaps; in place of those that `slot` had
  void Set(int slot, std::vector<Range> ranges) { ranges_[slot] = std::move(ranges); }
  /// `slot` is not waited for in [begin, end) any more: it has become equal, or nobody can make it so.
  void Copied(int slot, uint64_t begin, uint64_t end);
  /// It is no copy any more, or one that is equal.
  void Forget(int slot) { ranges_[slot].clear(); }
  /// Whether any slot may differ somewhere in [begin, end).
  bool Touches(uint64_t begin, uint64_t end) const;

 private:
  std::array<std::vector<Range>, kSlotsMax> ranges_;
};

}  // namespace aurochs
