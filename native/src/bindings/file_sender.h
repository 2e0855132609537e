// `sendFile` of native/index.ts.
#pragma once

#include <napi.h>

namespace aurochs {

Napi::Value JsSendFile(const Napi::CallbackInfo& info);

}  // namespace aurochs
