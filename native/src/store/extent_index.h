// Which layer holds each 4 KiB block of a volume: what a read asks before it touches a file.
//
// The newest layer that holds a block decides its content (Longhorn's format), so one byte per block answers
// a read however many layers there are. Most chunks of 2 MiB are the same throughout and need no bytes at
// all. Beside it, one bit per block that the head holds says whether anything below held it when the head
// took it: that decides what unmap has to do. Layers are named by ids that stay the same while others come
// and go (chain.h), so that a snapshot or a merge changes nothing here.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace aurochs {

constexpr uint64_t kBlockBytes = 4096;  // the sector of Longhorn's format

/// Fixed-size cells named by 32-bit numbers, allocated in slabs: half the size of pointers, no malloc
/// headers.
template <size_t CellBytes>
class CellPool {
 public:
  uint32_t Take();
  void Give(uint32_t cell) { free_.push_back(cell); }
  uint8_t* at(uint32_t cell) { return slabs_[cell / kCells].get() + cell % kCells * CellBytes; }
  const uint8_t* at(uint32_t cell) const { return slabs_[cell / kCells].get() + cell % kCells * CellBytes; }
  size_t bytes() const { return slabs_.size() * kCells * CellBytes + free_.capacity() * sizeof(uint32_t); }

 private:
  static constexpr uint32_t kCells = 32768 / CellBytes;
  std::vector<std::unique_ptr<uint8_t[]>> slabs_;
  std::vector<uint32_t> free_;
};

/// All positions are block numbers. One thread at a time; `bytes()` from any thread.
class ExtentIndex {
 public:
  struct Run {
    uint64_t end;   // first block behind the run
    uint8_t layer;  // its id; 0: no layer holds it
  };
  struct BelowRun {
    uint64_t end;
    bool held;
  };

  explicit ExtentIndex(uint64_t blocks);

  /// The longest run from `block` that one layer holds, ending at `end` at the latest. `block` < `end`.
  Run RunAt(uint64_t block, uint64_t end) const;
  /// Likewise, for blocks of the head: whether a layer below it held them when it took them.
  BelowRun BelowRunAt(uint64_t block, uint64_t end) const;
  uint8_t LayerAt(uint64_t block) const;

  void Set(uint64_t block, uint64_t end, uint8_t layer);
  /// The head holds the blocks now; whether something below it does follows from who held them before.
  void Take(uint64_t block, uint64_t end, uint8_t head);
  /// The volume has become larger; nothing holds the new blocks.
  void Grow(uint64_t blocks);
  uint64_t chunks() const { return chunks_.size(); }
  /// Everything of `from` in the chunks [first, end) is `to`'s.
  void Rename(uint64_t first, uint64_t end, uint8_t from, uint8_t to);

  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr uint32_t kChunkBlocks = 512;  // 2 MiB
  static constexpr uint32_t kUniformMax = 255;   // `top` up to here is a layer, above it a cell
  static constexpr uint32_t kBelowNone = 0;
  static constexpr uint32_t kBelowAll = 1;
  static constexpr uint32_t kBelowCell = 2;  // `below` from here on is a cell

  struct Chunk {
    uint32_t top = 0;
    uint32_t below = kBelowNone;
  };

  void SetInChunk(Chunk& chunk, uint32_t from, uint32_t to, uint8_t layer);
  void SetBelow(uint64_t block, uint64_t end, bool held);
  void SetBelowInChunk(Chunk& chunk, uint32_t from, uint32_t to, bool held);
  void JoinIfUniform(Chunk& chunk);
  uint64_t RoundedEnd(uint64_t end) const;
  void Account();

  uint64_t blocks_;
  std::vector<Chunk> chunks_;
  CellPool<kChunkBlocks> layers_;
  CellPool<kChunkBlocks / 8> below_;
  std::atomic<size_t> bytes_{0};
};

}  // namespace aurochs
