// Who waits for whom among operations that overlap (ARCHITECTURE.md, "Overlapping operations").
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace aurochs {

/// A writer waits for every overlapping writer that came before it, a reader as well; nobody waits for
/// readers. An urgent writer waits for nobody that still waits itself: those wait for it. The search is
/// linear: the caller bounds the number of entries.
class RangeLocks {
 public:
  struct Entry {
    uint64_t begin = 0;
    uint64_t end = 0;
    bool writer = false;
    bool urgent = false;  // a writer as well

    bool waiting() const { return blockers > 0; }

   private:
    friend class RangeLocks;
    uint64_t sequence = 0;
    uint32_t blockers = 0;
    uint32_t writer_index = 0;
  };

  /// @returns whether `entry` may go ahead at once; otherwise some Release hands it out
  bool Acquire(Entry* entry);
  /// Of an entry that is not waiting. Appends those that may go ahead now to `ready`.
  void Release(Entry* entry, std::vector<Entry*>* ready);

 private:
  // Begin and end are kept beside the pointers: the search stays within few cache lines.
  struct Record {
    uint64_t begin;
    uint64_t end;
    Entry* entry;
  };
  // Of two that overlap: whether `waiting` counts `writer` among its blockers, both being there.
  static bool WaitsFor(const Entry& waiting, const Entry& writer) {
    return waiting.sequence > writer.sequence || (writer.urgent && !waiting.urgent);
  }
  static bool Overlap(const Record& record, const Entry& entry) {
    return record.begin < entry.end && entry.begin < record.end;
  }

  std::vector<Record> writers_;  // holding or waiting, in no order
  std::vector<Record> waiting_;  // in order of arrival
  uint64_t next_sequence_ = 1;
};

}  // namespace aurochs
