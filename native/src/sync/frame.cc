#include "sync/frame.h"

#include "base/crc32c.h"
#include "base/little_endian.h"

namespace aurochs {

namespace {

constexpr size_t kHeadCrcAt = FrameHead::kBytes - 4;

}  // namespace

size_t FrameHead::BodyBytes() const { return extents * kFrameExtentBytes + data_bytes; }

FrameHead::Bytes FrameHead::Encode() const {
  Bytes bytes{};
  PutLittleEndian(&bytes[0], kFrameMagic);
  PutLittleEndian(&bytes[4], static_cast<uint32_t>(kind));
  PutLittleEndian(&bytes[8], begin);
  PutLittleEndian(&bytes[16], end);
  PutLittleEndian(&bytes[24], extents);
  PutLittleEndian(&bytes[28], data_bytes);
  PutLittleEndian(&bytes[32], body_crc);
  PutLittleEndian(&bytes[kHeadCrcAt], Crc32c(bytes.data(), kHeadCrcAt));
  return bytes;
}

const char* FrameHead::Decode(const Bytes& bytes, FrameHead* head) {
  if (GetLittleEndian<uint32_t>(&bytes[0]) != kFrameMagic) return "what came is no frame";
  if (GetLittleEndian<uint32_t>(&bytes[kHeadCrcAt]) != Crc32c(bytes.data(), kHeadCrcAt))
    return "CRC32C of a frame's head is wrong";
  auto kind = GetLittleEndian<uint32_t>(&bytes[4]);
  if (kind < static_cast<uint32_t>(FrameKind::kData) || kind > static_cast<uint32_t>(FrameKind::kFailed))
    return "a frame's kind is unknown";
  head->kind = static_cast<FrameKind>(kind);
  head->begin = GetLittleEndian<uint64_t>(&bytes[8]);
  head->end = GetLittleEndian<uint64_t>(&bytes[16]);
  head->extents = GetLittleEndian<uint32_t>(&bytes[24]);
  head->data_bytes = GetLittleEndian<uint32_t>(&bytes[28]);
  head->body_crc = GetLittleEndian<uint32_t>(&bytes[32]);
  bool is_text = head->kind == FrameKind::kFailed;
  bool is_data = head->kind == FrameKind::kData;
  uint32_t data_bytes_max = is_data ? kFrameDataBytesMax : is_text ? kFrameTextBytesMax : 0;
  if (head->end < head->begin || head->extents > (is_data ? kFrameExtentsMax : 0) ||
      head->data_bytes > data_bytes_max) {
    return "a frame is longer than any may be";
  }
  return nullptr;
}

void EncodeExtents(uint64_t begin, std::span<const FileRange> extents, uint8_t* bytes) {
  uint64_t end = begin;
  for (const FileRange& extent : extents) {
    PutLittleEndian(bytes, static_cast<uint32_t>(extent.offset - end));
    PutLittleEndian(bytes + 4, static_cast<uint32_t>(extent.length));
    bytes += kFrameExtentBytes;
    end = extent.offset + extent.length;
  }
}

const char* DecodeExtents(const FrameHead& head, const uint8_t* bytes, std::vector<FileRange>* extents) {
  extents->clear();
  uint64_t position = head.begin;
  uint64_t data_bytes = 0;
  for (uint32_t i = 0; i < head.extents; ++i, bytes += kFrameExtentBytes) {
    uint64_t hole = GetLittleEndian<uint32_t>(bytes);
    uint64_t length = GetLittleEndian<uint32_t>(bytes + 4);
    if (length == 0 || hole + length > head.end - position) return "an extent leaves its frame's range";
    extents->push_back({position + hole, length});
    position += hole + length;
    data_bytes += length;
  }
  return data_bytes == head.data_bytes ? nullptr : "a frame's data are not as long as its extents";
}

}  // namespace aurochs
