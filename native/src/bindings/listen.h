#pragma once

#include <napi.h>

namespace aurochs {

/// `listenTcp` and `listenUnix` of native/index.ts.
Napi::Value JsListenTcp(const Napi::CallbackInfo& info);
Napi::Value JsListenUnix(const Napi::CallbackInfo& info);

}  // namespace aurochs
