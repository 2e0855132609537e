// Which operation comes next.
#pragma once

#include <cstdint>
#include <optional>

#include "device.h"
#include "options.h"
#include "random.h"

namespace aurochs {

class Workload {
 public:
  /// @param range_bytes a multiple of options.block_bytes, > 0
  Workload(const Options& options, uint64_t range_bytes);

  /// Sets kind, offset and length of the next operation.
  /// @return false when the single pass of --once is over
  bool Next(Request* request);

 private:
  Pattern pattern_;
  uint32_t block_bytes_;
  uint64_t blocks_;
  int read_percent_;
  bool once_;
  Random random_;
  uint64_t position_ = 0;  // blocks, of a sequential pattern
};

}  // namespace aurochs
