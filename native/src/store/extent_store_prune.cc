// Pruning the layer below the head: where the head holds a block, the layer's copy is never read again.
//
// For each window: collect what the head hides, wait until no helper thread reads by an older state of the
// index, make the head durable, and only then punch. A power cut finds a block in the one or in the other.
#include <algorithm>

#include "store/chain_work.h"
#include "store/limits.h"

namespace aurochs {

void ExtentStore::PruneLayer(const std::string& path, Progress progress, Callback done) {
  if (!Usable(done)) return;
  uint8_t id = chain_->IdOf(path);
  std::string problem;
  if (merge_ != nullptr || prune_ != nullptr) problem = "layers are being merged or pruned";
  if (id == 0 || chain_->order.size() < 2 || chain_->order[chain_->order.size() - 2] != id) {
    problem = path + ": is not the layer directly below the head";
  } else if (chain_->file(id).mapped()) {
    problem = path + ": a mapped file cannot be pruned";
  }
  if (!problem.empty()) {
    done(Status::kInvalid, problem.c_str());
    return;
  }
  prune_ =
      std::make_unique<Prune>(Prune{id, chain_->head_id(), chain_->files[id],
                                    chain_->files[chain_->head_id()], std::move(progress), std::move(done)});
  Chain next = *chain_;
  next.busy = {id};
  next.below_exact = false;
  Publish(std::move(next), [this] { ContinuePrune(); });
}

void ExtentStore::ContinuePrune() {
  if (closing_ || prune_->position >= size_) {
    closing_ ? EndPrune(Status::kNotOpen, "the store is closed") : EndPrune(Status::kOk, "");
    return;
  }
  prune_->hidden.clear();
  uint64_t end = std::min(BlocksIn(prune_->position + kPruneWindowBytes), BlocksIn(size_));
  uint64_t block = prune_->position / kBlockBytes;
  while (block < end && prune_->hidden.size() < kPruneRunsMax) {
    auto run = index_->RunAt(block, end);
    if (run.layer == prune_->head_id) {
      prune_->hidden.emplace_back(block * kBlockBytes, (run.end - block) * kBlockBytes);
    }
    block = run.end;
  }
  prune_->position = block * kBlockBytes;
  if (prune_->hidden.empty()) {
    loop_->Post([this] { FreePruned(); });
  } else {
    Publish(*chain_, [this] { FreePruned(); });
  }
}

void ExtentStore::FreePruned() {
  InBackground([this] { prune_->Free(); },
               [this] {
                 if (prune_->sync_failed) Poison(prune_->error.message, prune_->error.system_errno);
                 if (!prune_->error.message.empty()) {
                   EndPrune(StatusOfErrno(prune_->error.system_errno), prune_->error.message);
                   return;
                 }
                 prune_->progress(std::min(prune_->position, size_), size_);
                 ContinuePrune();
               });
}

void ExtentStore::EndPrune(Status status, const std::string& message) {
  auto prune = std::move(prune_);
  Chain next = *chain_;
  next.busy.clear();
  Publish(std::move(next), nullptr);
  prune->done(status, message.c_str());
  if (closing_) FinishCloseWhenIdle();
}

void ExtentStore::Prune::Free() {
  if (hidden.empty() || !layer->OpenForChanges(&error.message, &error.system_errno)) return;
  // What is both hidden and there: both lists ascend.
  std::vector<std::pair<uint64_t, uint64_t>> found;
  uint64_t begin = hidden.front().first;
  uint64_t end = hidden.back().first + hidden.back().second;
  size_t at = 0;
  error.message = layer->Extents(begin, end, false, [&](uint64_t offset, uint64_t length, bool) {
    while (at < hidden.size() && hidden[at].first + hidden[at].second <= offset) ++at;
    for (size_t i = at; i < hidden.size() && hidden[i].first < offset + length; ++i) {
      // The whole run, if it is there in part: the same blocks never come twice.
      if (found.empty() || found.back() != hidden[i]) found.push_back(hidden[i]);
    }
  });
  if (!error.message.empty() || found.empty()) return;
  if (int failed = head->SyncApart()) {
    error = {head->Describe("fdatasync", failed), failed};
    sync_failed = true;
    return;
  }
  for (auto [offset, length] : found) {
    if (int failed = layer->Free(offset, length)) {
      error = {layer->Describe("punch hole", failed), failed};
      return;
    }
  }
}

}  // namespace aurochs
