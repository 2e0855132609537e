// --verify's memory: how often each 4 KiB was written in this run, and which are in use by an operation now.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "device.h"

namespace aurochs {

class Ledger {
 public:
  /// 4 bytes and a bit of memory per 4 KiB of `range_bytes`.
  Ledger(uint64_t run, uint64_t range_bytes);

  /// Reserves the blocks for an operation, or says that another one uses some of them.
  bool Acquire(uint64_t offset, uint32_t length);

  /// Fills the data of a write that has acquired its blocks.
  void StampWrite(const Request& request);

  /// Takes the outcome: notes a write that succeeded, checks a read. A write that failed leaves its blocks
  /// unknown: they may hold either.
  /// @return what is wrong with the data that were read, or an empty string
  std::string Complete(const Request& request);

  /// Whether a block of this range was written in this run and is known.
  bool Knows(uint64_t offset, uint32_t length) const;

 private:
  uint64_t run_;
  std::vector<uint32_t> sequences_;  // by unit; 0: not known
  std::vector<bool> in_use_;
};

}  // namespace aurochs
