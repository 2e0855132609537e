#include "store/chain.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"

namespace aurochs {

uint8_t Chain::IdOf(const std::string& path) const {
  for (size_t i = backing ? 1 : 0; i < order.size(); ++i) {
    if (file(order[i]).path() == path) return order[i];
  }
  return 0;
}

uint8_t Chain::FreeId() const {
  for (size_t id = 1; id < kIds; ++id) {
    if (files[id] == nullptr) return static_cast<uint8_t>(id);
  }
  return 0;
}

bool Chain::unmap_may_punch(uint8_t id) const {
  return std::find(punchable.begin(), punchable.end(), id) != punchable.end();
}

void Chain::DerivePunchable() {
  punchable.clear();
  for (uint8_t id : order) {
    bool is_removed = std::find(removed.begin(), removed.end(), id) != removed.end();
    bool is_busy = std::find(busy.begin(), busy.end(), id) != busy.end();
    if (is_removed && !is_busy) punchable.push_back(id);
  }
}

std::string CheckChain(const ChainSpec& spec) {
  if (spec.size == 0 || spec.size % 512 != 0 || spec.size > static_cast<uint64_t>(INT64_MAX) / 2) {
    return "size has to be a multiple of 512 bytes above 0";
  }
  if (spec.layers.size() < (spec.backing ? 2 : 1)) return "no layers";
  if (spec.layers.size() > kLayersMax) {
    return "the chain has " + std::to_string(spec.layers.size()) + " layers, more than " +
           std::to_string(kLayersMax);
  }
  return {};
}

bool LoadChain(ChainSpec spec, bool direct, const Layer* in_use, LoadedChain* loaded, StoreError* error) {
  loaded->chain = std::make_shared<Chain>();
  loaded->index = std::make_unique<ExtentIndex>(BlocksIn(spec.size));
  loaded->size = spec.size;
  Chain& chain = *loaded->chain;
  chain.backing = spec.backing;
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    bool head = i + 1 == spec.layers.size();
    auto layer = Layer::Open(std::move(spec.layers[i]), spec.size, head, direct, &error->message,
                             &error->system_errno);
    if (layer == nullptr) return false;
    bool same = in_use != nullptr && layer->SameFile(*in_use);
    if (same && !head) {
      error->message = layer->path() + ": is the head that is in use";
      return false;
    }
    auto id = static_cast<uint8_t>(i + 1);
    auto extent = [&](uint64_t offset, uint64_t length, bool) {
      uint64_t block = offset / kBlockBytes;
      uint64_t end = BlocksIn(offset + length);
      if (head) {
        loaded->index->Take(block, end, id);
      } else {
        loaded->index->Set(block, end, id);
      }
    };
    if (!same) error->message = layer->Extents(0, spec.size, true, extent);
    if (!error->message.empty()) return false;
    loaded->same_head = same;
    chain.files[id] = std::move(layer);
    chain.order.push_back(id);
  }
  return true;
}

}  // namespace aurochs
