#include "stream/dataconn_message.h"

#include "base/little_endian.h"

namespace aurochs {

DataconnHead::Bytes DataconnHead::Encode() const {
  Bytes bytes;
  PutLittleEndian(&bytes[0], magic);
  PutLittleEndian(&bytes[2], sequence);
  PutLittleEndian(&bytes[6], type);
  PutLittleEndian(&bytes[10], offset);
  PutLittleEndian(&bytes[18], size);
  PutLittleEndian(&bytes[22], data_length);
  return bytes;
}

DataconnHead DataconnHead::Decode(const Bytes& bytes) {
  DataconnHead head;
  head.magic = GetLittleEndian<uint16_t>(&bytes[0]);
  head.sequence = GetLittleEndian<uint32_t>(&bytes[2]);
  head.type = GetLittleEndian<uint32_t>(&bytes[6]);
  head.offset = GetLittleEndian<int64_t>(&bytes[10]);
  head.size = GetLittleEndian<uint32_t>(&bytes[18]);
  head.data_length = GetLittleEndian<uint32_t>(&bytes[22]);
  return head;
}

}  // namespace aurochs
