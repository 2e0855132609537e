#include "store/extent_store.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/limits.h"
#include "store/chain_work.h"
#include "store/store_jobs.h"

namespace aurochs {

namespace {

std::string CheckOptions(const ExtentStore::Options& options) {
  if (std::string problem = CheckChain(options); !problem.empty()) return problem;
  if (!std::has_single_bit(options.region_bytes) || options.region_bytes < kBlockBytes) {
    return "regionSize has to be a power of two of at least 4096 bytes";
  }
  if (options.io_threads < 1 || options.io_threads > kIoThreadsMax) {
    return "ioThreads has to be 1 to " + std::to_string(kIoThreadsMax);
  }
  return {};
}

}  // namespace

std::unique_ptr<ExtentStore> ExtentStore::Open(Options options, EventLoop* loop, FatalCallback on_fatal,
                                               Error* error) {
  error->message = CheckOptions(options);
  if (!error->message.empty()) return nullptr;
  std::unique_ptr<ExtentStore> store(new ExtentStore(std::move(options), loop, std::move(on_fatal)));
  return store->OpenFiles(error) ? std::move(store) : nullptr;
}

ExtentStore::ExtentStore(Options options, EventLoop* loop, FatalCallback on_fatal)
    : options_(std::move(options)),
      loop_(loop),
      on_fatal_(std::move(on_fatal)),
      regions_(std::make_unique<RegionMap>(RegionMap::Geometry{options_.size, options_.region_bytes})),
      size_(options_.size),
      sync_job_(std::make_unique<SyncJob>(this)),
      map_job_(std::make_unique<MapJob>(this)),
      write_out_job_(std::make_unique<WriteOutJob>(this)) {}

ExtentStore::~ExtentStore() {
  background_.reset();
  chain_.reset();  // see Retire
}

bool ExtentStore::OpenFiles(Error* error) {
  MapFile::Error map_error;
  map_files_ = MapFiles::Open({options_.region_map_path, options_.missed_map_path}, &regions_, &map_error);
  if (map_files_ == nullptr) {
    *error = {map_error.message, map_error.system_errno};
    return false;
  }
  ZerosSpec zeros{options_.zero_map_path, options_.zero_map_path, {}, options_.region_bytes};
  if (options_.page_cache_lost) zeros.lost_regions = regions_->InheritedBytes();
  LoadedChain loaded;
  if (!LoadChain(std::move(options_), options_.direct, nullptr, zeros, &loaded, error)) return false;
  zeros_ = std::move(loaded.zeros);
  interrupted_bytes_ = loaded.interrupted_bytes;
  chain_ = Adopt(std::move(*loaded.chain));
  index_ = std::move(loaded.index);
  // What an earlier process has written may not be durable yet, in the head as in those before it.
  for (size_t i = chain_->order.size(); i > (chain_->backing ? 1 : 0); --i) {
    unsynced_.push_back(chain_->files[chain_->order[i - 1]]);
  }
  pool_ = std::make_unique<IoThreads>(loop_, options_.io_threads, "aurochs-io");
  syncs_ = std::make_unique<IoThreads>(loop_, 3, "aurochs-sync");
  background_ = std::make_unique<IoThreads>(loop_, 1, "aurochs-chain");
  return true;
}

// ---------------------------------------------------------------------------------------------- requests

const char* ExtentStore::Refusal(const StoreRequest& request, Status* status) const {
  if (closing_) {
    *status = Status::kNotOpen;
    return "the store is closed";
  }
  if (poisoned_) {
    *status = Status::kIoError;
    return poison_.c_str();
  }
  if (request.kind == StoreRequest::Kind::kFlush) return nullptr;
  *status = Status::kInvalid;
  if (request.length == 0 || (request.offset | request.length) % 512 != 0) {
    return "offset and length have to be multiples of 512, length above 0";
  }
  bool has_payload = request.kind == StoreRequest::Kind::kRead || request.kind == StoreRequest::Kind::kWrite;
  if (has_payload && request.payload.length != request.length) return "the payload has another length";
  if (request.offset > size_ || request.length > size_ - request.offset) {
    *status = Status::kOutOfRange;
    return "the range passes the end of the volume";
  }
  return nullptr;
}

void ExtentStore::Submit(StoreRequest* request) {
  Status status = Status::kOk;
  if (const char* refusal = Refusal(*request, &status)) {
    request->Done(status, refusal);
    return;
  }
  ++in_flight_;
  switch (request->kind) {
    case StoreRequest::Kind::kRead:
      Read(request);
      return;
    case StoreRequest::Kind::kFlush:
      BeginFlush(request);
      return;
    case StoreRequest::Kind::kExtents:
      ListExtents(request);
      return;
    case StoreRequest::Kind::kWrite:
    case StoreRequest::Kind::kUnmap:
    case StoreRequest::Kind::kWriteZeroes:
      BeginChange(request);
      return;
  }
}

void ExtentStore::Complete(StoreRequest* request, Status status, const char* message) {
  using Kind = StoreRequest::Kind;
  bool is_change =
      request->kind == Kind::kWrite || request->kind == Kind::kUnmap || request->kind == Kind::kWriteZeroes;
  // Of a copy that failed one, the other must not look as far.
  if (is_change && status == Status::kOk)
    changes_.store(changes_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  request->Done(status, message);
  --in_flight_;
  if (closing_) FinishCloseWhenIdle();
}

// ---------------------------------------------------------------------------------------------- reading

void ExtentStore::Read(StoreRequest* request) {
  reads_.store(reads_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  uint64_t reached = request->offset;
  uint64_t end = request->offset + request->length;
  if (!options_.direct && ReadBlocksCached(request->offset, end, request->payload.data(), &reached)) {
    Complete(request, Status::kOk, "");
    return;
  }
  if (idle_reads_.empty()) idle_reads_.push_back(std::make_unique<ReadTask>(this));
  ReadTask* task = idle_reads_.back().release();
  idle_reads_.pop_back();
  task->Start(request, reached);
}

bool ExtentStore::ReadBlocksCached(uint64_t begin, uint64_t end, uint8_t* data, uint64_t* reached) {
  uint64_t last = (end + kBlockBytes - 1) / kBlockBytes;
  for (*reached = begin; *reached < end;) {
    auto run = index_->RunAt(*reached / kBlockBytes, last);
    uint64_t run_end = std::min(run.end * kBlockBytes, end);
    uint8_t* to = data + (*reached - begin);
    if (run.layer == 0) {
      memset(to, 0, run_end - *reached);
    } else if (!chain_->file(run.layer).ReadCached(*reached, run_end - *reached, to)) {
      return false;
    }
    *reached = run_end;
  }
  return true;
}

void ExtentStore::ReadTask::Start(StoreRequest* request, uint64_t from) {
  request_ = request;
  chain_ = store_->chain_;
  error_ = 0;
  pieces_.clear();
  uint64_t end = request->offset + request->length;
  uint64_t last = (end + kBlockBytes - 1) / kBlockBytes;
  while (from < end) {
    auto run = store_->index_->RunAt(from / kBlockBytes, last);
    uint64_t run_end = std::min(run.end * kBlockBytes, end);
    uint8_t* to = request->payload.data() + (from - request->offset);
    if (run.layer == 0) {
      memset(to, 0, run_end - from);
    } else {
      pieces_.push_back({from, run_end - from, run.layer, to});
    }
    from = run_end;
  }
  store_->pool_->Submit(this);
}

void ExtentStore::ReadTask::Run() {
  for (const Piece& piece : pieces_) {
    error_ = chain_->file(piece.layer).Read(piece.offset, piece.length, piece.data);
    failed_layer_ = piece.layer;
    if (error_ != 0) return;
  }
}

void ExtentStore::ReadTask::Finish() {
  ExtentStore* store = store_;
  StoreRequest* request = std::exchange(request_, nullptr);
  std::string message;
  if (error_ != 0) message = chain_->file(failed_layer_).Describe("read", error_);
  chain_.reset();
  Status status = error_ == 0 ? Status::kOk : Status::kIoError;
  store->idle_reads_.emplace_back(this);
  store->Complete(request, status, message.c_str());
}

void ExtentStore::ListExtents(StoreRequest* request) {
  request->extents.clear();
  uint64_t end = request->offset + request->length;
  uint64_t last = (end + kBlockBytes - 1) / kBlockBytes;
  for (uint64_t position = request->offset; position < end;) {
    auto run = index_->RunAt(position / kBlockBytes, last);
    uint64_t run_end = std::min(run.end * kBlockBytes, end);
    auto& extents = request->extents;
    if (run.layer != 0) {
      if (!extents.empty() && extents.back().first + extents.back().second == position) {
        extents.back().second += run_end - position;
      } else {
        extents.emplace_back(position, run_end - position);
      }
    }
    position = run_end;
  }
  Complete(request, Status::kOk, "");
}

// ---------------------------------------------------------------------------------------------- the end

void ExtentStore::Poison(std::string message, int system_errno) {
  if (poisoned_) return;
  poisoned_ = true;
  poison_ = std::move(message);
  on_fatal_({poison_, system_errno});
  for (Requests* waiting : {&region_waiters_, &dirty_waiters_, &lock_waiters_, &held_waiters_})
    Retry(waiting);
  RetryZeroing();
}

void ExtentStore::Close(std::function<void()> done) {
  if (closed_ && on_closed_.empty()) {
    done();
    return;
  }
  closing_ = true;
  on_closed_.push_back(std::move(done));
  ReleaseHeld();
  FinishCloseWhenIdle();
}

void ExtentStore::FinishCloseWhenIdle() {
  if (closed_ || in_flight_ > 0 || sync_running_ || map_running_ || write_out_running_) return;
  if (background_jobs_ > 0 || merge_ != nullptr || prune_ != nullptr || switch_done_ != nullptr) return;
  closed_ = true;
  // Posted, since this may be called by a job of the threads that are joined here.
  loop_->Post([this] {
    pool_.reset();
    syncs_.reset();
    background_.reset();
    map_files_.reset();
    zeros_.reset();
    chain_.reset();
    for (auto& done : std::exchange(on_closed_, {})) done();
  });
}

ExtentStore::Stats ExtentStore::stats() const {
  Stats stats{};
  stats.reads = reads_.load(std::memory_order_relaxed);
  stats.writes = writes_.load(std::memory_order_relaxed);
  stats.changes = changes_.load(std::memory_order_relaxed);
  stats.flushes = flushes_.load(std::memory_order_relaxed);
  stats.syncs = sync_count_.load(std::memory_order_relaxed);
  stats.interrupted_bytes = interrupted_bytes_;
  stats.region_map_writes = map_writes_.load(std::memory_order_relaxed);
  std::lock_guard lock(mutex_);
  stats.damaged_map_blocks = regions_->damaged_blocks();
  stats.dirty_regions = regions_->dirty_regions();
  stats.index_bytes = index_->bytes();
  for (size_t i = chain_->backing ? 1 : 0; i < chain_->order.size(); ++i) {
    stats.allocated_bytes += chain_->file(chain_->order[i]).AllocatedBytes();
  }
  return stats;
}

std::vector<uint8_t> ExtentStore::InheritedRegions() const {
  std::lock_guard lock(mutex_);
  return regions_->InheritedBytes();
}

}  // namespace aurochs
