// Arguments of JavaScript calls, checked. The first one that is wrong is remembered with a text that names
// it.
#pragma once

#include <napi.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>

#include "base/buffer.h"
#include "base/status.h"

namespace aurochs {

class Arguments {
 public:
  explicit Arguments(const Napi::CallbackInfo& info) : info_(info) {}

  /// Empty when all arguments were right so far.
  const std::string& error() const { return error_; }
  void Refuse(const std::string& why) {
    if (error_.empty()) error_ = why;
  }

  /// An integer in [min, max]; `max` at most 2^53 - 1.
  uint64_t Integer(const Napi::Value& value, const char* name, uint64_t min, uint64_t max) {
    double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
    if (!(number >= static_cast<double>(min) && number <= static_cast<double>(max)) ||
        number != std::floor(number)) {
      Refuse(std::string(name) + " has to be an integer from " + std::to_string(min) + " to " +
             std::to_string(max));
      return min;
    }
    return static_cast<uint64_t>(number);
  }
  uint64_t Integer(size_t index, const char* name, uint64_t min, uint64_t max) {
    return Integer(info_[index], name, min, max);
  }
  uint64_t Property(const Napi::Value& object, const char* name, uint64_t min, uint64_t max) {
    return Integer(Get(object, name), name, min, max);
  }

  std::string String(const Napi::Value& value, const char* name, size_t length_max) {
    std::string text = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
    if (!value.IsString() || text.size() > length_max) {
      Refuse(std::string(name) + " has to be a string of at most " + std::to_string(length_max) + " bytes");
    }
    return text;
  }
  std::string String(size_t index, const char* name, size_t length_max) {
    return String(info_[index], name, length_max);
  }
  std::string StringProperty(const Napi::Value& object, const char* name, size_t length_max) {
    return String(Get(object, name), name, length_max);
  }

  /// A copy of a Uint8Array.
  Slice Bytes(size_t index, const char* name) {
    Napi::Value value = info_[index];
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array ||
        value.As<Napi::Uint8Array>().ByteLength() > UINT32_MAX) {
      Refuse(std::string(name) + " has to be a Uint8Array");
      return Slice();
    }
    auto array = value.As<Napi::Uint8Array>();
    Slice slice = Slice::Allocate(static_cast<uint32_t>(array.ByteLength()));
    if (slice.length > 0) memcpy(slice.data(), array.Data(), slice.length);
    return slice;
  }

  Napi::Function Function(size_t index, const char* name) {
    if (!info_[index].IsFunction()) Refuse(std::string(name) + " has to be a function");
    return info_[index].As<Napi::Function>();
  }

  Status StatusArgument(size_t index, const char* name) {
    std::string text = info_[index].IsString() ? info_[index].As<Napi::String>().Utf8Value() : "";
    for (int number = 0; number <= static_cast<int>(Status::kDisconnected); ++number) {
      if (text == StatusName(static_cast<Status>(number))) return static_cast<Status>(number);
    }
    Refuse(std::string(name) + " has to be the name of a status");
    return Status::kIoError;
  }

  /// Never fails, other than ToBoolean.
  static bool IsTrue(const Napi::Value& value) {
    return value.IsBoolean() && value.As<Napi::Boolean>().Value();
  }

  /// Undefined where there is none, and where reading it failed: a worker that is being ended runs no more
  /// JavaScript, and an empty value must not be used.
  static Napi::Value Get(const Napi::Value& object, const char* name) {
    if (object.IsObject()) {
      Napi::Value value = object.As<Napi::Object>().Get(name);
      if (!value.IsEmpty()) return value;
    }
    return object.Env().Undefined();
  }

 private:
  const Napi::CallbackInfo& info_;
  std::string error_;
};

/// The largest integer that a JavaScript number holds exactly.
constexpr uint64_t kSafeIntegerMax = (uint64_t{1} << 53) - 1;

}  // namespace aurochs
