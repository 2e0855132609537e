#include "store/change_plan.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/limits.h"

namespace aurochs {

namespace {

uint64_t RoundDown(uint64_t offset) { return offset & ~(kBlockBytes - 1); }
uint64_t RoundUp(uint64_t offset) { return RoundDown(offset + kBlockBytes - 1); }

// A write of part of the block at `offset` has to write all of it.
bool NeedsFill(const ChangePlan::Volume& volume, uint8_t layer) {
  return volume.whole_blocks || (layer != 0 && layer != volume.head);
}

}  // namespace

void ChangePlan::Clear() {
  changes_.clear();
  fills_.clear();
  patches_.clear();
  bounces_.clear();
}

void ChangePlan::Add(uint64_t offset, uint64_t length, const uint8_t* data, Change::Action action,
                     bool in_head) {
  if (!changes_.empty()) {
    Change& last = changes_.back();
    bool data_joins = action != Change::Action::kData || last.data + last.length == data;
    if (last.action == action && last.in_head == in_head && last.offset + last.length == offset &&
        data_joins) {
      last.length += length;
      return;
    }
  }
  changes_.push_back({offset, length, data, action, in_head});
}

void ChangePlan::NewSpaceFirst() {
  auto takes_space = [](const Change& change) { return change.takes_space(); };
  if (changes_.size() > 1) std::stable_partition(changes_.begin(), changes_.end(), takes_space);
}

void ChangePlan::PlanWrite(const Volume& volume, uint64_t offset, uint64_t length, const uint8_t* data) {
  Clear();
  uint64_t begin = offset;
  uint64_t end = offset + length;
  uint8_t first_layer = volume.index->LayerAt(begin / kBlockBytes);
  bool fill_first = begin % kBlockBytes != 0 && NeedsFill(volume, first_layer);
  bool cut_short = end % kBlockBytes != 0 && end != volume.size;
  uint8_t last_layer = cut_short ? volume.index->LayerAt(end / kBlockBytes) : 0;
  bool fill_last = cut_short && NeedsFill(volume, last_layer);
  if (fill_first || fill_last) {
    if (fill_first) begin = RoundDown(begin);
    if (fill_last) end = std::min(RoundUp(end), volume.size);
    bounces_.push_back(Buffer::Allocate(end - begin));
    uint8_t* bounce = bounces_.back().data();
    uint64_t last_block = RoundDown(end - 1);
    if (fill_first) {
      uint64_t block_end = std::min(begin + kBlockBytes, volume.size);
      fills_.push_back({begin, block_end - begin, first_layer, bounce});
    }
    if (fill_last && !(fill_first && last_block == begin)) {
      fills_.push_back({last_block, end - last_block, last_layer, bounce + (last_block - begin)});
    }
    patches_.push_back({bounce + (offset - begin), data, length});
    data = bounce;
  }
  uint64_t last = RoundUp(end) / kBlockBytes;
  for (uint64_t position = begin; position < end;) {
    auto run = volume.index->RunAt(position / kBlockBytes, last);
    uint64_t run_end = std::min(run.end * kBlockBytes, end);
    Add(position, run_end - position, data + (position - begin), Change::Action::kData,
        run.layer == volume.head);
    position = run_end;
  }
  NewSpaceFirst();
}

void ChangePlan::PlanUnmap(const Volume& volume, uint64_t offset, uint64_t length) {
  PlanZeroing(volume, offset, length, true);
}

void ChangePlan::PlanZeroes(const Volume& volume, uint64_t offset, uint64_t length) {
  PlanZeroing(volume, offset, length, false);
}

void ChangePlan::PlanZeroing(const Volume& volume, uint64_t offset, uint64_t length, bool unmap) {
  Clear();
  uint64_t end = offset + length;
  uint64_t inner_begin = RoundUp(offset);
  uint64_t inner_end = end == volume.size ? RoundUp(end) : RoundDown(end);
  if (inner_begin > inner_end) {  // within one block
    PlanEdge(volume, offset, end, unmap);
    return;
  }
  if (offset < inner_begin) PlanEdge(volume, offset, std::min(inner_begin, end), unmap);
  uint64_t last = inner_end / kBlockBytes;
  for (uint64_t block = inner_begin / kBlockBytes; block < last;) {
    auto run = volume.index->RunAt(block, last);
    bool in_head = run.layer == volume.head;
    while (block < run.end) {
      uint64_t run_end = run.end;
      auto action = Change::Action::kZeroRange;
      if (unmap && in_head) {
        auto below = volume.index->BelowRunAt(block, run.end);
        run_end = below.end;
        bool sure = volume.chain->below_exact && volume.chain->punchable.empty();
        if (!below.held) action = Change::Action::kPunch;
        if (below.held && !sure) action = Change::Action::kDiscard;
      } else if (unmap && volume.chain->unmap_may_punch(run.layer)) {
        action = Change::Action::kDiscard;
      }
      // Unmapping what nobody holds is done already.
      if (!unmap || run.layer != 0) {
        Add(block * kBlockBytes, (run_end - block) * kBlockBytes, nullptr, action, in_head);
      }
      block = run_end;
    }
  }
  if (inner_end < end) PlanEdge(volume, inner_end, end, unmap);
  NewSpaceFirst();
}

// Zeros for [begin, end), a part of one block.
void ChangePlan::PlanEdge(const Volume& volume, uint64_t begin, uint64_t end, bool unmap) {
  uint64_t block = RoundDown(begin);
  uint8_t layer = volume.index->LayerAt(block / kBlockBytes);
  if (unmap && layer == 0) return;
  bounces_.push_back(Buffer::Allocate(kBlockBytes));
  uint8_t* bounce = bounces_.back().data();
  bool in_head = layer == volume.head;
  if (!NeedsFill(volume, layer)) {
    memset(bounce, 0, end - begin);
    Add(begin, end - begin, bounce, Change::Action::kData, in_head);
    return;
  }
  uint64_t block_length = std::min(block + kBlockBytes, volume.size) - block;
  fills_.push_back({block, block_length, layer, bounce});
  patches_.push_back({bounce + (begin - block), nullptr, end - begin});
  Add(block, block_length, bounce, Change::Action::kData, in_head);
}

void ChangePlan::Overlay() {
  for (const Patch& patch : patches_) {
    if (patch.from != nullptr) {
      memcpy(patch.to, patch.from, patch.length);
    } else {
      memset(patch.to, 0, patch.length);
    }
  }
}

namespace {

// In the head and in the removed layers behind it, the lowest first: until the last step what shows is the
// old content, also after a crash (a file system's journal keeps the order).
int PunchThrough(const Chain& chain, Change& change) {
  if (change.punch_removed) {
    for (uint8_t id : chain.punchable) {
      if (chain.file(id).Free(change.offset, change.length) == 0) continue;
      // Then the head has to hide what is left there.
      change.action = Change::Action::kZeroRange;
      return chain.head().ZeroRange(change.offset, change.length);
    }
  }
  if (!change.in_head) return 0;
  bool punched;
  int error = chain.head().Punch(change.offset, change.length, &punched);
  if (!punched) change.action = Change::Action::kZeroRange;
  return error;
}

Applied ApplyOne(const Chain& chain, Change& change) {
  const Layer& head = chain.head();
  Applied result;
  switch (change.action) {
    case Change::Action::kData: {
      uint64_t written;
      result.what = "write";
      result.error = head.Write(change.offset, change.length, change.data, &written);
      result.changed = change.in_head && written > 0;
      return result;
    }
    case Change::Action::kDiscard:  // never unresolved
    case Change::Action::kZeroRange:
      result.what = "zero range";
      if (!change.in_head) {
        result.error = head.ZeroRange(change.offset, change.length);
        if (result.error != 0) return result;
        break;
      }
      // On a nearly full disk the range's own space could be lost to others on the way.
      result.error =
          head.HasRoom(change.length + kSpareBytes) ? head.ZeroRange(change.offset, change.length) : ENOSPC;
      break;
    case Change::Action::kPunch:
      result.what = "punch hole";
      result.error = PunchThrough(chain, change);
      break;
  }
  // A file system drops its cached pages before it tries: when it fails, what the blocks hold is neither old
  // nor new.
  if (result.error != 0 && head.WriteZeros(change.offset, change.length) != 0) {
    result.changed = result.lost = true;
    return result;
  }
  if (change.action == Change::Action::kZeroRange && change.punch_removed) {
    // What the head hides now. It does no harm where it cannot be freed.
    for (uint8_t id : chain.punchable) chain.file(id).Free(change.offset, change.length);
  }
  return {};
}

}  // namespace

Applied ApplyChanges(const Chain& chain, std::vector<Change>& changes) {
  const Layer& head = chain.head();
  uint64_t new_bytes = 0;
  size_t takers = 0;  // come first; what becomes of a change may alter takes_space()
  for (const Change& change : changes) {
    if (!change.takes_space()) break;
    new_bytes += change.length;
    ++takers;
  }
  if (new_bytes > 0 && !head.HasRoom(new_bytes + kReserveBytes)) {
    Applied refused;
    refused.error = ENOSPC;
    refused.what = "allocate";
    return refused;
  }
  for (size_t i = 0; i < changes.size(); ++i) {
    Applied result = ApplyOne(chain, changes[i]);
    if (result.error == 0) continue;
    for (size_t done = 0; done <= i; ++done) {
      if (done >= takers) {
        result.changed |= done < i;
        continue;
      }
      uint64_t begin = RoundDown(changes[done].offset);
      uint64_t end = RoundUp(changes[done].offset + changes[done].length);
      bool punched;
      if (head.Punch(begin, end - begin, &punched) != 0 || !punched) result.changed = result.lost = true;
    }
    return result;
  }
  return {};
}

}  // namespace aurochs
