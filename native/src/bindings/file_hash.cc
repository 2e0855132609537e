#include "bindings/file_hash.h"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "bindings/arguments.h"
#include "bindings/js_bridge.h"
#include "bindings/promise.h"
#include "store/file_hash.h"

namespace aurochs {

namespace {

/// One call: a thread of its own, since a large file would keep one of Node's few workers for minutes.
/// Deletes itself when the promise is settled; an environment that ends first leaves it to the process.
class Hashing {
 public:
  Hashing(Napi::Env env, std::shared_ptr<FileHash> hash)
      : hash_(std::move(hash)), deferred_(env), bridge_(env, "aurochs-hash", [this] { Stop(); }) {}

  Napi::Value Start() {
    thread_ = std::thread([this] {
      hash_->Run();
      bridge_.Post([this](Napi::Env env) { Settle(env); });
    });
    return deferred_.Promise();
  }

 private:
  void Settle(Napi::Env env) {
    thread_.join();
    bridge_.Close();
    if (hash_->error().empty()) {
      char text[17];
      snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash_->crc64()));
      deferred_.Resolve(Napi::String::New(env, text));
    } else {
      int error = hash_->system_errno();
      const char* code = error == ECANCELED ? "ABORTED" : StatusName(StatusOfErrno(error));
      deferred_.Reject(MakeError(env, code, hash_->error(), error).Value());
    }
    delete this;
  }

  void Stop() {
    hash_->Cancel();
    if (thread_.joinable()) thread_.join();
  }

  std::shared_ptr<FileHash> hash_;
  Deferred deferred_;
  std::thread thread_;
  JsBridge bridge_;
};

}  // namespace

Napi::Value JsHashFile(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  std::string path = arguments.String(0, "path", 4096);
  if (!arguments.error().empty()) {
    MakeError(env, "BAD_ARGUMENT", "hashFile: " + arguments.error()).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  auto hash = std::make_shared<FileHash>(path);
  auto object = Napi::Object::New(env);
  object.Set("checksum", (new Hashing(env, hash))->Start());
  object.Set("cancel", Napi::Function::New(env, [hash](const Napi::CallbackInfo&) { hash->Cancel(); }));
  return object;
}

}  // namespace aurochs
