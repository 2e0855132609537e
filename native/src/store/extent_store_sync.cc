// What ExtentStore does about durability: flushes, the region map, write-out.
#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "store/extent_store.h"
#include "store/store_jobs.h"

namespace aurochs {

/// A flush that the store asks of itself.
struct ExtentStore::InternalFlush final : StoreRequest {
  explicit InternalFlush(Callback callback) : done(std::move(callback)) { kind = Kind::kFlush; }
  void Done(Status status, const char* message) override {
    done(status, message);
    delete this;
  }
  Callback done;
};

// ---------------------------------------------------------------------------------------------- flush

void ExtentStore::BeginFlush(StoreRequest* request) {
  flushes_.store(flushes_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  uint64_t ticket = regions_->SettleTicket(request->settled);
  regions_->StartEpoch(request->mark);
  if (changed_ == synced_) {
    if (ticket != 0) regions_->Settle(ticket);
    Complete(request, Status::kOk, "");
    return;
  }
  sync_waiters_.push_back({request, ticket});
  StartSync();
}

ExtentStore::Callback ExtentStore::ThenFlush(Callback done) {
  return [this, done = std::move(done)](Status status, const char* message) {
    if (status != Status::kOk) {
      done(status, message);
    } else {
      Submit(new InternalFlush(done));
    }
  };
}

void ExtentStore::StartSync() {
  if (sync_running_ || sync_waiters_.empty()) return;
  sync_running_ = true;
  syncing_ = std::exchange(sync_waiters_, {});
  sync_covers_ = changed_;
  if (!write_out_running_) dirty_bytes_ = 0;
  sync_job_->Start(std::exchange(unsynced_, {}));
}

void ExtentStore::MarkUnsynced(const std::shared_ptr<Layer>& layer) {
  if (std::find(unsynced_.begin(), unsynced_.end(), layer) == unsynced_.end()) unsynced_.push_back(layer);
}

void ExtentStore::FilesJob::Start(std::vector<std::shared_ptr<Layer>> files) {
  files_ = std::move(files);
  error_.clear();
  store_->syncs_->Submit(this);
}

void ExtentStore::FilesJob::Run() {
  for (const auto& file : files_) {
    system_errno_ = Work(*file);
    if (system_errno_ == 0) continue;
    error_ = file->Describe(what_, system_errno_);
    break;
  }
  files_.clear();  // here, since closing a file that has no name any more may take long
}

void ExtentStore::FinishSync(const std::string& error, int system_errno) {
  sync_running_ = false;
  sync_count_.store(sync_count_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (error.empty()) {
    synced_ = sync_covers_;
  } else {
    // The kernel may have dropped the dirty pages that it could not write, and tells it once only.
    Poison(error, system_errno);
  }
  auto waiters = std::exchange(syncing_, {});
  StartSync();
  for (const SyncWaiter& waiter : waiters) {
    if (poisoned_) {
      Complete(waiter.request, Status::kIoError, poison_.c_str());
      continue;
    }
    if (waiter.ticket != 0) regions_->Settle(waiter.ticket);
    Complete(waiter.request, Status::kOk, "");
  }
  if (closing_) FinishCloseWhenIdle();
}

// ---------------------------------------------------------------------------------------------- region map

void ExtentStore::MapJob::Start(RegionMap::Round round, std::vector<MapBlockImage> zeros) {
  round_ = std::move(round);
  zeros_ = std::move(zeros);
  error_ = MapFile::Error();
  store_->syncs_->Submit(this);
}

void ExtentStore::MapJob::Run() {
  if (zeros_.empty() || store_->zeros_->Write(zeros_, &error_)) store_->map_files_->Write(round_, &error_);
}

void ExtentStore::StartMapRound() {
  if (map_running_ || growing_ != nullptr || switch_done_ != nullptr) return;
  bool zeros_wait = zeros_ != nullptr && zeros_->map().needs_write();
  if (!zeros_wait && !regions_->needs_write()) return;
  map_running_ = true;
  map_finishing_ = std::exchange(map_waiters_, {});
  map_writes_.store(map_writes_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  map_job_->Start(regions_->TakeImages(),
                  zeros_wait ? zeros_->map().TakeImages() : std::vector<MapBlockImage>());
}

void ExtentStore::FinishMapRound(const MapFile::Error& error) {
  map_running_ = false;
  auto callbacks = std::exchange(map_finishing_, {});
  if (error.message.empty()) {
    regions_->Written();
    if (zeros_ != nullptr) zeros_->map().Written();
    if (map_files_->missed_refused()) regions_->MissedRefused();
  } else {
    Poison(error.message, error.system_errno);
  }
  if (growing_ != nullptr) FitMapToGrowing();
  if (switch_done_ != nullptr) FitMapToSwitch();
  RetryZeroing();
  Retry(&region_waiters_);
  if (poisoned_) {
    for (auto& callback : std::exchange(map_waiters_, {})) callbacks.push_back(std::move(callback));
  } else {
    StartMapRound();
  }
  for (auto& callback : callbacks) callback(poisoned_ ? Status::kIoError : Status::kOk, poison_.c_str());
  if (closing_) FinishCloseWhenIdle();
}

// Makes it durable that regions were forgotten.
void ExtentStore::AfterMapRound(Callback done) {
  regions_->WantForgotten();
  if (poisoned_ || !regions_->needs_write()) {
    done(poisoned_ ? Status::kIoError : Status::kOk, poison_.c_str());
    return;
  }
  map_waiters_.push_back(std::move(done));
  StartMapRound();
}

void ExtentStore::Inherit() { regions_->Inherit(); }

void ExtentStore::Agreed(Callback done) {
  uint64_t inherited = regions_->inherit_count();
  // An inherited bit also stands for a write of an earlier process that may not be durable yet.
  Submit(new InternalFlush([this, inherited, done = std::move(done)](Status status, const char* message) {
    if (status != Status::kOk) {
      done(status, message);
    } else if (inherited != regions_->inherit_count()) {
      done(Status::kInvalid, "another engine took over meanwhile");
    } else {
      regions_->ForgetInherited();
      AfterMapRound(done);
    }
  }));
}

void ExtentStore::Release(Callback done) {
  if (changes_in_flight_ > 0) {
    releases_.push_back(std::move(done));
  } else {
    BeginRelease(std::move(done));
  }
}

void ExtentStore::BeginRelease(Callback done) {
  uint64_t inherited = regions_->inherit_count();
  uint64_t ticket = regions_->CloseEpoch();
  Submit(new InternalFlush(
      [this, inherited, ticket, done = std::move(done)](Status status, const char* message) {
        if (status != Status::kOk) {
          done(status, message);
        } else if (inherited != regions_->inherit_count() || !regions_->Settle(ticket)) {
          done(Status::kInvalid, "the replica was taken into use again meanwhile");
        } else {
          regions_->ForgetInherited();
          AfterMapRound(done);
        }
      }));
}

// ---------------------------------------------------------------------------------------------- what others
// miss

void ExtentStore::TrackMissed(uint64_t since, Callback done) {
  if (options_.missed_map_path.empty()) {
    done(Status::kInvalid, "the store was opened without a place for what replicas miss");
    return;
  }
  regions_->TrackMissed(since);
  AfterMapRound([this, since, done = std::move(done)](Status status, const char* message) {
    bool refused = status == Status::kOk && regions_->missed().since() != since;
    if (refused) {
      done(Status::kNoSpace, "there is no space for the map of what replicas miss");
    } else {
      done(status, message);
    }
  });
}

void ExtentStore::ForgetMissed(Callback done) {
  if (!options_.missed_map_path.empty()) regions_->ForgetMissed();
  AfterMapRound(std::move(done));
}

ExtentStore::Missed ExtentStore::GetMissed() const {
  uint64_t since = regions_->missed().since();
  return {since, since == 0 ? std::vector<uint8_t>() : regions_->MissedBytes()};
}

// ---------------------------------------------------------------------------------------------- write-out

void ExtentStore::AddDirty(uint64_t bytes) {
  if (options_.direct) return;
  dirty_bytes_ += bytes;
  if (dirty_bytes_ < kWriteOutBytes || write_out_running_) return;
  write_out_running_ = true;
  dirty_bytes_ = 0;
  write_out_job_->Start(unsynced_);
}

void ExtentStore::FinishWriteOut(const std::string& error, int system_errno) {
  write_out_running_ = false;
  if (!error.empty()) Poison(error, system_errno);
  AddDirty(0);
  Retry(&dirty_waiters_);
  if (closing_) FinishCloseWhenIdle();
}

}  // namespace aurochs
