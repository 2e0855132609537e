// CDBs and what is decided from them before anything moves.
#include <gtest/gtest.h>

#include <vector>

#include "base/big_endian.h"
#include "scsi/limits.h"
#include "scsi/plan.h"

namespace aurochs::scsi {
namespace {

constexpr Geometry kSmall{512, 65536};

Cdb Parse(std::vector<uint8_t> bytes) {
  bytes.resize(kCdbBytes);
  return ParseCdb(bytes.data());
}

TEST(Cdb, FieldsLieWhereEachLengthOfCdbHasThem) {
  Cdb six = Parse({0x08, 0xff, 0x34, 0x56, 7});
  EXPECT_EQ(six.kind, CommandKind::kRead);
  EXPECT_EQ(six.lba, 0x1f3456u) << "21 bits";
  EXPECT_EQ(six.length, 7u);
  EXPECT_EQ(Parse({0x0a, 0, 0, 0, 0}).length, 256u) << "0 stands for 256";
  Cdb ten = Parse({0x2a, 0x08, 1, 2, 3, 4, 0, 5, 6});
  EXPECT_EQ(ten.kind, CommandKind::kWrite);
  EXPECT_EQ(ten.lba, 0x01020304u);
  EXPECT_EQ(ten.length, 0x0506u);
  EXPECT_TRUE(ten.fua);
  Cdb twelve = Parse({0xae, 0x02, 1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_EQ(twelve.kind, CommandKind::kWriteAndVerify);
  EXPECT_EQ(twelve.length, 0x05060708u);
  EXPECT_EQ(twelve.byte_check, 1);
  Cdb sixteen = Parse({0x93, 0x09, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  EXPECT_EQ(sixteen.kind, CommandKind::kWriteSame);
  EXPECT_EQ(sixteen.lba, 0x0102030405060708u);
  EXPECT_EQ(sixteen.length, 0x090a0b0cu);
  EXPECT_TRUE(sixteen.unmap);
  EXPECT_TRUE(sixteen.no_data);
  EXPECT_FALSE(Parse({0x41, 0x09}).no_data) << "WRITE SAME(10) has no NDOB";
  Cdb compare = Parse({0x89, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0xff, 0xff, 0xff, 3});
  EXPECT_EQ(compare.lba, 9u);
  EXPECT_EQ(compare.length, 3u);
}

TEST(Cdb, WhatMovesNoDataOfTheMediumIsOther) {
  for (uint8_t opcode : {0x00, 0x03, 0x12, 0x15, 0x1a, 0x25, 0x5e, 0x5f, 0x7f, 0x9e, 0xa0, 0xa3, 0x9c}) {
    EXPECT_EQ(Parse({opcode}).kind, CommandKind::kOther) << int{opcode};
  }
}

Plan PlanOf(const Cdb& cdb, bool reads, bool writes, uint32_t length, Geometry geometry = kSmall) {
  return PlanCommand(cdb, geometry, {reads, writes, length});
}

TEST(Plan, RangesBeyondTheEndAreOutOfRange) {
  for (uint8_t opcode : {0x28, 0x2a, 0x2e, 0x2f, 0x34, 0x35, 0x41}) {
    Cdb cdb = Parse({opcode});
    cdb.lba = 65535;
    cdb.length = 1;
    EXPECT_EQ(PlanOf(cdb, opcode == 0x28, opcode != 0x28, 512).check, kNoSense) << int{opcode};
    cdb.length = 2;
    EXPECT_EQ(PlanOf(cdb, opcode == 0x28, opcode != 0x28, 1024).check, kLbaOutOfRange) << int{opcode};
    cdb.lba = UINT64_MAX;
    EXPECT_EQ(PlanOf(cdb, opcode == 0x28, opcode != 0x28, 1024).check, kLbaOutOfRange) << int{opcode};
    if (opcode == 0x41) continue;  // zero blocks are refused
    cdb.lba = 65536;
    cdb.length = 0;
    EXPECT_EQ(PlanOf(cdb, opcode == 0x28, opcode != 0x28, 0).check, kLbaOutOfRange) << int{opcode};
    cdb.lba = 65535;
    EXPECT_EQ(PlanOf(cdb, opcode == 0x28, opcode != 0x28, 0).check, kNoSense) << int{opcode};
  }
}

TEST(Plan, ProtectionAnchorsAndReservedByteChecksAreInvalidFields) {
  for (uint8_t opcode :
       {0x28, 0xa8, 0x88, 0x2a, 0xaa, 0x8a, 0x2e, 0xae, 0x8e, 0x2f, 0xaf, 0x8f, 0x41, 0x93, 0x89, 0x8b}) {
    Cdb cdb = Parse({opcode, 0x20});
    cdb.length = 1;
    EXPECT_EQ(PlanOf(cdb, true, true, 512).check, kInvalidFieldInCdb) << int{opcode};
  }
  EXPECT_EQ(PlanOf(Parse({0x42, 0x01, 0, 0, 0, 0, 0, 0, 24}), false, true, 24).check, kInvalidFieldInCdb);
  EXPECT_EQ(PlanOf(Parse({0x41, 0x18, 0, 0, 0, 0, 0, 0, 1}), false, true, 512).check, kInvalidFieldInCdb);
  EXPECT_EQ(PlanOf(Parse({0x2f, 0x04, 0, 0, 0, 0, 0, 0, 1}), false, true, 512).check, kInvalidFieldInCdb);
  EXPECT_EQ(PlanOf(Parse({0x2e, 0x06, 0, 0, 0, 0, 0, 0, 1}), false, true, 512).check, kInvalidFieldInCdb);
}

TEST(Plan, LengthsAboveTheBlockLimitsAreInvalidFields) {
  Geometry large{512, uint64_t{1} << 32};
  Cdb read = Parse({0x88});
  read.length = kTransferBytesMax / 512;
  EXPECT_EQ(PlanOf(read, true, false, kTransferBytesMax, large).check, kNoSense);
  ++read.length;
  EXPECT_EQ(PlanOf(read, true, false, kTransferBytesMax, large).check, kInvalidFieldInCdb);
  Cdb same = Parse({0x93});
  same.length = kWriteSameBytesMax / 512;
  EXPECT_EQ(PlanOf(same, false, true, 512, large).check, kNoSense);
  ++same.length;
  EXPECT_EQ(PlanOf(same, false, true, 512, large).check, kInvalidFieldInCdb);
  same.length = 0;
  EXPECT_EQ(PlanOf(same, false, true, 512, large).check, kInvalidFieldInCdb);
}

TEST(Plan, WhatMovesIsTheLesserOfCdbAndExpectedLength) {
  Cdb read = Parse({0x28, 0, 0, 0, 0, 4, 0, 0, 4});
  Plan plan = PlanOf(read, true, false, 700);
  EXPECT_EQ(plan.data_in, 2048u);
  EXPECT_EQ(plan.data_in_moved, 700u);
  EXPECT_EQ(plan.offset, 2048u);
  EXPECT_EQ(plan.length, 1024u) << "whole blocks are read";
  Cdb write = Parse({0x2a, 0, 0, 0, 0, 4, 0, 0, 4});
  EXPECT_EQ(PlanOf(write, false, true, 1024).length, 1024u);
  EXPECT_EQ(PlanOf(write, false, true, 700).check, kInvalidFieldInInformationUnit);
  EXPECT_EQ(PlanOf(write, true, false, 2048).check, kInvalidFieldInInformationUnit);
  EXPECT_EQ(PlanOf(write, false, false, 0).length, 0u);
}

TEST(Plan, ABlockThatIsNeededWholeHasToBeThereExactly) {
  Cdb same = Parse({0x41, 0, 0, 0, 0, 0, 0, 0, 1});
  EXPECT_EQ(PlanOf(same, false, true, 256).check, kInvalidFieldInInformationUnit);
  EXPECT_EQ(PlanOf(same, false, true, 1024).check, kInvalidFieldInInformationUnit);
  EXPECT_EQ(PlanOf(same, false, true, 512).check, kNoSense);
  Cdb compare = Parse({0x89, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2});
  EXPECT_EQ(PlanOf(compare, false, true, 1024).check, kInvalidFieldInInformationUnit);
  EXPECT_EQ(PlanOf(compare, false, true, 4096).check, kInvalidFieldInInformationUnit);
  EXPECT_EQ(PlanOf(compare, false, true, 2048).check, kNoSense);
}

TEST(Sense, FixedFormatCarriesTheInformation) {
  uint8_t bytes[kSenseBytes];
  EncodeSense(kMiscompare, 0x01020304, bytes);
  EXPECT_EQ(bytes[0], 0xf0);
  EXPECT_EQ(bytes[2], 0x0e);
  EXPECT_EQ(GetBe32(bytes + 3), 0x01020304u);
  EXPECT_EQ(bytes[7], 10);
  EXPECT_EQ(bytes[12], 0x1d);
  EncodeSense(kLbaOutOfRange, std::nullopt, bytes);
  EXPECT_EQ(bytes[0], 0x70);
  EXPECT_EQ(GetBe32(bytes + 3), 0u);
}

}  // namespace
}  // namespace aurochs::scsi
