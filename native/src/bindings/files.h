// `fileExtents` and `punchHole`: what Node's file functions lack for sparse files.
#pragma once

#include <napi.h>

namespace aurochs {

Napi::Value FileExtents(const Napi::CallbackInfo& info);
Napi::Value PunchHole(const Napi::CallbackInfo& info);

}  // namespace aurochs
