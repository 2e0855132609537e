// What --verify writes: every 4 KiB says which block it is, which run wrote it and which write of that block
// it was, and all the rest follows from these, so that old, foreign, torn and flipped bytes all show.
#pragma once

#include <cstdint>
#include <string>

namespace aurochs {

constexpr uint32_t kStampUnitBytes = 4096;

struct Stamp {
  uint64_t run;       // random per run
  uint64_t unit;      // offset / kStampUnitBytes
  uint64_t sequence;  // 1 for the first write of this unit in the run
};

/// Fills kStampUnitBytes at `data`.
void WriteStamp(const Stamp& stamp, uint8_t* data);

/// Says how the kStampUnitBytes at `data` differ from `expected`; empty when they do not.
std::string CheckStamp(const Stamp& expected, const uint8_t* data);

}  // namespace aurochs
