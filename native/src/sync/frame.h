// What two ends of a file transfer say to each other. A frame is a head of 48 bytes, little endian, extents,
// and data:
//
//   0 u32 magic   4 u32 kind   8 u64 begin   16 u64 end, bytes of the file   24 u32 number of extents
//   28 u32 bytes of data   32 u32 CRC32C of extents and data   36 u64 0   44 u32 CRC32C of the head before
//
//   an extent: u32 bytes of hole before it, u32 its length. Behind the last one is hole up to `end`.
//
// The sender's frames are of a file in order, without gaps: data from 0 to the end of the file, then `kEnd`.
// The receiver answers once: `kDone` when all of it is in the file, `kFailed` with a text as soon as
// something is wrong.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "store/file_ranges.h"
#include "sync/limits.h"

namespace aurochs {

constexpr uint32_t kFrameMagic = 0x315541af;  // on the wire 0xaf "AU1"
/// Tells such a connection from one of HTTP.
constexpr uint8_t kFrameFirstByte = kFrameMagic & 0xff;

enum class FrameKind : uint32_t { kData = 1, kEnd = 2, kDone = 3, kFailed = 4 };

struct FrameHead {
  static constexpr size_t kBytes = 48;
  using Bytes = std::array<uint8_t, kBytes>;

  FrameKind kind = FrameKind::kData;
  uint64_t begin = 0;
  uint64_t end = 0;
  uint32_t extents = 0;
  uint32_t data_bytes = 0;
  uint32_t body_crc = 0;

  size_t BodyBytes() const;

  Bytes Encode() const;
  /// @return null, or what is wrong: damage, or more than a frame may have
  static const char* Decode(const Bytes& bytes, FrameHead* head);
};

constexpr size_t kFrameExtentBytes = 8;
/// Extents and data of one frame.
constexpr size_t kFrameBodyBytesMax = kFrameExtentsMax * kFrameExtentBytes + kFrameDataBytesMax;

/// @param extents ascending, apart from each other, in the range of a frame that begins at `begin`
/// @param bytes kFrameExtentBytes for each
void EncodeExtents(uint64_t begin, std::span<const FileRange> extents, uint8_t* bytes);
/// @return null, or what is wrong: they leave the frame's range, or are not as long as its data
const char* DecodeExtents(const FrameHead& head, const uint8_t* bytes, std::vector<FileRange>* extents);

}  // namespace aurochs
