#include "bindings/listen.h"

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "bindings/arguments.h"
#include "bindings/js_bridge.h"
#include "stream/socket.h"

namespace aurochs {

namespace {
constexpr size_t kHostBytesMax = 4096;
constexpr size_t kPathBytesMax = 4096;
}  // namespace

Napi::Value JsListenTcp(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  std::string host = arguments.String(0, "host", kHostBytesMax);
  auto port = static_cast<uint16_t>(arguments.Integer(1, "port", 0, UINT16_MAX));
  auto refuse = [&](const Napi::Error& error) {
    error.ThrowAsJavaScriptException();
    return env.Undefined();
  };
  if (!arguments.error().empty()) return refuse(MakeError(env, "BAD_ARGUMENT", arguments.error()));
  std::string unknown;
  std::vector<SocketAddress> addresses = ResolveAddress(host, port, &unknown);
  if (addresses.empty()) return refuse(MakeError(env, "BAD_ARGUMENT", "listen " + host + ": " + unknown));
  int fd = ListenTcp(addresses[0]);
  if (fd < 0) {
    int error = errno;
    std::string message = "listen " + addresses[0].ToString() + ": " + strerror(error);
    return refuse(MakeError(env, StatusName(Status::kIoError), message, error));
  }
  SocketAddress bound = LocalAddress(fd);
  Napi::Object object = Napi::Object::New(env);
  object.Set("fd", fd);
  object.Set("host", bound.host());
  object.Set("port", bound.port());
  return object;
}

Napi::Value JsListenUnix(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  std::string path = arguments.String(0, "path", kPathBytesMax);
  std::string why = arguments.error();
  int fd = why.empty() ? ListenUnix(path, &why) : -1;
  int error = errno;
  if (fd >= 0) return Napi::Number::New(env, fd);
  bool is_bad = !arguments.error().empty();
  (is_bad ? MakeError(env, "BAD_ARGUMENT", why) : MakeError(env, StatusName(Status::kIoError), why, error))
      .ThrowAsJavaScriptException();
  return env.Undefined();
}

}  // namespace aurochs
