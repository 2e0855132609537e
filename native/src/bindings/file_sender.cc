#include "bindings/file_sender.h"

#include <fcntl.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "bindings/arguments.h"
#include "bindings/js_bridge.h"
#include "bindings/promise.h"
#include "sync/file_sender.h"

namespace aurochs {

namespace {

constexpr size_t kHostBytesMax = 4096;

/// One call, on a thread of its own. Deletes itself when the promise is settled; an environment that ends
/// first leaves it to the process.
class Sending {
 public:
  Sending(Napi::Env env, int fd, uint64_t size, FileSender::Options options, Napi::Function on_sent)
      : deferred_(env),
        on_sent_(Napi::Persistent(on_sent)),
        bridge_(env, "aurochs.send-file", [this] { Stop(); }),
        sender_(std::make_shared<FileSender>(fd, size, std::move(options), [this](uint64_t bytes) {
          bridge_.Post([this, bytes](Napi::Env env) {
            on_sent_.Call({Napi::Number::New(env, static_cast<double>(bytes))});
          });
        })) {}

  const std::shared_ptr<FileSender>& sender() const { return sender_; }

  Napi::Value Start() {
    thread_ = std::thread([this] {
      sender_->Run();
      bridge_.Post([this](Napi::Env env) { Settle(env); });
    });
    return deferred_.Promise();
  }

 private:
  void Settle(Napi::Env env) {
    thread_.join();
    bridge_.Close();
    if (sender_->error().empty()) {
      deferred_.Resolve(env.Undefined());
    } else {
      int error = sender_->system_errno();
      const char* code = error == ECANCELED ? "ABORTED" : StatusName(StatusOfErrno(error));
      deferred_.Reject(MakeError(env, code, sender_->error(), error).Value());
    }
    on_sent_.Reset();
    delete this;
  }

  void Stop() {
    sender_->Cancel();
    if (thread_.joinable()) thread_.join();
  }

  Deferred deferred_;
  Napi::FunctionReference on_sent_;
  std::thread thread_;
  JsBridge bridge_;
  std::shared_ptr<FileSender> sender_;
};

}  // namespace

Napi::Value JsSendFile(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  auto given = static_cast<int>(arguments.Integer(0, "fd", 0, INT_MAX));
  uint64_t size = arguments.Integer(1, "size", 0, kSafeIntegerMax);
  FileSender::Options options;
  options.host = arguments.StringProperty(info[2], "host", kHostBytesMax);
  options.port = static_cast<uint16_t>(arguments.Property(info[2], "port", 1, UINT16_MAX));
  options.timeout_ms = static_cast<int>(arguments.Property(info[2], "timeoutMs", 1, INT_MAX));
  options.end_timeout_ms = static_cast<int>(arguments.Property(info[2], "endTimeoutMs", 1, INT_MAX));
  Napi::Function on_sent = arguments.Function(3, "onSent");
  auto refuse = [&](const Napi::Error& error) {
    error.ThrowAsJavaScriptException();
    return env.Undefined();
  };
  if (!arguments.error().empty())
    return refuse(MakeError(env, "BAD_ARGUMENT", "sendFile: " + arguments.error()));
  // Its own: the caller's may be closed too early, and its number given to another file.
  int fd = fcntl(given, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return refuse(MakeError(env, "IO_ERROR", std::string("dup: ") + strerror(errno), errno));
  auto* sending = new Sending(env, fd, size, std::move(options), on_sent);
  // When JavaScript collects these is nobody's business: file and socket are closed when all is sent.
  std::weak_ptr<FileSender> sender = sending->sender();
  auto object = Napi::Object::New(env);
  object.Set("allow", Napi::Function::New(env, [sender](const Napi::CallbackInfo& call) {
               Arguments given(call);
               uint64_t bytes = given.Integer(0, "bytes", 0, kSafeIntegerMax);
               if (auto running = sender.lock()) running->Allow(bytes);
             }));
  object.Set("cancel", Napi::Function::New(env, [sender](const Napi::CallbackInfo&) {
               if (auto running = sender.lock()) running->Cancel();
             }));
  object.Set("sent", sending->Start());
  return object;
}

}  // namespace aurochs
