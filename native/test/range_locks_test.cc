// Who waits for whom.
#include "base/range_locks.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <vector>

namespace aurochs {
namespace {

using Entry = RangeLocks::Entry;

Entry Writer(uint64_t begin, uint64_t end) {
  Entry entry;
  entry.begin = begin;
  entry.end = end;
  entry.writer = true;
  return entry;
}

Entry Reader(uint64_t begin, uint64_t end) {
  Entry entry = Writer(begin, end);
  entry.writer = false;
  return entry;
}

TEST(RangeLocks, OverlappingWritersGoOneAfterTheOtherAndReadersWaitForWritersOnly) {
  RangeLocks locks;
  std::vector<Entry*> ready;
  Entry first = Writer(0, 10), second = Writer(5, 15), apart = Writer(15, 20), reader = Reader(9, 10);
  EXPECT_TRUE(locks.Acquire(&first));
  EXPECT_FALSE(locks.Acquire(&second));
  EXPECT_TRUE(locks.Acquire(&apart)) << "touching is not overlapping";
  EXPECT_FALSE(locks.Acquire(&reader));
  locks.Release(&first, &ready);
  EXPECT_EQ(ready, std::vector<Entry*>{&second}) << "the reader waits for the second writer as well";
  Entry early_reader = Reader(100, 110), late_writer = Writer(100, 110);
  EXPECT_TRUE(locks.Acquire(&early_reader));
  EXPECT_TRUE(locks.Acquire(&late_writer)) << "readers hold nobody up";
  ready.clear();
  locks.Release(&early_reader, &ready);
  EXPECT_TRUE(ready.empty());
  locks.Release(&second, &ready);
  EXPECT_EQ(ready, std::vector<Entry*>{&reader});
}

TEST(RangeLocks, ALaterWriterDoesNotOvertakeAWaitingOne) {
  RangeLocks locks;
  std::vector<Entry*> ready;
  Entry first = Writer(0, 10), wide = Writer(0, 100), last = Writer(50, 60);
  EXPECT_TRUE(locks.Acquire(&first));
  EXPECT_FALSE(locks.Acquire(&wide));
  EXPECT_FALSE(locks.Acquire(&last)) << "it would starve the wide one";
  locks.Release(&first, &ready);
  EXPECT_EQ(ready, std::vector<Entry*>{&wide});
}

TEST(RangeLocks, AnUrgentWriterGoesBeforeAllThatWait) {
  RangeLocks locks;
  std::vector<Entry*> ready;
  Entry first = Writer(0, 10), reader = Reader(0, 10), second = Writer(5, 30), other = Writer(40, 50);
  Entry urgent = Writer(0, 50), later = Writer(45, 46);
  urgent.urgent = true;
  EXPECT_TRUE(locks.Acquire(&first));
  EXPECT_FALSE(locks.Acquire(&reader));
  EXPECT_FALSE(locks.Acquire(&second));
  EXPECT_TRUE(locks.Acquire(&other));
  EXPECT_FALSE(locks.Acquire(&urgent));
  EXPECT_FALSE(locks.Acquire(&later));
  locks.Release(&first, &ready);
  EXPECT_TRUE(ready.empty()) << "the urgent one still waits for what had begun before it";
  locks.Release(&other, &ready);
  EXPECT_EQ(ready, std::vector<Entry*>{&urgent});
  ready.clear();
  locks.Release(&urgent, &ready);
  EXPECT_EQ(ready, (std::vector<Entry*>{&reader, &second, &later}));
}

TEST(RangeLocks, RandomEntriesAllGetTheirTurnAndNeverConflict) {
  constexpr uint32_t kSeed = 20240607;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937 random(kSeed);
  RangeLocks locks;
  std::deque<Entry> entries;
  std::vector<Entry*> holding, ready;
  size_t started = 0;
  auto start = [&](Entry* entry) {
    for (Entry* other : holding) {
      bool overlap = other->begin < entry->end && entry->begin < other->end;
      EXPECT_FALSE(overlap && other->writer && entry->writer);
      EXPECT_FALSE(overlap && other->writer && !entry->writer);
    }
    holding.push_back(entry);
    ++started;
  };
  for (int i = 0; i < 20000 || !holding.empty(); ++i) {
    if (i < 20000 && random() % 2) {
      uint64_t begin = random() % 200;
      entries.push_back(random() % 3 ? Writer(begin, begin + 1 + random() % 20) : Reader(begin, begin + 5));
      entries.back().urgent = entries.back().writer && random() % 8 == 0;
      if (locks.Acquire(&entries.back())) {
        // A reader may start beside a later writer, never after one that holds.
        start(&entries.back());
      }
    } else if (!holding.empty()) {
      size_t index = random() % holding.size();
      Entry* entry = holding[index];
      holding.erase(holding.begin() + static_cast<ptrdiff_t>(index));
      ready.clear();
      locks.Release(entry, &ready);
      for (Entry* next : ready) {
        if (next->writer) start(next);
      }
      for (Entry* next : ready) {
        if (!next->writer) {
          holding.push_back(next);
          ++started;
        }
      }
    }
  }
  EXPECT_EQ(started, entries.size());
}

}  // namespace
}  // namespace aurochs
