#include "bindings/store.h"

#include <cstring>
#include <future>
#include <utility>

#include "base/limits.h"
#include "bindings/store_options.h"

namespace aurochs {

namespace {

// Tells our objects from others that JavaScript may pass instead.
constexpr napi_type_tag kTypeTag = {0x61c2b1b86e0f4a51, 0x9d1f3a5c77e20bd4};

// A promise that is kept or broken on the environment's thread; a call may be answered before it returns.
Napi::Value Rejected(Napi::Env env, const Napi::Error& error) {
  auto deferred = Deferred(env);
  deferred.Reject(error.Value());
  return deferred.Promise();
}

}  // namespace

/// One call of a data method: the store's request and the promise that waits for it.
struct StoreObject::Request final : StoreRequest {
  Request(StoreObject* object, Napi::Env env, Kind request_kind) : owner(object), deferred(Deferred(env)) {
    kind = request_kind;
  }

  void Done(Status status, const char* message) override {
    auto keep = std::move(self);
    owner->bridge_->Post([keep, status, text = std::string(message)](Napi::Env env) {
      if (status == Status::kOk) {
        keep->deferred.Resolve(keep->Result(env));
      } else {
        keep->deferred.Reject(MakeError(env, status, text).Value());
      }
    });
  }

  Napi::Value Result(Napi::Env env) const {
    if (kind == Kind::kRead) return Napi::Buffer<uint8_t>::Copy(env, payload.data(), payload.length);
    if (kind != Kind::kExtents) return env.Undefined();
    auto numbers = Napi::Array::New(env, extents.size() * 2);
    uint32_t index = 0;
    for (auto [run_offset, run_length] : extents) {
      numbers[index++] = Napi::Number::New(env, static_cast<double>(run_offset));
      numbers[index++] = Napi::Number::New(env, static_cast<double>(run_length));
    }
    return numbers;
  }

  StoreObject* owner;
  Deferred deferred;
  std::shared_ptr<Request> self;  // while the store has it
};

// ---------------------------------------------------------------------------------------------- opening

Napi::Function StoreObject::DefineOpenStore(Napi::Env env) {
  Napi::Function constructor =
      DefineClass(env, "ReplicaStore",
                  {
                      InstanceMethod<&StoreObject::Read>("read"),
                      InstanceMethod<&StoreObject::Write>("write"),
                      InstanceMethod<&StoreObject::Unmap>("unmap"),
                      InstanceMethod<&StoreObject::WriteZeroes>("writeZeroes"),
                      InstanceMethod<&StoreObject::Flush>("flush"),
                      InstanceMethod<&StoreObject::Extents>("extents"),
                      InstanceMethod<&StoreObject::InheritedRegions>("inheritedRegions"),
                      InstanceMethod<&StoreObject::Inherit>("inherit"),
                      InstanceMethod<&StoreObject::Agreed>("agreed"),
                      InstanceMethod<&StoreObject::Release>("release"),
                      InstanceMethod<&StoreObject::Rewrite>("rewrite"),
                      InstanceMethod<&StoreObject::TrackMissed>("trackMissed"),
                      InstanceMethod<&StoreObject::ForgetMissed>("forgetMissed"),
                      InstanceMethod<&StoreObject::Missed>("missed"),
                      InstanceMethod<&StoreObject::HoldChanges>("holdChanges"),
                      InstanceMethod<&StoreObject::ResumeChanges>("resumeChanges"),
                      InstanceMethod<&StoreObject::PrepareHead>("prepareHead"),
                      InstanceMethod<&StoreObject::PrepareLayers>("prepareLayers"),
                      InstanceMethod<&StoreObject::SwitchLayers>("switchLayers"),
                      InstanceMethod<&StoreObject::SetRemovedLayers>("setRemovedLayers"),
                      InstanceMethod<&StoreObject::RenameLayer>("renameLayer"),
                      InstanceMethod<&StoreObject::MergeLayers>("mergeLayers"),
                      InstanceMethod<&StoreObject::PruneLayer>("pruneLayer"),
                      InstanceMethod<&StoreObject::Stats>("stats"),
                      InstanceMethod<&StoreObject::Close>("close"),
                  });
  auto reference = std::make_shared<Napi::FunctionReference>(Napi::Persistent(constructor));
  return Napi::Function::New(
      env, [reference](const Napi::CallbackInfo& info) { return OpenStore(info, *reference); }, "openStore");
}

Napi::Value StoreObject::OpenStore(const Napi::CallbackInfo& info,
                                   const Napi::FunctionReference& constructor) {
  Napi::Env env = info.Env();
  ExtentStore::Options options;
  std::string problem = ReadStoreOptions(info[0], &options);
  if (problem.empty() && !info[1].IsFunction()) problem = "onFatal has to be a function";
  if (!problem.empty()) return Rejected(env, MakeError(env, "BAD_ARGUMENT", "openStore: " + problem));
  Napi::Object object = constructor.New({});
  object.TypeTag(&kTypeTag);
  return Unwrap(object)->Open(std::move(options), info[1].As<Napi::Function>());
}

StoreObject* StoreObject::Of(Napi::Value value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTypeTag)) return nullptr;
  return Unwrap(value.As<Napi::Object>());
}

