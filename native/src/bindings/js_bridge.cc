#include "bindings/js_bridge.h"

namespace aurochs {

JsBridge::JsBridge(Napi::Env env, const char* name, std::function<void()> on_exit)
    : env_(env), state_(std::make_shared<State>()), on_exit_(std::move(on_exit)) {
  auto* context = new std::shared_ptr<State>(state_);
  napi_create_threadsafe_function(
      env, nullptr, nullptr, Napi::String::New(env, name), 0, 1, context,
      [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<State>*>(data); }, context,
      &JsBridge::Run, &function_);
  // Added after the function's own hook, so it runs before it: hooks run in reverse order.
  napi_add_env_cleanup_hook(env, &JsBridge::OnExit, this);
}

JsBridge::~JsBridge() { Close(); }

void JsBridge::Post(Work work) {
  std::lock_guard lock(state_->mutex);
  if (state_->closed) return;
  state_->queue.push_back(std::move(work));
  if (state_->scheduled) return;
  state_->scheduled = true;
  napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
}

void JsBridge::Close() {
  {
    std::lock_guard lock(state_->mutex);
    if (state_->closed) return;
    state_->closed = true;
    // A call that is scheduled already still finds its queue: State outlives the bridge.
    napi_release_threadsafe_function(function_, napi_tsfn_release);
  }
  if (hooked_) napi_remove_env_cleanup_hook(env_, &JsBridge::OnExit, this);
  hooked_ = false;
}

void JsBridge::OnExit(void* self) {
  auto* bridge = static_cast<JsBridge*>(self);
  bridge->hooked_ = false;
  if (bridge->on_exit_) bridge->on_exit_();
  std::lock_guard lock(bridge->state_->mutex);
  if (bridge->state_->closed) return;
  bridge->state_->closed = true;
  bridge->state_->queue.clear();
  napi_release_threadsafe_function(bridge->function_, napi_tsfn_abort);
}

void JsBridge::Run(napi_env env, napi_value, void* context, void*) {
  // The environment is going down. The context may be gone: Node empties its queue after the finalizer has
  // run.
  if (env == nullptr) return;
  auto state = *static_cast<std::shared_ptr<State>*>(context);
  std::vector<Work> work;
  {
    std::lock_guard lock(state->mutex);
    work.swap(state->queue);
    state->scheduled = false;
  }
  for (auto& item : work) {
    Napi::HandleScope scope(env);
    item(env);
    // An exception thrown by a JavaScript callback is a bug of ours: let it surface as uncaught, do not lose
    // the rest.
    if (Napi::Env(env).IsExceptionPending()) {
      napi_fatal_exception(env, Napi::Env(env).GetAndClearPendingException().Value());
    }
  }
}

Napi::Error MakeError(Napi::Env env, const char* code, const std::string& message, int system_errno) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  if (system_errno != 0) error.Set("errno", Napi::Number::New(env, system_errno));
  return error;
}

Napi::Error MakeError(Napi::Env env, Status status, const std::string& message) {
  return MakeError(env, StatusName(status), message);
}

}  // namespace aurochs
