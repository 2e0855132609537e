// Ranges where copies may differ because a write was answered with an error although some copies may have it.
// While there are any, regions are not settled.
#pragma once

#include <cstdint>
#include <vector>

#include "volume/flight.h"

namespace aurochs {

class Divergence {
 public:
  bool empty() const { return ranges_.empty(); }
  size_t size() const { return ranges_.size(); }
  /// `slots` may differ from each other in [begin, end).
  void Add(uint64_t begin, uint64_t end, SlotMask slots);
  /// `to` has become equal to `from` in [begin, end).
  void Copied(int from, int to, uint64_t begin, uint64_t end);
  /// `slot` is no copy of the volume any more.
  void Left(int slot);

 private:
  static constexpr int kNone = -1;
  struct Range {
    uint64_t begin;
    uint64_t end;
    SlotMask all;
    SlotMask unequal;  // to the source
    int source;        // the slot that others were made equal to, or kNone

    bool resolved() const;
    void Restart(int new_source);
  };
  void Sweep();

  std::vector<Range> ranges_;
};

}  // namespace aurochs