StoreObject::StoreObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<StoreObject>(info), core_(std::make_shared<StoreCore>()) {}

Napi::Value StoreObject::Open(ExtentStore::Options options, Napi::Function on_fatal) {
  Ref();  // until closed, nobody but the I/O thread may have use for it
  on_fatal_ = Napi::Persistent(on_fatal);
  bridge_ = std::make_unique<JsBridge>(Env(), "aurochs-store", [this] { StopForExit(); });
  core_->loop.Start("aurochs-store");
  auto deferred = Deferred(Env());
  core_->loop.Post([this, deferred, options = std::move(options)] {
    ExtentStore::Error error;
    auto fatal = [this](const ExtentStore::Error& cause) {
      bridge_->Post([this, cause](Napi::Env env) {
        on_fatal_.Call(
            {MakeError(env, StatusName(Status::kIoError), cause.message, cause.system_errno).Value()});
      });
    };
    core_->store = ExtentStore::Open(options, &core_->loop, fatal, &error);
    bool opened = core_->store != nullptr;
    bridge_->Post(
        [this, deferred, opened, error](Napi::Env) { Opened(deferred, opened ? nullptr : &error); });
  });
  return deferred.Promise();
}

void StoreObject::Opened(Deferred deferred, const ExtentStore::Error* error) {
  if (error == nullptr) {
    state_ = State::kOpen;
    deferred.Resolve(Value());
    return;
  }
  deferred.Reject(
      MakeError(Env(), StatusName(StatusOfErrno(error->system_errno)), error->message, error->system_errno)
          .Value());
  Finish();
}

// ---------------------------------------------------------------------------------------------- closing

Napi::Value StoreObject::Close(const Napi::CallbackInfo& info) {
  auto deferred = Deferred(info.Env());
  if (state_ == State::kClosed) {
    deferred.Resolve(info.Env().Undefined());
    return deferred.Promise();
  }
  closing_.push_back(deferred);
  if (state_ == State::kClosing) return deferred.Promise();
  state_ = State::kClosing;
  core_->loop.Post(
      [this] { core_->store->Close([this] { bridge_->Post([this](Napi::Env) { Finish(); }); }); });
  return deferred.Promise();
}

void StoreObject::Finish() {
  state_ = State::kClosed;
  bridge_->Close();
  on_fatal_.Reset();
  // Not when JavaScript happens to collect this: a thread and an index are a lot to wait with.
  core_.reset();
  for (auto& deferred : std::exchange(closing_, {})) deferred.Resolve(Env().Undefined());
  Unref();
}

// The environment ends: what is in flight ends first, then nothing of ours touches JavaScript or the files
// any more.
void StoreObject::StopForExit() {
  auto closed = std::make_shared<std::promise<void>>();
  core_->loop.Post([this, closed] {
    if (core_->store == nullptr) {
      closed->set_value();
    } else {
      core_->store->Close([closed] { closed->set_value(); });
    }
  });
  closed->get_future().wait();
}

// ---------------------------------------------------------------------------------------------- calls

