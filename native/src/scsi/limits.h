// What one SCSI command may ask for. The Block Limits VPD page reports the same numbers, in logical blocks.
#pragma once

#include <cstdint>

#include "base/limits.h"

namespace aurochs::scsi {

/// MAXIMUM TRANSFER LENGTH, bytes: what one READ, WRITE, ORWRITE or comparing VERIFY may move.
constexpr uint32_t kTransferBytesMax = 16u << 20;

/// MAXIMUM COMPARE AND WRITE LENGTH, blocks: the field in the CDB has one byte.
constexpr uint32_t kCompareAndWriteBlocksMax = 255;

/// MAXIMUM UNMAP LBA COUNT, bytes, all descriptors of one command together: a replica punches it in well
/// under a second.
constexpr uint64_t kUnmapBytesMax = 512ull << 20;

/// MAXIMUM UNMAP BLOCK DESCRIPTOR COUNT: the parameter list stays within one 4 KiB buffer.
constexpr uint32_t kUnmapDescriptorsMax = 128;

/// MAXIMUM WRITE SAME LENGTH, bytes: as much as one WRITE may move, which is what a pattern that is not zeros
/// costs. Zero blocks ("to the end") are refused (WSNZ).
constexpr uint64_t kWriteSameBytesMax = kTransferBytesMax;

/// One operation of a longer command, bytes: large enough to make messages cheap, small enough that the first
/// part is on its way to the replicas while the rest still arrives.
constexpr uint32_t kPieceBytes = 256u << 10;

/// Operations of one command in flight at once.
constexpr int kPiecesInFlightMax = 8;

static_assert(kPieceBytes <= kPayloadBytesMax);
static_assert(uint64_t{kCompareAndWriteBlocksMax} * 4096 <= kPayloadBytesMax);

}  // namespace aurochs::scsi
