#include "workload.h"

namespace aurochs {

Workload::Workload(const Options& options, uint64_t range_bytes)
    : pattern_(options.pattern),
      block_bytes_(options.block_bytes),
      blocks_(range_bytes / options.block_bytes),
      read_percent_(options.read_percent),
      once_(options.once),
      random_(options.seed) {}

bool Workload::Next(Request* request) {
  bool reads = Reads(pattern_);
  if (pattern_ == Pattern::kMixed) reads = random_.Below(100) < static_cast<uint64_t>(read_percent_);
  request->kind = reads ? Request::Kind::kRead : Request::Kind::kWrite;
  request->length = block_bytes_;
  if (!IsSequential(pattern_)) {
    request->offset = random_.Below(blocks_) * block_bytes_;
    return true;
  }
  if (position_ == blocks_) {
    if (once_) return false;
    position_ = 0;
  }
  request->offset = position_++ * block_bytes_;
  return true;
}

}  // namespace aurochs
