// How data moves between initiator and volume: immediate, unsolicited, solicited, in segments, with digests.
#include "iscsi_fixture.h"

namespace aurochs::iscsi {
namespace {

class DataTest : public TargetTest {};

TEST_F(DataTest, ImmediateDataIsWrittenAndReadBackWithStatusInTheLastDataIn) {
  auto initiator = LogIn();
  Bytes data = Pattern(4096, 3);
  Answer written = initiator->Write(Cdb10(0x2a, 8, 8), data, 4096);
  EXPECT_EQ(written.status, 0);
  EXPECT_EQ(written.flags, 0);
  EXPECT_EQ(Medium(4096, 4096), data);
  Answer read = initiator->Read(Cdb10(0x28, 8, 8), 4096);
  EXPECT_EQ(read.status, 0);
  EXPECT_TRUE(read.collapsed);
  EXPECT_EQ(read.data, data);
}

TEST_F(DataTest, SolicitedDataArrivesInBurstsOfAnySegmentSize) {
  recorder_.parameters.max_burst_length = 100'000;  // not a multiple of the block
  auto initiator = LogIn();
  for (uint32_t segment : {512u, 5000u, 65536u, 262144u}) {
    Bytes data = Pattern(1 << 20, segment % 251);
    WirePdu pdu = initiator->Command(Cdb10(0x2a, 16, 2048), 0xa0, data.size());
    initiator->Send(pdu);
    EXPECT_EQ(initiator->Finish(pdu.itt(), data, segment).status, 0);
    EXPECT_EQ(Medium(8192, data.size()), data) << segment;
  }
}

TEST_F(DataTest, SeveralR2tsMayBeOutstanding) {
  recorder_.parameters.max_outstanding_r2t = 3;
  recorder_.parameters.max_burst_length = 65536;
  auto initiator = LogIn();
  Bytes data = Pattern(512 << 10, 9);
  WirePdu pdu = initiator->Command(Cdb10(0x2a, 0, 1024), 0xa0, data.size());
  initiator->Send(pdu);
  std::vector<WirePdu> r2ts;
  for (int i = 0; i < 3; ++i) r2ts.push_back(*initiator->Receive());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(r2ts[i].opcode(), Opcode::kR2t);
    EXPECT_EQ(GetBe32(r2ts[i].bhs + 36), static_cast<uint32_t>(i));
    EXPECT_EQ(GetBe32(r2ts[i].bhs + 40), i * 65536u);
  }
  EXPECT_TRUE(initiator->SilentFor(50));
  for (auto& r2t : r2ts)
    initiator->SendSequence(pdu.itt(), TttOf(r2t.bhs), GetBe32(r2t.bhs + 40), 65536, data, 8192);
  for (int left = 5; left > 0; --left) {
    auto r2t = initiator->Receive();
    ASSERT_EQ(r2t->opcode(), Opcode::kR2t);
    initiator->SendSequence(pdu.itt(), TttOf(r2t->bhs), GetBe32(r2t->bhs + 40), 65536, data, 65536);
  }
  EXPECT_EQ(initiator->Finish(pdu.itt()).status, 0);
  EXPECT_EQ(Medium(0, data.size()), data);
}

TEST_F(DataTest, UnsolicitedDataFollowTheCommandWithoutR2t) {
  recorder_.parameters.initial_r2t = false;
  auto initiator = LogIn();
  Bytes data = Pattern(100 << 10, 5);
  WirePdu pdu = initiator->Command(Cdb10(0x2a, 0, 200), 0x20, data.size());
  pdu.data.assign(data.begin(), data.begin() + 3000);
  initiator->Send(pdu);
  initiator->Send(Initiator::DataOutPdu(pdu.itt(), kNoTag, 0, 3000,
                                        Bytes(data.begin() + 3000, data.begin() + 30000), false));
  initiator->Send(Initiator::DataOutPdu(pdu.itt(), kNoTag, 1, 30000,
                                        Bytes(data.begin() + 30000, data.begin() + 65536), true));
  EXPECT_EQ(initiator->Finish(pdu.itt(), data, 7000).status, 0);
  EXPECT_EQ(Medium(0, data.size()), data);
}

TEST_F(DataTest, UnsolicitedDataThatWereNotAgreedOnFailTheCommandAfterTheLastOfThem) {
  auto initiator = LogIn();  // InitialR2T=Yes
  WirePdu pdu = initiator->Command(Cdb10(0x2a, 0, 8), 0x20, 4096);
  initiator->Send(pdu);
  EXPECT_TRUE(initiator->SilentFor(50));
  initiator->Send(Initiator::DataOutPdu(pdu.itt(), kNoTag, 0, 0, Pattern(4096, 1), true));
  Answer answer = initiator->Finish(pdu.itt());
  EXPECT_EQ(answer.status, 2);
  EXPECT_EQ(answer.sense_key(), scsi::kUnexpectedUnsolicitedData);
  EXPECT_EQ(Medium(0, 4096), Bytes(4096));
}

TEST_F(DataTest, ReadsAreCutByTheInitiatorsSegmentAndBurstLengths) {
  recorder_.parameters.max_send_data_segment_length = 10'000;
  recorder_.parameters.max_burst_length = 25'000;
  auto initiator = LogIn();
  OnLoop([&] {
    for (size_t i = 0; i < backend_.bytes.size(); ++i) backend_.bytes[i] = static_cast<uint8_t>(i ^ (i >> 9));
  });
  WirePdu pdu = initiator->Command(Cdb10(0x28, 0, 2000), 0xc0, 1'024'000);
  initiator->Send(pdu);
  uint32_t got = 0;
  uint32_t in_burst = 0;
  for (;;) {
    auto data_in = initiator->Receive();
    ASSERT_EQ(data_in->opcode(), Opcode::kDataIn);
    ASSERT_LE(data_in->data.size(), 10'000u);
    ASSERT_EQ(GetBe32(data_in->bhs + 40), got);
    got += data_in->data.size();
    in_burst += data_in->data.size();
    ASSERT_LE(in_burst, 25'000u);
    ASSERT_EQ(IsFinal(data_in->bhs), in_burst == 25'000 || got == 1'024'000);
    if (IsFinal(data_in->bhs)) in_burst = 0;
    if (data_in->bhs[1] & kStatusBit) break;
  }
  EXPECT_EQ(got, 1'024'000u);
  initiator->next_stat_sn++;
  EXPECT_EQ(initiator->Read(Cdb10(0x28, 0, 2000), 1'024'000).data, Medium(0, 1'024'000));
}

TEST_F(DataTest, ATransferLongerThanTheMemoryOfASessionAtDepthCompletes) {
  options_.command_window = 64;
  auto initiator = LogIn();
  Bytes data = Pattern(4 << 20, 1);
  std::vector<uint32_t> itts;
  for (int i = 0; i < 16; ++i) {
    WirePdu pdu = initiator->Command(Cdb10(0x28, 0, 8192), 0xc0, 4 << 20);
    itts.push_back(pdu.itt());
    initiator->Send(pdu);
  }
  std::map<uint32_t, uint64_t> got;
  size_t done = 0;
  while (done < itts.size()) {
    auto pdu = initiator->Receive();
    ASSERT_TRUE(pdu);
    got[pdu->itt()] += pdu->data.size();
    if (pdu->bhs[1] & kStatusBit) ++done;
  }
  for (uint32_t itt : itts) EXPECT_EQ(got[itt], 4u << 20);
}

TEST_F(DataTest, DigestsAreSentAndChecked) {
  recorder_.parameters.header_digest = true;
  recorder_.parameters.data_digest = true;
  auto initiator = LogIn();
  Bytes data = Pattern(300 << 10, 77);
  EXPECT_EQ(initiator->Write(Cdb10(0x2a, 3, 600), data, 9999).status, 0);
  EXPECT_EQ(initiator->Read(Cdb10(0x28, 3, 600), data.size()).data, data);
  WirePdu pdu = initiator->Command(Cdb10(0x2a, 3, 600), 0xa0, data.size());
  initiator->Send(pdu);
  EXPECT_EQ(initiator->Finish(pdu.itt(), data, 200'000).status, 0);
}

TEST_F(DataTest, AWrongDataDigestIsRejectedAndFailsTheCommandWithoutWriting) {
  recorder_.parameters.data_digest = true;
  auto initiator = LogIn();
  for (bool immediate : {true, false}) {
    WirePdu pdu = initiator->Command(Cdb10(0x2a, 0, 8), 0xa0, 4096);
    if (immediate) {
      pdu.data = Pattern(4096, 1);
      initiator->spoil_data_digest = 1;
      initiator->Send(pdu);
    } else {
      initiator->Send(pdu);
      auto r2t = initiator->Receive();
      ASSERT_EQ(r2t->opcode(), Opcode::kR2t);
      initiator->spoil_data_digest = 1;
      initiator->Send(Initiator::DataOutPdu(pdu.itt(), TttOf(r2t->bhs), 0, 0, Pattern(4096, 1), true));
    }
    initiator->spoil_data_digest = 0;
    auto reject = initiator->Receive();
    ASSERT_EQ(reject->opcode(), Opcode::kReject);
    EXPECT_EQ(reject->bhs[2], 0x02);
    EXPECT_EQ(reject->data.size(), kBhsBytes);
    initiator->next_stat_sn++;
    Answer answer = initiator->Finish(pdu.itt());
    EXPECT_EQ(answer.status, 2);
    EXPECT_EQ(answer.sense_key(), scsi::kProtocolServiceCrcError);
  }
  EXPECT_EQ(Medium(0, 4096), Bytes(4096));
  EXPECT_EQ(initiator->Write(Cdb10(0x2a, 0, 8), Pattern(4096, 2), 4096).status, 0) << "the session goes on";
}

TEST_F(DataTest, AWrongDigestOfALargeSegmentReadInPlaceWritesNothing) {
  recorder_.parameters.data_digest = true;
  recorder_.parameters.max_burst_length = 1 << 20;
  auto initiator = LogIn();
  Bytes data = Pattern(256 << 10, 1);
  WirePdu pdu = initiator->Command(Cdb10(0x2a, 0, 512), 0xa0, data.size());
  initiator->Send(pdu);
  auto r2t = initiator->Receive();
  initiator->spoil_data_digest = 0x80;
  Bytes wire = initiator->Encode(Initiator::DataOutPdu(pdu.itt(), TttOf(r2t->bhs), 0, 0, data, true));
  initiator->spoil_data_digest = 0;
  initiator->SendRaw(wire.data(), 5000);  // the rest takes the direct way
  usleep(20'000);
  initiator->SendRaw(wire.data() + 5000, wire.size() - 5000);
  EXPECT_EQ(initiator->Receive()->opcode(), Opcode::kReject);
  initiator->next_stat_sn++;
  EXPECT_EQ(initiator->Finish(pdu.itt()).sense_key(), scsi::kProtocolServiceCrcError);
  EXPECT_EQ(Medium(0, data.size()), Bytes(data.size()));
}

TEST_F(DataTest, AWrongHeaderDigestClosesTheConnection) {
  recorder_.parameters.header_digest = true;
  auto initiator = LogIn();
  initiator->spoil_header_digest = 1;
  initiator->Send(initiator->Command(Cdb10(0x28, 0, 8), 0xc0, 4096));
  EXPECT_TRUE(initiator->Closed());
  EXPECT_EQ(recorder_.Wait("disconnected").reason, "header digest error");
}

TEST_F(DataTest, AWrongDataSnOrOffsetFailsTheCommand) {
  auto initiator = LogIn();
  struct Case {
    uint32_t data_sn;
    uint32_t offset;
    uint32_t length;
    scsi::Sense sense;
  };
  for (Case wrong :
       {Case{27, 0, 4096, scsi::kProtocolServiceCrcError},
        Case{0xffffffff, 0, 4096, scsi::kProtocolServiceCrcError},
        Case{0, 512, 3584, scsi::kProtocolServiceCrcError}, Case{0, 0, 4000, scsi::kIncorrectAmountOfData},
        Case{0, 0, 5000, scsi::kIncorrectAmountOfData}}) {
    WirePdu pdu = initiator->Command(Cdb10(0x2a, 0, 8), 0xa0, 4096);
    initiator->Send(pdu);
    auto r2t = initiator->Receive();
    initiator->Send(Initiator::DataOutPdu(pdu.itt(), TttOf(r2t->bhs), wrong.data_sn, wrong.offset,
                                          Pattern(wrong.length, 1), true));
    Answer answer = initiator->Finish(pdu.itt());
    EXPECT_EQ(answer.status, 2);
    EXPECT_EQ(answer.sense_key(), wrong.sense);
  }
  EXPECT_EQ(Medium(0, 4096), Bytes(4096));
}

TEST_F(DataTest, ResidualsSayWhatWasNotMoved) {
  auto initiator = LogIn();
  Bytes a(1024, 'a');
  EXPECT_EQ(initiator->Write(Cdb10(0x2a, 0, 2), a, 1024).status, 0);

  Answer more = initiator->Read(Cdb10(0x28, 0, 1), 10'000);
  EXPECT_EQ(more.data.size(), 512u);
  EXPECT_EQ(more.flags, kUnderflowBit);
  EXPECT_EQ(more.residual, 9488u);
  Answer less = initiator->Read(Cdb10(0x28, 0, 2), 200);
  EXPECT_EQ(less.data.size(), 200u);
  EXPECT_EQ(less.flags, kOverflowBit);
  EXPECT_EQ(less.residual, 824u);
  Answer none = initiator->Read(Cdb10(0x28, 0, 1), 0);
  EXPECT_EQ(none.status, 0);
  EXPECT_EQ(none.flags, kOverflowBit);
  EXPECT_EQ(none.residual, 512u);

  Bytes b(1024, 'b');
  Answer longer = initiator->Write(Cdb10(0x2a, 0, 1), b, 0);
  EXPECT_EQ(longer.status, 0);
  EXPECT_EQ(longer.flags, kUnderflowBit);
  EXPECT_EQ(longer.residual, 512u);
  EXPECT_EQ(Medium(0, 1024), [] {
    Bytes both(1024, 'a');
    std::fill(both.begin(), both.begin() + 512, 'b');
    return both;
  }());
  Answer shorter = initiator->Write(Cdb10(0x2a, 0, 2), Bytes(512, 'c'), 512);
  EXPECT_EQ(shorter.status, 0);
  EXPECT_EQ(shorter.flags, kOverflowBit);
  EXPECT_EQ(shorter.residual, 512u);
  Answer partial = initiator->Write(Cdb10(0x2a, 0, 1), Bytes(200, 'd'), 200);
  EXPECT_EQ(partial.status, 2);
  EXPECT_EQ(partial.sense_key(), scsi::kInvalidFieldInInformationUnit);
  EXPECT_EQ(partial.flags, kOverflowBit);
  EXPECT_EQ(partial.residual, 312u);
  EXPECT_EQ(Medium(0, 512), Bytes(512, 'c'));
}

}  // namespace
}  // namespace aurochs::iscsi
