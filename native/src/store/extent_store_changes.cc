// How ExtentStore changes the head: writes, unmaps, writes of zeroes.
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/limits.h"
#include "store/extent_store.h"
#include "store/store_jobs.h"

namespace aurochs {

ChangePlan::Volume ExtentStore::volume() const {
  return {index_.get(), options_.size, head_number_, layers_.back()->writes_whole_blocks()};
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
    if (edge % kBlockBytes == 0 || edge == options_.size) continue;
    if (index_->LayerAt(edge / kBlockBytes) != head_number_) continue;
    if (!layers_.back()->ReadCached(edge, 1, &byte)) return false;
  }
  for (const Fill& fill : inline_plan_.fills()) {
    if (fill.layer == 0) {
      memset(fill.data, 0, fill.length);
    } else if (!layers_[fill.layer - 1]->ReadCached(fill.offset, fill.length, fill.data)) {
      return false;
    }
  }
  inline_plan_.Overlay();
  Applied applied = ApplyChanges(*layers_.back(), inline_plan_.changes());
  RecordChanges(inline_plan_.changes(), applied);
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
  uint64_t end = request_->offset + request_->length;
  fill_error_.clear();
  applied_ = Applied();
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
  store_->pool_->Submit(this);
}

void ExtentStore::ChangeTask::Run() {
  for (const Fill& fill : plan_.fills()) {
    if (fill.layer == 0) {
      memset(fill.data, 0, fill.length);
      continue;
    }
    const Layer& layer = *store_->layers_[fill.layer - 1];
    if (int error = layer.Read(fill.offset, fill.length, fill.data)) {
      fill_error_ = layer.Describe("read", error);
      return;
    }
  }
  plan_.Overlay();
  applied_ = ApplyChanges(*store_->layers_.back(), plan_.changes());
}

void ExtentStore::ChangeTask::Finish() {
  ExtentStore* store = store_;
  StoreRequest* request = request_;
  std::string fill_error = std::move(fill_error_);
  Applied applied = applied_;
  bool changed_before = position_ > request->offset;
  if (fill_error.empty()) {
    store->RecordChanges(plan_.changes(), applied);
    if (applied.error == 0 && segment_end_ < request->offset + request->length) {
      position_ = segment_end_;
      SubmitSegment();
      return;
    }
  }
  plan_.Clear();
  store->idle_changes_.emplace_back(this);
  store->Unlock(BlocksOf(*request));
  if (fill_error.empty()) {
    store->FinishApplied(request, applied, changed_before);
  } else {
    store->FinishChange(request, Status::kIoError, fill_error.c_str());
  }
}

// ---------------------------------------------------------------------------------------------- afterwards

void ExtentStore::RecordChanges(const std::vector<Change>& changes, const Applied& applied) {
  ++changed_;
  if (applied.error != 0) return;  // what took new space is undone, the rest was the head's before
  for (const Change& change : changes) {
    uint64_t block = change.offset / kBlockBytes;
    uint64_t end = (change.offset + change.length + kBlockBytes - 1) / kBlockBytes;
    index_->Set(block, end, change.action == Change::Action::kPunch ? 0 : head_number_);
    if (change.action == Change::Action::kData) AddDirty(change.length);
  }
}

void ExtentStore::FinishApplied(StoreRequest* request, const Applied& applied, bool changed_before) {
  if (applied.error == 0) {
    FinishChange(request, Status::kOk, "");
    return;
  }
  bool changed = changed_before || applied.changed;
  std::string message = layers_.back()->Describe(applied.what, applied.error);
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
