// gRPC's length-prefixed messages, parsed as their bytes arrive: fields are collected, the payload goes
// straight to where it belongs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/limits.h"
#include "stream/message.h"

namespace aurochs {

/// One direction of one stream. `Message` is RequestMessage or ResponseMessage.
template <class Message>
class MessageReader {
 public:
  class Handler {
   public:
    /// @returns where the payload's `length` bytes go; null skips them. `message` holds the fields before it.
    virtual uint8_t* PayloadStarts(const Message& message, uint32_t length) = 0;
    /// @returns false to stop: the rest of the stream is not looked at
    virtual bool MessageEnds(Message& message) = 0;

   protected:
    ~Handler() = default;
  };

  /// @param message_bytes_max longer messages are refused
  MessageReader(Handler* handler, uint32_t message_bytes_max)
      : handler_(handler), message_bytes_max_(message_bytes_max) {}

  /// @returns false when the handler stopped (error() is empty) or the bytes are malformed
  bool Feed(const uint8_t* bytes, size_t length) {
    for (;;) {
      if (state_ == State::kField && remaining_ == 0) {
        state_ = State::kPrefix;
        if (!handler_->MessageEnds(message_)) return false;
        continue;
      }
      if (length == 0) return true;
      size_t taken = 0;
      switch (state_) {
        case State::kPrefix:
          taken = Collect(bytes, length, kPrefixBytes);
          if (stash_.size() == kPrefixBytes && !StartMessage()) return false;
          break;
        case State::kField:
          taken = TakeFieldHead(bytes, std::min<size_t>(length, remaining_));
          if (!error_.empty()) return false;
          break;
        case State::kBytes:
          taken = Collect(bytes, length, field_.value);
          remaining_ -= taken;
          if (stash_.size() == field_.value && !EndBytes()) return false;
          break;
        case State::kPayload:
        case State::kSkip:
          taken = std::min<size_t>(length, skip_);
          if (state_ == State::kPayload) {
            if (bytes != payload_) memcpy(payload_, bytes, taken);
            payload_ += taken;
          }
          remaining_ -= taken;
          skip_ -= taken;
          if (skip_ == 0) state_ = State::kField;
          break;
      }
      bytes += taken;
      length -= taken;
    }
  }

  /// Where the next bytes belong, if they are a payload's: Feed copies nothing that is there already.
  std::span<uint8_t> PayloadRoom() const {
    return state_ == State::kPayload ? std::span(payload_, skip_) : std::span<uint8_t>();
  }

  const std::string& error() const { return error_; }

 private:
  enum class State : uint8_t { kPrefix, kField, kBytes, kPayload, kSkip };
  static constexpr size_t kPrefixBytes = 5;

  size_t Collect(const uint8_t* bytes, size_t length, size_t wanted) {
    size_t taken = std::min(length, wanted - stash_.size());
    stash_.insert(stash_.end(), bytes, bytes + taken);
    return taken;
  }

  bool Fail(std::string why) {
    error_ = std::move(why);
    return false;
  }

  bool StartMessage() {
    if (stash_[0] != 0) return Fail("compressed gRPC messages are not supported");
    remaining_ = uint32_t{stash_[1]} << 24 | uint32_t{stash_[2]} << 16 | uint32_t{stash_[3]} << 8 | stash_[4];
    if (remaining_ > message_bytes_max_) {
      return Fail("a message of " + std::to_string(remaining_) + " bytes exceeds the limit of " +
                  std::to_string(message_bytes_max_));
    }
    stash_.clear();
    message_ = Message();
    state_ = State::kField;
    return true;
  }

  // `length` is what there is of the message, at least 1. A head that is cut by the end of the bytes is
  // stashed.
  size_t TakeFieldHead(const uint8_t* bytes, size_t length) {
    size_t stashed = stash_.size();
    int head;
    size_t taken;
    if (stashed == 0) {
      head = ParseFieldHead(bytes, length, &field_);
      taken = head > 0 ? head : length;
    } else {
      Collect(bytes, length, kFieldHeadBytesMax);
      head = ParseFieldHead(stash_.data(), stash_.size(), &field_);
      taken = head > 0 ? head - stashed : length;
    }
    if (head == kFieldMalformed || (head == kFieldIncomplete && length == remaining_)) {
      Fail("a message is not well-formed protobuf");
      return 0;
    }
    remaining_ -= taken;
    if (head == kFieldIncomplete) {
      if (stashed == 0) stash_.assign(bytes, bytes + length);
      return taken;
    }
    stash_.clear();
    if (field_.type == Field::Type::kBytes) {
      StartBytes();
    } else {
      message_.SetNumber(field_);
    }
    return taken;
  }

  void StartBytes() {
    if (field_.value > remaining_) {
      Fail("a field is longer than its message");
      return;
    }
    if (field_.number == kPayloadField) {
      if (message_.payload_length != 0) {
        Fail("a message has two payloads");
        return;
      }
      if (field_.value == 0) return;
      message_.payload_length = skip_ = static_cast<uint32_t>(field_.value);
      payload_ = handler_->PayloadStarts(message_, message_.payload_length);
      state_ = payload_ ? State::kPayload : State::kSkip;
    } else if (Message::HasBytes(field_.number)) {
      if (field_.value > kMessageFieldBytesMax) {
        Fail("field " + std::to_string(field_.number) + " is too long");
        return;
      }
      state_ = State::kBytes;
      if (field_.value == 0) EndBytes();
    } else if (field_.value > 0) {
      skip_ = static_cast<uint32_t>(field_.value);
      state_ = State::kSkip;
    }
  }

  bool EndBytes() {
    state_ = State::kField;
    if (!message_.SetBytes(field_.number, stash_.data(), stash_.size())) {
      return Fail("field " + std::to_string(field_.number) + " is not well-formed protobuf");
    }
    stash_.clear();
    return true;
  }

  Handler* handler_;
  uint32_t message_bytes_max_;
  State state_ = State::kPrefix;
  uint32_t remaining_ = 0;  // bytes of the message that are not parsed yet
  uint32_t skip_ = 0;       // bytes of the present field that are not copied or skipped yet
  uint8_t* payload_ = nullptr;
  Field field_;
  Message message_;
  std::vector<uint8_t> stash_;  // bytes of something short that came in pieces
  std::string error_;
};

}  // namespace aurochs
