// How the chain of files under a volume changes while I/O goes on.
//
// What may fail or take long (opening files, loading extents) is prepared first. Then changes are held, the
// owner makes the new chain durable in the replica's metadata, and the switch is a matter of memory: a write
// never lands in a head that a crash would not find. Nothing waits for what a helper thread still reads from
// the former chain.
#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "store/chain_work.h"
#include "store/extent_store.h"
#include "store/store_jobs.h"

namespace aurochs {

// ---------------------------------------------------------------------------------------------- versions

void ExtentStore::BackgroundJob::Finish() {
  ExtentStore* store = store_;
  auto then = std::move(then_);
  delete this;
  --store->background_jobs_;
  then();
  if (store->closing_) store->FinishCloseWhenIdle();
}

void ExtentStore::RunOn(IoThreads* threads, std::function<void()> work, std::function<void()> then) {
  ++background_jobs_;
  threads->Submit(new BackgroundJob(this, std::move(work), std::move(then)));
}

void ExtentStore::InBackground(std::function<void()> work, std::function<void()> then) {
  RunOn(background_.get(), std::move(work), std::move(then));
}

std::shared_ptr<const Chain> ExtentStore::Adopt(Chain chain) {
  chain.DerivePunchable();
  return {new Chain(std::move(chain)), [this](const Chain* old) { Retire(old); }};
}

// Closing a file that has no name any more may take long. The successor is let go of afterwards, on the
// loop's thread: that may be the end of it, too.
void ExtentStore::Retire(const Chain* chain) {
  auto successor = std::move(chain->successor);
  if (background_ == nullptr || closed_) {
    delete chain;
    return;
  }
  auto retired = std::move(chain->on_retired);
  InBackground([chain] { delete chain; },
               [retired, successor = std::move(successor)]() mutable {
                 // First, so that what comes of it is awaited before the store is closed.
                 successor.reset();
                 if (retired) retired();
               });
}

void ExtentStore::Publish(Chain next, std::function<void()> old_retired) {
  auto chain = Adopt(std::move(next));
  chain_->on_retired = std::move(old_retired);
  chain_->successor = chain;
  std::lock_guard lock(mutex_);
  chain_.swap(chain);
}

bool ExtentStore::Usable(const Callback& done) const {
  if (closing_) done(Status::kNotOpen, "the store is closed");
  if (!closing_ && poisoned_) done(Status::kIoError, poison_.c_str());
  return !closing_ && !poisoned_;
}

// ---------------------------------------------------------------------------------------------- holding

void ExtentStore::HoldChanges(bool flush, Callback done) {
  if (!Usable(done)) return;
  if (held_) {
    done(Status::kInvalid, "changes are held already");
    return;
  }
  held_ = true;
  hold_done_ = flush ? ThenFlush(std::move(done)) : std::move(done);
  ChangeApplied();
}

void ExtentStore::ChangeApplied() {
  if (!held_ || applying_ > 0 || hold_done_ == nullptr) return;
  std::exchange(hold_done_, nullptr)(Status::kOk, "");
}

void ExtentStore::ResumeChanges() {
  if (!held_ || switch_done_ != nullptr || hold_done_ != nullptr) return;
  held_ = false;
  prepared_.reset();
  for (ChangeTask* task : std::exchange(parked_, {})) task->SubmitSegment();
  Retry(&held_waiters_);
}

// The end of the store is also the end of a hold: what has begun goes on, what waits was never begun.
void ExtentStore::ReleaseHeld() {
  if (!held_) return;
  held_ = false;
  if (hold_done_ != nullptr) std::exchange(hold_done_, nullptr)(Status::kNotOpen, "the store is closed");
  for (ChangeTask* task : std::exchange(parked_, {})) task->SubmitSegment();
  for (StoreRequest* request : std::exchange(held_waiters_, {})) {
    FinishChange(request, Status::kNotOpen, "the store is closed");
  }
}

// ---------------------------------------------------------------------------------------------- preparing

void ExtentStore::PrepareHead(std::string path, uint64_t size, Callback done) {
  ChainSpec spec;
  spec.size = size;
  spec.layers.push_back({std::move(path), false, {}});
  Prepare(std::move(spec), true, done);
}

void ExtentStore::PrepareLayers(ChainSpec spec, Callback done) { Prepare(std::move(spec), false, done); }

void ExtentStore::Prepare(ChainSpec spec, bool head_only, const Callback& done) {
  if (!Usable(done)) return;
  std::string problem = CheckChain(spec);
  if (preparing_ || switch_done_ != nullptr) problem = "another change of the chain is under way";
  if (head_only && spec.size < size_) problem = "a new head cannot make the volume smaller";
  if (head_only && chain_->order.size() >= kLayersMax) {
    problem = "the chain has " + std::to_string(kLayersMax) + " layers already";
  }
  if (!problem.empty()) {
    done(Status::kInvalid, problem.c_str());
    return;
  }
  preparing_ = true;
  prepared_.reset();
  struct Work {
    std::shared_ptr<const Chain> chain;
    ChainSpec spec;
    std::unique_ptr<Prepared> prepared = std::make_unique<Prepared>();
    Error error;
  };
  auto work = std::make_shared<Work>();
  work->chain = chain_;
  work->spec = std::move(spec);
  work->prepared->head_only = head_only;
  work->prepared->size = work->spec.size;
  ZerosSpec zeros;
  if (!options_.zero_map_path.empty()) zeros.new_path = options_.zero_map_path + ".next.tmp";
  auto run = [work, direct = options_.direct, zeros, head_only, old_size = size_] {
    Prepared& to = *work->prepared;
    Error& error = work->error;
    if (!head_only) {
      LoadChain(std::move(work->spec), direct, &work->chain->head(), zeros, &to.loaded, &error);
      to.zeros = std::move(to.loaded.zeros);
      return;
    }
    to.head = Layer::Open(std::move(work->spec.layers[0]), to.size, true, direct, &error.message,
                          &error.system_errno);
    if (to.head == nullptr) return;
    bool empty = true;
    error.message = to.head->Extents(0, to.size, true, [&](uint64_t, uint64_t, bool) { empty = false; });
    if (error.message.empty() && !empty) error.message = to.head->path() + ": a new head has to be empty";
    auto identity = to.head->Identity();
    MapFile::Error ignored;  // it is not in its place, and nobody finds it there
    if (error.message.empty() && identity && !zeros.new_path.empty())
      to.zeros = HeadZeros::Create(zeros.new_path, ZeroMap(*identity, to.size), &ignored);
    uint64_t end = BlocksIn(to.size) * kBlockBytes;
    for (uint8_t id : work->chain->order) {
      const Layer& layer = work->chain->file(id);
      if (to.size == old_size || !error.message.empty()) break;
      if (!layer.mapped() && layer.file_bytes() <= old_size) continue;
      error.message = layer.Extents(BlocksIn(old_size) * kBlockBytes, end, true,
                                    [&](uint64_t offset, uint64_t length, bool) {
                                      uint64_t last = std::min(BlocksIn(offset + length), BlocksIn(to.size));
                                      to.uncovered.push_back({id, offset / kBlockBytes, last});
                                    });
    }
  };
  InBackground(run, [this, work, done] {
    work->chain.reset();
    if (!work->error.message.empty()) {
      preparing_ = false;
      done(StatusOfErrno(work->error.system_errno), work->error.message.c_str());
    } else if (work->prepared->head_only && work->prepared->size > size_) {
      growing_ = std::move(work->prepared);
      growing_done_ = done;
      if (!map_running_) FitMapToGrowing();
    } else {
      preparing_ = false;
      prepared_ = std::move(work->prepared);
      done(Status::kOk, "");
    }
  });
}

void ExtentStore::FitMapToGrowing() {
  if (poisoned_) {
    FinishGrowing({poison_});
  } else {
    FitMapFiles(growing_->size, [this](const MapFile::Error& error) {
      if (error.uncertain) Poison(error.message, error.system_errno);
      growing_->map_fits = error.message.empty();
      FinishGrowing(error);
      GoOnWithMap();
    });
  }
}

void ExtentStore::FinishGrowing(const MapFile::Error& error) {
  preparing_ = false;
  auto prepared = std::exchange(growing_, nullptr);
  if (prepared->map_fits) prepared_ = std::move(prepared);
  Status status = error.message.empty() ? Status::kOk : StatusOfErrno(error.system_errno);
  std::exchange(growing_done_, nullptr)(status, error.message.c_str());
}

// ---------------------------------------------------------------------------------------------- map's size

// The files first: a region that they do not know cannot be marked before it is written. What they have more
// than that is harmless. No round is under way, and none may begin. On a thread on which no merge is in
// front.
void ExtentStore::FitMapFiles(uint64_t bytes, std::function<void(const MapFile::Error&)> then) {
  struct Work {
    std::unique_ptr<RegionMap> map;
    MapFile::Error error;
  };
  auto work = std::make_shared<Work>();
  work->map = regions_->Resized(bytes);
  RunOn(
      syncs_.get(), [this, work] { map_files_->Replace(*work->map, &work->error); },
      [work, then] { then(work->error); });
}

// Anew: epochs may have ended since the files were made to fit.
void ExtentStore::TakeMap() {
  auto resized = regions_->Resized(prepared_->size);
  std::lock_guard lock(mutex_);
  regions_.swap(resized);
}

// What waited for a round.
void ExtentStore::GoOnWithMap() {
  RetryZeroing();
  Retry(&region_waiters_);
  for (auto& callback : std::exchange(map_waiters_, {})) AfterMapRound(std::move(callback));
}

// ---------------------------------------------------------------------------------------------- switching

void ExtentStore::SwitchLayers(Callback done) {
  if (!Usable(done)) return;
  const char* problem = nullptr;
  if (!held_ || hold_done_ != nullptr) problem = "changes are not held";
  if (prepared_ == nullptr || switch_done_ != nullptr) problem = "nothing is prepared";
  if (problem == nullptr && !prepared_->head_only) {
    if (merge_ != nullptr || prune_ != nullptr) problem = "layers are being merged or pruned";
    bool changing = !parked_.empty() || !zero_waiters_.empty();
    if (prepared_->size < size_ && changing) problem = "a change is under way";
  }
  if (problem != nullptr) {
    done(Status::kInvalid, problem);
    return;
  }
  switch_done_ = std::move(done);
  if (!map_running_) FitMapToSwitch();
}

void ExtentStore::FitMapToSwitch() {
  if (poisoned_ || prepared_->map_fits || prepared_->size == size_) {
    if (!poisoned_ && prepared_->size != size_) TakeMap();
    SwitchZeros();
    return;
  }
  FitMapFiles(prepared_->size, [this](const MapFile::Error& error) {
    if (error.message.empty()) {
      TakeMap();
    } else {
      Poison(error.message, error.system_errno);
    }
    SwitchZeros();
  });
}

// The map of a new head's zeros takes the place of the old one's, before the first change of that head. What
// a crash finds instead of it is another head's. Where there is none none may be found either, since the
// head's zeros are made without marks then; nor one for another size.
void ExtentStore::SwitchZeros() {
  bool stays = !prepared_->head_only && prepared_->loaded.same_head && prepared_->size == size_;
  if (poisoned_ || options_.zero_map_path.empty() || stays) {
    FinishSwitch();
    return;
  }
  struct Work {
    std::unique_ptr<HeadZeros> zeros;
    MapFile::Error error;
  };
  auto work = std::make_shared<Work>();
  work->zeros = std::move(prepared_->zeros);
  auto run = [work, path = options_.zero_map_path] {
    if (work->zeros != nullptr && work->zeros->MoveTo(path)) return;
    work->zeros.reset();
    MapFile::Remove(path, &work->error);
  };
  RunOn(syncs_.get(), run, [this, work] {
    if (!work->error.message.empty()) Poison(work->error.message, work->error.system_errno);
    zeros_ = std::move(work->zeros);
    FinishSwitch();
  });
}

void ExtentStore::FinishSwitch() {
  auto done = std::exchange(switch_done_, nullptr);
  auto prepared = std::exchange(prepared_, nullptr);
  if (!poisoned_) {
    prepared_ = std::move(prepared);
    prepared_->head_only ? SwitchToHead() : SwitchToLayers();
    prepared_.reset();
  }
  done(poisoned_ ? Status::kIoError : Status::kOk, poison_.c_str());
  GoOnWithMap();
  if (closing_) FinishCloseWhenIdle();
}

void ExtentStore::SwitchToHead() {
  Chain next = *chain_;
  uint8_t id = next.FreeId();
  next.files[id] = std::move(prepared_->head);
  next.order.push_back(id);
  next.removed.clear();
  next.below_exact = true;  // whoever holds a block that the new head takes is its newest holder
  if (prepared_->size > size_) {
    index_->Grow(BlocksIn(prepared_->size));
    for (const auto& extent : prepared_->uncovered) index_->Set(extent.block, extent.end, extent.id);
  }
  size_ = prepared_->size;
  Publish(std::move(next), nullptr);
}

void ExtentStore::SwitchToLayers() {
  LoadedChain& loaded = prepared_->loaded;
  uint8_t head = loaded.chain->head_id();
  if (loaded.same_head) {
    uint64_t blocks = std::min(BlocksIn(size_), BlocksIn(loaded.size));
    for (uint64_t block = 0; block < blocks;) {
      auto run = index_->RunAt(block, blocks);
      if (run.layer == chain_->head_id()) loaded.index->Take(block, run.end, head);
      block = run.end;
    }
  }
  size_ = loaded.size;
  for (size_t i = loaded.chain->order.size(); i > (loaded.chain->backing ? 1 : 0); --i) {
    MarkUnsynced(loaded.chain->files[loaded.chain->order[i - 1]]);
  }
  ++changed_;
  {
    std::lock_guard lock(mutex_);
    index_.swap(loaded.index);
  }
  Publish(std::move(*loaded.chain), nullptr);
}

// ---------------------------------------------------------------------------------------------- small ones

// The layers have to be the ones directly behind the head, in any order.
std::string ExtentStore::RemovedIds(const std::vector<std::string>& paths, std::vector<uint8_t>* ids) const {
  for (const std::string& path : paths) {
    uint8_t id = chain_->IdOf(path);
    if (id == 0 || id == chain_->head_id()) return path + ": is no layer behind the head";
    if (std::find(ids->begin(), ids->end(), id) == ids->end()) ids->push_back(id);
  }
  for (size_t i = 0; i < ids->size(); ++i) {
    uint8_t id = chain_->order[chain_->order.size() - 2 - i];
    if (std::find(ids->begin(), ids->end(), id) == ids->end()) {
      return chain_->file(id).path() + ": lies between the head and a removed layer and is kept";
    }
  }
  return {};
}

void ExtentStore::SetRemovedLayers(std::vector<std::string> paths, Callback done) {
  if (!Usable(done)) return;
  struct Work {
    std::vector<std::shared_ptr<Layer>> files;
    Error error;
  };
  auto work = std::make_shared<Work>();
  std::vector<uint8_t> ids;
  if (std::string problem = RemovedIds(paths, &ids); !problem.empty()) {
    done(Status::kInvalid, problem.c_str());
    return;
  }
  for (uint8_t id : ids) work->files.push_back(chain_->files[id]);
  auto run = [work] {
    for (const auto& file : work->files) {
      if (!file->OpenForChanges(&work->error.message, &work->error.system_errno)) return;
    }
  };
  InBackground(run, [this, work, paths, done] {
    if (!work->error.message.empty()) {
      done(StatusOfErrno(work->error.system_errno), work->error.message.c_str());
      return;
    }
    std::vector<uint8_t> ids;
    std::string problem = RemovedIds(paths, &ids);
    for (size_t i = 0; problem.empty() && i < ids.size(); ++i) {
      if (chain_->files[ids[i]] != work->files[i]) problem = "the chain has changed meanwhile";
    }
    if (!problem.empty()) {
      done(Status::kInvalid, problem.c_str());
      return;
    }
    Chain next = *chain_;
    next.removed = std::move(ids);
    Publish(std::move(next), [done] { done(Status::kOk, ""); });
  });
}

void ExtentStore::RenameLayer(std::string from, std::string to, Callback done) {
  if (!Usable(done)) return;
  struct Work {
    std::shared_ptr<Layer> file;
    std::shared_ptr<Layer> renamed;
    Error error;
  };
  auto work = std::make_shared<Work>();
  uint8_t id = chain_->IdOf(from);
  if (id == 0 || id == chain_->head_id()) {
    done(Status::kInvalid, (from + ": is no layer behind the head").c_str());
    return;
  }
  work->file = chain_->files[id];
  auto run = [work, to, size = size_, direct = options_.direct] {
    Error& error = work->error;
    auto renamed = Layer::Open({to, false, {}}, size, false, direct, &error.message, &error.system_errno);
    if (renamed == nullptr) return;
    if (!renamed->SameFile(*work->file)) {
      error.message = to + ": is another file than " + work->file->path();
      return;
    }
    if (!renamed->OpenForChanges(&error.message, &error.system_errno)) return;
    work->renamed = std::move(renamed);
  };
  InBackground(run, [this, work, done] {
    if (work->renamed == nullptr) {
      done(StatusOfErrno(work->error.system_errno), work->error.message.c_str());
      return;
    }
    Chain next = *chain_;
    bool in_use =
        (merge_ != nullptr && merge_->uses(*work->file)) || (prune_ != nullptr && prune_->uses(*work->file));
    bool found = false;
    for (auto& file : next.files) {
      if (file != work->file || in_use) continue;
      file = work->renamed;
      found = true;
    }
    if (!found) {
      done(Status::kInvalid, "the chain has changed meanwhile");
      return;
    }
    work->file.reset();
    Publish(std::move(next), [done] { done(Status::kOk, ""); });
  });
}

}  // namespace aurochs
