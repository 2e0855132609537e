// What a replica that is away misses: the grains (64 KiB) that were changed here since it was left out
// (ARCHITECTURE.md "Resync").
//
// Two sets follow the epochs of the write-intent map and live in memory alone. The third one, `missed`, takes
// in what the write-intent map forgets, and is written before that map's file forgets it. So after any crash
// the file, together with the write-intent map's, tells at least what was missed; and a write in the steady
// state costs nothing that is durable.
//
// File, little endian: a header block of 4096 bytes
//   0 magic "AUROMISS"   8 u32 version 1   12 u32 CRC32C of bytes 0..12 and 16..48
//   16 u64 volume bytes  24 u64 grain bytes  32 u64 grains  40 u64 since   zeros to the end
// then blocks of bits (bit_set.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/limits.h"
#include "store/bit_set.h"

namespace aurochs {

class MissedMap {
 public:
  explicit MissedMap(uint64_t volume_bytes);

  uint64_t grains() const { return grains_; }
  /// The generation since which the map is complete; 0 when nothing is tracked.
  uint64_t since() const { return since_; }
  size_t bytes() const { return 3 * words_ * sizeof(uint64_t); }

  // ---- the file
  uint64_t FileBytes() const { return kMapBlockBytes * (1 + blocks_); }
  /// The file of a map that begins now, before Start.
  std::vector<uint8_t> EncodeEmpty(uint64_t since) const;
  /// Takes a whole file's content and goes on tracking; a damaged block counts as all set.
  /// @return empty, or why this is not this volume's map: then nothing is tracked
  std::string Decode(const uint8_t* bytes, size_t length);
  /// A whole file of a map that tracks.
  std::vector<uint8_t> Encode() const;
  /// The same map for the volume with another size.
  MissedMap Resized(uint64_t volume_bytes) const;
  bool needs_write() const { return !dirty_blocks_.empty(); }
  /// What has to be durable before the write-intent map's file forgets anything.
  std::vector<MapBlockImage> TakeImages();

  // ---- following the write-intent map
  /// Before a write of `[offset, offset + length)`, length > 0.
  void Mark(uint64_t offset, uint64_t length) {
    uint64_t first = offset / kMissedGrainBytes, last = (offset + length - 1) / kMissedGrainBytes;
    SetBits(current_, first, last);
  }
  void StartEpoch();
  /// What was written before the present epoch is on all members.
  void Settle();
  /// All that was written is on all members, or known to the write-intent map as inherited.
  void EndEpochs();
  /// `[offset, offset + length)` is on all members.
  void Settled(uint64_t offset, uint64_t length);

  // ---- tracking
  /// Forgets what was missed before.
  void Start(uint64_t since);
  void Stop();
  /// Bit i, LSB first, is grain i. Without what the write-intent map inherited.
  Bits Missed() const;

 private:
  void Add(const Bits& bits);
  void Dirty(uint64_t first_word, uint64_t last_word);

  uint64_t volume_bytes_;
  uint64_t grains_;
  uint64_t blocks_;
  size_t words_;
  uint64_t since_ = 0;
  Bits current_;
  Bits previous_;
  Bits missed_;
  std::vector<uint64_t> dirty_blocks_;  // of `missed_`, not in the file yet
  std::vector<bool> is_dirty_;
};

}  // namespace aurochs