Napi::Value StoreObject::Refuse(const Napi::CallbackInfo& info, bool arguments_valid, const char* usage) {
  Napi::Env env = info.Env();
  if (state_ != State::kOpen) return Rejected(env, MakeError(env, "CLOSED", "the store is closed"));
  if (!arguments_valid) return Rejected(env, MakeError(env, "BAD_ARGUMENT", usage));
  return Napi::Value();
}

Napi::Value StoreObject::Submit(Napi::Env, std::shared_ptr<Request> request) {
  auto promise = request->deferred.Promise();
  Request* raw = request.get();
  raw->self = std::move(request);
  core_->loop.Post([this, raw] { core_->store->Submit(raw); });
  return promise;
}

Napi::Value StoreObject::SubmitRange(const Napi::CallbackInfo& info, StoreRequest::Kind kind,
                                     const char* usage) {
  uint64_t offset = 0, length = 0;
  bool valid = ReadCount(info[0], &offset) && ReadCount(info[1], &length);
  if (kind == StoreRequest::Kind::kRead && length > kStreamPayloadBytesMax) valid = false;
  if (Napi::Value refused = Refuse(info, valid, usage); !refused.IsEmpty()) return refused;
  auto request = std::make_shared<Request>(this, info.Env(), kind);
  request->offset = offset;
  request->length = length;
  if (kind == StoreRequest::Kind::kRead) request->payload = Slice::Allocate(static_cast<uint32_t>(length));
  return Submit(info.Env(), std::move(request));
}

Napi::Value StoreObject::Read(const Napi::CallbackInfo& info) {
  return SubmitRange(info, StoreRequest::Kind::kRead, "read(offset, length): bytes, at most 64 MiB");
}

Napi::Value StoreObject::Unmap(const Napi::CallbackInfo& info) {
  return SubmitRange(info, StoreRequest::Kind::kUnmap, "unmap(offset, length): bytes");
}

Napi::Value StoreObject::WriteZeroes(const Napi::CallbackInfo& info) {
  return SubmitRange(info, StoreRequest::Kind::kWriteZeroes, "writeZeroes(offset, length): bytes");
}

Napi::Value StoreObject::Extents(const Napi::CallbackInfo& info) {
  return SubmitRange(info, StoreRequest::Kind::kExtents, "extents(offset, length): bytes");
}

Napi::Value StoreObject::Write(const Napi::CallbackInfo& info) {
  uint64_t offset = 0;
  bool valid = ReadCount(info[0], &offset) && info[1].IsTypedArray() &&
               info[1].As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array &&
               info[1].As<Napi::TypedArray>().ByteLength() <= kStreamPayloadBytesMax;
  bool fua = false;
  if (valid && info[2].IsObject()) {
    Napi::Value option = info[2].As<Napi::Object>().Get("fua");
    valid = option.IsUndefined() || option.IsBoolean();
    fua = option.IsBoolean() && option.As<Napi::Boolean>().Value();
  }
  const char* usage = "write(offset, data, { fua }): data is a Uint8Array of at most 64 MiB";
  if (Napi::Value refused = Refuse(info, valid, usage); !refused.IsEmpty()) return refused;
  auto data = info[1].As<Napi::Uint8Array>();
  auto request = std::make_shared<Request>(this, info.Env(), StoreRequest::Kind::kWrite);
  request->offset = offset;
  request->length = data.ByteLength();
  request->fua = fua;
  request->payload = Slice::Allocate(static_cast<uint32_t>(data.ByteLength()));
  memcpy(request->payload.data(), data.Data(), data.ByteLength());
  return Submit(info.Env(), std::move(request));
}

Napi::Value StoreObject::Flush(const Napi::CallbackInfo& info) {
  if (Napi::Value refused = Refuse(info, true, ""); !refused.IsEmpty()) return refused;
  return Submit(info.Env(), std::make_shared<Request>(this, info.Env(), StoreRequest::Kind::kFlush));
}

Napi::Value StoreObject::CallStore(Napi::Env env, StoreCall call) {
  if (state_ != State::kOpen) return Rejected(env, MakeError(env, "CLOSED", "the store is closed"));
  auto deferred = Deferred(env);
  core_->loop.Post([this, deferred, call = std::move(call)] {
    call(*core_->store, [this, deferred](Status status, const char* message) {
      bridge_->Post([deferred, status, text = std::string(message)](Napi::Env env) {
        if (status == Status::kOk) {
          deferred.Resolve(env.Undefined());
        } else {
          deferred.Reject(MakeError(env, status, text).Value());
        }
      });
    });
  });
  return deferred.Promise();
}

