#include "store/chain.h"

#include <algorithm>
#include <cerrno>
#include <optional>
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

namespace {

/// Loads what the head holds, when the index has what lies below.
class HeadLoad {
 public:
  HeadLoad(Layer& layer, uint8_t id, const ZerosSpec& spec, LoadedChain* loaded)
      : layer_(layer), id_(id), spec_(spec), loaded_(loaded) {}

  bool Run(StoreError* error) {
    MapFile::Error unread, unmade;
    if (!spec_.path.empty()) loaded_->zeros = HeadZeros::Open(spec_.path, layer_, loaded_->size, &unread);
    bool is_new = loaded_->zeros == nullptr && !spec_.new_path.empty();
    auto identity = layer_.Identity();
    // Durable first: a power cut could bring zeros back that are meant, and that a write is above now.
    if (is_new && identity && layer_.SyncApart() == 0) anew_.emplace(*identity, loaded_->size);
    error->message = layer_.Extents(
        0, loaded_->size, true,
        [this](uint64_t offset, uint64_t length, bool unwritten) { Add(offset, length, unwritten); });
    if (!error->message.empty() || !DropInterrupted(error)) return false;
    if (anew_) loaded_->zeros = HeadZeros::Create(spec_.new_path, *anew_, &unmade);
    bool may_be_found = !unread.message.empty() || unmade.uncertain;
    if (loaded_->zeros != nullptr || !may_be_found) return true;
    // Zeros are made without marks then: a map that is found later would tell them as interrupted writes.
    MapFile::Error map_error;
    if (MapFile::Remove(spec_.new_path, &map_error)) return true;
    *error = {map_error.message, map_error.system_errno};
    return false;
  }

 private:
  void Add(uint64_t offset, uint64_t length, bool unwritten) {
    if (unwritten && anew_) anew_->Mark(offset, length);
    uint64_t block = offset / kBlockBytes, end = BlocksIn(offset + length);
    // Of blocks with several extents, none is looked at.
    uint64_t first = BlocksIn(offset);
    uint64_t last = offset + length == loaded_->size ? end : (offset + length) / kBlockBytes;
    if (!unwritten || loaded_->zeros == nullptr || spec_.lost_regions.empty() || first >= last) {
      loaded_->index->Take(block, end, id_);
      return;
    }
    if (block < first) loaded_->index->Take(block, first, id_);
    for (block = first; block < last;) block = AddUnwritten(block, last);
    if (last < end) loaded_->index->Take(last, end, id_);
  }

  /// @return where it has come to
  uint64_t AddUnwritten(uint64_t block, uint64_t last) {
    auto run = loaded_->index->RunAt(block, last);
    for (uint64_t bytes : {kZeroGrainBytes, spec_.region_bytes}) {
      uint64_t blocks = bytes / kBlockBytes;
      run.end = std::min(run.end, (block / blocks + 1) * blocks);
    }
    uint64_t region = block * kBlockBytes / spec_.region_bytes;
    bool lost =
        region / 8 < spec_.lost_regions.size() && (spec_.lost_regions[region / 8] >> (region % 8) & 1) != 0;
    if (run.layer != 0 && lost && !loaded_->zeros->map().marked(block * kBlockBytes)) {
      interrupted_.emplace_back(block, run.end);
    } else {
      loaded_->index->Take(block, run.end, id_);
    }
    return run.end;
  }

  bool DropInterrupted(StoreError* error) {
    auto check = [&](const char* what, int failed) {
      if (failed != 0) *error = {layer_.Describe(what, failed), failed};
      return failed == 0;
    };
    for (auto [block, end] : interrupted_) {
      uint64_t bytes = (end - block) * kBlockBytes;
      int failed = layer_.Free(block * kBlockBytes, bytes);
      if (failed == EOPNOTSUPP) {
        loaded_->index->Take(block, end, id_);
        continue;
      }
      if (!check("punch hole", failed)) return false;
      loaded_->interrupted_bytes += bytes;
    }
    return loaded_->interrupted_bytes == 0 || check("fdatasync", layer_.SyncApart());
  }

  Layer& layer_;
  uint8_t id_;
  const ZerosSpec& spec_;
  LoadedChain* loaded_;
  std::optional<ZeroMap> anew_;
  std::vector<std::pair<uint64_t, uint64_t>> interrupted_;  // blocks
};

}  // namespace

bool LoadChain(ChainSpec spec, bool direct, const Layer* in_use, const ZerosSpec& zeros, LoadedChain* loaded,
               StoreError* error) {
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
    if (!head) {
      error->message = layer->Extents(0, spec.size, true, [&](uint64_t offset, uint64_t length, bool) {
        loaded->index->Set(offset / kBlockBytes, BlocksIn(offset + length), id);
      });
      if (!error->message.empty()) return false;
    } else if (!same && !HeadLoad(*layer, id, zeros, loaded).Run(error)) {
      return false;
    }
    loaded->same_head = same;
    chain.files[id] = std::move(layer);
    chain.order.push_back(id);
  }
  return true;
}

}  // namespace aurochs
