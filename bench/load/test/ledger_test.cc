#include "ledger.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "stamp.h"

namespace aurochs {
namespace {

constexpr uint64_t kRun = 42;

class LedgerTest : public testing::Test {
 protected:
  // Writes 8 KiB at `offset` and says what the disk would hold.
  std::vector<uint8_t> Write(uint64_t offset, const char* error = "") {
    std::vector<uint8_t> data(8192);
    Request request = {.kind = Request::Kind::kWrite, .offset = offset, .length = 8192, .data = data.data()};
    EXPECT_TRUE(ledger_.Acquire(offset, 8192));
    ledger_.StampWrite(request);
    request.error = error;
    EXPECT_EQ(ledger_.Complete(request), "");
    return data;
  }

  std::string Read(uint64_t offset, std::vector<uint8_t> data) {
    Request request = {.kind = Request::Kind::kRead,
                       .offset = offset,
                       .length = static_cast<uint32_t>(data.size()),
                       .data = data.data()};
    EXPECT_TRUE(ledger_.Acquire(offset, request.length));
    return ledger_.Complete(request);
  }

  Ledger ledger_{kRun, 1u << 20};
};

TEST_F(LedgerTest, AcceptsWhatWasWrittenLast) {
  Write(0);
  auto data = Write(0);
  EXPECT_EQ(Read(0, data), "");
}

TEST_F(LedgerTest, ChecksNothingThatItDidNotWrite) {
  EXPECT_EQ(Read(65536, std::vector<uint8_t>(8192, 7)), "");
  EXPECT_FALSE(ledger_.Knows(65536, 8192));
}

TEST_F(LedgerTest, NoticesALostWrite) {
  auto old = Write(8192);
  Write(8192);
  EXPECT_EQ(Read(8192, old), "offset 8192: holds write 1 instead of write 2");
}

TEST_F(LedgerTest, NoticesAMisdirectedWrite) {
  auto elsewhere = Write(0);
  Write(8192);
  EXPECT_EQ(Read(8192, elsewhere), "offset 8192: holds the data of offset 0");
}

TEST_F(LedgerTest, NoticesOneFlippedBitAndATornBlock) {
  auto old = Write(0);
  auto data = Write(0);
  auto flipped = data;
  flipped[5000] ^= 1;
  EXPECT_EQ(Read(0, flipped), "offset 4096: differs from byte 904 of the block on");
  auto torn = data;
  std::memcpy(torn.data() + 512, old.data() + 512, 512);
  EXPECT_EQ(Read(0, torn), "offset 0: differs from byte 512 of the block on");
}

TEST_F(LedgerTest, NoticesZerosAndForeignData) {
  Write(0);
  EXPECT_EQ(Read(0, std::vector<uint8_t>(8192)), "offset 0: zeros instead of write 1");
  EXPECT_EQ(Read(0, std::vector<uint8_t>(8192, 1)), "offset 0: not written by this run");
}

TEST_F(LedgerTest, AFailedWriteLeavesItsBlocksUnknown) {
  auto before = Write(0);
  Write(0, "broken");
  EXPECT_FALSE(ledger_.Knows(0, 8192));
  EXPECT_EQ(Read(0, before), "");
}

TEST_F(LedgerTest, OperationsOnTheSameBlocksExcludeEachOther) {
  EXPECT_TRUE(ledger_.Acquire(4096, 8192));
  EXPECT_FALSE(ledger_.Acquire(8192, 4096));
  EXPECT_FALSE(ledger_.Acquire(0, 8192));
  EXPECT_TRUE(ledger_.Acquire(0, 4096));
  EXPECT_TRUE(ledger_.Acquire(12288, 4096));
}

}  // namespace
}  // namespace aurochs
