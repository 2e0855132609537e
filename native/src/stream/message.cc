#include "stream/message.h"

#include <algorithm>
#include <cstring>

namespace aurochs {

namespace {

constexpr size_t kPrefixBytes = 5;  // gRPC: compressed flag, big-endian length

/// Appends fields to any container of bytes. As proto3 has it, default values are not sent.
template <class Output>
class FieldWriter {
 public:
  explicit FieldWriter(Output* output) : output_(output) {}

  void Varint(uint32_t number, uint64_t value) {
    if (value == 0) return;
    Tag(number, Field::Type::kVarint);
    Raw(value);
  }
  void Fixed32(uint32_t number, uint32_t value) {
    if (value == 0) return;
    Tag(number, Field::Type::kFixed32);
    for (int i = 0; i < 4; ++i) output_->push_back(static_cast<uint8_t>(value >> (8 * i)));
  }
  void Bytes(uint32_t number, const void* bytes, size_t length) {
    Tag(number, Field::Type::kBytes);
    Raw(length);
    auto* from = static_cast<const uint8_t*>(bytes);
    for (size_t i = 0; i < length; ++i) output_->push_back(from[i]);
  }
  void String(uint32_t number, const std::string& value) {
    if (!value.empty()) Bytes(number, value.data(), value.size());
  }
  /// Only the head: the bytes follow from elsewhere.
  void PayloadHead(uint32_t length) {
    if (length == 0) return;
    Tag(kPayloadField, Field::Type::kBytes);
    Raw(length);
  }

 private:
  void Tag(uint32_t number, Field::Type type) { Raw(number << 3 | static_cast<uint32_t>(type)); }
  void Raw(uint64_t value) {
    for (; value >= 0x80; value >>= 7) output_->push_back(static_cast<uint8_t>(value | 0x80));
    output_->push_back(static_cast<uint8_t>(value));
  }

