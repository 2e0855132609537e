// The closed loop over a real file and over a device that misbehaves.
#include "runner.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>

#include "file_device.h"

namespace aurochs {
namespace {

// A memory disk that can lose the nth write or fail the nth operation.
class MemoryDevice final : public Device {
 public:
  explicit MemoryDevice(size_t bytes) : bytes_(bytes) {}

  uint64_t capacity() const override { return bytes_.size(); }
  uint32_t block_bytes() const override { return 512; }

  void Queue(Request* request) override {
    in_flight_.push_back(request);
    most_in_flight_ = std::max(most_in_flight_, in_flight_.size());
  }

  std::string Wait(int, std::vector<Request*>* done) override {
    if (hang_) return {};
    Request* request = in_flight_.front();
    in_flight_.pop_front();
    ++operations_;
    request->error = operations_ == fail_at_ ? "broken" : "";
    uint8_t* place = bytes_.data() + request->offset;
    if (request->kind == Request::Kind::kRead) std::memcpy(request->data, place, request->length);
    if (request->kind == Request::Kind::kWrite && operations_ != lose_at_) {
      std::memcpy(place, request->data, request->length);
    }
    flushes_ += request->kind == Request::Kind::kFlush;
    done->push_back(request);
    return {};
  }

  void Close() override { in_flight_.clear(); }
  size_t in_flight() const { return in_flight_.size(); }

  uint64_t fail_at_ = 0;
  uint64_t lose_at_ = 0;
  bool hang_ = false;
  uint64_t operations_ = 0;
  uint64_t flushes_ = 0;
  size_t most_in_flight_ = 0;

 private:
  std::vector<uint8_t> bytes_;
  std::deque<Request*> in_flight_;
};

Options Short(Pattern pattern) {
  Options options;
  options.pattern = pattern;
  options.depth = 8;
  options.seconds = 0.05;
  options.warmup_seconds = 0.01;
  options.timeout_seconds = 5;
  return options;
}

TEST(Runner, KeepsTheDepthAndCountsWhatItMeasured) {
  MemoryDevice device(1 << 20);
  Result result = RunLoad(Short(Pattern::kRandomWrite), &device);
  EXPECT_EQ(result.errors, 0u) << result.first_error;
  EXPECT_EQ(device.most_in_flight_, 8u);
  EXPECT_GT(result.operations, 0u);
  EXPECT_LT(result.operations, device.operations_);  // the warm-up does not count
  EXPECT_EQ(result.bytes, result.operations * 4096);
  EXPECT_EQ(result.latency.count(), result.operations);
  EXPECT_EQ(device.flushes_, 1u);
}

TEST(Runner, NeverGoesFasterThanTheRate) {
  MemoryDevice device(1 << 20);
  Options options = Short(Pattern::kRandomWrite);
  options.rate = 200;
  auto begin = std::chrono::steady_clock::now();
  Result result = RunLoad(options, &device);
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  EXPECT_EQ(result.errors, 0u) << result.first_error;
  EXPECT_GT(device.operations_, 2u);
  EXPECT_LE(static_cast<double>(device.operations_ - device.flushes_), seconds * options.rate + 1);
}

TEST(Runner, WriteFlushFlushesAfterEveryWrite) {
  MemoryDevice device(1 << 20);
  Result result = RunLoad(Short(Pattern::kWriteFlush), &device);
  EXPECT_EQ(result.errors, 0u);
  EXPECT_EQ(device.operations_, 2 * (device.flushes_ - 1) + 1);
  EXPECT_LE(result.operations, device.flushes_);
}

TEST(Runner, OnePassReadsEveryBlock) {
  MemoryDevice device(100 * 4096);
  Options options = Short(Pattern::kSequentialRead);
  options.once = true;
  Result result = RunLoad(options, &device);
  EXPECT_EQ(result.operations, 100u);
  EXPECT_EQ(device.operations_, 100u);
}

TEST(Runner, VerifyReadsBackEverythingThatWasWritten) {
  MemoryDevice device(64 * 4096);
  Options options = Short(Pattern::kSequentialWrite);
  options.once = options.verify = true;
  Result result = RunLoad(options, &device);
  EXPECT_EQ(result.errors, 0u) << result.first_error;
  EXPECT_EQ(result.verified_bytes, 64u * 4096);
}

TEST(Runner, VerifyFindsALostWrite) {
  MemoryDevice device(64 * 4096);
  device.lose_at_ = 40;
  Options options = Short(Pattern::kSequentialWrite);
  options.once = options.verify = true;
  Result result = RunLoad(options, &device);
  EXPECT_EQ(result.errors, 1u);
  EXPECT_EQ(result.first_error, "wrong data at offset 159744: zeros instead of write 1");
}

TEST(Runner, VerifyWithMoreDepthThanBlocksStillRuns) {
  MemoryDevice device(4 * 4096);
  Options options = Short(Pattern::kMixed);
  options.verify = true;
  Result result = RunLoad(options, &device);
  EXPECT_EQ(result.errors, 0u) << result.first_error;
  EXPECT_LE(device.most_in_flight_, 4u);
}

TEST(Runner, AnErrorEndsTheRunAndIsNamed) {
  MemoryDevice device(1 << 20);
  device.fail_at_ = 3;
  Options options = Short(Pattern::kSequentialRead);
  Result result = RunLoad(options, &device);
  EXPECT_EQ(result.errors, 1u);
  EXPECT_EQ(result.first_error, "read at offset 8192: broken");
}

TEST(Runner, ADeviceThatNeverAnswersIsAnError) {
  MemoryDevice device(1 << 20);
  device.hang_ = true;
  Result result = RunLoad(Short(Pattern::kRandomRead), &device);
  EXPECT_EQ(result.errors, 1u);
  EXPECT_EQ(result.first_error, "no answer for 5 seconds");
  EXPECT_EQ(device.in_flight(), 0u);
}

TEST(Runner, VerifiesMixedOperationsOnARealFile) {
  char path[] = "/tmp/aurochs-load-XXXXXX";
  int fd = mkstemp(path);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(ftruncate(fd, 1 << 20), 0);
  Options options = Short(Pattern::kMixed);
  options.file = path;
  options.buffered = true;  // the temporary directory may be a tmpfs
  options.verify = true;
  options.read_percent = 50;
  options.processes = {{"self", getpid()}, {"nobody", 1 << 22}};
  std::string error;
  auto device = OpenFileDevice(options, &error);
  ASSERT_NE(device, nullptr) << error;
  Result result = RunLoad(options, device.get());
  EXPECT_EQ(result.errors, 0u) << result.first_error;
  EXPECT_GT(result.verified_bytes, 0u);
  ASSERT_EQ(result.processes.size(), 2u);
  EXPECT_GT(result.processes[0].microseconds, 0);
  EXPECT_EQ(result.processes[1].microseconds, -1);
  close(fd);
  unlink(path);
}

TEST(FileDevice, NamesTheFileThatIsNotThere) {
  Options options;
  options.file = "/nonexistent/file";
  std::string error;
  EXPECT_EQ(OpenFileDevice(options, &error), nullptr);
  EXPECT_EQ(error, "/nonexistent/file: No such file or directory");
}

}  // namespace
}  // namespace aurochs
