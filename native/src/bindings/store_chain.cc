// The methods of ReplicaStore that change its chain.
#include <string>
#include <utility>
#include <vector>

#include "bindings/arguments.h"
#include "bindings/promise.h"
#include "bindings/store.h"
#include "bindings/store_options.h"

namespace aurochs {

namespace {
constexpr size_t kPathBytesMax = 4096;  // PATH_MAX
}  // namespace

Napi::Value StoreObject::HoldChanges(const Napi::CallbackInfo& info) {
  bool flush = info[0].ToBoolean();
  return CallStore(info.Env(), [flush](ExtentStore& store, ExtentStore::Callback done) {
    store.HoldChanges(flush, std::move(done));
  });
}

Napi::Value StoreObject::ResumeChanges(const Napi::CallbackInfo& info) {
  if (state_ == State::kOpen) core_->loop.Post([this] { core_->store->ResumeChanges(); });
  return info.Env().Undefined();
}

Napi::Value StoreObject::PrepareHead(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::string path = arguments.String(0, "path", kPathBytesMax);
  uint64_t size = arguments.Integer(1, "size", 0, kSafeIntegerMax);
  if (!arguments.error().empty()) return Rejected(info.Env(), "BAD_ARGUMENT", arguments.error());
  return CallStore(info.Env(), [path, size](ExtentStore& store, ExtentStore::Callback done) {
    store.PrepareHead(path, size, std::move(done));
  });
}

Napi::Value StoreObject::PrepareLayers(const Napi::CallbackInfo& info) {
  ChainSpec spec;
  std::string problem = ReadChainOptions(info[0], &spec);
  if (!problem.empty()) return Rejected(info.Env(), "BAD_ARGUMENT", "prepareLayers: " + problem);
  return CallStore(info.Env(), [spec](ExtentStore& store, ExtentStore::Callback done) {
    store.PrepareLayers(spec, std::move(done));
  });
}

Napi::Value StoreObject::SwitchLayers(const Napi::CallbackInfo& info) {
  return CallStore(info.Env(), [](ExtentStore& store, ExtentStore::Callback done) {
    store.SwitchLayers(std::move(done));
  });
}

Napi::Value StoreObject::SetRemovedLayers(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::vector<std::string> paths;
  if (info[0].IsArray()) {
    auto array = info[0].As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); ++i) {
      paths.push_back(arguments.String(array.Get(i), "paths", kPathBytesMax));
    }
  } else {
    arguments.Refuse("paths has to be an array");
  }
  if (!arguments.error().empty()) return Rejected(info.Env(), "BAD_ARGUMENT", arguments.error());
  return CallStore(info.Env(), [paths](ExtentStore& store, ExtentStore::Callback done) {
    store.SetRemovedLayers(paths, std::move(done));
  });
}

Napi::Value StoreObject::RenameLayer(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::string from = arguments.String(0, "from", kPathBytesMax);
  std::string to = arguments.String(1, "to", kPathBytesMax);
  if (!arguments.error().empty()) return Rejected(info.Env(), "BAD_ARGUMENT", arguments.error());
  return CallStore(info.Env(), [from, to](ExtentStore& store, ExtentStore::Callback done) {
    store.RenameLayer(from, to, std::move(done));
  });
}

ExtentStore::Progress StoreObject::ProgressTo(Napi::Value on_progress) {
  auto function =
      std::make_shared<Napi::FunctionReference>(Napi::Persistent(on_progress.As<Napi::Function>()));
  // Copied on other threads, so the last owner may be one of them: it is let go on this one, or, when the
  // environment has ended, never.
  function->SuppressDestruct();
  auto owner = std::shared_ptr<void>(nullptr, [this, function](void*) mutable {
    bridge_->Post([function = std::move(function)](Napi::Env) { function->Reset(); });
  });
  return [this, function, owner](uint64_t done, uint64_t total) {
    bridge_->Post([function, done, total](Napi::Env env) {
      if (function->IsEmpty()) return;
      function->Call({Napi::Number::New(env, static_cast<double>(done)),
                      Napi::Number::New(env, static_cast<double>(total))});
    });
  };
}

Napi::Value StoreObject::MergeLayers(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::string lower = arguments.String(0, "lower", kPathBytesMax);
  std::string upper = arguments.String(1, "upper", kPathBytesMax);
  arguments.Function(2, "onProgress");
  if (!arguments.error().empty()) return Rejected(info.Env(), "BAD_ARGUMENT", arguments.error());
  if (state_ != State::kOpen) return Rejected(info.Env(), "CLOSED", "the store is closed");
  auto progress = ProgressTo(info[2]);
  return CallStore(info.Env(), [lower, upper, progress](ExtentStore& store, ExtentStore::Callback done) {
    store.MergeLayers(lower, upper, progress, std::move(done));
  });
}

Napi::Value StoreObject::PruneLayer(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::string path = arguments.String(0, "path", kPathBytesMax);
  arguments.Function(1, "onProgress");
  if (!arguments.error().empty()) return Rejected(info.Env(), "BAD_ARGUMENT", arguments.error());
  if (state_ != State::kOpen) return Rejected(info.Env(), "CLOSED", "the store is closed");
  auto progress = ProgressTo(info[1]);
  return CallStore(info.Env(), [path, progress](ExtentStore& store, ExtentStore::Callback done) {
    store.PruneLayer(path, progress, std::move(done));
  });
}

}  // namespace aurochs