  Output* output_;
};

/// push_back on a fixed array.
struct HeadOutput {
  EncodedHead* head;
  void push_back(uint8_t byte) { head->bytes[head->length++] = byte; }
};

void WritePrefix(uint8_t* prefix, size_t length) {
  prefix[0] = 0;
  for (int i = 0; i < 4; ++i) prefix[1 + i] = static_cast<uint8_t>(length >> (24 - 8 * i));
}

template <class Output>
void WriteNumbers(const RequestMessage& message, FieldWriter<Output>* writer) {
  writer->Varint(1, message.id);
  writer->Varint(2, message.op);
  writer->Varint(3, message.offset);
  writer->Varint(4, message.length);
  writer->Varint(5, message.fua);
  writer->Fixed32(6, message.crc32c);
  writer->Varint(7, message.mark);
  writer->Varint(8, message.settled);
}

Slice ToSlice(std::vector<uint8_t>* bytes) {
  WritePrefix(bytes->data(), bytes->size() - kPrefixBytes);
  Slice slice = Slice::Allocate(static_cast<uint32_t>(bytes->size()));
  memcpy(slice.data(), bytes->data(), bytes->size());
  return slice;
}

/// Calls `number(field)` or `bytes(field, data)` for every field of a whole sub-message.
template <class OnNumber, class OnBytes>
bool ForEachField(const uint8_t* bytes, size_t length, OnNumber number, OnBytes on_bytes) {
  while (length > 0) {
    Field field;
    int head = ParseFieldHead(bytes, length, &field);
    if (head <= 0) return false;
    bytes += head;
    length -= head;
    if (field.type != Field::Type::kBytes) {
      number(field);
      continue;
    }
    if (field.value > length) return false;
    on_bytes(field, bytes);
    bytes += field.value;
    length -= field.value;
  }
  return true;
}

bool ParseHello(const uint8_t* bytes, size_t length, Hello* hello) {
  return ForEachField(
      bytes, length,
      [&](const Field& field) {
        if (field.type != Field::Type::kVarint) return;
        if (field.number == 1) hello->protocol_version = static_cast<uint32_t>(field.value);
        if (field.number == 5) hello->generation = field.value;
      },
      [&](const Field& field, const uint8_t* data) {
        std::string* target = field.number == 2   ? &hello->volume
                              : field.number == 3 ? &hello->replica_id
                              : field.number == 4 ? &hello->engine_id
                                                  : nullptr;
        if (target) target->assign(reinterpret_cast<const char*>(data), field.value);
      });
}

bool ParseHelloReply(const uint8_t* bytes, size_t length, HelloReply* reply) {
  return ForEachField(
      bytes, length,
      [&](const Field& field) {
        if (field.type != Field::Type::kVarint) return;
        if (field.number == 1) reply->protocol_version = static_cast<uint32_t>(field.value);
        if (field.number == 2) reply->size = field.value;
        if (field.number == 3) reply->max_requests = static_cast<uint32_t>(field.value);
        if (field.number == 4) reply->max_payload = static_cast<uint32_t>(field.value);
        if (field.number == 5) reply->max_payload_in_flight = field.value;
      },
      [](const Field&, const uint8_t*) {});
}

/// @returns bytes of the varint, kFieldIncomplete or kFieldMalformed
int ParseVarint(const uint8_t* bytes, size_t length, uint64_t* value) {
  constexpr size_t kVarintBytesMax = 10;
  uint64_t result = 0;
  for (size_t i = 0; i < std::min(length, kVarintBytesMax); ++i) {
    result |= static_cast<uint64_t>(bytes[i] & 0x7f) << (7 * i);
    if ((bytes[i] & 0x80) == 0) {
      *value = result;
      return static_cast<int>(i + 1);
    }
  }
  return length >= kVarintBytesMax ? kFieldMalformed : kFieldIncomplete;
}

}  // namespace

int ParseFieldHead(const uint8_t* bytes, size_t length, Field* field) {
  uint64_t tag;
  int tag_bytes = ParseVarint(bytes, length, &tag);
  if (tag_bytes <= 0) return tag_bytes;
  uint64_t number = tag >> 3;
  if (number == 0 || number > 0x1fffffff) return kFieldMalformed;
  field->number = static_cast<uint32_t>(number);
  bytes += tag_bytes;
  length -= tag_bytes;
  switch (tag & 7) {
    case 0:
    case 2: {
      field->type = (tag & 7) == 0 ? Field::Type::kVarint : Field::Type::kBytes;
      int value_bytes = ParseVarint(bytes, length, &field->value);
      return value_bytes <= 0 ? value_bytes : tag_bytes + value_bytes;
    }
    case 1:
    case 5: {
      field->type = (tag & 7) == 1 ? Field::Type::kFixed64 : Field::Type::kFixed32;
      size_t value_bytes = field->type == Field::Type::kFixed64 ? 8 : 4;
      if (length < value_bytes) return kFieldIncomplete;
      field->value = 0;
      for (size_t i = 0; i < value_bytes; ++i) field->value |= static_cast<uint64_t>(bytes[i]) << (8 * i);
      return tag_bytes + static_cast<int>(value_bytes);
    }
    default:
      return kFieldMalformed;  // groups, which proto3 does not have
  }
}

void RequestMessage::SetNumber(const Field& field) {
  if (field.type == Field::Type::kFixed32) {
    if (field.number == 6) crc32c = static_cast<uint32_t>(field.value);
    return;
  }
  if (field.type != Field::Type::kVarint) return;
  switch (field.number) {
    case 1:
      id = field.value;
      break;
    case 2:
      op = static_cast<uint32_t>(field.value);
      break;
    case 3:
      offset = field.value;
      break;
    case 4:
      length = field.value;
      break;
    case 5:
      fua = field.value != 0;
      break;
    case 7:
      mark = field.value;
      break;
    case 8:
      settled = field.value;
      break;
  }
}

bool RequestMessage::SetBytes(uint32_t, const uint8_t* bytes, size_t length) {
  if (!hello) hello = std::make_shared<Hello>(Hello{.protocol_version = 0});
  return ParseHello(bytes, length, &*hello);
}

void ResponseMessage::SetNumber(const Field& field) {
  if (field.type == Field::Type::kFixed32) {
    if (field.number == 4) crc32c = static_cast<uint32_t>(field.value);
    return;
  }
  if (field.type != Field::Type::kVarint) return;
  if (field.number == 1) id = field.value;
  if (field.number == 2) status = static_cast<uint32_t>(field.value);
}

bool ResponseMessage::SetBytes(uint32_t number, const uint8_t* bytes, size_t length) {
  switch (number) {
    case 3:
      message.assign(reinterpret_cast<const char*>(bytes), length);
      return true;
    case 5:
      if (!hello) hello.emplace(HelloReply{.protocol_version = 0});
      return ParseHelloReply(bytes, length, &*hello);
    default: {
      uint64_t from = 0, count = 0;
      bool valid = ForEachField(
          bytes, length,
          [&](const Field& field) {
            if (field.type != Field::Type::kVarint) return;
            if (field.number == 1) from = field.value;
            if (field.number == 2) count = field.value;
          },
          [](const Field&, const uint8_t*) {});
      extents.emplace_back(from, count);
      return valid;
    }
  }
}

void EncodeRequestHead(const RequestMessage& message, EncodedHead* head) {
  head->length = kPrefixBytes;
  HeadOutput output{head};
  FieldWriter writer(&output);
  WriteNumbers(message, &writer);
  writer.PayloadHead(message.payload_length);
  WritePrefix(head->bytes.data(), head->length - kPrefixBytes + message.payload_length);
}

void EncodeResponseHead(const ResponseMessage& message, EncodedHead* head) {
  head->length = kPrefixBytes;
  HeadOutput output{head};
  FieldWriter writer(&output);
  writer.Varint(1, message.id);
  writer.Varint(2, message.status);
  writer.Fixed32(4, message.crc32c);
  writer.PayloadHead(message.payload_length);
  WritePrefix(head->bytes.data(), head->length - kPrefixBytes + message.payload_length);
}

Slice EncodeRequest(const RequestMessage& message) {
  std::vector<uint8_t> bytes(kPrefixBytes);
  FieldWriter writer(&bytes);
  WriteNumbers(message, &writer);
  if (message.hello) {
    std::vector<uint8_t> hello;
    FieldWriter inner(&hello);
    inner.Varint(1, message.hello->protocol_version);
    inner.String(2, message.hello->volume);
    inner.String(3, message.hello->replica_id);
    inner.String(4, message.hello->engine_id);
    inner.Varint(5, message.hello->generation);
    writer.Bytes(9, hello.data(), hello.size());
  }
  return ToSlice(&bytes);
}

Slice EncodeResponse(const ResponseMessage& message) {
  std::vector<uint8_t> bytes(kPrefixBytes);
  FieldWriter writer(&bytes);
  writer.Varint(1, message.id);
  writer.Varint(2, message.status);
  writer.String(3, message.message);
  if (message.hello) {
    std::vector<uint8_t> hello;
    FieldWriter inner(&hello);
    inner.Varint(1, message.hello->protocol_version);
    inner.Varint(2, message.hello->size);
    inner.Varint(3, message.hello->max_requests);
    inner.Varint(4, message.hello->max_payload);
    inner.Varint(5, message.hello->max_payload_in_flight);
    writer.Bytes(5, hello.data(), hello.size());
  }
  for (auto [from, count] : message.extents) {
    std::vector<uint8_t> extent;
    FieldWriter inner(&extent);
    inner.Varint(1, from);
    inner.Varint(2, count);
    writer.Bytes(6, extent.data(), extent.size());
  }
  return ToSlice(&bytes);
}

Status StatusFromWire(uint32_t status) {
  return status <= static_cast<uint32_t>(Status::kNotOpen) ? static_cast<Status>(status) : Status::kIoError;
}

}  // namespace aurochs
