#include "store/extent_index.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace aurochs {

template <size_t CellBytes>
uint32_t CellPool<CellBytes>::Take() {
  if (free_.empty()) {
    uint32_t first = static_cast<uint32_t>(slabs_.size()) * kCells;
    slabs_.push_back(std::make_unique<uint8_t[]>(kCells * CellBytes));
    free_.reserve(kCells);
    for (uint32_t cell = kCells; cell > 0; --cell) free_.push_back(first + cell - 1);
  }
  uint32_t cell = free_.back();
  free_.pop_back();
  return cell;
}

ExtentIndex::ExtentIndex(uint64_t blocks)
    : blocks_(blocks), chunks_((blocks + kChunkBlocks - 1) / kChunkBlocks) {
  Account();
}

// What lies behind the end of the volume follows its last block, so that the last chunk can be uniform too.
uint64_t ExtentIndex::RoundedEnd(uint64_t end) const {
  return end == blocks_ ? chunks_.size() * kChunkBlocks : end;
}

uint8_t ExtentIndex::LayerAt(uint64_t block) const {
  const Chunk& chunk = chunks_[block / kChunkBlocks];
  if (chunk.top <= kUniformMax) return static_cast<uint8_t>(chunk.top);
  return layers_.at(chunk.top - kUniformMax - 1)[block % kChunkBlocks];
}

ExtentIndex::Run ExtentIndex::RunAt(uint64_t block, uint64_t end) const {
  uint8_t layer = LayerAt(block);
  while (block < end) {
    const Chunk& chunk = chunks_[block / kChunkBlocks];
    uint64_t chunk_end = std::min(end, (block / kChunkBlocks + 1) * kChunkBlocks);
    if (chunk.top <= kUniformMax) {
      if (chunk.top != layer) break;
      block = chunk_end;
      continue;
    }
    const uint8_t* cell = layers_.at(chunk.top - kUniformMax - 1);
    while (block < chunk_end && cell[block % kChunkBlocks] == layer) ++block;
    if (block < chunk_end) break;
  }
  return {block, layer};
}

ExtentIndex::BelowRun ExtentIndex::BelowRunAt(uint64_t block, uint64_t end) const {
  auto held_at = [this](uint64_t at) {
    const Chunk& chunk = chunks_[at / kChunkBlocks];
    if (chunk.below < kBelowCell) return chunk.below == kBelowAll;
    uint32_t bit = at % kChunkBlocks;
    return (below_.at(chunk.below - kBelowCell)[bit / 8] >> (bit % 8) & 1) != 0;
  };
  bool held = held_at(block);
  while (block < end) {
    if (held_at(block) != held) break;
    bool uniform = chunks_[block / kChunkBlocks].below < kBelowCell;
    block = uniform ? std::min(end, (block / kChunkBlocks + 1) * kChunkBlocks) : block + 1;
  }
  return {block, held};
}

void ExtentIndex::Set(uint64_t block, uint64_t end, uint8_t layer) {
  end = RoundedEnd(end);
  while (block < end) {
    uint64_t chunk_end = std::min(end, (block / kChunkBlocks + 1) * kChunkBlocks);
    uint32_t from = block % kChunkBlocks;
    SetInChunk(chunks_[block / kChunkBlocks], from, from + static_cast<uint32_t>(chunk_end - block), layer);
    block = chunk_end;
  }
}

void ExtentIndex::SetInChunk(Chunk& chunk, uint32_t from, uint32_t to, uint8_t layer) {
  if (chunk.top == layer) return;
  if (chunk.top <= kUniformMax) {
    if (from == 0 && to == kChunkBlocks) {
      chunk.top = layer;
      return;
    }
    uint32_t cell = layers_.Take();
    memset(layers_.at(cell), static_cast<int>(chunk.top), kChunkBlocks);
    chunk.top = kUniformMax + 1 + cell;
    Account();
  }
  uint8_t* cell = layers_.at(chunk.top - kUniformMax - 1);
  // The steady state of an overwritten block ends here, without a look at the rest of the chunk.
  if (cell[from] == layer && (to - from == 1 || memcmp(cell + from, cell + from + 1, to - from - 1) == 0))
    return;
  memset(cell + from, layer, to - from);
  JoinIfUniform(chunk);
}

