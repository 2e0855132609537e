// The messages of proto/dataplane.proto: values <-> protobuf bytes. A payload is never in here: it is
// appended by reference when sent and goes straight to its destination when received (grpc_frame.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/status.h"

namespace aurochs {

constexpr uint32_t kProtocolVersion = 1;

/// The only path that the data plane's server knows.
constexpr char kConnectPath[] = "/aurochs.dataplane.v1.DataPlane/Connect";

enum class StreamOp : uint8_t {
  kUnspecified = 0,
  kHello = 1,
  kRead = 2,
  kWrite = 3,
  kFlush = 4,
  kUnmap = 5,
  kWriteZeroes = 6,
  kExtents = 7,
};

struct Hello {
  uint32_t protocol_version = kProtocolVersion;
  std::string volume;
  std::string replica_id;
  std::string engine_id;
  uint64_t generation = 0;
};

struct HelloReply {
  uint32_t protocol_version = kProtocolVersion;
  uint64_t size = 0;  // bytes
  uint32_t max_requests = 0;
  uint32_t max_payload = 0;            // bytes
  uint64_t max_payload_in_flight = 0;  // bytes
};

using Extents = std::vector<std::pair<uint64_t, uint64_t>>;  // offset, length

/// The head of one protobuf field. `value` is the number, or the length of what follows.
struct Field {
  enum class Type : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
  uint32_t number = 0;
  Type type = Type::kVarint;
  uint64_t value = 0;
};

constexpr int kFieldMalformed = -1;
constexpr int kFieldIncomplete = 0;
/// A tag of at most 10 bytes and a number of at most 10.
constexpr size_t kFieldHeadBytesMax = 20;
constexpr uint32_t kPayloadField = 15;

/// Parses tag and number (or length) at the start of `bytes`.
/// @returns bytes consumed, kFieldIncomplete or kFieldMalformed
int ParseFieldHead(const uint8_t* bytes, size_t length, Field* field);

/// A message under construction from its fields; unknown ones, and known ones of another type, are ignored.
/// HasBytes names the length-delimited fields that are wanted whole; SetBytes is false for a malformed one.
struct RequestMessage {
  uint64_t id = 0;
  uint32_t op = 0;
  bool fua = false;
  uint64_t offset = 0;
  uint64_t length = 0;
  uint32_t crc32c = 0;
  uint64_t mark = 0;
  uint64_t settled = 0;
  std::shared_ptr<Hello> hello;  // null without one
  uint32_t payload_length = 0;

  static bool HasBytes(uint32_t number) { return number == 9; }
  void SetNumber(const Field& field);
  bool SetBytes(uint32_t number, const uint8_t* bytes, size_t length);
};

struct ResponseMessage {
  uint64_t id = 0;
  uint32_t status = 0;
  std::string message;
  uint32_t crc32c = 0;
  std::optional<HelloReply> hello;
  Extents extents;
  uint32_t payload_length = 0;

  static bool HasBytes(uint32_t number) { return number == 3 || number == 5 || number == 6; }
  void SetNumber(const Field& field);
  bool SetBytes(uint32_t number, const uint8_t* bytes, size_t length);
};

/// gRPC's five-byte prefix and the numbers and the payload's head; the payload's bytes have to follow.
struct EncodedHead {
  static constexpr size_t kBytesMax = 128;
  std::array<uint8_t, kBytesMax> bytes;
  size_t length = 0;
};
void EncodeRequestHead(const RequestMessage& message, EncodedHead* head);
void EncodeResponseHead(const ResponseMessage& message, EncodedHead* head);

/// Whole messages of any content but a payload, with gRPC's prefix: the rare ones.
Slice EncodeRequest(const RequestMessage& message);
Slice EncodeResponse(const ResponseMessage& message);

/// What a number on the wire means; numbers that we do not know are kIoError.
Status StatusFromWire(uint32_t status);

}  // namespace aurochs
