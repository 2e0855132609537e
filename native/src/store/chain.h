// The files of a replica's chain at one moment, and the ids by which the extent index names them.
//
// A Chain that is in use never changes. A change makes a new one; who works on a helper thread keeps the one
// it began with, and when nobody has the old one or one before it any more, its files may be closed and what
// it read be punched. Ids are not positions: they stay when layers come and go, and two ids may name one file
// (after a merge).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "store/extent_index.h"
#include "store/head_zeros.h"
#include "store/layer.h"

namespace aurochs {

struct Chain {
  static constexpr size_t kIds = 256;  // what a byte of the index can name, and 0 for none

  std::array<std::shared_ptr<Layer>, kIds> files;  // by id
  std::vector<uint8_t> order;                      // one id of each file, bottom first, the last is the head
  bool backing = false;                            // the lowest file is a backing file
  /// Layers directly behind the head that nobody needs but the chain: unmap punches them too.
  std::vector<uint8_t> removed;
  /// Layers that a merge or a prune works on: unmap leaves them alone.
  std::vector<uint8_t> busy;
  /// What unmap punches besides the head, bottom first: `removed` without `busy`.
  std::vector<uint8_t> punchable;
  /// Whether the index's "held below" can be taken as it is: no layer has lost blocks behind its back.
  bool below_exact = true;

  /// On the loop's thread, when nobody has this chain or an older one any more and what only it had is
  /// closed.
  mutable std::function<void()> on_retired;
  /// What has taken its place. Kept, so that chains go in the order in which they came.
  mutable std::shared_ptr<const Chain> successor;

  uint8_t head_id() const { return order.back(); }
  Layer& head() const { return *files[head_id()]; }
  Layer& file(uint8_t id) const { return *files[id]; }
  bool has(uint8_t id) const { return files[id] != nullptr; }
  /// 0: no layer of that path; the backing file is never named.
  uint8_t IdOf(const std::string& path) const;
  /// 0: all are taken.
  uint8_t FreeId() const;
  bool unmap_may_punch(uint8_t id) const;
  /// Sets `punchable` from `removed` and `busy`.
  void DerivePunchable();
};

struct ChainSpec {
  std::vector<LayerSpec> layers;  // bottom first, the last one is the head
  bool backing = false;           // the lowest layer is a backing file, not the replica's own
  uint64_t size = 0;              // of the volume, bytes
};

/// How it is told which zeros of the head are meant.
struct ZerosSpec {
  std::string path;      // of their map; empty: there is none yet
  std::string new_path;  // where one is made when there is none; empty: none is kept
  /// Where writes were on their way when the page cache was lost: bit i, LSB first, is region i. Empty:
  /// nowhere.
  std::vector<uint8_t> lost_regions;
  uint64_t region_bytes = 0;
};

struct LoadedChain {
  std::shared_ptr<Chain> chain;
  std::unique_ptr<ExtentIndex> index;
  std::unique_ptr<HeadZeros> zeros;  // null: any may be meant
  /// What the head had for writes that never reached it, above what a lower layer holds: it is a hole now,
  /// and durably so. Bytes.
  uint64_t interrupted_bytes = 0;
  uint64_t size = 0;
  /// The head is the one that was in use already: its blocks have to be taken over from the old index.
  bool same_head = false;
};

struct StoreError {
  std::string message;
  int system_errno = 0;
};

/// @return empty, or what is wrong
std::string CheckChain(const ChainSpec& spec);

/// Opens the files and loads their extents: may take seconds. `in_use`: the head that is written meanwhile,
/// of which neither the extents nor the zeros are looked at.
bool LoadChain(ChainSpec spec, bool direct, const Layer* in_use, const ZerosSpec& zeros, LoadedChain* loaded,
               StoreError* error);

inline uint64_t BlocksIn(uint64_t bytes) { return (bytes + kBlockBytes - 1) / kBlockBytes; }

}  // namespace aurochs
