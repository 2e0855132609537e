// What data commands do to the volume and answer, seen by an initiator.
#include "iscsi_fixture.h"
#include "scsi/limits.h"

namespace aurochs::iscsi {
namespace {

class CommandsTest : public TargetTest {
 protected:
  static Bytes UnmapList(const std::vector<std::pair<uint64_t, uint32_t>>& ranges) {
    Bytes list(8 + 16 * ranges.size());
    PutBe16(&list[0], list.size() - 2);
    PutBe16(&list[2], list.size() - 8);
    for (size_t i = 0; i < ranges.size(); ++i) {
      PutBe64(&list[8 + 16 * i], ranges[i].first);
      PutBe32(&list[16 + 16 * i], ranges[i].second);
    }
    return list;
  }
  static Bytes UnmapCdb(size_t length) { return Cdb10(0x42, 0, length); }
  void Fill(uint8_t value) {
    OnLoop([&] { std::fill(backend_.bytes.begin(), backend_.bytes.end(), value); });
  }
  int Count(OperationKind kind) {
    int count = 0;
    OnLoop([&] { count = backend_.counts[kind]; });
    return count;
  }
};

TEST_F(CommandsTest, EveryLengthOfReadAndWriteMovesTheSameBlocks) {
  auto initiator = LogIn();
  Bytes data = Pattern(2048, 9);
  Bytes six(16);
  six[3] = 100;
  six[4] = 4;
  Bytes twelve(16);
  PutBe32(&twelve[2], 100);
  PutBe32(&twelve[6], 4);
  for (uint8_t opcode : {0x0a, 0x2a, 0xaa, 0x8a}) {
    Bytes cdb = opcode == 0x0a   ? six
                : opcode == 0xaa ? twelve
                : opcode == 0x8a ? Cdb16(0, 100, 4)
                                 : Cdb10(0, 100, 4);
    cdb[0] = opcode;
    data[0] = opcode;
    EXPECT_EQ(initiator->Write(cdb, data, opcode == 0x8a ? 0 : 2048).status, 0);
    EXPECT_EQ(Medium(51200, 2048), data);
    cdb[0] = opcode - 2;
    EXPECT_EQ(initiator->Read(cdb, 2048).data, data);
  }
}

TEST_F(CommandsTest, FuaReachesTheVolume) {
  auto initiator = LogIn();
  initiator->Write(Cdb10(0x2a, 0, 1, 0x10), Bytes(512), 512);  // DPO
  OnLoop([&] { EXPECT_EQ(backend_.fua_writes, 0); });
  initiator->Write(Cdb10(0x2a, 0, 1, 0x08), Bytes(512), 512);
  OnLoop([&] { EXPECT_EQ(backend_.fua_writes, 1); });
}

TEST_F(CommandsTest, FailuresOfTheVolumeBecomeSenseData) {
  auto initiator = LogIn();
  struct Case {
    Status status;
    scsi::Sense read;
    scsi::Sense write;
  };
  for (Case one : {Case{Status::kIoError, scsi::kReadFailed, scsi::kWriteFailed},
                   Case{Status::kChecksumMismatch, scsi::kReadFailed, scsi::kWriteFailed},
                   Case{Status::kNoSpace, scsi::kNoSpace, scsi::kNoSpace},
                   Case{Status::kOutOfRange, scsi::kLbaOutOfRange, scsi::kLbaOutOfRange},
                   Case{Status::kDisconnected, scsi::kNotReady, scsi::kNotReady}}) {
    OnLoop([&] { backend_.fail = one.status; });
    Answer read = initiator->Read(Cdb10(0x28, 0, 2048), 1 << 20);
    EXPECT_EQ(read.status, 2);
    EXPECT_EQ(read.sense_key(), one.read);
    EXPECT_EQ(read.flags, kUnderflowBit);
    EXPECT_EQ(read.residual, 1u << 20);
    EXPECT_EQ(initiator->Write(Cdb10(0x2a, 0, 1), Bytes(512), 512).sense_key(), one.write);
    EXPECT_EQ(initiator->Write(Cdb10(0x2a, 0, 1), Bytes(512), 0).sense_key(), one.write);
    EXPECT_EQ(initiator->Read(Cdb10(0x35, 0, 0), 0).sense_key(), one.write) << "a flush";
  }
  OnLoop([&] { backend_.fail = Status::kOk; });
  EXPECT_EQ(initiator->Read(Cdb10(0x28, 0, 1), 512).status, 0);
}

TEST_F(CommandsTest, SynchronizeCacheFlushesOnce) {
  auto initiator = LogIn();
  EXPECT_EQ(initiator->Read(Cdb10(0x35, 0, 0), 0).status, 0);
  EXPECT_EQ(initiator->Read(Cdb16(0x91, 5, 10, 0x02), 0).status, 0);  // IMMED
  EXPECT_EQ(Count(OperationKind::kFlush), 2);
  EXPECT_EQ(initiator->Read(Cdb16(0x91, kVolumeBytes / 512, 1), 0).sense_key(), scsi::kLbaOutOfRange);
}

TEST_F(CommandsTest, PreFetchIsAnsweredAfterItsRangeIsChecked) {
  auto initiator = LogIn();
  EXPECT_EQ(initiator->Read(Cdb10(0x34, 0, 8), 0).status, 0);
  EXPECT_EQ(initiator->Read(Cdb16(0x90, 1u << 30, 8), 0).sense_key(), scsi::kLbaOutOfRange);
}

TEST_F(CommandsTest, WriteAndVerifyWritesDurablyAndReadsBack) {
  auto initiator = LogIn();
  Bytes data = Pattern(600 << 10, 2);
  for (uint8_t flags : {0x00, 0x02}) {
    EXPECT_EQ(initiator->Write(Cdb10(0x2e, 0, 1200, flags), data, 8192).status, 0);
    EXPECT_EQ(Medium(0, data.size()), data);
    Fill(0);
  }
  OnLoop([&] { EXPECT_EQ(backend_.fua_writes, backend_.counts[OperationKind::kWrite]); });
  EXPECT_EQ(Count(OperationKind::kRead), Count(OperationKind::kWrite));
}

TEST_F(CommandsTest, VerifyComparesAsByteCheckSays) {
  auto initiator = LogIn();
  Fill(7);
  EXPECT_EQ(initiator->Read(Cdb10(0x2f, 0, 4000), 0).status, 0) << "only that it can be read";
  Bytes right(300 << 10, 7);
  Bytes wrong = right;
  wrong.back() = 8;
  EXPECT_EQ(initiator->Write(Cdb10(0x2f, 0, 600, 0x02), right, 512).status, 0);
  EXPECT_EQ(initiator->Write(Cdb10(0x2f, 0, 600, 0x02), wrong, 512).sense_key(), scsi::kMiscompare);
  EXPECT_EQ(initiator->Write(Cdb16(0x8f, 0, 5000, 0x06), Bytes(512, 7), 512).status, 0)
      << "one block against all";
  OnLoop([&] { backend_.bytes[2'000'000] = 0; });
  EXPECT_EQ(initiator->Write(Cdb16(0x8f, 0, 5000, 0x06), Bytes(512, 7), 512).sense_key(), scsi::kMiscompare);
  EXPECT_EQ(initiator->Write(Cdb10(0x2f, 0, 0, 0x02), {}, 0).status, 0);
  EXPECT_EQ(Count(OperationKind::kWrite), 0);
}

TEST_F(CommandsTest, UnmapFreesEachRange) {
  auto initiator = LogIn();
  Fill(1);
  std::vector<std::pair<uint64_t, uint32_t>> ranges;
  for (uint32_t i = 0; i < 20; ++i) ranges.emplace_back(i * 100, 8);
  ranges.emplace_back(5000, 0);
  Bytes list = UnmapList(ranges);
  EXPECT_EQ(initiator->Write(UnmapCdb(list.size()), list, list.size()).status, 0);
  EXPECT_EQ(Count(OperationKind::kUnmap), 20);
  EXPECT_EQ(Medium(100 * 512, 4096), Bytes(4096));
  EXPECT_EQ(Medium(108 * 512, 512), Bytes(512, 1));
}

TEST_F(CommandsTest, UnmapListsAreChecked) {
  auto initiator = LogIn();
  Fill(1);
  EXPECT_EQ(initiator->Write(UnmapCdb(0), {}, 0).status, 0) << "nothing to do";
  EXPECT_EQ(initiator->Write(UnmapCdb(4), Bytes(4), 4).sense_key(), scsi::kParameterListLength);
  EXPECT_EQ(initiator->Write(UnmapCdb(8), Bytes(8), 8).status, 0);
  Bytes beyond = UnmapList({{0, 8}, {kVolumeBytes / 512 - 1, 2}});
  EXPECT_EQ(initiator->Write(UnmapCdb(beyond.size()), beyond, 0).sense_key(), scsi::kLbaOutOfRange);
  Bytes wrapping = UnmapList({{UINT64_MAX, 2}});
  EXPECT_EQ(initiator->Write(UnmapCdb(wrapping.size()), wrapping, 24).sense_key(), scsi::kLbaOutOfRange);
  Bytes many = UnmapList(std::vector<std::pair<uint64_t, uint32_t>>(scsi::kUnmapDescriptorsMax + 1, {0, 1}));
  EXPECT_EQ(initiator->Write(UnmapCdb(many.size()), many, 0).sense_key(), scsi::kInvalidFieldInParameterList);
  Bytes large = UnmapList(std::vector<std::pair<uint64_t, uint32_t>>(20, {0, kVolumeBytes / 512}));
  EXPECT_EQ(initiator->Write(UnmapCdb(large.size()), large, 0).sense_key(),
            scsi::kInvalidFieldInParameterList);
  Bytes lying = UnmapList({{0, 8}});
  PutBe16(&lying[2], 1600);  // more descriptors than there are
  EXPECT_EQ(initiator->Write(UnmapCdb(lying.size()), lying, 0).status, 0);
  EXPECT_EQ(Count(OperationKind::kUnmap), 1);
}

TEST_F(CommandsTest, WriteSameRepeatsABlock) {
  auto initiator = LogIn();
  Bytes block = Pattern(512, 1);
  EXPECT_EQ(initiator->Write(Cdb16(0x93, 3, 5000), block, 512).status, 0);
  Bytes got = Medium(3 * 512, 5000 * 512);
  for (int i = 0; i < 5000; ++i)
    ASSERT_TRUE(std::equal(block.begin(), block.end(), got.begin() + i * 512)) << i;
  EXPECT_EQ(Medium(0, 3 * 512), Bytes(3 * 512));
  EXPECT_EQ(Medium(5003 * 512, 512), Bytes(512));
}

TEST_F(CommandsTest, WriteSameOfZerosMovesNoData) {
  auto initiator = LogIn();
  Fill(1);
  EXPECT_EQ(initiator->Write(Cdb10(0x41, 0, 1000), Bytes(512), 0).status, 0);
  EXPECT_EQ(Count(OperationKind::kWriteZeroes), 1);
  EXPECT_EQ(initiator->Write(Cdb10(0x41, 1000, 1000, 0x08), Bytes(512), 512).status, 0);
  EXPECT_EQ(Count(OperationKind::kUnmap), 1);
  EXPECT_EQ(initiator->Read(Cdb16(0x93, 2000, 1000, 0x01), 0).status, 0) << "NDOB";
  EXPECT_EQ(Count(OperationKind::kWriteZeroes), 2);
  EXPECT_EQ(Medium(0, 3000 * 512), Bytes(3000 * 512));
  EXPECT_EQ(Medium(3000 * 512, 512), Bytes(512, 1));
  EXPECT_EQ(initiator->Write(Cdb10(0x41, 0, 8, 0x08), Bytes(512, 5), 512).status, 0);
  EXPECT_EQ(Medium(0, 4096), Bytes(4096, 5)) << "UNMAP with other data writes it";
}

TEST_F(CommandsTest, CompareAndWriteWritesOnlyWhatMatchesAndSaysWhereItDiffers) {
  auto initiator = LogIn();
  Fill(7);
  Bytes both(4096, 7);
  std::fill(both.begin() + 2048, both.end(), 9);
  Bytes cdb(16);
  cdb[0] = 0x89;
  cdb[9] = 2;
  cdb[13] = 4;
  EXPECT_EQ(initiator->Write(cdb, both, 100).status, 0);
  EXPECT_EQ(Medium(1024, 2048), Bytes(2048, 9));
  both[1000] = 1;
  std::fill(both.begin(), both.begin() + 1000, 9);
  Answer answer = initiator->Write(cdb, both, 4096);
  EXPECT_EQ(answer.sense_key(), scsi::kMiscompare);
  EXPECT_EQ(answer.sense[0], 0xf0);
  EXPECT_EQ(GetBe32(&answer.sense[3]), 1000u);
  EXPECT_EQ(Medium(1024, 2048), Bytes(2048, 9));
}

TEST_F(CommandsTest, TheLongestCompareAndWriteOfLargeBlocksWorks) {
  options_.logical_block_size = 4096;
  auto initiator = LogIn();
  Bytes both(2 * 255 * 4096);
  std::fill(both.begin() + 255 * 4096, both.end(), 3);
  Bytes cdb(16);
  cdb[0] = 0x89;
  cdb[13] = 255;
  EXPECT_EQ(initiator->Write(cdb, both, 65536).status, 0);
  EXPECT_EQ(Medium(0, 255 * 4096), Bytes(255 * 4096, 3));
}

TEST_F(CommandsTest, OrWriteSetsBits) {
  auto initiator = LogIn();
  Fill(0x0f);
  EXPECT_EQ(initiator->Write(Cdb16(0x8b, 0, 16), Bytes(8192, 0xf1), 100).status, 0);
  EXPECT_EQ(Medium(0, 8192), Bytes(8192, 0xff));
}

TEST_F(CommandsTest, BlocksOf4096BytesAreCountedAsSuch) {
  options_.logical_block_size = 4096;
  auto initiator = LogIn();
  Bytes data = Pattern(8192, 8);
  EXPECT_EQ(initiator->Write(Cdb10(0x2a, 3, 2), data, 8192).status, 0);
  EXPECT_EQ(Medium(3 * 4096, 8192), data);
  EXPECT_EQ(initiator->Read(Cdb10(0x28, kVolumeBytes / 4096, 1), 4096).sense_key(), scsi::kLbaOutOfRange);
  EXPECT_EQ(initiator->Write(Cdb10(0x2a, 3, 2), Bytes(4608), 4608).sense_key(),
            scsi::kInvalidFieldInInformationUnit);
}

}  // namespace
}  // namespace aurochs::iscsi
