#include "bindings/files.h"

#include <cerrno>
#include <climits>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arguments.h"
#include "bindings/js_bridge.h"
#include "bindings/promise.h"
#include "store/file_ranges.h"

namespace aurochs {

namespace {

// One call that may wait for the disk, on libuv's threads.
class FileWork : public Napi::AsyncWorker {
 public:
  FileWork(Napi::Env env, const char* name)
      : Napi::AsyncWorker(env, name), name_(name), deferred_(Deferred(env)) {}

  Napi::Value Start() {
    Napi::Value promise = deferred_.Promise();
    Queue();
    return promise;
  }

 protected:
  virtual Napi::Value Result(Napi::Env env) = 0;

  void OnOK() override {
    if (errno_ == 0) {
      deferred_.Resolve(Result(Env()));
      return;
    }
    const char* code = StatusName(errno_ == ENOSPC ? Status::kNoSpace : Status::kIoError);
    std::string text = errno_ == EOPNOTSUPP ? "file extent is unsupported" : strerror(errno_);
    deferred_.Reject(MakeError(Env(), code, std::string(name_) + ": " + text, errno_).Value());
  }

  int errno_ = 0;

 private:
  const char* name_;
  Deferred deferred_;
};

class ExtentsWork final : public FileWork {
 public:
  ExtentsWork(Napi::Env env, int fd, uint64_t begin, uint64_t end, bool sync)
      : FileWork(env, "fileExtents"), fd_(fd), begin_(begin), end_(end), sync_(sync) {}

 private:
  void Execute() override { errno_ = ListFileExtents(fd_, begin_, end_, sync_, &extents_); }

  Napi::Value Result(Napi::Env env) override {
    auto numbers = Napi::Array::New(env, extents_.size() * 2);
    uint32_t index = 0;
    for (const FileRange& extent : extents_) {
      numbers[index++] = Napi::Number::New(env, static_cast<double>(extent.offset));
      numbers[index++] = Napi::Number::New(env, static_cast<double>(extent.length));
    }
    return numbers;
  }

  int fd_;
  uint64_t begin_;
  uint64_t end_;
  bool sync_;
  std::vector<FileRange> extents_;
};

class PunchWork final : public FileWork {
 public:
  PunchWork(Napi::Env env, int fd, uint64_t offset, uint64_t length)
      : FileWork(env, "punchHole"), fd_(fd), offset_(offset), length_(length) {}

 private:
  void Execute() override { errno_ = PunchFileHole(fd_, offset_, length_); }
  Napi::Value Result(Napi::Env env) override { return env.Undefined(); }

  int fd_;
  uint64_t offset_;
  uint64_t length_;
};

}  // namespace

Napi::Value FileExtents(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  int fd = static_cast<int>(arguments.Integer(0, "fd", 0, INT_MAX));
  uint64_t begin = arguments.Integer(1, "begin", 0, kSafeIntegerMax);
  uint64_t end = arguments.Integer(2, "end", 0, kSafeIntegerMax);
  if (!info[3].IsBoolean()) arguments.Refuse("sync has to be a boolean");
  if (!arguments.error().empty())
    return Rejected(info.Env(), "BAD_ARGUMENT", "fileExtents: " + arguments.error());
  return (new ExtentsWork(info.Env(), fd, begin, end, info[3].As<Napi::Boolean>().Value()))->Start();
}

Napi::Value PunchHole(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  int fd = static_cast<int>(arguments.Integer(0, "fd", 0, INT_MAX));
  uint64_t offset = arguments.Integer(1, "offset", 0, kSafeIntegerMax);
  uint64_t length = arguments.Integer(2, "length", 1, kSafeIntegerMax);
  if (!arguments.error().empty())
    return Rejected(info.Env(), "BAD_ARGUMENT", "punchHole: " + arguments.error());
  return (new PunchWork(info.Env(), fd, offset, length))->Start();
}

}  // namespace aurochs
