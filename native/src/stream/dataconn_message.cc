#include "stream/dataconn_message.h"

namespace aurochs {

namespace {

template <class Number>
void Put(uint8_t* at, Number value) {
  for (size_t i = 0; i < sizeof value; ++i)
    at[i] = static_cast<uint8_t>(static_cast<uint64_t>(value) >> (8 * i));
}

template <class Number>
Number Get(const uint8_t* at) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) value |= uint64_t{at[i]} << (8 * i);
  return static_cast<Number>(value);
}

}  // namespace

DataconnHead::Bytes DataconnHead::Encode() const {
  Bytes bytes;
  Put(&bytes[0], magic);
  Put(&bytes[2], sequence);
  Put(&bytes[6], type);
  Put(&bytes[10], offset);
  Put(&bytes[18], size);
  Put(&bytes[22], data_length);
  return bytes;
}

DataconnHead DataconnHead::Decode(const Bytes& bytes) {
  DataconnHead head;
  head.magic = Get<uint16_t>(&bytes[0]);
  head.sequence = Get<uint32_t>(&bytes[2]);
  head.type = Get<uint32_t>(&bytes[6]);
  head.offset = Get<int64_t>(&bytes[10]);
  head.size = Get<uint32_t>(&bytes[18]);
  head.data_length = Get<uint32_t>(&bytes[22]);
  return head;
}

}  // namespace aurochs
