// One replica's place in the volume: its mode, its stream, and the requests that wait for a decision.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/intrusive_list.h"
#include "stream/replica_client.h"

namespace aurochs {

enum class SlotMode : uint8_t { kOff, kWriteOnly, kReadWrite };

/// `status` kOk with the reply, or why not.
using ConnectCallback =
    std::function<void(Status status, const std::string& message, const HelloReply& reply)>;

struct Slot {
  SlotMode mode = SlotMode::kOff;
  /// Null without a stream.
  std::unique_ptr<ReplicaClient> client;
  /// Set while HELLO is under way.
  ConnectCallback connecting;
  /// Answered with an error, or waiting for a stream.
  IntrusiveList<StreamRequest> held;
  /// A timeout was reported and nothing was answered since.
  bool timed_out = false;

  // Of earlier streams.
  uint64_t crc_errors = 0;
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;

  bool connected() const { return client && client->connected(); }
  size_t in_flight() const { return held.size() + (connected() ? client->in_flight() : 0); }
};

}  // namespace aurochs
