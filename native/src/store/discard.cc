// What an unmap may free, asked of the files: the index knows the newest layer of a block alone.
#include <algorithm>
#include <utility>

#include "store/change_plan.h"

namespace aurochs {

namespace {

/// Which blocks of `[offset, offset + length)` a layer holds that has to be kept.
std::string FindKept(const Chain& chain, uint64_t offset, uint64_t length, std::vector<bool>* kept) {
  uint64_t first = offset / kBlockBytes;
  uint64_t missing = BlocksIn(length);
  kept->assign(missing, false);
  for (size_t i = chain.order.size() - 1; i > 0 && missing > 0; --i) {
    uint8_t id = chain.order[i - 1];
    if (chain.unmap_may_punch(id)) continue;
    std::string error =
        chain.file(id).Extents(offset, offset + length, false, [&](uint64_t from, uint64_t bytes, bool) {
          uint64_t end = std::min(BlocksIn(from + bytes), first + kept->size());
          for (uint64_t block = from / kBlockBytes; block < end; ++block) {
            if (!(*kept)[block - first]) --missing;
            (*kept)[block - first] = true;
          }
        });
    if (!error.empty()) return error;
  }
  return {};
}

}  // namespace

std::string ChangePlan::ResolveDiscards(const Chain& chain) {
  auto is_discard = [](const Change& change) { return change.action == Change::Action::kDiscard; };
  if (std::none_of(changes_.begin(), changes_.end(), is_discard)) return {};
  std::vector<bool> kept;
  for (const Change& change : std::exchange(changes_, {})) {
    if (!is_discard(change)) {
      changes_.push_back(change);
      continue;
    }
    if (std::string error = FindKept(chain, change.offset, change.length, &kept); !error.empty())
      return error;
    for (size_t block = 0; block < kept.size();) {
      size_t end = block + 1;
      while (end < kept.size() && kept[end] == kept[block]) ++end;
      Change part = change;
      part.offset = change.offset + block * kBlockBytes;
      part.length = (end - block) * kBlockBytes;
      part.action = kept[block] ? Change::Action::kZeroRange : Change::Action::kPunch;
      part.punch_removed = true;
      changes_.push_back(part);
      block = end;
    }
  }
  NewSpaceFirst();
  return {};
}

}  // namespace aurochs
