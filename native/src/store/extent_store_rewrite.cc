// What a failed sync may have dropped. The kernel keeps such data in the page cache as if they were on the
// disk: they are read, compare as equal, and no later sync writes them. So they are written once more, as
// they are read; where they are not cached any more they differ from other copies, which write them.
//
// They are written past the cache: ext4 keeps an extent unwritten on the disk when the first write to it
// failed, while the cached block says that it is written, and no write to that block converts it.
#include <algorithm>
#include <cerrno>

#include "base/buffer.h"
#include "base/limits.h"
#include "store/chain_work.h"
#include "store/limits.h"

namespace aurochs {

namespace {

struct Rewriting {
  std::shared_ptr<const Chain> chain;
  std::vector<uint8_t> regions;
  uint64_t region_bytes;
  uint64_t volume_bytes;
  StoreError error;
  BufferRef buffer = Buffer::Allocate(kMergeBufferBytes);

  bool Check(const Layer& layer, const char* what, int system_errno) {
    if (system_errno == 0) return true;
    error = {layer.Describe(what, system_errno), system_errno};
    return false;
  }

  /// `*opened` is null where the file system has no O_DIRECT.
  bool OpenPastCache(const Layer& layer, std::unique_ptr<Layer>* opened) {
    *opened = Layer::Open(layer.spec(), volume_bytes, false, true, &error.message, &error.system_errno);
    if (*opened == nullptr) {
      if (error.system_errno != EINVAL) return false;
      error = {};
      return true;
    }
    if (!(*opened)->OpenForChanges(&error.message, &error.system_errno)) return false;
    if ((*opened)->SameFile(layer)) return true;
    error.message = layer.path() + ": is another file than when it was opened";
    return false;
  }

  bool WriteAgain(const Layer& layer, const Layer& to, uint64_t begin, uint64_t end) {
    for (uint64_t offset = begin, count; offset < end; offset += count) {
      count = std::min(end - offset, kMergeBufferBytes);
      uint64_t written;
      // What cannot be read is not in the cache, and nobody takes it for equal.
      if (layer.Read(offset, count, buffer.data()) != 0) continue;
      if (!Check(layer, "write", to.Write(offset, count, buffer.data(), &written))) return false;
    }
    return true;
  }

  bool File(Layer& layer) {
    std::unique_ptr<Layer> past_cache;
    if (!layer.OpenForChanges(&error.message, &error.system_errno) || !OpenPastCache(layer, &past_cache)) {
      return false;
    }
    std::vector<std::pair<uint64_t, uint64_t>> runs;
    for (uint64_t region = 0; region < regions.size() * 8; ++region) {
      if ((regions[region / 8] & (1u << (region % 8))) == 0) continue;
      uint64_t begin = region * region_bytes;
      uint64_t end = std::min({begin + region_bytes, volume_bytes, layer.file_bytes()});
      if (begin >= end) break;
      error.message = layer.Extents(begin, end, false, [&](uint64_t offset, uint64_t length, bool) {
        runs.emplace_back(std::max(offset, begin), std::min(offset + length, end));
      });
      if (!error.message.empty()) return false;
    }
    for (auto [begin, end] : runs) {
      if (!WriteAgain(layer, past_cache != nullptr ? *past_cache : layer, begin, end)) return false;
    }
    return Check(layer, "fdatasync", layer.Sync());
  }

  void Run() {
    for (size_t i = chain->backing ? 1 : 0; i < chain->order.size(); ++i) {
      Layer& layer = chain->file(chain->order[i]);
      if (!layer.mapped() && !File(layer)) return;
    }
  }
};

}  // namespace

void ExtentStore::Rewrite(Callback done) {
  if (!Usable(done)) return;
  auto work = std::make_shared<Rewriting>(
      Rewriting{chain_, regions_->InheritedBytes(), options_.region_bytes, size_, {}});
  InBackground([work] { work->Run(); },
               [work, done = std::move(done)] {
                 work->chain.reset();
                 const auto& [message, system_errno] = work->error;
                 done(message.empty() ? Status::kOk : StatusOfErrno(system_errno), message.c_str());
               });
}

}  // namespace aurochs
