// Promises that are settled from an I/O thread.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "bindings/js_bridge.h"

namespace aurochs {

/// Copied freely between threads, used on the environment's thread only.
using SharedDeferred = std::shared_ptr<Napi::Promise::Deferred>;

inline SharedDeferred MakeDeferred(Napi::Env env) { return std::make_shared<Napi::Promise::Deferred>(env); }

inline Napi::Value Rejected(Napi::Env env, const char* code, const std::string& message) {
  Napi::Promise::Deferred deferred(env);
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
