// How ExtentStore changes the head: writes, unmaps, writes of zeroes.
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/limits.h"
#include "store/extent_store.h"
#include "store/store_jobs.h"

namespace aurochs {

ChangePlan::Volume ExtentStore::volume() const {
  return {index_.get(), chain_.get(), size_, chain_->head_id(), chain_->head().writes_whole_blocks()};
}

void ExtentStore::BeginChange(StoreRequest* request) {
  writes_.store(writes_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  ++changes_in_flight_;
  ContinueChange(request);
}

// Also where a request goes on when what it waited for has come: every check is made again.
void ExtentStore::ContinueChange(StoreRequest* request) {
  if (poisoned_) {
    FinishChange(request, Status::kIoError, poison_.c_str());
    return;
  }
  if (held_) {
    held_waiters_.push_back(request);
    return;
  }
  if (!regions_->Covered(request->offset, request->length)) {
    region_waiters_.push_back(request);
    StartMapRound();
    return;
  }
  bool is_write = request->kind == StoreRequest::Kind::kWrite;
  if (is_write && write_out_running_ && dirty_bytes_ >= kDirtyBytesMax) {
    dirty_waiters_.push_back(request);
    return;
  }
  if (!locked_.empty() && Locked(*request)) {
    lock_waiters_.push_back(request);
    return;
  }
  if (is_write && !options_.direct && WriteInline(request)) return;
  if (idle_changes_.empty()) idle_changes_.push_back(std::make_unique<ChangeTask>(this));
  ChangeTask* task = idle_changes_.back().release();
  idle_changes_.pop_back();
  task->Start(request);
}

// ---------------------------------------------------------------------------------------------- inline

// False: it would have to wait for the disk, nothing was done.
bool ExtentStore::WriteInline(StoreRequest* request) {
  uint64_t end = request->offset + request->length;
  inline_plan_.PlanWrite(volume(), request->offset, request->length, request->payload.data());
  // The kernel reads a block of which a part is written, if it does not have it: waiting is for helpers.
  uint8_t byte;
  for (uint64_t edge : {request->offset, end}) {
    if (edge % kBlockBytes == 0 || edge == size_) continue;
    if (index_->LayerAt(edge / kBlockBytes) != chain_->head_id()) continue;
    if (!chain_->head().ReadCached(edge, 1, &byte)) return false;
  }
  for (const Fill& fill : inline_plan_.fills()) {
    if (fill.layer == 0) {
      memset(fill.data, 0, fill.length);
    } else if (!chain_->file(fill.layer).ReadCached(fill.offset, fill.length, fill.data)) {
      return false;
    }
  }
  inline_plan_.Overlay();
  Applied applied = ApplyChanges(*chain_, inline_plan_.changes());
  RecordChanges(*chain_, inline_plan_.changes(), applied);
  FinishApplied(request, applied, false);
  return true;
}

// ---------------------------------------------------------------------------------------------- on helpers

void ExtentStore::ChangeTask::Start(StoreRequest* request) {
  request_ = request;
  position_ = request->offset;
  store_->locked_.push_back(BlocksOf(*request));
  SubmitSegment();
}

void ExtentStore::ChangeTask::SubmitSegment() {
  PlanSegment();
  bool marked = store_->ZerosMarked(plan_.changes());
  if (!marked && !store_->poisoned_) {
    store_->zero_waiters_.push_back(this);
    store_->StartMapRound();
    return;
  }
  chain_ = store_->chain_;
  ++store_->applying_;
  read_error_ = marked ? "" : store_->poison_;
  applied_ = Applied();
  marked ? store_->pool_->Submit(this) : Finish();
}

void ExtentStore::ChangeTask::PlanSegment() {
  uint64_t end = request_->offset + request_->length;
  switch (request_->kind) {
    case StoreRequest::Kind::kUnmap:
    case StoreRequest::Kind::kWriteZeroes: {
      segment_end_ = std::min(end, (position_ / kZeroSegmentBytes + 1) * kZeroSegmentBytes);
      uint64_t length = segment_end_ - position_;
      if (request_->kind == StoreRequest::Kind::kUnmap) {
        plan_.PlanUnmap(store_->volume(), position_, length);
      } else {
        plan_.PlanZeroes(store_->volume(), position_, length);
      }
      break;
    }
    default:
      segment_end_ = end;
      plan_.PlanWrite(store_->volume(), position_, end - position_, request_->payload.data());
  }
}

/// Where zeros may come of it, they have to be known as meant before. False: they are asked to be.
bool ExtentStore::ZerosMarked(const std::vector<Change>& changes) {
  if (zeros_ == nullptr) return true;
  bool marked = true;
  for (const Change& change : changes) {
    if (change.makes_zeros() && !zeros_->map().Covered(change.offset, change.length)) marked = false;
  }
  return marked;
}

void ExtentStore::RetryZeroing() {
  for (ChangeTask* task : std::exchange(zero_waiters_, {})) {
    if (held_) {
      parked_.push_back(task);
    } else {
      task->SubmitSegment();
    }
  }
}

void ExtentStore::ChangeTask::Run() {
  read_error_ = plan_.ResolveDiscards(*chain_);
  if (!read_error_.empty()) return;
  for (const Fill& fill : plan_.fills()) {
    if (fill.layer == 0) {
      memset(fill.data, 0, fill.length);
      continue;
    }
    const Layer& layer = chain_->file(fill.layer);
    if (int error = layer.Read(fill.offset, fill.length, fill.data)) {
      read_error_ = layer.Describe("read", error);
      return;
    }
  }
  plan_.Overlay();
  applied_ = ApplyChanges(*chain_, plan_.changes());
}

void ExtentStore::ChangeTask::Finish() {
  ExtentStore* store = store_;
  StoreRequest* request = request_;
  std::string read_error = std::move(read_error_);
  Applied applied = applied_;
  bool changed_before = position_ > request->offset;
  --store->applying_;
  if (read_error.empty()) {
    store->RecordChanges(*chain_, plan_.changes(), applied);
    if (applied.error == 0 && segment_end_ < request->offset + request->length) {
      position_ = segment_end_;
      chain_.reset();
      if (store->held_) {
        store->parked_.push_back(this);
        store->ChangeApplied();
      } else {
        SubmitSegment();
      }
      return;
    }
  }
  chain_.reset();
  plan_.Clear();
  store->idle_changes_.emplace_back(this);
  store->Unlock(BlocksOf(*request));
  if (read_error.empty()) {
    store->FinishApplied(request, applied, changed_before);
  } else {
    store->FinishChange(request, Status::kIoError, read_error.c_str());
  }
  store->ChangeApplied();
}

// ---------------------------------------------------------------------------------------------- afterwards

void ExtentStore::RecordChanges(const Chain& chain, const std::vector<Change>& changes,
                                const Applied& applied) {
  ++changed_;
  MarkUnsynced(chain.files[chain.head_id()]);
  bool removed_too =
      std::any_of(changes.begin(), changes.end(), [](auto& change) { return change.punch_removed; });
  if (removed_too) {
    for (uint8_t id : chain.punchable) MarkUnsynced(chain.files[id]);
  }
  if (applied.error != 0) return;  // what took new space is undone, the rest was the head's before
  for (const Change& change : changes) {
    uint64_t block = change.offset / kBlockBytes;
    uint64_t end = (change.offset + change.length + kBlockBytes - 1) / kBlockBytes;
    end = std::min(end, BlocksIn(size_));
    if (change.action == Change::Action::kPunch) {
      index_->Set(block, end, 0);
    } else {
      index_->Take(block, end, chain.head_id());
    }
    if (change.action == Change::Action::kData) AddDirty(change.length);
  }
}

void ExtentStore::FinishApplied(StoreRequest* request, const Applied& applied, bool changed_before) {
  if (applied.error == 0) {
    FinishChange(request, Status::kOk, "");
    return;
  }
  bool changed = changed_before || applied.changed;
  std::string message = chain_->head().Describe(applied.what, applied.error);
  if (changed) message += " (applied in part)";
  if (applied.lost) Poison(message, applied.error);
  // NO_SPACE promises that nothing has changed: all copies that answer it still agree.
  FinishChange(request, changed ? Status::kIoError : StatusOfErrno(applied.error), message.c_str());
}

void ExtentStore::FinishChange(StoreRequest* request, Status status, const char* message) {
  --changes_in_flight_;
  if (status == Status::kOk && request->fua) {
    sync_waiters_.push_back({request, 0});
    StartSync();
  } else {
    Complete(request, status, message);
  }
  if (changes_in_flight_ > 0 || releases_.empty()) return;
  auto releases = std::exchange(releases_, {});
  for (auto& done : releases) BeginRelease(std::move(done));
}

void ExtentStore::Retry(Requests* waiting) {
  Requests requests = std::exchange(*waiting, {});
  for (StoreRequest* request : requests) ContinueChange(request);
}

// ---------------------------------------------------------------------------------------------- block locks

// Two writes under way may share a block without overlapping. While a helper completes a block from a lower
// layer, the other one has to wait: it would be lost, or hide the rest of the block.

ExtentStore::BlockRange ExtentStore::BlocksOf(const StoreRequest& request) {
  uint64_t end = request.offset + request.length;
  return {request.offset & ~(kBlockBytes - 1), (end + kBlockBytes - 1) & ~(kBlockBytes - 1)};
}

bool ExtentStore::Locked(const StoreRequest& request) const {
  BlockRange wanted = BlocksOf(request);
  return std::any_of(locked_.begin(), locked_.end(), [&](const BlockRange& range) {
    return range.begin < wanted.end && wanted.begin < range.end;
  });
}

void ExtentStore::Unlock(const BlockRange& range) {
  auto held = std::find_if(locked_.begin(), locked_.end(), [&](const BlockRange& other) {
    return other.begin == range.begin && other.end == range.end;
  });
  *held = locked_.back();
  locked_.pop_back();
  if (!lock_waiters_.empty()) Retry(&lock_waiters_);
}

}  // namespace aurochs
