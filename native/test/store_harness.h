// Real files in a directory of their own, and a store over them whose calls wait.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "store/extent_store.h"

namespace aurochs {

/// On a disk file system with FIEMAP and O_DIRECT: /tmp may be memory. AUROCHS_TEST_DIR says where else.
class TestDirectory {
 public:
  TestDirectory() {
    const char* base = getenv("AUROCHS_TEST_DIR");
    std::string pattern = std::string(base != nullptr ? base : "/var/tmp") + "/aurochs-store-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) abort();
    path_ = pattern;
  }
  ~TestDirectory() { std::filesystem::remove_all(path_); }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;

  std::string At(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

using Bytes = std::vector<uint8_t>;

inline void MakeSparseFile(const std::string& path, uint64_t size) {
  int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  ASSERT_GE(fd, 0) << path << ": " << strerror(errno);
  ASSERT_EQ(ftruncate(fd, static_cast<off_t>(size)), 0);
  close(fd);
}

inline void WriteFileAt(const std::string& path, uint64_t offset, const Bytes& bytes) {
  int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0) << path << ": " << strerror(errno);
  ASSERT_EQ(pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)),
            static_cast<ssize_t>(bytes.size()));
  close(fd);
}

inline Bytes ReadFileAt(const std::string& path, uint64_t offset, size_t length) {
  Bytes bytes(length);
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_GE(fd, 0) << path << ": " << strerror(errno);
  EXPECT_EQ(pread(fd, bytes.data(), length, static_cast<off_t>(offset)), static_cast<ssize_t>(length));
  close(fd);
  return bytes;
}

inline uint64_t AllocatedBytesOf(const std::string& path) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  fsync(fd);
  close(fd);
  struct stat info;
  EXPECT_EQ(stat(path.c_str(), &info), 0);
  return static_cast<uint64_t>(info.st_blocks) * 512;
}

struct Answer {
  Status status;
  std::string message;
};

/// A request that can be waited for.
struct TestRequest final : StoreRequest {
  void Done(Status status, const char* message) override { answer.set_value({status, message}); }
  std::promise<Answer> answer;
};

class TestStore {
 public:
  explicit TestStore(ExtentStore::Options options) {
    loop_.Start("test");
    std::promise<void> opened;
    loop_.Post([&] {
      store_ = ExtentStore::Open(
          std::move(options), &loop_,
          [this](const ExtentStore::Error& error) { fatal_.push_back(error.message); }, &error_);
      opened.set_value();
    });
    opened.get_future().wait();
  }
  ~TestStore() { Close(); }

  bool open() const { return store_ != nullptr; }
  const std::string& error() const { return error_.message; }
  ExtentStore& store() { return *store_; }
  EventLoop& loop() { return loop_; }
  /// Call it after what made it happen was answered.
  const std::vector<std::string>& fatal() const { return fatal_; }

  void Close() {
    if (closed_) return;
    closed_ = true;
    if (store_ != nullptr) {
      std::promise<void> closed;
      loop_.Post([&] { store_->Close([&] { closed.set_value(); }); });
      closed.get_future().wait();
    }
    loop_.Stop();
  }

  /// Hands it in; `request.answer` has the end. Keep it until then.
  void Submit(TestRequest* request) {
    loop_.Post([this, request] { store_->Submit(request); });
  }
  std::unique_ptr<TestRequest> Begin(StoreRequest::Kind kind, uint64_t offset, uint64_t length) {
    auto request = std::make_unique<TestRequest>();
    request->kind = kind;
    request->offset = offset;
    request->length = length;
    Submit(request.get());
    return request;
  }
  std::unique_ptr<TestRequest> BeginWrite(uint64_t offset, const Bytes& bytes, bool fua = false) {
    auto request = std::make_unique<TestRequest>();
    request->kind = StoreRequest::Kind::kWrite;
    request->offset = offset;
    request->length = bytes.size();
    request->fua = fua;
    request->payload = Slice::Allocate(static_cast<uint32_t>(bytes.size()));
    memcpy(request->payload.data(), bytes.data(), bytes.size());
    Submit(request.get());
    return request;
  }

