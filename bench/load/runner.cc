#include "runner.h"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <optional>
#include <random>

#include "ledger.h"
#include "process_usage.h"
#include "random.h"
#include "stamp.h"
#include "workload.h"

namespace aurochs {
namespace {

constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;

// With --verify, how many offsets are tried for one that no operation uses, before waiting for an answer.
constexpr int kFreeBlockAttempts = 16;

int64_t Now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * kNanosecondsPerSecond + time.tv_nsec;
}

int64_t Nanoseconds(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

void SleepUntil(int64_t time) {
  timespec until{time / kNanosecondsPerSecond, time % kNanosecondsPerSecond};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
}

struct Free {
  void operator()(uint8_t* bytes) const { std::free(bytes); }
};

class Runner {
 public:
  Runner(const Options& options, Device* device)
      : options_(options),
        device_(device),
        range_bytes_(options.range_bytes ? options.range_bytes
                                         : device->capacity() / options.block_bytes * options.block_bytes),
        workload_(options, range_bytes_),
        requests_(options.depth),
        started_(options.depth) {
    size_t bytes = static_cast<size_t>(options.depth) * options.block_bytes;
    // O_DIRECT wants whole pages at the most, and 64 KiB is the largest page.
    data_.reset(static_cast<uint8_t*>(std::aligned_alloc(65536, (bytes + 65535) / 65536 * 65536)));
    Random random(options.seed);
    for (size_t at = 0; at + sizeof(uint64_t) <= bytes; at += sizeof(uint64_t)) {
      *reinterpret_cast<uint64_t*>(data_.get() + at) = random.Next();
    }
    for (int slot = 0; slot < options.depth; ++slot) {
      requests_[slot].slot = slot;
      requests_[slot].data = data_.get() + static_cast<size_t>(slot) * options.block_bytes;
      idle_.push_back(&requests_[slot]);
    }
    if (options.verify) ledger_.emplace(std::random_device{}(), range_bytes_);
  }

  ~Runner() {
    if (in_flight_ > 0) device_->Close();  // it holds on to requests that end here
  }

  Result Run() {
    Measure();
    if (Writes(options_.pattern) && Healthy()) FinalFlush();
    if (ledger_ && Healthy()) ReadBack();
    result_.retries = device_->retries();
    return std::move(result_);
  }

 private:
  bool Healthy() const { return result_.errors == 0; }

  void Fail(const std::string& text) {
    if (result_.errors++ == 0) result_.first_error = text;
  }

  void Measure() {
    int64_t begin = Now() + (options_.once ? 0 : Nanoseconds(options_.warmup_seconds));
    int64_t end = options_.once ? INT64_MAX : begin + Nanoseconds(options_.seconds);
    bool measuring = false;
    int64_t now = Now();
    while (Healthy()) {
      if (!measuring && now >= begin) {
        measuring = true;
        before_ = SampleCpu(options_.processes);
        begin = now = Now();
        if (!options_.once) end = begin + Nanoseconds(options_.seconds);
      }
      if (now >= end) break;
      Refill(now);
      if (in_flight_ == 0 && options_.rate > 0) {
        SleepUntil(std::min(due_, end));
        now = Now();
        continue;
      }
      if (in_flight_ == 0) break;  // --once is through
      if (!WaitSome()) break;
      now = Now();
      for (Request* request : done_) Finish(request, now, measuring && now < end);
    }
    if (measuring) TakeUsage(begin, std::min(end, now));
    Drain();
  }

  void TakeUsage(int64_t begin, int64_t end) {
    CpuSample after = SampleCpu(options_.processes);
    result_.seconds = static_cast<double>(end - begin) / 1e9;
    result_.own_microseconds = after.own - before_.own;
    result_.machine_microseconds = after.machine - before_.machine;
    for (size_t i = 0; i < options_.processes.size(); ++i) {
      bool alive = before_.processes[i] >= 0 && after.processes[i] >= 0;
      result_.processes.push_back({options_.processes[i].name, options_.processes[i].pid,
                                   alive ? after.processes[i] - before_.processes[i] : -1});
    }
  }

  // Puts every idle request to work, as far as the rate allows.
  void Refill(int64_t now) {
    while (!idle_.empty() && now >= due_) {
      Request* request = idle_.back();
      if (!Choose(request)) return;
      idle_.pop_back();
      if (ledger_ && request->kind == Request::Kind::kWrite) ledger_->StampWrite(*request);
      Send(request, now);
      if (options_.rate > 0) due_ = (due_ == 0 ? now : due_) + Nanoseconds(1 / options_.rate);
    }
  }

  bool Choose(Request* request) {
    for (int attempt = 0; attempt < kFreeBlockAttempts; ++attempt) {
      if (!workload_.Next(request)) return false;
      if (!ledger_ || ledger_->Acquire(request->offset, request->length)) return true;
    }
    return false;
  }

  void Send(Request* request, int64_t now) {
    started_[request->slot] = now;
    ++in_flight_;
    device_->Queue(request);
  }

  bool WaitSome() {
    done_.clear();
    std::string error = device_->Wait(static_cast<int>(options_.timeout_seconds * 1000), &done_);
    in_flight_ -= static_cast<int>(done_.size());
    if (error.empty() && done_.empty()) {
      error = "no answer for " + std::to_string(static_cast<int>(options_.timeout_seconds)) + " seconds";
    }
    if (error.empty()) return true;
    Fail(error);
    broken_ = true;
    return false;
  }

  void Finish(Request* request, int64_t now, bool count) {
    Check(*request);
    bool needs_flush = options_.pattern == Pattern::kWriteFlush && request->kind == Request::Kind::kWrite;
    if (needs_flush && request->error.empty()) {
      request->kind = Request::Kind::kFlush;
      request->length = 0;
      ++in_flight_;
      device_->Queue(request);
      return;
    }
    idle_.push_back(request);
    if (!count || !request->error.empty()) return;
    ++result_.operations;
    result_.bytes += options_.block_bytes;
    result_.latency.Record(now - started_[request->slot]);
  }

  void Check(const Request& request) {
    if (!request.error.empty()) {
      static constexpr const char* kNames[] = {"read", "write", "flush"};
      Fail(std::string(kNames[static_cast<int>(request.kind)]) + " at offset " +
           std::to_string(request.offset) + ": " + request.error);
    }
    if (!ledger_ || request.kind == Request::Kind::kFlush) return;
    std::string wrong = ledger_->Complete(request);
    if (!wrong.empty()) Fail("wrong data at " + wrong);
    if (request.kind == Request::Kind::kRead && request.error.empty())
      result_.verified_bytes += request.length;
  }

  void Drain() {
    while (in_flight_ > 0 && !broken_ && WaitSome()) {
      int64_t now = Now();
      for (Request* request : done_) Finish(request, now, false);
    }
  }

  // Outside the measured time, so that the next run does not pay for this one's dirty pages.
  void FinalFlush() {
    Request* request = idle_.back();
    idle_.pop_back();
    request->kind = Request::Kind::kFlush;
    request->length = 0;
    Send(request, Now());
    Drain();
  }

  void ReadBack() {
    uint64_t position = 0;
    while (Healthy()) {
      while (!idle_.empty() && position < range_bytes_) {
        if (ledger_->Knows(position, options_.block_bytes)) {
          Request* request = idle_.back();
          idle_.pop_back();
          request->kind = Request::Kind::kRead;
          request->offset = position;
          request->length = options_.block_bytes;
          Send(request, Now());
        }
        position += options_.block_bytes;
      }
      if (in_flight_ == 0 || !WaitSome()) return;
      int64_t now = Now();
      for (Request* request : done_) Finish(request, now, false);
    }
    Drain();
  }

  const Options& options_;
  Device* device_;
  uint64_t range_bytes_;
  Workload workload_;
  std::unique_ptr<uint8_t, Free> data_;
  std::vector<Request> requests_;  // by slot
  std::vector<int64_t> started_;   // by slot, nanoseconds
  std::vector<Request*> idle_;
  std::vector<Request*> done_;
  int in_flight_ = 0;
  int64_t due_ = 0;      // nanoseconds: when the rate allows the next operation
  bool broken_ = false;  // the device as a whole
  std::optional<Ledger> ledger_;
  CpuSample before_;
  Result result_;
};

}  // namespace

Result RunLoad(const Options& options, Device* device) { return Runner(options, device).Run(); }

}  // namespace aurochs
