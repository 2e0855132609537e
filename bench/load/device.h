// What operations run on: an iSCSI LUN, a block device or a file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace aurochs {

/// One operation. Its owner keeps it and `data` valid until it comes back from Device::Wait or Device::Close
/// was called.
struct Request {
  enum class Kind { kRead, kWrite, kFlush };

  int slot = 0;  // index among the requests of a device, 0 to its depth - 1
  Kind kind = Kind::kRead;
  uint64_t offset = 0;  // bytes
  uint32_t length = 0;  // bytes; 0 for a flush
  uint8_t* data = nullptr;
  std::string error;  // empty: it succeeded
};

/// Used by one thread.
class Device {
 public:
  virtual ~Device() = default;

  /// Bytes.
  virtual uint64_t capacity() const = 0;

  /// Smallest unit of an operation, bytes.
  virtual uint32_t block_bytes() const = 0;

  /// Takes an operation; it leaves, with all others queued, at the next Wait.
  virtual void Queue(Request* request) = 0;

  /// Sends what is queued and waits up to `timeout_ms` for something to complete. Appends what has completed
  /// to `done`, which stays empty after a timeout.
  /// @return what broke the device as a whole, or an empty string
  virtual std::string Wait(int timeout_ms, std::vector<Request*>* done) = 0;

  /// Gives up what is in flight and disconnects. Nothing else may be called afterwards. Idempotent.
  virtual void Close() = 0;

  /// Operations sent anew after an answer that asks for it (unit attention, busy, task set full).
  virtual uint64_t retries() const { return 0; }
};

}  // namespace aurochs
