// Registers the addon's surface, in the order of native/index.ts.
#include <malloc.h>
#include <napi.h>
#include <sys/file.h>

#include <cerrno>
#include <cstring>

#include "base/crc32c.h"
#include "base/limits.h"
#include "bindings/data_server.h"
#include "bindings/file_hash.h"
#include "bindings/file_receiver.h"
#include "bindings/file_sender.h"
#include "bindings/files.h"
#include "bindings/js_bridge.h"
#include "bindings/listen.h"
#include "bindings/store.h"
#include "bindings/target.h"
#include "bindings/volume.h"

namespace aurochs {
namespace {

Napi::Value JsCrc32c(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    MakeError(env, "BAD_ARGUMENT", "crc32c: data has to be a Uint8Array").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  auto data = info[0].As<Napi::Uint8Array>();
  uint32_t seed = info[1].IsNumber() ? info[1].As<Napi::Number>().Uint32Value() : 0;
  return Napi::Number::New(env, Crc32c(data.Data(), data.ByteLength(), seed));
}

Napi::Value JsLockFile(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsNumber()) {
    MakeError(env, "BAD_ARGUMENT", "lockFile: fd has to be a number").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  int result;
  do {
    result = flock(info[0].As<Napi::Number>().Int32Value(), LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result != 0 && errno != EWOULDBLOCK) {
    int error = errno;
    MakeError(env, Status::kIoError, std::string("flock: ") + strerror(error)).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  return Napi::Boolean::New(env, result == 0);
}

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  // Left to itself, malloc takes what is as large as something that was freed from its arenas from then on,
  // and trims these the less: of a transfer's buffers, JavaScript's, a daemon kept 30 MiB.
  mallopt(M_MMAP_THRESHOLD, kBufferMappedBytes);
  exports.Set("crc32c", Napi::Function::New(env, JsCrc32c, "crc32c"));
  exports.Set("lockFile", Napi::Function::New(env, JsLockFile, "lockFile"));
  exports.Set("fileExtents", Napi::Function::New(env, FileExtents, "fileExtents"));
  exports.Set("punchHole", Napi::Function::New(env, PunchHole, "punchHole"));
  exports.Set("hashFile", Napi::Function::New(env, JsHashFile, "hashFile"));
  exports.Set("listenTcp", Napi::Function::New(env, JsListenTcp, "listenTcp"));
  exports.Set("listenUnix", Napi::Function::New(env, JsListenUnix, "listenUnix"));
  exports.Set("Volume", VolumeObject::Define(env));
  exports.Set("Target", TargetObject::Define(env));
  exports.Set("openStore", StoreObject::DefineOpenStore(env));
  exports.Set("DataServer", DataServerObject::Define(env));
  exports.Set("sendFile", Napi::Function::New(env, JsSendFile, "sendFile"));
  exports.Set("FileReceiver", FileReceiverObject::Define(env));
  return exports;
}

}  // namespace
}  // namespace aurochs

static Napi::Object InitializeAddon(Napi::Env env, Napi::Object exports) {
  return aurochs::Initialize(env, exports);
}
NODE_API_MODULE(aurochs, InitializeAddon)
