// `hashFile` of native/index.ts.
#pragma once

#include <napi.h>

namespace aurochs {

Napi::Value JsHashFile(const Napi::CallbackInfo& info);

}  // namespace aurochs