  Answer Write(uint64_t offset, const Bytes& bytes, bool fua = false) {
    return BeginWrite(offset, bytes, fua)->answer.get_future().get();
  }
  Answer Unmap(uint64_t offset, uint64_t length) { return Run(StoreRequest::Kind::kUnmap, offset, length); }
  Answer WriteZeroes(uint64_t offset, uint64_t length) {
    return Run(StoreRequest::Kind::kWriteZeroes, offset, length);
  }
  Answer Read(uint64_t offset, uint64_t length, Bytes* bytes) {
    TestRequest request;
    request.offset = offset;
    request.length = length;
    request.payload = Slice::Allocate(static_cast<uint32_t>(length));
    Submit(&request);
    Answer answer = request.answer.get_future().get();
    bytes->assign(request.payload.data(), request.payload.data() + length);
    return answer;
  }
  Answer Flush(uint64_t mark = 0, uint64_t settled = 0) {
    TestRequest request;
    request.kind = StoreRequest::Kind::kFlush;
    request.mark = mark;
    request.settled = settled;
    Submit(&request);
    return request.answer.get_future().get();
  }
  std::vector<std::pair<uint64_t, uint64_t>> Extents(uint64_t offset, uint64_t length) {
    auto request = Begin(StoreRequest::Kind::kExtents, offset, length);
    EXPECT_EQ(request->answer.get_future().get().status, Status::kOk);
    return request->extents;
  }
  /// Runs `call(store, done)` on the loop's thread and waits for `done`.
  template <typename Call>
  Answer Control(Call call) {
    std::promise<Answer> answer;
    loop_.Post([&] {
      call(*store_, [&](Status status, const char* message) { answer.set_value({status, message}); });
    });
    return answer.get_future().get();
  }
  void Inherit() {
    Control([](ExtentStore& store, ExtentStore::Callback done) {
      store.Inherit();
      done(Status::kOk, "");
    });
  }
  Answer Rewrite() {
    return Control([](ExtentStore& store, ExtentStore::Callback done) { store.Rewrite(std::move(done)); });
  }
  Answer Agreed() {
    return Control([](ExtentStore& store, ExtentStore::Callback done) { store.Agreed(std::move(done)); });
  }
  Answer Release() {
    return Control([](ExtentStore& store, ExtentStore::Callback done) { store.Release(std::move(done)); });
  }
  Answer TrackMissed(uint64_t since) {
    return Control([since](ExtentStore& store, ExtentStore::Callback done) {
      store.TrackMissed(since, std::move(done));
    });
  }
  Answer ForgetMissed() {
    return Control(
        [](ExtentStore& store, ExtentStore::Callback done) { store.ForgetMissed(std::move(done)); });
  }
  ExtentStore::Missed Missed() {
    ExtentStore::Missed missed;
    Control([&](ExtentStore& store, ExtentStore::Callback done) {
      missed = store.GetMissed();
      done(Status::kOk, "");
    });
    return missed;
  }
  Answer Hold(bool flush = false) {
    return Control([flush](ExtentStore& store, ExtentStore::Callback done) {
      store.HoldChanges(flush, std::move(done));
    });
  }
  void Resume() {
    Control([](ExtentStore& store, ExtentStore::Callback done) {
      store.ResumeChanges();
      done(Status::kOk, "");
    });
  }
  Answer PrepareHead(const std::string& path, uint64_t size) {
    return Control([&](ExtentStore& store, ExtentStore::Callback done) {
      store.PrepareHead(path, size, std::move(done));
    });
  }
  Answer PrepareLayers(const ChainSpec& spec) {
    return Control(
        [&](ExtentStore& store, ExtentStore::Callback done) { store.PrepareLayers(spec, std::move(done)); });
  }
  Answer Switch() {
    return Control(
        [](ExtentStore& store, ExtentStore::Callback done) { store.SwitchLayers(std::move(done)); });
  }
  Answer SetRemoved(const std::vector<std::string>& paths) {
    return Control([&](ExtentStore& store, ExtentStore::Callback done) {
      store.SetRemovedLayers(paths, std::move(done));
    });
  }
  Answer Rename(const std::string& from, const std::string& to) {
    return Control([&](ExtentStore& store, ExtentStore::Callback done) {
      store.RenameLayer(from, to, std::move(done));
    });
  }
  Answer Merge(
      const std::string& lower, const std::string& upper,
      ExtentStore::Progress progress = [](uint64_t, uint64_t) {}) {
    return Control([&](ExtentStore& store, ExtentStore::Callback done) {
      store.MergeLayers(lower, upper, progress, std::move(done));
    });
  }
  Answer Prune(const std::string& path) {
    auto progress = [](uint64_t, uint64_t) {};
    return Control([&](ExtentStore& store, ExtentStore::Callback done) {
      store.PruneLayer(path, progress, std::move(done));
    });
  }
  /// Lets everything that the loop has to do now be done.
  void Settle() {
    Control([](ExtentStore&, ExtentStore::Callback done) { done(Status::kOk, ""); });
  }

 private:
  Answer Run(StoreRequest::Kind kind, uint64_t offset, uint64_t length) {
    return Begin(kind, offset, length)->answer.get_future().get();
  }

  EventLoop loop_;
  ExtentStore::Error error_;
  std::unique_ptr<ExtentStore> store_;
  std::vector<std::string> fatal_;
  bool closed_ = false;
};

/// A chain of plain files `layer-0` (lowest) ... in `directory`, the last one the head.
struct TestChain {
  const TestDirectory* directory;
  uint64_t size;
  int layers = 1;
  bool direct = false;
  uint64_t region_bytes = 1 << 20;

  std::string Path(int layer) const { return directory->At("layer-" + std::to_string(layer)); }
  std::string HeadPath() const { return Path(layers - 1); }
  std::string MapPath() const { return directory->At("aurochs.regions"); }
  std::string MissedPath() const { return directory->At("aurochs.missed"); }
  std::string ZeroPath() const { return directory->At("aurochs.zeros"); }
  /// Makes the present head a snapshot and an empty file the head.
  void AddHead() {
    MakeSparseFile(Path(layers), size);
    ++layers;
  }
  ExtentStore::Options Options() const {
    ExtentStore::Options options;
    for (int layer = 0; layer < layers; ++layer) options.layers.push_back({Path(layer), false, {}});
    options.size = size;
    options.direct = direct;
    options.region_map_path = MapPath();
    options.missed_map_path = MissedPath();
    options.zero_map_path = ZeroPath();
    options.region_bytes = region_bytes;
    options.io_threads = 4;
    return options;
  }
};

inline TestChain MakeChain(const TestDirectory& directory, uint64_t size, bool direct) {
  TestChain chain{&directory, size, 1, direct};
  MakeSparseFile(chain.Path(0), size);
  return chain;
}

inline Bytes Pattern(size_t length, uint32_t seed) {
  Bytes bytes(length);
  for (size_t i = 0; i < length; ++i) {
    seed = seed * 1664525 + 1013904223;
    bytes[i] = static_cast<uint8_t>(seed >> 24);
  }
  return bytes;
}

}  // namespace aurochs
