#include "bindings/target.h"

#include <array>
#include <cstring>
#include <future>
#include <utility>

#include "bindings/arguments.h"

namespace aurochs {

namespace {

constexpr size_t kTextBytesMax = 4096;
constexpr size_t kBhsBytes = 48;
constexpr size_t kCdbBytes = 16;
constexpr uint64_t kTimeMsMax = 86'400'000;
constexpr uint64_t kSegmentBytesMax = 0xffffff;  // RFC 7143: the largest data segment that a PDU can tell

bool Flag(Arguments* arguments, const Napi::Value& object, const char* name) {
  Napi::Value value = Arguments::Get(object, name);
  if (!value.IsBoolean()) arguments->Refuse(std::string(name) + " has to be a boolean");
  return Arguments::IsTrue(value);
}

Slice OptionalBytes(Arguments* arguments, const Napi::CallbackInfo& info, size_t index, const char* name) {
  return info[index].IsNull() ? Slice() : arguments->Bytes(index, name);
}

iscsi::SessionParameters ReadSession(Arguments* arguments, const Napi::Value& value) {
  auto number = [&](const char* name, uint64_t min, uint64_t max) {
    return static_cast<uint32_t>(arguments->Property(value, name, min, max));
  };
  iscsi::SessionParameters session;
  session.nexus = arguments->Property(value, "nexus", 0, kSafeIntegerMax);
  session.header_digest = Flag(arguments, value, "headerDigest");
  session.data_digest = Flag(arguments, value, "dataDigest");
  session.max_send_data_segment_length = number("maxSendDataSegmentLength", 512, kSegmentBytesMax);
  session.max_recv_data_segment_length = number("maxRecvDataSegmentLength", 512, kSegmentBytesMax);
  session.max_burst_length = number("maxBurstLength", 512, kSegmentBytesMax);
  session.first_burst_length = number("firstBurstLength", 512, kSegmentBytesMax);
  session.initial_r2t = Flag(arguments, value, "initialR2T");
  session.immediate_data = Flag(arguments, value, "immediateData");
  session.max_outstanding_r2t = number("maxOutstandingR2T", 1, UINT16_MAX);
  session.exp_cmd_sn = number("expCmdSn", 0, UINT32_MAX);
  session.stat_sn = number("statSn", 0, UINT32_MAX);
  session.lun = static_cast<int64_t>(arguments->Property(value, "lun", 0, 0x3fff));
  return session;
}

Napi::Value BufferOf(Napi::Env env, const Slice& slice) {
  if (slice.length == 0) return Napi::Buffer<uint8_t>::New(env, 0);
  return Napi::Buffer<uint8_t>::Copy(env, slice.data(), slice.length);
}

}  // namespace

Napi::Function TargetObject::Define(Napi::Env env) {
  return DefineClass(env, "Target",
                     {
                         InstanceMethod<&TargetObject::Listen>("listen"),
                         InstanceMethod<&TargetObject::StopListening>("stopListening"),
                         InstanceMethod<&TargetObject::Send>("send"),
                         InstanceMethod<&TargetObject::Complete>("complete"),
                         InstanceMethod<&TargetObject::Execute>("execute"),
                         InstanceMethod<&TargetObject::SetAccess>("setAccess"),
                         InstanceMethod<&TargetObject::SetWriteProtected>("setWriteProtected"),
                         InstanceMethod<&TargetObject::Abort>("abort"),
                         InstanceMethod<&TargetObject::CloseConnection>("closeConnection"),
                         InstanceMethod<&TargetObject::Sessions>("sessions"),
                         InstanceMethod<&TargetObject::Close>("close"),
                     });
}

TargetObject::TargetObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TargetObject>(info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  VolumeObject* volume = VolumeObject::Of(info[0]);
  if (volume == nullptr || volume->core() == nullptr) arguments.Refuse("volume has to be an open Volume");
  auto time = [&](const char* name) {
    return static_cast<int64_t>(arguments.Property(info[1], name, 0, kTimeMsMax));
  };
  iscsi::TargetOptions options;
  options.logical_block_size =
      static_cast<uint32_t>(arguments.Property(info[1], "logicalBlockSize", 512, 4096));
  if (options.logical_block_size != 512 && options.logical_block_size != 4096) {
    arguments.Refuse("logicalBlockSize has to be 512 or 4096");
  }
  options.command_window = static_cast<uint32_t>(arguments.Property(info[1], "commandWindow", 1, UINT16_MAX));
  options.nop_interval_ms = time("nopIntervalMs");
  options.nop_timeout_ms = time("nopTimeoutMs");
  options.login_timeout_ms = time("loginTimeoutMs");
  options.connections_max =
      static_cast<uint32_t>(arguments.Property(info[1], "connectionsMax", 1, UINT16_MAX));
  Napi::Function on_event = arguments.Function(2, "onEvent");
  if (!arguments.error().empty()) {
    closing_ = true;
    MakeError(env, "BAD_ARGUMENT", arguments.error()).ThrowAsJavaScriptException();
    return;
  }
  on_event_ = Napi::Persistent(on_event);
  core_ = volume->core();
  bridge_ = std::make_unique<JsBridge>(env, "aurochs.target", [this] { StopForExit(); });
  core_->loop.Post([this, options, core = core_.get(), events = static_cast<iscsi::TargetEvents*>(this)] {
    target_ = std::make_unique<iscsi::Target>(&core->loop, &core->volume, options, events);
  });
  Ref();  // events and promises refer to this object until it is closed
}

// ---------------------------------------------------------------------------------------------- calls

Napi::Value TargetObject::OnLoop(Napi::Env env, const std::string& error,
                                 std::function<void(iscsi::Target&)> work) {
  if (!error.empty()) {
    MakeError(env, "BAD_ARGUMENT", error).ThrowAsJavaScriptException();
  } else if (!closing_) {
    core_->loop.Post([this, work = std::move(work)] { work(*target_); });
  }
  return env.Undefined();
}

Napi::Value TargetObject::Listen(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  std::string host = arguments.String(0, "host", kTextBytesMax);
  auto port = static_cast<uint16_t>(arguments.Integer(1, "port", 0, UINT16_MAX));
  if (closing_) return Rejected(env, "CLOSED", "the target is closed");
  if (!arguments.error().empty()) return Rejected(env, "BAD_ARGUMENT", arguments.error());
  SharedDeferred deferred = MakeDeferred(env);
  core_->loop.Post([this, deferred, host, port] {
    iscsi::Target::Bound bound = target_->Listen(host, port);
    bridge_->Post([deferred, bound, host, port](Napi::Env env) {
      if (bound.error != 0) {
        std::string message =
            "listen on " + host + " port " + std::to_string(port) + ": " + strerror(bound.error);
        deferred->Reject(MakeError(env, StatusName(Status::kIoError), message, bound.error).Value());
        return;
      }
      Napi::Object object = Napi::Object::New(env);
      object.Set("host", bound.host);
      object.Set("port", bound.port);
      deferred->Resolve(object);
    });
  });
  return deferred->Promise();
}

Napi::Value TargetObject::StopListening(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (closing_) return Rejected(env, "CLOSED", "the target is closed");
  SharedDeferred deferred = MakeDeferred(env);
  core_->loop.Post([this, deferred] {
    target_->StopListening();
    PostResolve(bridge_.get(), deferred);
  });
  return deferred->Promise();
}

Napi::Value TargetObject::Send(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  uint64_t connection = arguments.Integer(0, "connection", 1, kSafeIntegerMax);
  Slice bhs = arguments.Bytes(1, "bhs");
  if (bhs.length != kBhsBytes) arguments.Refuse("bhs has to have 48 bytes");
  Slice data = OptionalBytes(&arguments, info, 2, "data");
  std::string name = arguments.String(3, "then", kTextBytesMax);
  auto then = iscsi::AfterSend::kContinue;
  iscsi::SessionParameters session;
  if (name == "fullFeature") {
    then = iscsi::AfterSend::kFullFeature;
    session = ReadSession(&arguments, info[4]);
  } else if (name == "close") {
    then = iscsi::AfterSend::kClose;
  } else if (name != "continue") {
    arguments.Refuse("then has to be continue, fullFeature or close");
  }
  return OnLoop(info.Env(), arguments.error(), [connection, bhs, data, then, session](iscsi::Target& target) {
    target.Send(connection, bhs.data(), data, then,
                then == iscsi::AfterSend::kFullFeature ? &session : nullptr);
  });
}

Napi::Value TargetObject::Complete(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  uint64_t task = arguments.Integer(0, "task", 0, kSafeIntegerMax);
  auto status = static_cast<uint8_t>(arguments.Integer(1, "status", 0, UINT8_MAX));
  Slice sense = OptionalBytes(&arguments, info, 2, "sense");
  Slice data_in = OptionalBytes(&arguments, info, 3, "dataIn");
  return OnLoop(info.Env(), arguments.error(), [task, status, sense, data_in](iscsi::Target& target) {
    target.Complete(task, status, sense ? sense.data() : nullptr, sense.length, data_in);
  });
}

Napi::Value TargetObject::Execute(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  uint64_t task = arguments.Integer(0, "task", 0, kSafeIntegerMax);
  return OnLoop(info.Env(), arguments.error(), [task](iscsi::Target& target) { target.Execute(task); });
}

Napi::Value TargetObject::SetAccess(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  uint64_t nexus = arguments.Integer(0, "nexus", 1, kSafeIntegerMax);
  iscsi::NexusAccess access;
  access.read = Flag(&arguments, info[1], "read");
  access.write = Flag(&arguments, info[1], "write");
  access.attention = Flag(&arguments, info[1], "attention");
  return OnLoop(info.Env(), arguments.error(),
                [nexus, access](iscsi::Target& target) { target.SetAccess(nexus, access); });
}

Napi::Value TargetObject::SetWriteProtected(const Napi::CallbackInfo& info) {
  std::string error = info[0].IsBoolean() ? "" : "on has to be a boolean";
  bool on = Arguments::IsTrue(info[0]);
  return OnLoop(info.Env(), error, [on](iscsi::Target& target) { target.SetWriteProtected(on); });
}

Napi::Value TargetObject::Abort(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  iscsi::TaskFilter filter;
  auto key = [&](const char* name, uint64_t max, bool* has) {
    *has = !Arguments::Get(info[0], name).IsUndefined();
    return *has ? arguments.Property(info[0], name, 0, max) : 0;
  };
  filter.nexus = key("nexus", kSafeIntegerMax, &filter.has_nexus);
  filter.except_nexus = key("exceptNexus", kSafeIntegerMax, &filter.has_except);
  filter.itt = static_cast<uint32_t>(key("itt", UINT32_MAX, &filter.has_itt));
  if (filter.has_itt && !filter.has_nexus) arguments.Refuse("itt goes with nexus");
  Napi::Value before = Arguments::Get(info[0], "before");
  filter.has_before = !before.IsUndefined();
  if (filter.has_before) {
    filter.before_nexus = arguments.Property(before, "nexus", 0, kSafeIntegerMax);
    filter.before_cmd_sn = static_cast<uint32_t>(arguments.Property(before, "cmdSn", 0, UINT32_MAX));
  }
  if (closing_) return Rejected(env, "CLOSED", "the target is closed");
  if (!arguments.error().empty()) return Rejected(env, "BAD_ARGUMENT", arguments.error());
  SharedDeferred deferred = MakeDeferred(env);
  core_->loop.Post([this, deferred, filter] {
    target_->Abort(filter, [this, deferred](size_t count) {
      bridge_->Post([deferred, count](Napi::Env env) {
        deferred->Resolve(Napi::Number::New(env, static_cast<double>(count)));
      });
    });
  });
  return deferred->Promise();
}

Napi::Value TargetObject::CloseConnection(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  uint64_t connection = arguments.Integer(0, "connection", 1, kSafeIntegerMax);
  std::string reason = arguments.String(1, "reason", kTextBytesMax);
  if (closing_) return Rejected(env, "CLOSED", "the target is closed");
  if (!arguments.error().empty()) return Rejected(env, "BAD_ARGUMENT", arguments.error());
  SharedDeferred deferred = MakeDeferred(env);
  core_->loop.Post([this, deferred, connection, reason] {
    target_->CloseConnection(connection, reason, [this, deferred] { PostResolve(bridge_.get(), deferred); });
  });
  return deferred->Promise();
}

Napi::Value TargetObject::Sessions(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (closing_) return Napi::Array::New(env, 0);
  // The loop never waits for JavaScript, so waiting for one of its cycles is short and cannot lock up.
  std::promise<std::vector<iscsi::SessionStats>> promise;
  core_->loop.Post([this, &promise] { promise.set_value(target_->Sessions()); });
  std::vector<iscsi::SessionStats> sessions = promise.get_future().get();
  Napi::Array array = Napi::Array::New(env, sessions.size());
  for (uint32_t i = 0; i < sessions.size(); ++i) {
    const iscsi::SessionStats& session = sessions[i];
    Napi::Object object = Napi::Object::New(env);
    object.Set("connection", static_cast<double>(session.connection));
    object.Set("nexus", static_cast<double>(session.nexus));
    object.Set("remote", session.remote);
    object.Set("commands", static_cast<double>(session.commands));
    object.Set("openTasks", static_cast<double>(session.open_tasks));
    array.Set(i, object);
  }
  return array;
}

// ---------------------------------------------------------------------------------------------- closing

Napi::Value TargetObject::Close(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  SharedDeferred deferred = MakeDeferred(env);
  if (!core_) {
    deferred->Resolve(env.Undefined());
    return deferred->Promise();
  }
  waiting_for_close_.push_back(deferred);
  if (!std::exchange(closing_, true)) {
    core_->loop.Post([this] {
      // Deleted in a later turn: not inside its own callback.
      target_->Close([this] {
        core_->loop.Post([this] {
          target_.reset();
          bridge_->Post([this](Napi::Env) { Finish(); });
        });
      });
    });
  }
  return deferred->Promise();
}

void TargetObject::Finish() {
  core_.reset();
  bridge_->Close();
  for (auto& deferred : std::exchange(waiting_for_close_, {})) deferred->Resolve(Env().Undefined());
  on_event_.Reset();
  Unref();
}

// The volume's own hook runs after this one, so its operations still end: those that are in flight with
// replicas are waited for no longer than the volume itself allows, by closing it first.
void TargetObject::StopForExit() {
  if (!core_) return;
  std::promise<void> deleted;
  core_->loop.Post([this, &deleted] {
    auto remove = [this, &deleted] {
      core_->loop.Post([this, &deleted] {
        target_.reset();
        deleted.set_value();
      });
    };
    // Operations that wait for a replica would never end.
    core_->volume.Close();
    if (std::exchange(closing_, true)) {
      remove();
    } else {
      target_->Close(remove);
    }
  });
  deleted.get_future().wait();
  core_.reset();
}

// ---------------------------------------------------------------------------------------------- events

void TargetObject::EmitEvent(const char* type, uint64_t connection,
                             std::function<void(Napi::Env, Napi::Object)> fill) {
  bridge_->Post([this, type, connection, fill = std::move(fill)](Napi::Env env) {
    Napi::Object event = Napi::Object::New(env);
    event.Set("type", type);
    event.Set("connection", static_cast<double>(connection));
    fill(env, event);
    on_event_.Call({event});
  });
}

void TargetObject::OnConnected(uint64_t connection, const std::string& remote, const std::string& local) {
  EmitEvent("connected", connection, [remote, local](Napi::Env, Napi::Object event) {
    event.Set("remote", remote);
    event.Set("local", local);
  });
}

void TargetObject::OnPdu(uint64_t connection, uint64_t nexus, const uint8_t* bhs, const Slice& data) {
  std::array<uint8_t, kBhsBytes> header;
  memcpy(header.data(), bhs, header.size());
  EmitEvent("pdu", connection, [nexus, header, data](Napi::Env env, Napi::Object event) {
    event.Set("nexus", static_cast<double>(nexus));
    event.Set("bhs", Napi::Buffer<uint8_t>::Copy(env, header.data(), header.size()));
    event.Set("data", BufferOf(env, data));
  });
}

void TargetObject::OnCommand(uint64_t connection, uint64_t nexus, uint64_t task, int64_t lun,
                             const uint8_t* cdb, const Slice& data_out) {
  std::array<uint8_t, kCdbBytes> bytes;
  memcpy(bytes.data(), cdb, bytes.size());
  EmitEvent("command", connection, [nexus, task, lun, bytes, data_out](Napi::Env env, Napi::Object event) {
    event.Set("nexus", static_cast<double>(nexus));
    event.Set("task", static_cast<double>(task));
    event.Set("lun", static_cast<double>(lun));
    event.Set("cdb", Napi::Buffer<uint8_t>::Copy(env, bytes.data(), bytes.size()));
    event.Set("dataOut", data_out.length == 0 ? env.Null() : BufferOf(env, data_out));
  });
}

void TargetObject::OnDisconnected(uint64_t connection, uint64_t nexus, const std::string& reason) {
  EmitEvent("disconnected", connection, [nexus, reason](Napi::Env, Napi::Object event) {
    event.Set("nexus", static_cast<double>(nexus));
    event.Set("reason", reason);
  });
}

}  // namespace aurochs
