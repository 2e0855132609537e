#include "bindings/file_receiver.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <string>
#include <utility>

#include "bindings/arguments.h"

namespace aurochs {

namespace {
constexpr size_t kNameBytesMax = 4096;
}  // namespace

Napi::Function FileReceiverObject::Define(Napi::Env env) {
  return DefineClass(env, "FileReceiver",
                     {
                         InstanceMethod<&FileReceiverObject::Receive>("receive"),
                         InstanceMethod<&FileReceiverObject::Cancel>("cancel"),
                         InstanceMethod<&FileReceiverObject::Close>("close"),
                     });
}

FileReceiverObject::FileReceiverObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<FileReceiverObject>(info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  auto given = static_cast<int>(arguments.Integer(0, "fd", 0, INT_MAX));
  Napi::Function on_connection = arguments.Function(1, "onConnection");
  closing_ = true;
  if (!arguments.error().empty()) {
    MakeError(env, "BAD_ARGUMENT", arguments.error()).ThrowAsJavaScriptException();
    return;
  }
  int fd = fcntl(given, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) {
    int error = errno;
    MakeError(env, "IO_ERROR", std::string("dup: ") + strerror(error), error).ThrowAsJavaScriptException();
    return;
  }
  closing_ = false;
  on_connection_ = Napi::Persistent(on_connection);
  port_ = std::make_unique<ReceiverPort>(fd, static_cast<ReceiverPort::Listener*>(this));
  bridge_ = std::make_unique<JsBridge>(env, "aurochs.file-receiver", [this] { port_.reset(); });
  port_->Start();
  Ref();  // events and promises refer to this object until it is closed
}

Napi::Value FileReceiverObject::Receive(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  auto given = static_cast<int>(arguments.Integer(0, "fd", 0, INT_MAX));
  uint64_t size = arguments.Integer(1, "size", 0, kSafeIntegerMax);
  std::string name = arguments.String(2, "name", kNameBytesMax);
  Napi::Function on_received = arguments.Function(3, "onReceived");
  if (receiving_.has_value()) arguments.Refuse("a file is being received already");
  if (closing_) return Rejected(env, "CLOSED", "the receiver is closed");
  if (!arguments.error().empty()) return Rejected(env, "BAD_ARGUMENT", "receive: " + arguments.error());
  // Its own: the caller's may be closed too early, and its number given to another file.
  int fd = fcntl(given, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return Rejected(env, "IO_ERROR", std::string("dup: ") + strerror(errno));
  on_received_ = Napi::Persistent(on_received);
  receiving_.emplace(env);
  auto told = [this](uint64_t bytes) {
    bridge_->Post([this, bytes](Napi::Env env) {
      on_received_.Call({Napi::Number::New(env, static_cast<double>(bytes))});
    });
  };
  port_->Receive(std::make_unique<FileReceiver>(fd, size, std::move(name), std::move(told)));
  return receiving_->Promise();
}

Napi::Value FileReceiverObject::Cancel(const Napi::CallbackInfo& info) {
  if (!closing_) port_->CancelReceive();
  return info.Env().Undefined();
}

Napi::Value FileReceiverObject::Close(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  SharedDeferred deferred = MakeDeferred(env);
  if (port_ == nullptr) {
    deferred->Resolve(env.Undefined());
    return deferred->Promise();
  }
  waiting_for_close_.push_back(deferred);
  if (!std::exchange(closing_, true)) port_->Stop();
  return deferred->Promise();
}

void FileReceiverObject::OnForeign(int fd) {
  bridge_->Post([this, fd](Napi::Env env) { on_connection_.Call({Napi::Number::New(env, fd)}); });
}

void FileReceiverObject::OnEnded(std::unique_ptr<FileReceiver> file) {
  // Its descriptor is closed here, where that may wait.
  struct Outcome {
    std::string error;
    int system_errno;
    uint64_t bytes;
  };
  Outcome outcome{file->error(), file->system_errno(), file->received_bytes()};
  file.reset();
  bridge_->Post([this, outcome](Napi::Env env) {
    Deferred deferred = *std::exchange(receiving_, std::nullopt);
    on_received_.Reset();
    if (outcome.error.empty())
      return deferred.Resolve(Napi::Number::New(env, static_cast<double>(outcome.bytes)));
    const char* code =
        outcome.system_errno == ECANCELED ? "ABORTED" : StatusName(StatusOfErrno(outcome.system_errno));
    deferred.Reject(MakeError(env, code, outcome.error, outcome.system_errno).Value());
  });
}

void FileReceiverObject::OnStopped() {
  bridge_->Post([this](Napi::Env env) { Finish(env); });
}

void FileReceiverObject::Finish(Napi::Env env) {
  port_.reset();
  bridge_->Close();
  for (auto& deferred : std::exchange(waiting_for_close_, {})) deferred->Resolve(env.Undefined());
  on_connection_.Reset();
  Unref();
}

}  // namespace aurochs
