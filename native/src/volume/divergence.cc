#include "volume/divergence.h"

#include <algorithm>
#include <bit>

namespace aurochs {

bool Divergence::Range::resolved() const {
  return std::popcount(all) <= 1 || (source != kNone && unequal == 0);
}

void Divergence::Range::Restart(int new_source) {
  source = new_source;
  unequal = source == kNone ? all : all & ~Bit(source);
}

void Divergence::Add(uint64_t begin, uint64_t end, SlotMask slots) {
  if (ranges_.size() < kDivergencesMax) {
    ranges_.push_back({begin, end, slots, slots, kNone});
  } else {
    // One copy has to cover all of it then: dirty for longer than it needs to be, never too short.
    Range& last = ranges_.back();
    last = {std::min(last.begin, begin), std::max(last.end, end), static_cast<SlotMask>(last.all | slots), 0,
            kNone};
    last.Restart(kNone);
  }
  Sweep();
}

void Divergence::Copied(int from, int to, uint64_t begin, uint64_t end) {
  for (Range& range : ranges_) {
    bool touches = begin < range.end && range.begin < end;
    if (!touches) continue;
    if (to == range.source) range.Restart(kNone);
    if (begin > range.begin || end < range.end) continue;
    if (range.source != from) range.Restart(from);
    range.unequal &= ~Bit(to);
  }
  Sweep();
}

void Divergence::Left(int slot) {
  for (Range& range : ranges_) {
    range.all &= ~Bit(slot);
    range.unequal &= ~Bit(slot);
    // Those that were made equal to it still equal each other; if that is all of them, nothing differs.
    if (range.source == slot && range.unequal != 0) range.Restart(kNone);
  }
  Sweep();
}

void Divergence::Sweep() {
  std::erase_if(ranges_, [](const Range& range) { return range.resolved(); });
}

}  // namespace aurochs
