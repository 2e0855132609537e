// Promises that are settled from an I/O thread.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "bindings/js_bridge.h"

namespace aurochs {

/// A promise to be settled. In a worker that is being ended none can be made: then there is nobody to tell,
/// which `Napi::Promise::Deferred` does not know.
class Deferred {
 public:
  explicit Deferred(Napi::Env env) : env_(env) {
    if (napi_create_promise(env, &deferred_, &promise_) == napi_ok) return;
    deferred_ = nullptr;
    promise_ = nullptr;
  }

  Napi::Env Env() const { return env_; }
  /// Within the call that made it. Empty when there is none.
  Napi::Value Promise() const { return Napi::Value(env_, promise_); }
  /// Once, one of them, on the environment's thread.
  void Resolve(napi_value value) const {
    if (deferred_ != nullptr) napi_resolve_deferred(env_, deferred_, value);
  }
  void Reject(napi_value value) const {
    if (deferred_ != nullptr) napi_reject_deferred(env_, deferred_, value);
  }

 private:
  napi_env env_;
  napi_deferred deferred_;
  napi_value promise_;
};

/// Copied freely between threads, used on the environment's thread only.
using SharedDeferred = std::shared_ptr<Deferred>;

inline SharedDeferred MakeDeferred(Napi::Env env) { return std::make_shared<Deferred>(env); }

inline Napi::Value Rejected(Napi::Env env, const char* code, const std::string& message) {
  Deferred deferred(env);
  deferred.Reject(MakeError(env, code, message).Value());
  return deferred.Promise();
}

/// From any thread: resolves with undefined.
inline void PostResolve(JsBridge* bridge, SharedDeferred deferred) {
  bridge->Post([deferred = std::move(deferred)](Napi::Env env) { deferred->Resolve(env.Undefined()); });
}

inline void PostReject(JsBridge* bridge, SharedDeferred deferred, Status status, std::string message) {
  bridge->Post([deferred = std::move(deferred), status, message = std::move(message)](Napi::Env env) {
    deferred->Reject(MakeError(env, status, message).Value());
  });
}

}  // namespace aurochs
