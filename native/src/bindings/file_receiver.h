// The FileReceiver class of native/index.ts.
#pragma once

#include <napi.h>

#include <memory>
#include <optional>
#include <vector>

#include "bindings/js_bridge.h"
#include "bindings/promise.h"
#include "sync/receiver_port.h"

namespace aurochs {

class FileReceiverObject : public Napi::ObjectWrap<FileReceiverObject>, private ReceiverPort::Listener {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit FileReceiverObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value Receive(const Napi::CallbackInfo& info);
  Napi::Value Cancel(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  void OnForeign(int fd) override;
  void OnEnded(std::unique_ptr<FileReceiver> file) override;
  void OnStopped() override;

  void Finish(Napi::Env env);

  Napi::FunctionReference on_connection_;
  Napi::FunctionReference on_received_;
  std::unique_ptr<JsBridge> bridge_;
  std::unique_ptr<ReceiverPort> port_;  // null once closed
  bool closing_ = false;
  std::optional<Deferred> receiving_;
  std::vector<SharedDeferred> waiting_for_close_;
};

}  // namespace aurochs
