// The Volume class of native/index.ts.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "bindings/arguments.h"
#include "bindings/js_bridge.h"
#include "bindings/promise.h"
#include "volume/backend.h"
#include "volume/volume.h"
#include "volume/volume_socket.h"

namespace aurochs {

/// The I/O thread and what lives on it. Whoever works on the loop beyond one call keeps a reference: the
/// thread is joined with the last one, which has to go on the environment's thread.
struct VolumeCore {
  VolumeCore(const Volume::Options& options, Volume::Listener* listener) : volume(&loop, options, listener) {
    loop.Start("aurochs-volume");
  }
  ~VolumeCore() { loop.Stop(); }

  EventLoop loop;
  Volume volume;
  std::unique_ptr<VolumeSocket> socket;  // made and deleted on the loop's thread, or after its end
};

class VolumeObject : public Napi::ObjectWrap<VolumeObject>,
                     private Volume::Listener,
                     private VolumeSocket::Listener {
 public:
  static Napi::Function Define(Napi::Env env);
  /// The object behind a JavaScript value; null when it is something else.
  static VolumeObject* Of(const Napi::Value& value);

  explicit VolumeObject(const Napi::CallbackInfo& info);

  /// Null once closed. Its operations end with kAborted from the moment close() is called.
  std::shared_ptr<VolumeCore> core() const { return core_; }
  EventLoop& loop() const { return core_->loop; }
  Backend& backend() const { return core_->volume; }

 private:
  class JsOperation;
  class ConnectWork;

  Napi::Value Connect(const Napi::CallbackInfo& info);
  Napi::Value ConnectLonghorn(const Napi::CallbackInfo& info);
  Napi::Value ConnectTo(const Napi::CallbackInfo& info, Arguments* arguments,
                        std::function<void(Volume&, std::vector<SocketAddress>, ConnectCallback)> start);
  Napi::Value SetUnmapZeroes(const Napi::CallbackInfo& info);
  Napi::Value SetMode(const Napi::CallbackInfo& info);
  Napi::Value FailHeld(const Napi::CallbackInfo& info);
  Napi::Value Grow(const Napi::CallbackInfo& info);
  Napi::Value Refuse(const Napi::CallbackInfo& info);
  Napi::Value Read(const Napi::CallbackInfo& info);
  Napi::Value Write(const Napi::CallbackInfo& info);
  Napi::Value Unmap(const Napi::CallbackInfo& info);
  Napi::Value WriteZeroes(const Napi::CallbackInfo& info);
  Napi::Value Flush(const Napi::CallbackInfo& info);
  Napi::Value Extents(const Napi::CallbackInfo& info);
  Napi::Value Copy(const Napi::CallbackInfo& info);
  Napi::Value Settle(const Napi::CallbackInfo& info);
  Napi::Value WatchUnmaps(const Napi::CallbackInfo& info);
  Napi::Value HoldReads(const Napi::CallbackInfo& info);
  Napi::Value Clock(const Napi::CallbackInfo& info);
  Napi::Value LeaseReads(const Napi::CallbackInfo& info);
  Napi::Value Quiesce(const Napi::CallbackInfo& info);
  Napi::Value Resume(const Napi::CallbackInfo& info);
  Napi::Value OpenSocket(const Napi::CallbackInfo& info);
  Napi::Value CloseSocket(const Napi::CallbackInfo& info);
  Napi::Value Stats(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  void OnDisconnected(int slot, const std::string& reason) override;
  void OnFailed(int slot, Status status, const std::string& message, OperationKind kind, uint64_t offset,
                uint64_t length) override;
  void OnTimeout(int slot, OperationKind kind, uint64_t offset, uint64_t length, int64_t elapsed_ms) override;
  void OnUnmapsWaiting() override;
  void OnReadWaits(uint64_t offset, uint64_t length) override;

  void OnConnectionEnded(const std::string& reason) override;

  /// Runs `work` on the loop and resolves with undefined. Rejects when closed or when `error` is not empty.
  Napi::Value OnLoop(Napi::Env env, const std::string& error, std::function<void(Volume&)> work);
  Napi::Value Ranged(const Napi::CallbackInfo& info, OperationKind kind);
  /// Rejects or starts `operation`, which deletes itself.
  Napi::Value Run(Napi::Env env, const std::string& error, std::unique_ptr<JsOperation> operation);
  void EmitEvent(std::function<void(Napi::Env, Napi::Object)> fill);
  void SocketClosed(Napi::Env env);
  void Closed(Napi::Env env);

  Volume::Options options_;
  Napi::FunctionReference on_event_;
  Napi::FunctionReference on_socket_ended_;  // empty while there is no socket
  std::unique_ptr<JsBridge> bridge_;
  std::shared_ptr<VolumeCore> core_;
  bool closing_ = false;
  std::vector<SharedDeferred> waiting_for_close_;
  std::vector<SharedDeferred> waiting_for_socket_;
};

}  // namespace aurochs
