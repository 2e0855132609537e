// The extent index against plain arrays, and what it costs.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "store/extent_index.h"

namespace aurochs {
namespace {

constexpr uint64_t kTebibyte = uint64_t{1} << 40;
constexpr size_t kMebibyte = 1u << 20;

constexpr uint8_t kHead = 77;

// Every run is the longest that there is, and says what the array says; `below` counts where the head is.
void ExpectEqual(const ExtentIndex& index, const std::vector<uint8_t>& layers,
                 const std::vector<bool>& below) {
  uint64_t blocks = layers.size();
  for (uint64_t block = 0; block < blocks;) {
    auto run = index.RunAt(block, blocks);
    ASSERT_GT(run.end, block);
    for (uint64_t at = block; at < run.end; ++at) ASSERT_EQ(layers[at], run.layer) << at;
    if (run.end < blocks) {
      ASSERT_NE(layers[run.end], run.layer) << run.end;
    }
    block = run.end;
  }
  for (uint64_t block = 0; block < blocks;) {
    auto run = index.BelowRunAt(block, blocks);
    ASSERT_GT(run.end, block);
    for (uint64_t at = block; at < run.end; ++at) {
      if (layers[at] == kHead) {
        ASSERT_EQ(below[at], run.held) << at;
      }
    }
    block = run.end;
  }
}

TEST(ExtentIndex, RandomRangesMatchAnArray) {
  uint32_t seed = std::random_device()();
  SCOPED_TRACE("SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  for (uint64_t blocks : {1u, 511u, 512u, 513u, 5000u}) {
    ExtentIndex index(blocks);
    std::vector<uint8_t> layers(blocks);
    std::vector<bool> below(blocks);
    for (int step = 0; step < 400; ++step) {
      uint64_t first = random() % blocks;
      uint64_t end =
          first + 1 + random() % (random() % 2 ? blocks - first : std::min<uint64_t>(4, blocks - first));
      if (random() % 2 == 0) {
        index.Take(first, end, kHead);
        for (uint64_t at = first; at < end; ++at) {
          if (layers[at] != kHead) below[at] = layers[at] != 0;
          layers[at] = kHead;
        }
      } else if (random() % 8 == 0) {
        auto from = static_cast<uint8_t>(random() % 2 ? 255 : 254);
        index.Rename(0, index.chunks(), from, 253);
        std::replace(layers.begin(), layers.end(), from, uint8_t{253});
      } else {
        auto layer = static_cast<uint8_t>(random() % 3 ? random() % 77 : 255);
        index.Set(first, end, layer);
        std::fill(layers.begin() + static_cast<ptrdiff_t>(first),
                  layers.begin() + static_cast<ptrdiff_t>(end), layer);
      }
      if (step % 20 == 0) ExpectEqual(index, layers, below);
    }
    ExpectEqual(index, layers, below);
    for (int grown = 0; grown < 3; ++grown) {
      blocks += 1 + random() % 700;
      index.Grow(blocks);
      layers.resize(blocks);
      below.resize(blocks);
      ExpectEqual(index, layers, below);
      index.Take(blocks - 1, blocks, kHead);
      layers.back() = kHead;
    }
  }
}

TEST(ExtentIndex, ATebibyteOfAFullVolumeOverAFullSnapshotCostsLessThanEightMebibytes) {
  ExtentIndex index(kTebibyte / kBlockBytes);
  index.Set(0, kTebibyte / kBlockBytes, 1);
  // The head has been written at random in pieces of 64 KiB, 5000 of them, over 10 GiB.
  std::mt19937 random(3);
  for (int i = 0; i < 5000; ++i) {
    uint64_t first = random() % (10u << 30 >> 16) * 16;
    index.Take(first, first + 16, 200);
  }
  EXPECT_LT(index.bytes(), 8 * kMebibyte);
}

TEST(ExtentIndex, ChunksThatBecomeUniformAgainGiveTheirMemoryBack) {
  ExtentIndex index(512 * 1000);
  size_t before = index.bytes();
  for (uint64_t chunk = 0; chunk < 1000; ++chunk) index.Set(chunk * 512 + 7, chunk * 512 + 8, 3);
  size_t mixed = index.bytes();
  EXPECT_GE(mixed, before + 1000 * 512);
  for (int round = 0; round < 10; ++round) {
    for (uint64_t chunk = 0; chunk < 1000; ++chunk) index.Set(chunk * 512, chunk * 512 + 512, 3);
    for (uint64_t chunk = 0; chunk < 1000; ++chunk) {
      for (uint64_t block = 0; block < 512; block += 256) {
        index.Set(chunk * 512 + block, chunk * 512 + block + 256, 0);
      }
      index.Set(chunk * 512 + 9, chunk * 512 + 10, 1);
    }
  }
  EXPECT_LE(index.bytes(), mixed + mixed / 10);
}

}  // namespace
}  // namespace aurochs
