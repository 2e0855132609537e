#include "bindings/data_server.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <future>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "bindings/arguments.h"

namespace aurochs {

namespace {
constexpr size_t kTextBytesMax = 4096;
}  // namespace

Napi::Function DataServerObject::Define(Napi::Env env) {
  return DefineClass(env, "DataServer",
                     {
                         InstanceMethod<&DataServerObject::Listen>("listen"),
                         InstanceMethod<&DataServerObject::Accept>("accept"),
                         InstanceMethod<&DataServerObject::Reject>("reject"),
                         InstanceMethod<&DataServerObject::Fence>("fence"),
                         InstanceMethod<&DataServerObject::KeepRevision>("keepRevision"),
                         InstanceMethod<&DataServerObject::Close>("close"),
                     });
}

DataServerObject::DataServerObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<DataServerObject>(info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  DataServer::Options options;
  StoreObject* store = StoreObject::Of(info[0]);
  if (store == nullptr || store->closed()) arguments.Refuse("store has to be an open ReplicaStore");
  options.max_requests =
      static_cast<uint32_t>(arguments.Property(info[1], "maxRequests", 1, kStreamRequestsMax));
  options.max_payload =
      static_cast<uint32_t>(arguments.Property(info[1], "maxPayload", 4096, kPayloadBytesMax));
  options.max_payload_in_flight =
      arguments.Property(info[1], "maxPayloadInFlight", options.max_payload, kStreamPayloadBytesMax);
  options.connections_max =
      static_cast<uint32_t>(arguments.Property(info[1], "connectionsMax", 1, UINT16_MAX));
  Napi::Function on_event = arguments.Function(2, "onEvent");
  if (!arguments.error().empty()) {
    closing_ = true;
    MakeError(env, "BAD_ARGUMENT", arguments.error()).ThrowAsJavaScriptException();
    return;
  }
  on_event_ = Napi::Persistent(on_event);
  core_ = store->core();
  bridge_ = std::make_unique<JsBridge>(env, "aurochs.data-server", [this] { StopForExit(); });
  core_->loop.Post([this, options, core = core_.get(), listener = static_cast<DataServer::Listener*>(this)] {
    server_ = std::make_unique<DataServer>(&core->loop, core->store.get(), options, listener);
  });
  Ref();  // events and promises refer to this object until it is closed
}

Napi::Value DataServerObject::Listen(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  auto given = static_cast<int>(arguments.Integer(0, "fd", 0, INT_MAX));
  auto refuse = [&](const char* code, const std::string& message, int error) {
    MakeError(info.Env(), code, message, error).ThrowAsJavaScriptException();
    return info.Env().Undefined();
  };
  if (closing_) return refuse("CLOSED", "the data server is closed", 0);
  if (!arguments.error().empty()) return refuse("BAD_ARGUMENT", arguments.error(), 0);
  if (std::exchange(listening_, true)) return refuse("BAD_ARGUMENT", "the data server listens already", 0);
  int listening = 0;
  socklen_t length = sizeof listening;
  if (getsockopt(given, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0 || listening == 0) {
    return refuse("BAD_ARGUMENT", "fd " + std::to_string(given) + " is not a listening socket", 0);
  }
  int own = fcntl(given, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return refuse(StatusName(Status::kIoError), std::string("dup: ") + strerror(errno), errno);
  core_->loop.Post([this, own] { server_->Listen(own); });
  return info.Env().Undefined();
}

Napi::Value DataServerObject::Accept(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  uint64_t stream = arguments.Integer(0, "stream", 1, kSafeIntegerMax);
  if (!arguments.error().empty()) {
    MakeError(info.Env(), "BAD_ARGUMENT", arguments.error()).ThrowAsJavaScriptException();
  } else if (!closing_) {
    core_->loop.Post([this, stream] { server_->Accept(stream); });
  }
  return info.Env().Undefined();
}

Napi::Value DataServerObject::Reject(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  uint64_t stream = arguments.Integer(0, "stream", 1, kSafeIntegerMax);
  Status status = arguments.StatusArgument(1, "status");
  std::string message = arguments.String(2, "message", kTextBytesMax);
  if (!arguments.error().empty()) {
    MakeError(info.Env(), "BAD_ARGUMENT", arguments.error()).ThrowAsJavaScriptException();
  } else if (!closing_) {
    core_->loop.Post([this, stream, status, message] { server_->Reject(stream, status, message); });
  }
  return info.Env().Undefined();
}

Napi::Value DataServerObject::Fence(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  std::optional<std::string> engine_id;
  if (!info[0].IsNull()) engine_id = arguments.String(0, "engineId", kTextBytesMax);
  if (closing_) return Rejected(env, "CLOSED", "the data server is closed");
  if (!arguments.error().empty()) return Rejected(env, "BAD_ARGUMENT", arguments.error());
  SharedDeferred deferred = MakeDeferred(env);
  core_->loop.Post([this, deferred, engine_id] {
    server_->Fence(engine_id ? &*engine_id : nullptr,
                   [this, deferred] { PostResolve(bridge_.get(), deferred); });
  });
  return deferred->Promise();
}

Napi::Value DataServerObject::KeepRevision(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  std::string path = arguments.String(0, "path", kTextBytesMax);
  uint64_t revision = arguments.Integer(1, "revision", 0, kSafeIntegerMax);
  uint64_t changes = arguments.Integer(2, "changes", 0, kSafeIntegerMax);
  if (closing_) return Rejected(env, "CLOSED", "the data server is closed");
  if (!arguments.error().empty()) return Rejected(env, "BAD_ARGUMENT", arguments.error());
  SharedDeferred deferred = MakeDeferred(env);
  core_->loop.Post([this, deferred, path, revision, changes] {
    int error = server_->KeepRevision(path, revision, changes);
    bridge_->Post([deferred, path, error](Napi::Env env) {
      if (error == 0) return deferred->Resolve(env.Undefined());
      std::string message = "write " + path + ": " + strerror(error);
      deferred->Reject(MakeError(env, StatusName(Status::kIoError), message, error).Value());
    });
  });
  return deferred->Promise();
}

Napi::Value DataServerObject::Close(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  SharedDeferred deferred = MakeDeferred(env);
  if (!core_) {
    deferred->Resolve(env.Undefined());
    return deferred->Promise();
  }
  waiting_for_close_.push_back(deferred);
  if (!std::exchange(closing_, true)) {
    core_->loop.Post(
        [this] { server_->Close([this] { bridge_->Post([this](Napi::Env env) { Finish(env); }); }); });
  }
  return deferred->Promise();
}

void DataServerObject::Finish(Napi::Env env) {
  // Not inside its own callback; the loop outlives it through `core_`.
  std::promise<void> deleted;
  core_->loop.Post([this, &deleted] {
    server_.reset();
    deleted.set_value();
  });
  deleted.get_future().wait();
  core_.reset();
  bridge_->Close();
  for (auto& deferred : std::exchange(waiting_for_close_, {})) deferred->Resolve(env.Undefined());
  on_event_.Reset();
  Unref();
}

void DataServerObject::StopForExit() {
  if (!core_) return;
  closing_ = true;
  std::promise<void> deleted;
  core_->loop.Post([this, &deleted] {
    server_->Close([this, &deleted] {
      // Posted: not inside its own callback.
      core_->loop.Post([this, &deleted] {
        server_.reset();
        deleted.set_value();
      });
    });
  });
  deleted.get_future().wait();
  core_.reset();
}

void DataServerObject::OnHello(uint64_t stream, const Hello& hello, const std::string& remote) {
  bridge_->Post([this, stream, hello, remote](Napi::Env env) {
    Napi::Object said = Napi::Object::New(env);
    said.Set("volume", hello.volume);
    said.Set("replicaId", hello.replica_id);
    said.Set("engineId", hello.engine_id);
    said.Set("generation", static_cast<double>(hello.generation));
    Napi::Object event = Napi::Object::New(env);
    event.Set("type", "hello");
    event.Set("stream", static_cast<double>(stream));
    event.Set("protocolVersion", hello.protocol_version);
    event.Set("hello", said);
    event.Set("remote", remote);
    on_event_.Call({event});
  });
}

void DataServerObject::OnDataconn(uint64_t stream, const std::string& remote) {
  bridge_->Post([this, stream, remote](Napi::Env env) {
    Napi::Object event = Napi::Object::New(env);
    event.Set("type", "dataconn");
    event.Set("stream", static_cast<double>(stream));
    event.Set("remote", remote);
    on_event_.Call({event});
  });
}

void DataServerObject::OnStreamClosed(uint64_t stream, const std::string& reason) {
  bridge_->Post([this, stream, reason](Napi::Env env) {
    Napi::Object event = Napi::Object::New(env);
    event.Set("type", "closed");
    event.Set("stream", static_cast<double>(stream));
    event.Set("reason", reason);
    on_event_.Call({event});
  });
}

}  // namespace aurochs
