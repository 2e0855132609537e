// Every bound of the addon, with unit and reason. A queue without a row here is a defect.
#pragma once

#include <cstddef>
#include <cstdint>

namespace aurochs {

/// Free buffers kept for reuse, bytes per process: those of a few long operations come and go without page
/// faults. What is not needed for kBufferUnusedMs goes back.
constexpr size_t kBufferPoolBytesMax = 16u << 20;
constexpr int64_t kBufferUnusedMs = 2'000;

/// From this size on buffers are mapped, bytes: ours by ourselves, other memory by malloc.
constexpr size_t kBufferMappedBytes = 128u << 10;

/// When so much was given back malloc gives back as well what is free in its arenas, bytes: rarely, since
/// that walks through all of them, and soon enough that they do not keep much more than that.
constexpr size_t kTrimBytes = 4u << 20;

/// One socket read, bytes: what is parsed in place per cycle (design: measured best with large batches).
constexpr size_t kReceiveBufferBytes = 512u << 10;

/// When a loop polls before it sleeps (poll_rule.h): after so many waits in a row that were shorter than
/// kShortWaitNs (an answer of a replica that has to be woken for it), for at most kPollNs (the same, awake).
/// A poll in vain costs a few percent at the most: so many sleeps follow it.
constexpr int kShortWaitsBeforePolling = 4;
constexpr int64_t kShortWaitNs = 200'000;
constexpr int64_t kPollNs = 100'000;
constexpr int kSleepsAfterVainPoll = 16;

/// Payload of one data-plane READ or WRITE, bytes. A longer SCSI command becomes several.
constexpr uint32_t kPayloadBytesMax = 1u << 20;

/// Of the unix socket of a volume: connections (Longhorn's tgt has one), and of each the requests in flight
/// and their payload, bytes: a few of the longest messages.
constexpr size_t kSocketConnectionsMax = 8;
constexpr uint32_t kSocketRequestsMax = 256;
constexpr uint64_t kSocketPayloadBytesMax = 32u << 20;

/// Requests in flight per data stream, and their payload in bytes: what a replica has to hold at the worst.
constexpr uint32_t kStreamRequestsMax = 1024;
constexpr uint64_t kStreamPayloadBytesMax = 64u << 20;

/// Data of one message of Longhorn's data protocol, bytes: it has one message per SCSI command, and our own
/// target takes commands up to this length.
constexpr uint32_t kDataconnPayloadBytesMax = 16u << 20;

/// ms between the answer to a ping on a connection of Longhorn's data protocol and the next one, as in
/// Longhorn.
constexpr int64_t kDataconnPingMs = 2'000;

/// Text of an error in Longhorn's data protocol, bytes: it quotes calls of calls, and is a line still.
constexpr uint32_t kDataconnTextBytesMax = 64u << 10;

/// What one message of Longhorn's data protocol unmaps, bytes: its size field has 32 bits.
constexpr uint64_t kDataconnUnmapBytesMax = 1u << 30;

/// One message on the data stream without its payload, bytes: fields that we know need a tenth of it.
constexpr uint32_t kMessageOverheadBytesMax = 64u << 10;
/// One length-delimited field of a message that is not the payload, bytes: names, error texts.
constexpr uint32_t kMessageFieldBytesMax = 4096;

/// Allocated runs in one answer to EXTENTS, and the range that the engine asks for at once: in 4 KiB blocks a
/// range of 512 MiB cannot hold more runs.
constexpr size_t kExtentsMax = 65536;
constexpr uint64_t kExtentsRangeBytesMax = 512u << 20;
/// A response, bytes: the larger of a full payload and kExtentsMax runs of at most 24 bytes.
constexpr uint32_t kResponseBytesMax = 2u << 20;

/// Answers that wait because the peer's flow-control window is closed, bytes per stream beyond the payload in
/// flight, in which those of reads and EXTENTS have to fit: above it the stream ends. All others that a peer
/// may wait for, with the longest text.
constexpr uint64_t kStreamAnswerBytesMax = uint64_t{kStreamRequestsMax} * kMessageFieldBytesMax;

/// Streams of one HTTP/2 connection: an engine uses one; grpc-js may share a connection between channels.
constexpr uint32_t kStreamsPerConnectionMax = 16;
/// Flow-control windows, bytes: the largest that HTTP/2 knows. What is in flight is bounded by requests.
constexpr int32_t kHttp2WindowBytes = INT32_MAX;
/// The longest frame that we take, bytes (16 MiB - 1 is the largest that HTTP/2 knows), and that we send.
constexpr uint32_t kHttp2ReceivedFrameBytesMax = (1u << 24) - 1;
constexpr uint32_t kHttp2SentFrameBytesMax = 4u << 20;
/// A connection without an accepted stream is closed after this time, ms.
constexpr int64_t kStreamHandshakeMsMax = 30'000;

/// Operations of a volume that may hold or wait for a range; the others wait to be admitted, but for copies:
/// a few at a time of each replica, and one for each replica that lacks what an operation has failed to do.
/// The search for overlaps is linear in it.
constexpr size_t kVolumeOperationsMax = 1024;

/// Ranges remembered as different between copies after failed writes; more are joined, and no copy makes
/// equal again what was joined. So all that is under way at once has room.
constexpr size_t kDivergencesMax = kVolumeOperationsMax;

/// Replica slots of a volume: Longhorn allows 20 replicas, nobody runs more than 5; a bit mask holds them.
constexpr int kSlotsMax = 16;

/// iovec entries of one sendmsg: IOV_MAX on Linux.
constexpr int kIovecsMax = 1024;

/// One bounce buffer of the store, bytes: unaligned pieces of O_DIRECT transfers pass through it.
constexpr uint64_t kBounceBytes = 256u << 10;

/// Bytes written to the page cache before the store starts writing them out, and before it makes writers wait
/// for that: what a flush or a power cut finds dirty. Larger saves rewrites of hot blocks, smaller keeps
/// flushes short.
constexpr uint64_t kWriteOutBytes = 128u << 20;
constexpr uint64_t kDirtyBytesMax = 256u << 20;

/// Bytes of one unmap or write of zeroes that are planned at once: bounds the plan's memory, 8 MiB for blocks
/// that alternate between layers.
constexpr uint64_t kZeroSegmentBytes = 1u << 30;

/// Free space, bytes, that the store leaves on the file system: undoing a change that ran out of space, or
/// punching a hole, takes some (XFS refuses both on a full disk).
constexpr uint64_t kReserveBytes = 16u << 20;

/// With less free space than this beyond its length, bytes, a range of the head is zeroed by plain writes:
/// freed and allocated anew, its space could be lost to a neighbour's write cache in between.
constexpr uint64_t kSpareBytes = 64u << 20;

/// Regions that a sequential writer marks ahead in the write-intent map: one synchronous write per 16 MiB.
constexpr uint64_t kRegionsAhead = 15;

/// Bytes per bit of what replicas that are away miss: 1 TiB takes 2 MiB per set. Finer than a region, so that
/// 4 KiB writes here and there are not resynced a MiB each.
constexpr uint64_t kMissedGrainBytes = 64u << 10;

/// Files of a chain with its backing file: Longhorn opens at most 250, the extent index holds 255.
constexpr size_t kLayersMax = 255;

/// Helper threads of one store.
constexpr int kIoThreadsMax = 64;

/// Bytes queued for one socket above which its reader is paused until it has drained.
constexpr size_t kOutputBytesHigh = 16u << 20;

/// A payload of at most so many bytes is queued as a copy: a reference keeps its whole buffer, of at least
/// 4 KiB, which kOutputBytesHigh does not count.
constexpr size_t kCopiedBytesMax = 2048;

}  // namespace aurochs
