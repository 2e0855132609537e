// One replica's data: a chain of sparse files behind an extent index, and the write-intent region map.
//
// All calls and all completions are on the loop's thread. Reads try the page cache first and go to a helper
// thread when they would wait for the disk; syncs always run on a helper thread, and flushes that wait for
// one share the next.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/event_loop.h"
#include "base/status.h"

namespace aurochs {

struct StoreRequest {
  enum class Kind : uint8_t { kRead, kWrite, kFlush, kUnmap, kWriteZeroes, kExtents };

  /// Called exactly once on the loop's thread, possibly before Submit returns.
  virtual void Done(Status status, const char* message) = 0;

  Kind kind = Kind::kRead;
  bool fua = false;
  uint64_t offset = 0;
  uint64_t length = 0;
  /// kRead: allocated by the submitter, filled by the store. kWrite: the data.
  Slice payload;
  /// kFlush: see proto/dataplane.proto.
  uint64_t mark = 0;
  uint64_t settled = 0;
  std::vector<std::pair<uint64_t, uint64_t>> extents;

 protected:
  ~StoreRequest() = default;
};

/// What the data server needs of a store; tests bring a memory one.
class StoreBackend {
 public:
  virtual ~StoreBackend() = default;
  virtual uint64_t size() const = 0;
  /// Of all files, bytes: what an unmap gives back is the difference.
  virtual uint64_t allocated_bytes() const = 0;
  /// Writes, writes of zeroes and unmaps that succeeded.
  virtual uint64_t changes() const = 0;
  virtual void Submit(StoreRequest* request) = 0;
};

}  // namespace aurochs
