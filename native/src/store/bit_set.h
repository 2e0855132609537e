// Sets of numbers below a bound, one bit each, and the blocks that bits are stored in.
//
// A block of a map's file is 4096 bytes, little endian:
//   0 4088 bytes of bits, LSB first   4088 u32 number of the block, from 0   4092 u32 CRC32C of bytes 0..4092
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "base/crc32c.h"

namespace aurochs {

static_assert(std::endian::native == std::endian::little, "the files' integers are copied as they are");

using Bits = std::vector<uint64_t>;

constexpr size_t kMapBlockBytes = 4096;
constexpr size_t kMapBitBytes = 4088;
constexpr size_t kMapBlockWords = kMapBitBytes / 8;
constexpr uint64_t kMapBlockBits = kMapBitBytes * 8;

/// One block, or a header, and where it belongs in its file.
struct MapBlockImage {
  uint64_t file_offset;
  std::vector<uint8_t> bytes;
};

template <typename T>
T LoadNumber(const uint8_t* bytes) {
  T value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

template <typename T>
void StoreNumber(uint8_t* bytes, T value) {
  memcpy(bytes, &value, sizeof value);
}

/// Completes a block whose bits are in place.
inline void SealMapBlock(uint64_t number, uint8_t* bytes) {
  StoreNumber<uint32_t>(bytes + kMapBitBytes, static_cast<uint32_t>(number));
  StoreNumber<uint32_t>(bytes + kMapBitBytes + 4, Crc32c(bytes, kMapBitBytes + 4));
}

inline bool IsMapBlock(uint64_t number, const uint8_t* bytes) {
  return LoadNumber<uint32_t>(bytes + kMapBitBytes) == number &&
         LoadNumber<uint32_t>(bytes + kMapBitBytes + 4) == Crc32c(bytes, kMapBitBytes + 4);
}

inline bool TestBit(const Bits& bits, uint64_t index) { return (bits[index / 64] >> (index % 64) & 1) != 0; }
inline void SetBit(Bits& bits, uint64_t index) { bits[index / 64] |= uint64_t{1} << (index % 64); }

/// Sets bits `first` to `last`.
inline void SetBits(Bits& bits, uint64_t first, uint64_t last) {
  uint64_t word = first / 64, last_word = last / 64;
  uint64_t head = ~uint64_t{0} << (first % 64), tail = ~uint64_t{0} >> (63 - last % 64);
  if (word == last_word) {
    bits[word] |= head & tail;
    return;
  }
  bits[word] |= head;
  while (++word < last_word) bits[word] = ~uint64_t{0};
  bits[last_word] |= tail;
}

/// Bits that follow each other: the first and the last.
using BitRun = std::pair<uint64_t, uint64_t>;

/// Notes the blocks in which `runs` have bits.
inline void TouchBlocks(const std::vector<BitRun>& runs, std::vector<bool>* touched) {
  for (auto [first, last] : runs) {
    for (uint64_t block = first / kMapBlockBits; block <= last / kMapBlockBits; ++block)
      (*touched)[block] = true;
  }
}

/// Sets what `runs` have in one block. @param words the block's
inline void SetRuns(const std::vector<BitRun>& runs, uint64_t block, Bits* words) {
  uint64_t base = block * kMapBlockBits;
  for (auto [first, last] : runs) {
    first = std::max(first, base);
    last = std::min(last, base + kMapBlockBits - 1);
    if (first <= last) SetBits(*words, first - base, last - base);
  }
}

/// One block behind the header. @param words of its bits
inline MapBlockImage MapBlockOf(uint64_t block, const uint64_t* words) {
  MapBlockImage image{kMapBlockBytes * (1 + block), std::vector<uint8_t>(kMapBlockBytes)};
  memcpy(image.bytes.data(), words, kMapBitBytes);
  SealMapBlock(block, image.bytes.data());
  return image;
}

/// The file's blocks of `bits`, which are whole blocks.
inline void EncodeMapBlocks(const Bits& bits, uint8_t* blocks) {
  for (size_t block = 0; block < bits.size() / kMapBlockWords; ++block) {
    memcpy(blocks + block * kMapBlockBytes, &bits[block * kMapBlockWords], kMapBitBytes);
    SealMapBlock(block, blocks + block * kMapBlockBytes);
  }
}

/// Takes them into `bits`; a damaged block counts as all set. @return how many are damaged
inline uint64_t DecodeMapBlocks(const uint8_t* blocks, Bits* bits) {
  uint64_t damaged = 0;
  for (size_t block = 0; block < bits->size() / kMapBlockWords; ++block) {
    const uint8_t* from = blocks + block * kMapBlockBytes;
    uint64_t* to = &(*bits)[block * kMapBlockWords];
    if (IsMapBlock(block, from)) {
      memcpy(to, from, kMapBitBytes);
    } else {
      memset(to, 0xff, kMapBitBytes);
      ++damaged;
    }
  }
  return damaged;
}

/// Clears the bits from `count` on.
inline void ClearBitsFrom(Bits& bits, uint64_t count) {
  if (count / 64 >= bits.size()) return;
  bits[count / 64] &= (uint64_t{1} << (count % 64)) - 1;
  for (uint64_t word = count / 64 + 1; word < bits.size(); ++word) bits[word] = 0;
}

/// Copies what both have room for, below `count`.
inline void CopyBits(const Bits& from, uint64_t count, Bits* to) {
  std::copy_n(from.begin(), std::min(from.size(), to->size()), to->begin());
  ClearBitsFrom(*to, count);
}

}  // namespace aurochs
