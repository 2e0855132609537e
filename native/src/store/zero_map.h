// Where the zeros of a head are meant: the grains (64 KiB) in which it was ever given zeros that take no
// write (FALLOC_FL_ZERO_RANGE). A file system shows such zeros as an extent that was never written, and a
// write that a power cut interrupts as well (ARCHITECTURE.md "Unmap"). A grain without a bit has only the
// latter.
//
// A bit is durable before the first zeros in its grain, and is never cleared: a head begins with none, and
// they are of no use to another one.
//
// File, little endian: a header block of 4096 bytes
//   0 magic "AUROZERO"   8 u32 version 1   12 u32 CRC32C of bytes 0..12 and 16..56
//   16 u64 volume bytes  24 u64 grain bytes  32 u64 grains  40 u64 the head's inode  48 u64 its generation
//   zeros to the end
// then blocks of bits (bit_set.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "store/bit_set.h"
#include "store/layer.h"
#include "store/limits.h"

namespace aurochs {

class ZeroMap {
 public:
  ZeroMap(FileIdentity head, uint64_t volume_bytes);

  // ---- the file
  uint64_t FileBytes() const { return kMapBlockBytes * (1 + blocks_); }
  std::vector<uint8_t> Encode() const;
  /// Takes a whole file's content; a damaged block counts as all set.
  /// @return empty, or why this is not the map of this head: then nothing is known of it
  std::string Decode(const uint8_t* bytes, size_t length);
  /// For a map that has no file yet: zeros in `[offset, offset + length)`, length > 0, may be meant.
  void Mark(uint64_t offset, uint64_t length);

  /// Whether the zeros at `offset` may be meant.
  bool marked(uint64_t offset) const { return TestBit(durable_, offset / kZeroGrainBytes); }

  // ---- before zeros in `[offset, offset + length)`, length > 0, of which the end may be behind the volume's
  /// False: some of it is to be marked in the next round.
  bool Covered(uint64_t offset, uint64_t length);
  bool needs_write() const { return !wanted_.empty(); }
  /// What to write and sync. Then call Written, before the next round.
  std::vector<MapBlockImage> TakeImages();
  void Written();

 private:
  BitRun GrainsOf(uint64_t offset, uint64_t length) const;

  FileIdentity head_;
  uint64_t volume_bytes_;
  uint64_t grains_;
  uint64_t blocks_;
  Bits durable_;
  std::vector<BitRun> wanted_;   // wait for a round
  std::vector<BitRun> writing_;  // those of the round under way
};

}  // namespace aurochs
