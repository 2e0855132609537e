// The StoreBackend over a replica's files: what may be written when, on which thread, and what is answered.
//
// The life of a write: not held -> region map (wait until the region is marked durably) -> room for dirty
// data
// -> block locks -> plan -> apply, inline or on a helper thread -> extent index -> with FUA a shared sync ->
// Done. How the chain of files changes meanwhile: extent_store_chain.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "store/chain.h"
#include "store/change_plan.h"
#include "store/extent_index.h"
#include "store/io_threads.h"
#include "store/map_files.h"
#include "store/region_map.h"
#include "store/store.h"

namespace aurochs {

class ExtentStore final : public StoreBackend {
 public:
  struct Options : ChainSpec {
    bool direct = false;  // O_DIRECT instead of the page cache
    std::string region_map_path;
    std::string missed_map_path;  // empty: what others miss cannot be tracked
    std::string zero_map_path;    // empty: which zeros of the head are meant is not told
    /// What was written, and is not on the disk, is gone: the machine was restarted since, or the disk away.
    bool page_cache_lost = false;
    uint64_t region_bytes = 0;
    int io_threads = 1;
  };
  using Error = StoreError;
  struct Stats {
    uint64_t reads, writes, changes, flushes, syncs, region_map_writes, damaged_map_blocks;
    uint64_t dirty_regions, index_bytes, allocated_bytes, interrupted_bytes;
  };
  using Callback = std::function<void(Status, const char*)>;
  /// How far it is, and how far it has to go: bytes.
  using Progress = std::function<void(uint64_t, uint64_t)>;
  /// The store is of no use any more: a sync failed or a failed change could not be undone.
  using FatalCallback = std::function<void(const Error&)>;

  /// Opens the files and loads the index: may take seconds. Null with `error` set when it cannot.
  static std::unique_ptr<ExtentStore> Open(Options options, EventLoop* loop, FatalCallback on_fatal,
                                           Error* error);
  /// After Close is done, or when nothing was ever submitted.
  ~ExtentStore();

  uint64_t size() const override { return size_; }
  uint64_t allocated_bytes() const override { return stats().allocated_bytes; }
  uint64_t changes() const override { return changes_.load(std::memory_order_relaxed); }
  void Submit(StoreRequest* request) override;

  void Inherit();
  void Agreed(Callback done);
  void Release(Callback done);
  /// Writes what inherited regions hold once more: a sync of it may have failed. Not while changes are made.
  void Rewrite(Callback done);
  /// What replicas that are away miss (missed_map.h): begins anew, ends, tells. Durable when done.
  void TrackMissed(uint64_t since, Callback done);
  void ForgetMissed(Callback done);
  struct Missed {
    uint64_t since;  // generation; 0 when nothing is tracked
    std::vector<uint8_t> bitmap;
  };
  Missed GetMissed() const;

  // ---- the chain, see native/index.ts
  void HoldChanges(bool flush, Callback done);
  void ResumeChanges();
  void PrepareHead(std::string path, uint64_t size, Callback done);
  void PrepareLayers(ChainSpec spec, Callback done);
  void SwitchLayers(Callback done);
  void SetRemovedLayers(std::vector<std::string> paths, Callback done);
  void RenameLayer(std::string from, std::string to, Callback done);
  void MergeLayers(const std::string& lower, const std::string& upper, Progress progress, Callback done);
  void PruneLayer(const std::string& path, Progress progress, Callback done);

  /// `done` is called when nothing is in flight and the files are closed. Later requests are refused.
  /// Idempotent.
  void Close(std::function<void()> done);

  // ---- any thread, until Close
  Stats stats() const;
  std::vector<uint8_t> InheritedRegions() const;

 private:
  class ReadTask;
  class ChangeTask;
  class FilesJob;
  class SyncJob;
  class MapJob;
  class WriteOutJob;
  class BackgroundJob;
  struct Merge;
  struct Prune;
  struct Prepared;
  struct InternalFlush;
  struct SyncWaiter {
    StoreRequest* request;
    uint64_t ticket;  // see RegionMap::SettleTicket
  };
  struct BlockRange {
    uint64_t begin;  // bytes, whole blocks
    uint64_t end;
  };
  using Requests = std::vector<StoreRequest*>;

  ExtentStore(Options options, EventLoop* loop, FatalCallback on_fatal);
  bool OpenFiles(Error* error);

  std::shared_ptr<const Chain> Adopt(Chain chain);
  void Publish(Chain next, std::function<void()> old_retired);
  void Retire(const Chain* chain);
  void RunOn(IoThreads* threads, std::function<void()> work, std::function<void()> then);
  void InBackground(std::function<void()> work, std::function<void()> then);
  void ReleaseHeld();
  bool Usable(const Callback& done) const;
  void Prepare(ChainSpec spec, bool head_only, const Callback& done);
  std::string RemovedIds(const std::vector<std::string>& paths, std::vector<uint8_t>* ids) const;
  void FitMapFiles(uint64_t bytes, std::function<void(const MapFile::Error&)> then);
  void FitMapToGrowing();
  void FinishGrowing(const MapFile::Error& error);
  void FitMapToSwitch();
  void TakeMap();
  void GoOnWithMap();
  void SwitchZeros();
  void FinishSwitch();
  void SwitchToHead();
  void SwitchToLayers();

