#pragma once

#include <napi.h>

namespace aurochs {

/// `listenTcp` of native/index.ts.
Napi::Value JsListenTcp(const Napi::CallbackInfo& info);

}  // namespace aurochs
