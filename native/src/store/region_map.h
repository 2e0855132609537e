// The write-intent map of one replica: which regions may differ from the other copies, or hold writes that
// were answered but are not durable (ARCHITECTURE.md "Write intent and agreement").
//
// Three sets live in memory (present epoch, the one before, inherited from earlier engines), their union or
// more is in the file. A region is written only once its bit is durable there. This class decides and
// encodes; the store moves the bytes.
//
// File, little endian: a header block of 4096 bytes
//   0 magic "AUROREGN"   8 u32 version 1   12 u32 CRC32C of bytes 0..12 and 16..40
//   16 u64 volume bytes  24 u64 region bytes  32 u64 regions   zeros to the end
// then blocks of bits (bit_set.h)
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "store/bit_set.h"
#include "store/missed_map.h"

namespace aurochs {

/// One thread but for `dirty_regions` and `InheritedBytes`.
class RegionMap {
 public:
  struct Geometry {
    uint64_t volume_bytes;
    uint64_t region_bytes;  // a power of two
    uint64_t regions() const { return (volume_bytes + region_bytes - 1) / region_bytes; }
  };
  /// What one round writes: all of `missed` has to be durable before any of `regions` is written.
  struct Round {
    bool forget_missed = false;            // remove the file of what is missed
    std::vector<uint8_t> new_missed_file;  // or, not empty, replace it
    std::vector<MapBlockImage> missed;
    std::vector<MapBlockImage> regions;
  };

  explicit RegionMap(Geometry geometry);

  // ---- the file
  uint64_t FileBytes() const;
  /// A whole file with all bits that are set.
  std::vector<uint8_t> Encode() const;
  /// What a file says that it is for. False when it is not a sound map of exactly `length` bytes.
  static bool DecodeGeometry(const uint8_t* bytes, size_t length, Geometry* geometry);
  /// Takes a whole file's content: all its bits become inherited. A damaged block counts as all set.
  /// @return empty, or why this is not this volume's map
  std::string Decode(const uint8_t* bytes, size_t length);
  uint64_t damaged_blocks() const { return damaged_blocks_; }

  // ---- before a write of `[offset, offset + length)`, length > 0
  /// True: every region is marked durably, write now. This is all that a write costs in the steady state.
  bool Covered(uint64_t offset, uint64_t length) {
    uint64_t last = (offset + length - 1) >> shift_;
    for (uint64_t region = offset >> shift_; region <= last; ++region) {
      if (TestBit(current_, region)) continue;
      if (!Mark(region, last, offset, length)) return false;
      break;
    }
    last_end_ = offset + length;
    missed_.Mark(offset, length);
    return true;
  }
  bool needs_write() const {
    return !wanted_.empty() || want_forgotten_ || missed_change_ != MissedChange::kNone;
  }
  /// What to write and sync so that every region asked for is durable. Then call Written, before the next
  /// round.
  Round TakeImages();
  void Written();

  // ---- epochs
  void StartEpoch(uint64_t epoch);
  /// Names the set that Settle(epoch) would forget now; 0: none.
  uint64_t SettleTicket(uint64_t epoch) const { return epoch != 0 && epoch == epoch_ ? ticket_ : 0; }
  /// @return false when the ticket is of another time: nothing is forgotten
  bool Settle(uint64_t ticket);

  void Inherit();
  /// Changes with every Inherit: what was inherited when a flush began is forgotten only if it is the same
  /// still.
  uint64_t inherit_count() const { return inherit_count_; }
  void ForgetInherited();
  /// For release, when no write is under way: ends the epoch. @return the ticket for Settle after a flush
  uint64_t CloseEpoch();
  /// Asks for a round that writes forgotten bits, even if no region waits for it.
  void WantForgotten();

  /// The same map for the volume with another size. For use once what it encodes is the files' content.
  std::unique_ptr<RegionMap> Resized(uint64_t volume_bytes) const;
  const Geometry& geometry() const { return geometry_; }

  uint64_t dirty_regions() const { return dirty_regions_.load(std::memory_order_relaxed); }
  size_t bytes() const { return 4 * words_ * sizeof(uint64_t) + missed_.bytes(); }
  /// Bit i, LSB first, is region i.
  std::vector<uint8_t> InheritedBytes() const;

  // ---- what replicas that are away miss
  MissedMap& missed() { return missed_; }
  const MissedMap& missed() const { return missed_; }
  /// From the next round on what is missed is tracked anew, or not any more.
  void TrackMissed(uint64_t since) {
    missed_change_ = MissedChange::kTrack;
    track_since_ = since;
  }
  /// The round that was to begin it could not.
  void MissedRefused() { missed_.Stop(); }
  void ForgetMissed() { missed_change_ = MissedChange::kForget; }
  /// Grains changed since `missed().since()`, those of inherited regions among them. Bit i, LSB first.
  std::vector<uint8_t> MissedBytes() const;

 private:
  enum class MissedChange { kNone, kTrack, kForget };

  bool Mark(uint64_t region, uint64_t last, uint64_t offset, uint64_t length);
  void SetCurrent(uint64_t region);
  void Forgot();
  void ChangeMissed(Round* round);

  Geometry geometry_;
  MissedMap missed_;
  int shift_;
  uint64_t regions_;
  uint64_t blocks_;
  size_t words_;
  Bits current_;
  Bits previous_;
  Bits inherited_;                  // guarded by mutex_ where it changes
  Bits durable_;                    // what the file holds for certain
  std::vector<bool> stale_blocks_;  // hold bits in the file that nobody needs any more
  std::vector<BitRun> wanted_;      // regions that wait for a round
  std::vector<BitRun> writing_;     // those of the round under way
  std::vector<std::pair<uint64_t, std::vector<uint64_t>>> images_;
  uint64_t last_end_ = UINT64_MAX;  // where the last write ended: finds sequential writers
  uint64_t epoch_ = 0;
  uint64_t ticket_ = 1;  // changes whenever `previous_` is given a new meaning
  uint64_t inherit_count_ = 0;
  uint64_t damaged_blocks_ = 0;
  bool want_forgotten_ = false;
  MissedChange missed_change_ = MissedChange::kNone;
  uint64_t track_since_ = 0;
  std::atomic<uint64_t> dirty_regions_{0};
  mutable std::mutex mutex_;
};

}  // namespace aurochs
