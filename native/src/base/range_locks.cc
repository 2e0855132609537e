#include "base/range_locks.h"

#include <algorithm>

namespace aurochs {

bool RangeLocks::Acquire(Entry* entry) {
  entry->sequence = next_sequence_++;
  entry->blockers = 0;
  for (const Record& writer : writers_) {
    bool overtaken = entry->urgent && !writer.entry->urgent && writer.entry->waiting();
    entry->blockers += !overtaken && Overlap(writer, *entry);
  }
  if (entry->urgent) {
    for (const Record& waiting : waiting_) {
      if (!waiting.entry->urgent && Overlap(waiting, *entry)) ++waiting.entry->blockers;
    }
  }
  if (entry->writer) {
    entry->writer_index = static_cast<uint32_t>(writers_.size());
    writers_.push_back({entry->begin, entry->end, entry});
  }
  if (entry->blockers > 0) waiting_.push_back({entry->begin, entry->end, entry});
  return entry->blockers == 0;
}

void RangeLocks::Release(Entry* entry, std::vector<Entry*>* ready) {
  if (!entry->writer) return;
  Record& last = writers_.back();
  last.entry->writer_index = entry->writer_index;
  writers_[entry->writer_index] = last;
  writers_.pop_back();
  if (waiting_.empty()) return;
  std::erase_if(waiting_, [&](const Record& waiting) {
    if (!WaitsFor(*waiting.entry, *entry) || !Overlap(waiting, *entry)) return false;
    if (--waiting.entry->blockers > 0) return false;
    ready->push_back(waiting.entry);
    return true;
  });
}

}  // namespace aurochs
