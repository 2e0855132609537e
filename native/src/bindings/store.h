// `openStore` and the ReplicaStore class of native/index.ts.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "bindings/js_bridge.h"
#include "bindings/promise.h"
#include "store/extent_store.h"

namespace aurochs {

/// The I/O thread and the store that lives on it. Whoever works on the loop beyond one call keeps a
/// reference: the thread is joined with the last one, on the environment's thread.
struct StoreCore {
  ~StoreCore() { loop.Stop(); }

  std::unique_ptr<ExtentStore> store;  // set on the loop's thread before the object is handed out
  EventLoop loop;
};

class StoreObject : public Napi::ObjectWrap<StoreObject> {
 public:
  /// The function `openStore`, with the class behind it.
  static Napi::Function DefineOpenStore(Napi::Env env);
  /// The object behind a JavaScript value; null when it is something else.
  static StoreObject* Of(Napi::Value value);

  explicit StoreObject(const Napi::CallbackInfo& info);

  /// Of an open one. After close() the loop goes on and the backend answers NOT_OPEN, as long as somebody
  /// else holds this.
  std::shared_ptr<StoreCore> core() const { return core_; }
  bool closed() const { return state_ != State::kOpen; }

 private:
  enum class State { kOpening, kOpen, kClosing, kClosed };
  struct Request;

  static Napi::Value OpenStore(const Napi::CallbackInfo& info, const Napi::FunctionReference& constructor);

  Napi::Value Open(ExtentStore::Options options, Napi::Function on_fatal);
  void Opened(Deferred deferred, const ExtentStore::Error* error);
  void StopForExit();
  void Finish();

  /// A promise rejected with CLOSED or BAD_ARGUMENT; empty when the call may go on.
  Napi::Value Refuse(const Napi::CallbackInfo& info, bool arguments_valid, const char* usage);
  Napi::Value Submit(Napi::Env env, std::shared_ptr<Request> request);
  Napi::Value SubmitRange(const Napi::CallbackInfo& info, StoreRequest::Kind kind, const char* usage);
  using StoreCall = std::function<void(ExtentStore& store, ExtentStore::Callback done)>;
  Napi::Value CallStore(Napi::Env env, StoreCall call);
  /// Of a long work, for JavaScript's `onProgress`.
  ExtentStore::Progress ProgressTo(Napi::Value on_progress);

  Napi::Value Read(const Napi::CallbackInfo& info);
  Napi::Value Write(const Napi::CallbackInfo& info);
  Napi::Value Unmap(const Napi::CallbackInfo& info);
  Napi::Value WriteZeroes(const Napi::CallbackInfo& info);
  Napi::Value Flush(const Napi::CallbackInfo& info);
  Napi::Value Extents(const Napi::CallbackInfo& info);
  Napi::Value InheritedRegions(const Napi::CallbackInfo& info);
  Napi::Value Inherit(const Napi::CallbackInfo& info);
  Napi::Value Agreed(const Napi::CallbackInfo& info);
  Napi::Value Rewrite(const Napi::CallbackInfo& info);
  Napi::Value Release(const Napi::CallbackInfo& info);
  Napi::Value TrackMissed(const Napi::CallbackInfo& info);
  Napi::Value ForgetMissed(const Napi::CallbackInfo& info);
  Napi::Value Missed(const Napi::CallbackInfo& info);
  Napi::Value HoldChanges(const Napi::CallbackInfo& info);
  Napi::Value ResumeChanges(const Napi::CallbackInfo& info);
  Napi::Value PrepareHead(const Napi::CallbackInfo& info);
  Napi::Value PrepareLayers(const Napi::CallbackInfo& info);
  Napi::Value SwitchLayers(const Napi::CallbackInfo& info);
  Napi::Value SetRemovedLayers(const Napi::CallbackInfo& info);
  Napi::Value RenameLayer(const Napi::CallbackInfo& info);
  Napi::Value MergeLayers(const Napi::CallbackInfo& info);
  Napi::Value PruneLayer(const Napi::CallbackInfo& info);
  Napi::Value Stats(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  State state_ = State::kOpening;
  std::shared_ptr<StoreCore> core_;
  std::unique_ptr<JsBridge> bridge_;
  Napi::FunctionReference on_fatal_;
  std::vector<Deferred> closing_;
};

}  // namespace aurochs
