// Bounds of file transfers between replicas, with unit and reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace aurochs {

/// Data of one frame, bytes: what is read, summed and sent while it is in the processor's cache.
constexpr uint32_t kFrameDataBytesMax = 256u << 10;
/// Extents of one frame: a frame of single blocks, where these are of 512 bytes.
constexpr uint32_t kFrameExtentsMax = 512;
/// Text of an error in a frame, bytes: a line with a file's name in it.
constexpr uint32_t kFrameTextBytesMax = 4096;
/// Bytes of a hole that an extent may lie behind in a frame, whose field has 32 bits; a longer one has a
/// frame of its own.
constexpr uint64_t kFrameHoleBytesMax = 1u << 30;

/// Bytes after which the other side of the border is told how far a transfer is.
constexpr uint64_t kProgressBytes = 2u << 20;

/// Bytes that are written before the disk is told to begin with them, and how many such portions may be on
/// their way: less keeps a last sync short and other users' requests fast, more keeps the disk busy.
constexpr uint64_t kWriteBehindBytes = 8u << 20;
constexpr size_t kWriteBehindPortions = 4;

/// Connections that have not said yet what they are, and the ms for which they may not: a sender speaks at
/// once.
constexpr size_t kUnspokenConnectionsMax = 32;
constexpr int64_t kUnspokenMsMax = 30'000;

/// ms for which a sender may say nothing while its file is being received: it may be held back by its rate.
constexpr int kReceiveSilenceMs = 90'000;
/// ms for which what a sender still sends is thrown away, so that it can read why its file was refused.
constexpr int kRefusedMsMax = 5'000;

}  // namespace aurochs
