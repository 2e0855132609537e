// The DataServer class of native/index.ts.
#pragma once

#include <napi.h>

#include <memory>
#include <string>
#include <vector>

#include "bindings/js_bridge.h"
#include "bindings/promise.h"
#include "bindings/store.h"
#include "stream/data_server.h"

namespace aurochs {

class DataServerObject : public Napi::ObjectWrap<DataServerObject>, private DataServer::Listener {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit DataServerObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value Listen(const Napi::CallbackInfo& info);
  Napi::Value Accept(const Napi::CallbackInfo& info);
  Napi::Value Reject(const Napi::CallbackInfo& info);
  Napi::Value Fence(const Napi::CallbackInfo& info);
  Napi::Value KeepRevision(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  void OnHello(uint64_t stream, const Hello& hello, const std::string& remote) override;
  void OnDataconn(uint64_t stream, const std::string& remote) override;
  void OnStreamClosed(uint64_t stream, const std::string& reason) override;

  void Finish(Napi::Env env);
  void StopForExit();

  Napi::FunctionReference on_event_;
  std::unique_ptr<JsBridge> bridge_;
  std::shared_ptr<StoreCore> core_;     // null once closed
  std::unique_ptr<DataServer> server_;  // made and deleted on the loop's thread
  bool closing_ = false;
  bool listening_ = false;
  std::vector<SharedDeferred> waiting_for_close_;
};

}  // namespace aurochs
