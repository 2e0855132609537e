// Bounds of the store's work on whole files, with unit and reason. Those that others share are in
// base/limits.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace aurochs {

/// The file of the write-intent map, bytes, unless this volume's own has to be larger: 512 TiB in regions of
/// 1 MiB.
constexpr uint64_t kRegionFileBytesMax = 64u << 20;

/// Bytes per bit of where a head's zeros are meant: 1 TiB takes 2 MiB. What a power cut does to a write in a
/// marked grain is not mended, so few blocks are to share one.
constexpr uint64_t kZeroGrainBytes = 64u << 10;

/// A merge of two layers goes through them window by window, bytes: other background work gets its turn in
/// between. Copied in buffers of this size.
constexpr uint64_t kMergeWindowBytes = 32u << 20;
constexpr uint64_t kMergeBufferBytes = 1u << 20;

/// Chunks (2 MiB of the volume) of the index that are rewritten before other work of the loop gets its turn:
/// at most half a millisecond.
constexpr uint64_t kChunksAtOnce = 2048;

/// What a prune looks at at once: bytes of the volume, and runs of the head in them.
constexpr uint64_t kPruneWindowBytes = 1u << 30;
constexpr size_t kPruneRunsMax = 65536;

/// Decompressed clusters of one backing file that are kept, bytes: what a few readers go through next to each
/// other. Every replica of a node may have such a file.
constexpr uint64_t kInflatedBytesMax = 1u << 20;

/// What is read at once for a file's checksum, bytes.
constexpr uint64_t kHashBufferBytes = 1u << 20;

}  // namespace aurochs
