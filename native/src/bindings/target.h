// The Target class of native/index.ts.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bindings/js_bridge.h"
#include "bindings/promise.h"
#include "bindings/volume.h"
#include "iscsi/target.h"

namespace aurochs {

class TargetObject : public Napi::ObjectWrap<TargetObject>, private iscsi::TargetEvents {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit TargetObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value Listen(const Napi::CallbackInfo& info);
  Napi::Value StopListening(const Napi::CallbackInfo& info);
  Napi::Value Send(const Napi::CallbackInfo& info);
  Napi::Value Complete(const Napi::CallbackInfo& info);
  Napi::Value Execute(const Napi::CallbackInfo& info);
  Napi::Value SetAccess(const Napi::CallbackInfo& info);
  Napi::Value SetWriteProtected(const Napi::CallbackInfo& info);
  Napi::Value Abort(const Napi::CallbackInfo& info);
  Napi::Value CloseConnection(const Napi::CallbackInfo& info);
  Napi::Value Sessions(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  void OnConnected(uint64_t connection, const std::string& remote, const std::string& local) override;
  void OnPdu(uint64_t connection, uint64_t nexus, const uint8_t* bhs, const Slice& data) override;
  void OnCommand(uint64_t connection, uint64_t nexus, uint64_t task, int64_t lun, const uint8_t* cdb,
                 const Slice& data_out) override;
  void OnDisconnected(uint64_t connection, uint64_t nexus, const std::string& reason) override;

  /// Throws when `error` says so; otherwise runs `work` on the loop unless closed.
  Napi::Value OnLoop(Napi::Env env, const std::string& error, std::function<void(iscsi::Target&)> work);
  void EmitEvent(const char* type, uint64_t connection, std::function<void(Napi::Env, Napi::Object)> fill);
  void Finish();
  void StopForExit();

  Napi::FunctionReference on_event_;
  std::unique_ptr<JsBridge> bridge_;
  std::shared_ptr<VolumeCore> core_;       // null once closed
  std::unique_ptr<iscsi::Target> target_;  // made and deleted on the loop's thread
  bool closing_ = false;
  std::vector<SharedDeferred> waiting_for_close_;
};

}  // namespace aurochs