  void ContinueMerge();
  void FinishMerge();
  void RenameMerged(uint64_t chunk);
  void EndMerge(Status status, const std::string& message);
  void ContinuePrune();
  void FreePruned();
  void EndPrune(Status status, const std::string& message);

  void MarkUnsynced(const std::shared_ptr<Layer>& layer);

  const char* Refusal(const StoreRequest& request, Status* status) const;
  ChangePlan::Volume volume() const;
  void Complete(StoreRequest* request, Status status, const char* message);

  void Read(StoreRequest* request);
  bool ReadBlocksCached(uint64_t begin, uint64_t end, uint8_t* data, uint64_t* reached);
  void ListExtents(StoreRequest* request);

  void BeginChange(StoreRequest* request);
  void ContinueChange(StoreRequest* request);
  bool WriteInline(StoreRequest* request);
  void RecordChanges(const Chain& chain, const std::vector<Change>& changes, const Applied& applied);
  void FinishApplied(StoreRequest* request, const Applied& applied, bool changed_before);
  void ChangeApplied();
  bool ZerosMarked(const std::vector<Change>& changes);
  void RetryZeroing();
  void FinishChange(StoreRequest* request, Status status, const char* message);
  void Retry(Requests* waiting);
  bool Locked(const StoreRequest& request) const;
  void Unlock(const BlockRange& range);
  static BlockRange BlocksOf(const StoreRequest& request);

  void BeginFlush(StoreRequest* request);
  Callback ThenFlush(Callback done);
  void StartSync();
  void FinishSync(const std::string& error, int system_errno);
  void StartMapRound();
  void FinishMapRound(const MapFile::Error& error);
  void AfterMapRound(Callback done);
  void BeginRelease(Callback done);
  void AddDirty(uint64_t bytes);
  void FinishWriteOut(const std::string& error, int system_errno);
  void Poison(std::string message, int system_errno);
  void FinishCloseWhenIdle();

  Options options_;
  EventLoop* loop_;
  FatalCallback on_fatal_;
  // These three are replaced on the loop's thread under mutex_, and used under it on others.
  mutable std::mutex mutex_;
  std::shared_ptr<const Chain> chain_;
  std::unique_ptr<ExtentIndex> index_;
  std::unique_ptr<MapFiles> map_files_;
  std::unique_ptr<RegionMap> regions_;
  uint64_t size_ = 0;                 // bytes
  std::unique_ptr<HeadZeros> zeros_;  // of the head; null: its zeros need no marks
  uint64_t interrupted_bytes_ = 0;    // dropped when it was opened
  std::unique_ptr<IoThreads> pool_;
  std::unique_ptr<IoThreads> syncs_;       // one thread each: data sync, region map, write-out
  std::unique_ptr<IoThreads> background_;  // one thread: opens and closes files, merges, prunes
  size_t background_jobs_ = 0;

  ChangePlan inline_plan_;
  std::vector<std::unique_ptr<ReadTask>> idle_reads_;
  std::vector<std::unique_ptr<ChangeTask>> idle_changes_;
  std::vector<BlockRange> locked_;   // blocks that helper threads are changing
  size_t applying_ = 0;              // change tasks that helper threads have
  std::vector<ChangeTask*> parked_;  // between two segments while changes are held
  Requests held_waiters_;
  bool held_ = false;
  Callback hold_done_;  // until all changes are held

  std::unique_ptr<Prepared> prepared_;
  bool preparing_ = false;
  std::unique_ptr<Prepared> growing_;  // prepared but for the region map's files, which are made to fit it
  Callback growing_done_;
  Callback switch_done_;  // while the switch waits for the region map
  std::unique_ptr<Merge> merge_;
  std::unique_ptr<Prune> prune_;

  std::vector<ChangeTask*> zero_waiters_;  // for marks in zeros_
  Requests region_waiters_;
  Requests dirty_waiters_;
  Requests lock_waiters_;

  std::unique_ptr<SyncJob> sync_job_;
  std::vector<SyncWaiter> sync_waiters_;  // share the next sync
  std::vector<SyncWaiter> syncing_;       // share the one under way
  bool sync_running_ = false;
  std::vector<std::shared_ptr<Layer>> unsynced_;  // files changed since the last sync began
  // Changes finished so far, those of earlier processes counted as one; and how many of them are durable.
  uint64_t changed_ = 1;
  uint64_t synced_ = 0;
  uint64_t sync_covers_ = 0;

  std::unique_ptr<MapJob> map_job_;
  bool map_running_ = false;
  std::vector<Callback> map_waiters_;
  std::vector<Callback> map_finishing_;

  std::unique_ptr<WriteOutJob> write_out_job_;
  bool write_out_running_ = false;
  uint64_t dirty_bytes_ = 0;  // written since the last write-out or sync began

  uint64_t in_flight_ = 0;
  uint64_t changes_in_flight_ = 0;
  std::vector<Callback> releases_;  // wait until no change is in flight
  bool poisoned_ = false;
  std::string poison_;
  std::vector<std::function<void()>> on_closed_;
  bool closing_ = false;
  bool closed_ = false;

  std::atomic<uint64_t> reads_{0}, writes_{0}, changes_{0}, flushes_{0}, sync_count_{0}, map_writes_{0};
};

}  // namespace aurochs
