// The way from an I/O thread to JavaScript: closures that run on the environment's thread, in order, in
// batches.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/status.h"

namespace aurochs {

/// One per JavaScript object with a thread of its own. Keeps the process alive until Close().
class JsBridge {
 public:
  using Work = std::function<void(Napi::Env)>;

  /// On the environment's thread. `on_exit` runs (there, once) when the environment ends before Close(): it
  /// has to stop the threads that post here.
  JsBridge(Napi::Env env, const char* name, std::function<void()> on_exit);
  ~JsBridge();
  JsBridge(const JsBridge&) = delete;
  JsBridge& operator=(const JsBridge&) = delete;

  /// Any thread. Work posted after Close(), or when the environment ends first, is dropped.
  void Post(Work work);
  /// On the environment's thread, idempotent. Work that was posted before still runs.
  void Close();

 private:
  struct State {
    std::mutex mutex;
    std::vector<Work> queue;  // guarded by mutex
    bool scheduled = false;   // guarded by mutex
    bool closed = false;      // guarded by mutex
  };

  static void OnExit(void* self);
  static void Run(napi_env env, napi_value callback, void* context, void* data);

  napi_env env_;
  napi_threadsafe_function function_ = nullptr;
  std::shared_ptr<State> state_;
  std::function<void()> on_exit_;
  bool hooked_ = true;
};

/// An Error with `code` (and `errno` when not 0), as NativeError of native/index.ts.
Napi::Error MakeError(Napi::Env env, const char* code, const std::string& message, int system_errno = 0);
Napi::Error MakeError(Napi::Env env, Status status, const std::string& message);

}  // namespace aurochs
