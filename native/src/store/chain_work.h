// What is prepared for a chain and the long works on it: their state, and what they do on a helper thread,
// piece by piece. Private to the store's own sources.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "store/extent_store.h"

namespace aurochs {

/// What SwitchLayers will put in the place of the present chain.
struct ExtentStore::Prepared {
  struct Extent {
    uint8_t id;
    uint64_t block;
    uint64_t end;
  };
  bool head_only = false;
  uint64_t size = 0;
  bool map_fits = false;             // the files of the region map do for this size
  std::shared_ptr<Layer> head;       // head_only
  std::vector<Extent> uncovered;     // head_only: what longer files hold behind the end of the smaller volume
  std::unique_ptr<HeadZeros> zeros;  // of a new head, with a file that is not in its place yet
  LoadedChain loaded;                // else
};

/// Copies what `upper` holds into the file of `lower`, the layer directly below it.
struct ExtentStore::Merge {
  uint8_t lower_id;
  uint8_t upper_id;
  std::shared_ptr<Layer> lower;
  std::shared_ptr<Layer> upper;
  Progress progress;
  Callback done;
  bool direct;
  uint64_t volume_bytes;

  uint64_t position = 0;  // how far in the volume it is
  uint64_t unsynced = 0;  // bytes
  StoreError error;
  std::shared_ptr<Layer> merged;  // `lower` anew, when all is copied and durable

  bool uses(const Layer& file) const { return &file == lower.get() || &file == upper.get(); }
  uint64_t length() const { return upper->file_bytes(); }

  // ---- on a helper thread
  void CopyPiece();

 private:
  bool Begin();
  bool Copy(uint64_t begin, uint64_t end);
  bool Zero(uint64_t begin, uint64_t end);
  bool Check(const Layer& layer, const char* what, int system_errno);
  bool End();
};

/// Punches holes into `layer`, directly below the head, where the head hides it.
struct ExtentStore::Prune {
  uint8_t id;
  uint8_t head_id;  // what hides it, also when it is not the head any more
  std::shared_ptr<Layer> layer;
  std::shared_ptr<Layer> head;
  Progress progress;
  Callback done;

  uint64_t position = 0;                              // bytes of the volume
  std::vector<std::pair<uint64_t, uint64_t>> hidden;  // offset and length, bytes
  StoreError error;
  bool sync_failed = false;

  // The head may get another name meanwhile: a snapshot is taken.
  bool uses(const Layer& file) const { return &file == layer.get(); }

  // ---- on a helper thread
  void Free();
};

}  // namespace aurochs
