// What a write, an unmap or a write of zeroes does to the head, step by step: planned from the extent index
// on the loop's thread, applied on any.
//
// Steps on blocks that the head does not hold yet come first: they need space, and punching them out again
// undoes them. So when space runs out, nothing has changed. Overwriting what the head holds comes last.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "store/chain.h"

namespace aurochs {

/// One step, bytes of the volume. Zero and punch steps are whole blocks, the last may reach beyond the
/// volume's end.
struct Change {
  /// kDiscard: kPunch where no layer holds the blocks that has to be kept, else kZeroRange; what the layers
  /// hold has to be asked of the files first (ResolveDiscards).
  enum class Action : uint8_t { kData, kZeroRange, kPunch, kDiscard };
  uint64_t offset;
  uint64_t length;
  const uint8_t* data;  // kData
  Action action;
  bool in_head;                // the head held all of its blocks before
  bool punch_removed = false;  // frees the blocks in Chain::punchable too

  bool makes_zeros() const { return action == Action::kZeroRange || action == Action::kDiscard; }
  bool takes_space() const { return !in_head && action != Action::kPunch; }
};

/// A block of which only a part is written: the rest comes from the layer that holds it (0: zeros).
struct Fill {
  uint64_t offset;
  uint64_t length;  // to the end of the block or the volume
  uint8_t layer;    // its id
  uint8_t* data;
};

class ChangePlan {
 public:
  struct Volume {
    const ExtentIndex* index;
    const Chain* chain;
    uint64_t size;      // bytes
    uint8_t head;       // its id
    bool whole_blocks;  // parts of a block are never written
  };

  void Clear();
  void PlanWrite(const Volume& volume, uint64_t offset, uint64_t length, const uint8_t* data);
  void PlanUnmap(const Volume& volume, uint64_t offset, uint64_t length);
  void PlanZeroes(const Volume& volume, uint64_t offset, uint64_t length);

  /// To be read, then `Overlay()`, then `changes` applied.
  const std::vector<Fill>& fills() const { return fills_; }
  /// On any thread, before `Overlay()`. @return empty, or what failed
  std::string ResolveDiscards(const Chain& chain);
  /// Puts the new bytes over the filled blocks.
  void Overlay();
  std::vector<Change>& changes() { return changes_; }

 private:
  struct Patch {
    uint8_t* to;
    const uint8_t* from;  // null: zeros
    uint64_t length;
  };

  void PlanZeroing(const Volume& volume, uint64_t offset, uint64_t length, bool unmap);
  void PlanEdge(const Volume& volume, uint64_t begin, uint64_t end, bool unmap);
  void Add(uint64_t offset, uint64_t length, const uint8_t* data, Change::Action action, bool in_head);
  void NewSpaceFirst();

  std::vector<Change> changes_;
  std::vector<Fill> fills_;     // at most two: the first and the last block
  std::vector<Patch> patches_;  // likewise
  std::vector<BufferRef> bounces_;
};

struct Applied {
  int error = 0;  // errno
  const char* what = "";
  bool changed = false;  // with an error: some bytes of the range have changed
  bool lost = false;     // with an error: what the range holds cannot be told any more
};

/// On any thread. A punch that had to become zeros is turned into kZeroRange in `changes`.
Applied ApplyChanges(const Chain& chain, std::vector<Change>& changes);

}  // namespace aurochs