Napi::Value StoreObject::Inherit(const Napi::CallbackInfo& info) {
  return CallStore(info.Env(), [](ExtentStore& store, ExtentStore::Callback done) {
    store.Inherit();
    done(Status::kOk, "");
  });
}

Napi::Value StoreObject::Agreed(const Napi::CallbackInfo& info) {
  return CallStore(info.Env(),
                   [](ExtentStore& store, ExtentStore::Callback done) { store.Agreed(std::move(done)); });
}

Napi::Value StoreObject::Release(const Napi::CallbackInfo& info) {
  return CallStore(info.Env(),
                   [](ExtentStore& store, ExtentStore::Callback done) { store.Release(std::move(done)); });
}

Napi::Value StoreObject::Rewrite(const Napi::CallbackInfo& info) {
  return CallStore(info.Env(),
                   [](ExtentStore& store, ExtentStore::Callback done) { store.Rewrite(std::move(done)); });
}

Napi::Value StoreObject::TrackMissed(const Napi::CallbackInfo& info) {
  uint64_t since = 0;
  bool valid = ReadCount(info[0], &since) && since > 0;
  if (Napi::Value refused = Refuse(info, valid, "trackMissed(since): a generation above 0");
      !refused.IsEmpty()) {
    return refused;
  }
  return CallStore(info.Env(), [since](ExtentStore& store, ExtentStore::Callback done) {
    store.TrackMissed(since, std::move(done));
  });
}

Napi::Value StoreObject::ForgetMissed(const Napi::CallbackInfo& info) {
  return CallStore(info.Env(), [](ExtentStore& store, ExtentStore::Callback done) {
    store.ForgetMissed(std::move(done));
  });
}

Napi::Value StoreObject::Missed(const Napi::CallbackInfo& info) {
  if (Napi::Value refused = Refuse(info, true, ""); !refused.IsEmpty()) return refused;
  auto deferred = Deferred(info.Env());
  core_->loop.Post([this, deferred] {
    bridge_->Post([deferred, missed = core_->store->GetMissed()](Napi::Env env) {
      if (missed.since == 0) return deferred.Resolve(env.Null());
      auto object = Napi::Object::New(env);
      object.Set("since", Napi::Number::New(env, static_cast<double>(missed.since)));
      object.Set("grain", Napi::Number::New(env, static_cast<double>(kMissedGrainBytes)));
      object.Set("bitmap", Napi::Buffer<uint8_t>::Copy(env, missed.bitmap.data(), missed.bitmap.size()));
      deferred.Resolve(object);
    });
  });
  return deferred.Promise();
}

Napi::Value StoreObject::InheritedRegions(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (state_ != State::kOpen) {
    MakeError(env, "CLOSED", "the store is closed").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  std::vector<uint8_t> bytes = core_->store->InheritedRegions();
  return Napi::Buffer<uint8_t>::Copy(env, bytes.data(), bytes.size());
}

Napi::Value StoreObject::Stats(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (state_ != State::kOpen) {
    MakeError(env, "CLOSED", "the store is closed").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  ExtentStore::Stats stats = core_->store->stats();
  auto object = Napi::Object::New(env);
  auto set = [&](const char* name, uint64_t value) {
    object.Set(name, Napi::Number::New(env, static_cast<double>(value)));
  };
  set("reads", stats.reads);
  set("writes", stats.writes);
  set("changes", stats.changes);
  set("flushes", stats.flushes);
  set("syncs", stats.syncs);
  set("regionMapWrites", stats.region_map_writes);
  set("damagedMapBlocks", stats.damaged_map_blocks);
  set("dirtyRegions", stats.dirty_regions);
  set("indexBytes", stats.index_bytes);
  set("allocatedBytes", stats.allocated_bytes);
  set("interruptedBytes", stats.interrupted_bytes);
  return object;
}

}  // namespace aurochs
