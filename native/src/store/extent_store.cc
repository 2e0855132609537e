#include "store/extent_store.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/limits.h"
#include "store/store_jobs.h"

namespace aurochs {

namespace {

std::string CheckOptions(const ExtentStore::Options& options) {
  if (options.size == 0 || options.size % 512 != 0 || options.size > static_cast<uint64_t>(INT64_MAX) / 2) {
    return "size has to be a multiple of 512 bytes above 0";
  }
  if (options.layers.empty()) return "no layers";
  if (options.layers.size() > kLayersMax) {
    return "the chain has " + std::to_string(options.layers.size()) + " layers, more than " +
           std::to_string(kLayersMax);
  }
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
      head_number_(static_cast<uint8_t>(options_.layers.size())),
      index_(std::make_unique<ExtentIndex>((options_.size + kBlockBytes - 1) / kBlockBytes)),
      regions_(std::make_unique<RegionMap>(RegionMap::Geometry{options_.size, options_.region_bytes})),
      sync_job_(std::make_unique<SyncJob>(this)),
      map_job_(std::make_unique<MapJob>(this)),
      write_out_job_(std::make_unique<WriteOutJob>(this)) {}

ExtentStore::~ExtentStore() = default;

bool ExtentStore::OpenFiles(Error* error) {
  for (size_t i = 0; i < options_.layers.size(); ++i) {
    bool head = i + 1 == options_.layers.size();
    auto layer = Layer::Open(std::move(options_.layers[i]), options_.size, head, options_.direct,
                             &error->message, &error->system_errno);
    if (layer == nullptr) return false;
    auto number = static_cast<uint8_t>(i + 1);
    error->message = layer->Extents([&](uint64_t offset, uint64_t length) {
      uint64_t block = offset / kBlockBytes;
      uint64_t end = (offset + length + kBlockBytes - 1) / kBlockBytes;
      index_->Set(block, end, number);
      if (!head) index_->SetBelow(block, end);
    });
    if (!error->message.empty()) return false;
    layers_.push_back(std::move(layer));
  }
  MapFile::Error map_error;
  map_files_ =
      MapFiles::Open({options_.region_map_path, options_.missed_map_path}, regions_.get(), &map_error);
  if (map_files_ == nullptr) {
    *error = {map_error.message, map_error.system_errno};
    return false;
  }
  pool_ = std::make_unique<IoThreads>(loop_, options_.io_threads, "aurochs-io");
  syncs_ = std::make_unique<IoThreads>(loop_, 3, "aurochs-sync");
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
  if (request.offset > options_.size || request.length > options_.size - request.offset) {
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
    } else if (!layers_[run.layer - 1]->ReadCached(*reached, run_end - *reached, to)) {
      return false;
    }
    *reached = run_end;
  }
  return true;
}

void ExtentStore::ReadTask::Start(StoreRequest* request, uint64_t from) {
  request_ = request;
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
    error_ = store_->layers_[piece.layer - 1]->Read(piece.offset, piece.length, piece.data);
    failed_layer_ = piece.layer;
    if (error_ != 0) return;
  }
}

void ExtentStore::ReadTask::Finish() {
  ExtentStore* store = store_;
  StoreRequest* request = std::exchange(request_, nullptr);
  std::string message;
  if (error_ != 0) message = store->layers_[failed_layer_ - 1]->Describe("read", error_);
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
  for (Requests* waiting : {&region_waiters_, &dirty_waiters_, &lock_waiters_}) Retry(waiting);
}

void ExtentStore::Close(std::function<void()> done) {
  if (layers_.empty()) {
    done();
    return;
  }
  closing_ = true;
  on_closed_.push_back(std::move(done));
  FinishCloseWhenIdle();
}

void ExtentStore::FinishCloseWhenIdle() {
  if (closed_ || in_flight_ > 0 || sync_running_ || map_running_ || write_out_running_) return;
  closed_ = true;
  // Posted, since this may be called by a job of the threads that are joined here.
  loop_->Post([this] {
    pool_.reset();
    syncs_.reset();
    map_files_.reset();
    layers_.clear();
    for (auto& done : std::exchange(on_closed_, {})) done();
  });
}

ExtentStore::Stats ExtentStore::stats() const {
  Stats stats{};
  stats.reads = reads_.load(std::memory_order_relaxed);
  stats.writes = writes_.load(std::memory_order_relaxed);
  stats.flushes = flushes_.load(std::memory_order_relaxed);
  stats.syncs = sync_count_.load(std::memory_order_relaxed);
  stats.region_map_writes = map_writes_.load(std::memory_order_relaxed);
  stats.damaged_map_blocks = regions_->damaged_blocks();
  stats.dirty_regions = regions_->dirty_regions();
  stats.index_bytes = index_->bytes();
  for (size_t i = options_.backing ? 1 : 0; i < layers_.size(); ++i) {
    stats.allocated_bytes += layers_[i]->AllocatedBytes();
  }
  return stats;
}

}  // namespace aurochs