void ExtentIndex::JoinIfUniform(Chunk& chunk) {
  const uint8_t* cell = layers_.at(chunk.top - kUniformMax - 1);
  if (memcmp(cell, cell + 1, kChunkBlocks - 1) != 0) return;
  layers_.Give(chunk.top - kUniformMax - 1);
  chunk.top = *cell;
}

void ExtentIndex::Take(uint64_t block, uint64_t end, uint8_t head) {
  for (uint64_t at = block; at < end;) {
    Run run = RunAt(at, end);
    if (run.layer != head) SetBelow(at, run.end, run.layer != 0);
    at = run.end;
  }
  Set(block, end, head);
}

void ExtentIndex::SetBelow(uint64_t block, uint64_t end, bool held) {
  end = RoundedEnd(end);
  while (block < end) {
    uint64_t chunk_end = std::min(end, (block / kChunkBlocks + 1) * kChunkBlocks);
    uint32_t from = block % kChunkBlocks;
    uint32_t to = from + static_cast<uint32_t>(chunk_end - block);
    SetBelowInChunk(chunks_[block / kChunkBlocks], from, to, held);
    block = chunk_end;
  }
}

void ExtentIndex::SetBelowInChunk(Chunk& chunk, uint32_t from, uint32_t to, bool held) {
  uint32_t uniform = held ? kBelowAll : kBelowNone;
  if (chunk.below == uniform) return;
  if (from == 0 && to == kChunkBlocks) {
    if (chunk.below >= kBelowCell) below_.Give(chunk.below - kBelowCell);
    chunk.below = uniform;
    return;
  }
  if (chunk.below < kBelowCell) {
    uint32_t cell = below_.Take();
    memset(below_.at(cell), chunk.below == kBelowAll ? 0xff : 0, kChunkBlocks / 8);
    chunk.below = kBelowCell + cell;
    Account();
  }
  uint8_t* cell = below_.at(chunk.below - kBelowCell);
  for (uint32_t bit = from; bit < to; ++bit) {
    auto mask = static_cast<uint8_t>(1u << (bit % 8));
    cell[bit / 8] = static_cast<uint8_t>(held ? cell[bit / 8] | mask : cell[bit / 8] & ~mask);
  }
  uint8_t all = held ? 0xff : 0;
  if (std::all_of(cell, cell + kChunkBlocks / 8, [all](uint8_t byte) { return byte == all; })) {
    below_.Give(chunk.below - kBelowCell);
    chunk.below = uniform;
  }
}

void ExtentIndex::Grow(uint64_t blocks) {
  uint64_t before = std::exchange(blocks_, blocks);
  uint64_t known = std::min(blocks, chunks_.size() * kChunkBlocks);
  chunks_.resize((blocks + kChunkBlocks - 1) / kChunkBlocks);
  // Up to here the blocks behind the end followed the last one.
  if (before < known) Set(before, known, 0);
  Account();
}

void ExtentIndex::Rename(uint64_t first, uint64_t end, uint8_t from, uint8_t to) {
  for (uint64_t number = first; number < end; ++number) {
    Chunk& chunk = chunks_[number];
    if (chunk.top == from) chunk.top = to;
    if (chunk.top <= kUniformMax) continue;
    uint8_t* cell = layers_.at(chunk.top - kUniformMax - 1);
    std::replace(cell, cell + kChunkBlocks, from, to);
    JoinIfUniform(chunk);
  }
}

void ExtentIndex::Account() {
  bytes_.store(chunks_.size() * sizeof(Chunk) + layers_.bytes() + below_.bytes(), std::memory_order_relaxed);
}

}  // namespace aurochs
