// The border between the iSCSI side and the volume: operations go in, statuses come out, all on one loop's
// thread.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/status.h"

namespace aurochs {

enum class OperationKind : uint8_t {
  kRead,
  kWrite,
  kFlush,
  kUnmap,
  kWriteZeroes,
  kCompareAndWrite,
  kOrWrite,
  kCopy,  // between two slots; never from a target
  kExtents,
};

/// One operation on the volume, embedded in or derived by whoever waits for it. The submitter keeps it alive
/// until `Done`, which is called exactly once, possibly before Submit returns.
struct Operation {
  virtual void Done(Status status) = 0;

  OperationKind kind = OperationKind::kRead;
  bool fua = false;
  /// kUnmap: zeros are wanted, and may take no room. Nobody says that what was there is not needed.
  bool for_zeros = false;
  uint64_t offset = 0;  // bytes
  uint64_t length = 0;  // bytes; reads and writes at most kPayloadBytesMax
  /// kRead: allocated by the submitter, filled by the volume. kWrite, kOrWrite: the data, unchanged until
  /// Done. kCompareAndWrite: `length` bytes to compare, then `length` bytes to write.
  Slice payload;
  /// kCompareAndWrite that ended in kMiscompare: index of the first byte that differs.
  uint64_t miscompare_offset = 0;
  /// kExtents: allocated runs (offset, length), ascending.
  std::vector<std::pair<uint64_t, uint64_t>> extents;

 protected:
  ~Operation() = default;
};

/// Where a target's data commands go. The volume is one; tests bring a memory one.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual uint64_t size() const = 0;  // bytes
  /// The range is inside the volume and a multiple of the logical block; it need not be a multiple of 4096.
  virtual void Submit(Operation* operation) = 0;
};

}  // namespace aurochs
