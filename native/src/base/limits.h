// Every bound of the addon, with unit and reason. A queue without a row here is a defect.
#pragma once

#include <cstddef>
#include <cstdint>

namespace aurochs {

/// Free buffers kept for reuse, bytes per process: a depth-128 burst of 4 KiB plus a few receive buffers.
constexpr size_t kBufferPoolBytesMax = 4u << 20;

/// One socket read, bytes: what is parsed in place per cycle (design: measured best with large batches).
constexpr size_t kReceiveBufferBytes = 512u << 10;

/// Payload of one data-plane READ or WRITE, bytes. A longer SCSI command becomes several.
constexpr uint32_t kPayloadBytesMax = 1u << 20;

/// Requests in flight per data stream, and their payload in bytes: what a replica has to hold at the worst.
constexpr uint32_t kStreamRequestsMax = 1024;
constexpr uint64_t kStreamPayloadBytesMax = 64u << 20;

/// Replica slots of a volume: Longhorn allows 20 replicas, nobody runs more than 5; a bit mask holds them.
constexpr int kSlotsMax = 16;

/// iovec entries of one sendmsg: IOV_MAX on Linux.
constexpr int kIovecsMax = 1024;

/// Bytes queued for one socket above which its reader is paused until it has drained.
constexpr size_t kOutputBytesHigh = 16u << 20;

}  // namespace aurochs
