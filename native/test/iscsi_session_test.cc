// Sessions: command order and window, PDUs that go to the owner, pings, rejects, aborts, ends of connections.
#include "iscsi_fixture.h"
#include "resident_bytes.h"

namespace aurochs::iscsi {
namespace {

class SessionTest : public TargetTest {
 protected:
  static WirePdu NopOut(uint32_t itt, uint32_t cmd_sn, bool immediate, Bytes data = {}) {
    WirePdu pdu;
    pdu.bhs[0] = immediate ? 0x40 : 0x00;
    pdu.bhs[1] = 0x80;
    PutBe32(pdu.bhs + 16, itt);
    PutBe32(pdu.bhs + 20, kNoTag);
    PutBe32(pdu.bhs + 24, cmd_sn);
    pdu.data = std::move(data);
    return pdu;
  }

  static WirePdu TaskManagement(uint8_t function, uint32_t itt, uint32_t referenced, uint32_t cmd_sn) {
    WirePdu pdu;
    pdu.bhs[0] = 0x42;
    pdu.bhs[1] = 0x80 | function;
    PutBe32(pdu.bhs + 16, itt);
    PutBe32(pdu.bhs + 20, referenced);
    PutBe32(pdu.bhs + 24, cmd_sn);
    return pdu;
  }

  size_t AbortAndWait(const TaskFilter& filter) {
    std::promise<size_t> done;
    OnLoop([&] { target_->Abort(filter, [&](size_t count) { done.set_value(count); }); });
    return done.get_future().get();
  }
};

TEST_F(SessionTest, CommandsOutsideTheWindowAreIgnored) {
  options_.command_window = 8;
  auto initiator = LogIn();
  initiator->Send(NopOut(1, 1, false));
  ASSERT_EQ(initiator->Receive()->exp_cmd_sn(), 2u);
  EXPECT_EQ(initiator->last_max_cmd_sn, 9u);
  initiator->Send(NopOut(2, 10, false));  // above MaxCmdSN
  initiator->Send(NopOut(3, 1, false));   // below ExpCmdSN
  EXPECT_TRUE(initiator->SilentFor(50));
  initiator->Send(NopOut(4, 2, false));
  EXPECT_EQ(initiator->Receive()->itt(), 4u);
}

TEST_F(SessionTest, CommandsAheadOfAMissingOneWaitForIt) {
  auto initiator = LogIn();
  initiator->cmd_sn = 3;
  Bytes data = Pattern(4096, 7);
  WirePdu write = initiator->Command(Cdb10(0x2a, 0, 8), 0xa0, 4096);  // CmdSN 3
  write.data = data;
  initiator->Send(write);
  initiator->Send(write);  // a copy is ignored
  initiator->Send(NopOut(50, 2, false, Pattern(100, 1)));
  EXPECT_TRUE(initiator->SilentFor(50));
  EXPECT_EQ(Medium(0, 4096), Bytes(4096));
  initiator->Send(NopOut(51, 1, false));
  EXPECT_EQ(initiator->Receive()->itt(), 51u);
  auto second = initiator->Receive();
  EXPECT_EQ(second->itt(), 50u);
  EXPECT_EQ(second->data, Pattern(100, 1));
  initiator->next_stat_sn = 3;
  EXPECT_EQ(initiator->Finish(write.itt()).status, 0);
  EXPECT_EQ(initiator->last_exp_cmd_sn, 4u);
  EXPECT_EQ(Medium(0, 4096), data);
}

TEST_F(SessionTest, AHeldWriteKeepsItsUnsolicitedData) {
  recorder_.parameters.initial_r2t = false;
  auto initiator = LogIn();
  initiator->cmd_sn = 2;
  Bytes data = Pattern(16384, 7);
  WirePdu write = initiator->Command(Cdb10(0x2a, 0, 32), 0x20, data.size());
  write.data.assign(data.begin(), data.begin() + 1000);
  initiator->Send(write);
  initiator->Send(
      Initiator::DataOutPdu(write.itt(), kNoTag, 0, 1000, Bytes(data.begin() + 1000, data.end()), true));
  initiator->Send(NopOut(51, 1, false));
  EXPECT_EQ(initiator->Receive()->itt(), 51u);
  initiator->next_stat_sn = 2;
  EXPECT_EQ(initiator->Finish(write.itt()).status, 0);
  EXPECT_EQ(Medium(0, data.size()), data);
}

TEST_F(SessionTest, TheWindowShrinksWithOpenCommandsAndOpensAgain) {
  options_.command_window = 4;
  backend_.hold = true;
  auto initiator = LogIn();
  for (int i = 0; i < 6; ++i) initiator->Send(initiator->Command(Cdb10(0x28, 0, 8), 0xc0, 4096));
  WaitForHeld(4);
  initiator->Send(NopOut(9, initiator->cmd_sn, true));  // immediate
  auto nop = initiator->Receive();
  EXPECT_EQ(nop->exp_cmd_sn(), 5u);
  EXPECT_EQ(nop->max_cmd_sn(), 4u) << "full: the two above it were ignored";
  OnLoop([&] { backend_.ReleaseHeld(); });
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(initiator->Receive());
  EXPECT_EQ(initiator->last_max_cmd_sn, 8u);
}

TEST_F(SessionTest, NopOutIsAnsweredWithItsDataInSeveralSizes) {
  auto initiator = LogIn();
  for (size_t length : {0, 1, 3, 4, 1000, 65536}) {
    Bytes data = Pattern(length, 1);
    initiator->Send(NopOut(7, 0, true, data));
    auto nop = initiator->Receive();
    EXPECT_EQ(nop->opcode(), Opcode::kNopIn);
    EXPECT_EQ(nop->itt(), 7u);
    EXPECT_EQ(TttOf(nop->bhs), kNoTag);
    EXPECT_EQ(nop->data, data);
  }
}

TEST_F(SessionTest, ASilentConnectionIsPingedAndClosedWithoutAnAnswer) {
  options_.nop_interval_ms = 50;
  options_.nop_timeout_ms = 50;
  auto initiator = LogIn();
  for (int i = 0; i < 3; ++i) {
    auto ping = initiator->Receive();
    ASSERT_EQ(ping->opcode(), Opcode::kNopIn);
    EXPECT_EQ(ping->itt(), kNoTag);
    EXPECT_NE(TttOf(ping->bhs), kNoTag);
    WirePdu answer = NopOut(kNoTag, 1, true);
    PutBe32(answer.bhs + 20, TttOf(ping->bhs));
    initiator->Send(answer);
  }
  EXPECT_EQ(initiator->Receive()->opcode(), Opcode::kNopIn);
  EXPECT_TRUE(initiator->Closed());
  EXPECT_EQ(recorder_.Wait("disconnected").reason, "no answer to a ping");
}

TEST_F(SessionTest, AnInitiatorThatReadsSlowlyIsThereWhileItIsNotListenedTo) {
  options_.nop_interval_ms = 200;
  options_.nop_timeout_ms = 200;
  auto initiator = LogIn();
  for (int i = 0; i < 3; ++i) initiator->Send(initiator->Command(Cdb10(0x28, 0, 16 << 11), 0xc0, 16 << 20));
  for (int done = 0; done < 3;) {
    auto pdu = initiator->Receive();
    ASSERT_TRUE(pdu) << "closed";
    if (pdu->bhs[1] & kStatusBit) ++done;
    if (done > 0) continue;
    // What it sends is not read before much of what waits for it has left.
    initiator->Send(NopOut(kNoTag, 0, true));
    usleep(4000);
  }
}

TEST_F(SessionTest, WhatIsMalformedIsRejectedWithItsReasonAndTheSessionGoesOn) {
  auto initiator = LogIn();
  WirePdu snack;
  snack.bhs[0] = 0x10;
  WirePdu unknown;
  unknown.bhs[0] = 0x1d;
  WirePdu login;
  login.bhs[0] = 0x43;
  WirePdu neither = initiator->Command(Cdb10(0x28, 0, 8), 0x40, 4096);  // neither W nor F
  WirePdu both = initiator->Command(Cdb10(0x28, 0, 8), 0xe0, 4096);
  WirePdu no_tag = initiator->Command(Cdb10(0x28, 0, 8), 0xc0, 4096);
  PutBe32(no_tag.bhs + 16, kNoTag);
  for (auto [pdu, reason] :
       {std::pair(snack, 3), {unknown, 5}, {login, 4}, {neither, 9}, {both, 5}, {no_tag, 9}}) {
    initiator->Send(pdu);
    auto reject = initiator->Receive();
    ASSERT_EQ(reject->opcode(), Opcode::kReject);
    EXPECT_EQ(reject->bhs[2], reason);
    EXPECT_EQ(reject->data.size(), kBhsBytes);
    EXPECT_EQ(reject->data[0], pdu.bhs[0]);
    ++initiator->next_stat_sn;
  }
  EXPECT_EQ(initiator->Read(Cdb10(0x28, 0, 8), 4096).status, 0);
}

TEST_F(SessionTest, ATagInUseIsRejected) {
  backend_.hold = true;
  auto initiator = LogIn();
  WirePdu first = initiator->Command(Cdb10(0x28, 0, 8), 0xc0, 4096);
  WirePdu second = initiator->Command(Cdb10(0x28, 0, 8), 0xc0, 4096);
  PutBe32(second.bhs + 16, first.itt());
  initiator->Send(first);
  initiator->Send(second);
  auto reject = initiator->Receive();
  ASSERT_EQ(reject->opcode(), Opcode::kReject);
  EXPECT_EQ(reject->bhs[2], 0x07);
}

TEST_F(SessionTest, TooManyImmediateCommandsAreRejected) {
  backend_.hold = true;
  auto initiator = LogIn();
  for (uint32_t i = 0; i <= kImmediateCommandsMax; ++i) {
    WirePdu pdu = initiator->Command(Cdb10(0x28, 0, 8), 0xc0, 4096);
    pdu.bhs[0] |= 0x40;
    initiator->Send(pdu);
  }
  auto reject = initiator->Receive();
  ASSERT_EQ(reject->opcode(), Opcode::kReject);
  EXPECT_EQ(reject->bhs[2], 0x06);
}

TEST_F(SessionTest, ASegmentLongerThanDeclaredIsRejectedAndEndsTheConnection) {
  recorder_.parameters.max_recv_data_segment_length = 4096;
  auto initiator = LogIn();
  initiator->Send(NopOut(1, 0, true, Bytes(4100)));
  EXPECT_EQ(initiator->Receive()->opcode(), Opcode::kReject);
  EXPECT_TRUE(initiator->Closed());
}

TEST_F(SessionTest, AdditionalHeaderSegmentsAreSkipped) {
  auto initiator = LogIn();
  WirePdu pdu = initiator->Command(Cdb10(0x28, 0, 8), 0xc0, 4096);
  pdu.bhs[4] = 3;
  initiator->SendRaw(pdu.bhs, kBhsBytes);
  Bytes segments(12, 0x55);
  initiator->SendRaw(segments.data(), segments.size());
  EXPECT_EQ(initiator->Finish(pdu.itt()).status, 0);
}

TEST_F(SessionTest, PdusArriveWhateverTheirCutInPackets) {
  recorder_.parameters.header_digest = true;
  recorder_.parameters.data_digest = true;
  auto initiator = LogIn();
  Bytes data = Pattern(8192, 4);
  Bytes wire;
  std::vector<uint32_t> itts;
  for (int i = 0; i < 4; ++i) {
    WirePdu pdu = initiator->Command(Cdb10(0x2a, i * 16, 16), 0xa0, data.size());
    pdu.data = data;
    itts.push_back(pdu.itt());
    Bytes one = initiator->Encode(pdu);
    wire.insert(wire.end(), one.begin(), one.end());
  }
  for (size_t at = 0, step = 1; at < wire.size(); at += step, step = step * 3 % 1009 + 1) {
    initiator->SendRaw(wire.data() + at, std::min(step, wire.size() - at));
    usleep(200);
  }
  for (uint32_t itt : itts) EXPECT_EQ(initiator->Finish(itt).status, 0);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Medium(i * 8192, 8192), data);
}

TEST_F(SessionTest, RequestsOfTheOwnerArriveInOrderAndAreAnswered) {
  auto initiator = LogIn();
  WirePdu text;
  text.bhs[0] = 0x04;
  text.bhs[1] = 0x80;
  PutBe32(text.bhs + 16, 77);
  PutBe32(text.bhs + 24, initiator->cmd_sn++);
  text.data = {'S', 'e', 'n', 'd', 0};
  initiator->Send(text);
  auto event = recorder_.Wait("pdu");
  EXPECT_EQ(event.bhs[0], 0x04);
  EXPECT_EQ(event.data, text.data);
  EXPECT_EQ(event.nexus, 1u);
  OnLoop([&] {
    uint8_t reply[kBhsBytes] = {};
    reply[0] = 0x24;
    PutBe32(reply + 16, 77);
    Slice data = Slice::Allocate(3);
    memcpy(data.data(), "abc", 3);
    target_->Send(event.connection, reply, data, AfterSend::kContinue, nullptr);
  });
  auto reply = initiator->Receive();
  EXPECT_EQ(reply->opcode(), Opcode::kTextResponse);
  EXPECT_EQ(reply->stat_sn(), 1u);
  EXPECT_EQ(reply->exp_cmd_sn(), 2u);
  EXPECT_EQ(reply->data, (Bytes{'a', 'b', 'c'}));
}

TEST_F(SessionTest, AConnectionClosesOnceItsLastPduIsSent) {
  auto initiator = LogIn();
  OnLoop([&] {
    uint8_t reply[kBhsBytes] = {};
    reply[0] = 0x26;
    target_->Send(1, reply, Slice(), AfterSend::kClose, nullptr);
  });
  EXPECT_EQ(initiator->Receive()->opcode(), Opcode::kLogoutResponse);
  EXPECT_TRUE(initiator->Closed());
  initiator->Disconnect();
  EXPECT_EQ(recorder_.Wait("disconnected").reason, "closed by the target");
}

TEST_F(SessionTest, OtherCommandsReachTheOwnerWithTheirData) {
  auto initiator = LogIn();
  Bytes cdb(16);
  cdb[0] = 0x5f;  // PERSISTENT RESERVE OUT
  for (uint32_t immediate : {0u, 10u, 24u}) {
    Bytes parameters = Pattern(24, 4);
    WirePdu pdu = initiator->Command(cdb, 0xa0, 24);
    pdu.data.assign(parameters.begin(), parameters.begin() + immediate);
    initiator->Send(pdu);
    if (immediate < 24) {
      auto r2t = initiator->Receive();
      ASSERT_EQ(r2t->opcode(), Opcode::kR2t);
      initiator->SendSequence(pdu.itt(), TttOf(r2t->bhs), immediate, 24 - immediate, parameters, 7);
    }
    auto event = recorder_.Wait("command");
    EXPECT_EQ(event.data, parameters);
    EXPECT_EQ(event.lun, 0);
    OnLoop([&] { target_->Complete(event.task, 0x18, nullptr, 0, Slice()); });
    Answer answer = initiator->Finish(pdu.itt());
    EXPECT_EQ(answer.status, 0x18);
    EXPECT_EQ(answer.flags, 0);
  }
}

TEST_F(SessionTest, TheOwnersDataInIsCutToTheExpectedLength) {
  auto initiator = LogIn();
  Bytes cdb(16);
  cdb[0] = 0x12;
  for (uint32_t expected : {10u, 36u, 100u}) {
    WirePdu pdu = initiator->Command(cdb, 0xc0, expected);
    initiator->Send(pdu);
    auto event = recorder_.Wait("command");
    Bytes data = Pattern(36, 1);
    OnLoop([&] {
      Slice slice = Slice::Allocate(36);
      memcpy(slice.data(), data.data(), 36);
      target_->Complete(event.task, 0, nullptr, 0, slice);
      target_->Complete(event.task, 2, nullptr, 0, Slice());  // once only
    });
    Answer answer = initiator->Finish(pdu.itt());
    EXPECT_EQ(answer.data, Bytes(data.begin(), data.begin() + std::min(expected, 36u)));
    EXPECT_EQ(answer.flags, expected < 36 ? kOverflowBit : expected > 36 ? kUnderflowBit : 0);
    EXPECT_EQ(answer.residual, expected < 36 ? 36 - expected : expected - 36);
  }
}

TEST_F(SessionTest, ALongDataOutForTheOwnerIsRefused) {
  auto initiator = LogIn();
  Bytes cdb(16);
  cdb[0] = 0x55;
  WirePdu pdu = initiator->Command(cdb, 0xa0, kScriptDataOutBytesMax + 1);
  initiator->Send(pdu);
  EXPECT_EQ(initiator->Finish(pdu.itt()).sense_key(), scsi::kInvalidFieldInCdb);
}

TEST_F(SessionTest, ADataCommandWithoutAccessIsTheOwnersWhoMayGiveItBack) {
  recorder_.access = {true, false, false};
  auto initiator = LogIn();
  EXPECT_EQ(initiator->Read(Cdb10(0x28, 0, 8), 4096).status, 0);
  Bytes data = Pattern(200 << 10, 3);
  for (uint32_t immediate : {0u, 4096u}) {
    WirePdu pdu = initiator->Command(Cdb10(0x2a, 0, 400), 0xa0, data.size());
    pdu.data.assign(data.begin(), data.begin() + immediate);
    initiator->Send(pdu);
    auto event = recorder_.Wait("command");
    EXPECT_TRUE(event.data.empty());
    EXPECT_EQ(Medium(0, 4096), Bytes(4096));
    OnLoop([&] { target_->Execute(event.task); });
    EXPECT_EQ(initiator->Finish(pdu.itt(), data).status, 0);
    EXPECT_EQ(Medium(0, data.size()), data);
    OnLoop([&] { std::fill(backend_.bytes.begin(), backend_.bytes.end(), 0); });
  }
}

TEST_F(SessionTest, WriteProtectionAndAttentionsAskTheOwner) {
  auto initiator = LogIn();
  OnLoop([&] { target_->SetWriteProtected(true); });
  WirePdu write = initiator->Command(Cdb10(0x2a, 0, 8), 0xa0, 4096);
  write.data = Pattern(4096, 1);
  initiator->Send(write);
  auto refused = recorder_.Wait("command");
  OnLoop([&] { target_->Complete(refused.task, 2, nullptr, 0, Slice()); });
  EXPECT_EQ(initiator->Finish(write.itt()).status, 2);
  EXPECT_EQ(initiator->Read(Cdb10(0x28, 0, 8), 4096).status, 0);
  OnLoop([&] { target_->SetAccess(1, {true, true, true}); });
  WirePdu read = initiator->Command(Cdb10(0x28, 0, 8), 0xc0, 4096);
  initiator->Send(read);
  auto attention = recorder_.Wait("command");
  OnLoop([&] { target_->Execute(attention.task); });
  EXPECT_EQ(initiator->Finish(read.itt()).status, 0);
  EXPECT_EQ(Medium(0, 4096), Bytes(4096));
}

TEST_F(SessionTest, ACommandForAnotherUnitIsTheOwners) {
  auto initiator = LogIn();
  WirePdu pdu = initiator->Command(Cdb10(0x28, 0, 8), 0xc0, 4096);
  pdu.bhs[9] = 5;
  initiator->Send(pdu);
  EXPECT_EQ(recorder_.Wait("command").lun, 5);
}

TEST_F(SessionTest, AbortedTasksAreNotAnsweredAndTheAbortWaitsForThoseInFlight) {
  backend_.hold = true;
  auto initiator = LogIn();
  WirePdu reading = initiator->Command(Cdb10(0x28, 0, 8), 0xc0, 4096);
  initiator->Send(reading);
  WirePdu writing = initiator->Command(Cdb10(0x2a, 0, 8), 0xa0, 4096);  // waits for its data
  initiator->Send(writing);
  auto r2t = initiator->Receive();
  ASSERT_EQ(r2t->opcode(), Opcode::kR2t);
  WaitForHeld(1);
  TaskFilter filter;
  filter.has_nexus = true;
  filter.nexus = 1;
  std::promise<size_t> done;
  auto aborted = done.get_future();
  OnLoop([&] { target_->Abort(filter, [&](size_t count) { done.set_value(count); }); });
  EXPECT_EQ(aborted.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  OnLoop([&] { backend_.ReleaseHeld(); });
  EXPECT_EQ(aborted.get(), 2u);
  // Data for it may still come.
  initiator->Send(Initiator::DataOutPdu(writing.itt(), TttOf(r2t->bhs), 0, 0, Pattern(4096, 1), true));
  EXPECT_TRUE(initiator->SilentFor(50));
  EXPECT_EQ(Medium(0, 4096), Bytes(4096));
  EXPECT_EQ(initiator->Read(Cdb10(0x28, 0, 8), 4096).status, 0);
  EXPECT_EQ(AbortAndWait(filter), 0u);
}

TEST_F(SessionTest, AnAbortByTagLeavesTheOthers) {
  backend_.hold = true;
  auto initiator = LogIn();
  WirePdu first = initiator->Command(Cdb10(0x28, 0, 8), 0xc0, 4096);
  WirePdu second = initiator->Command(Cdb10(0x28, 0, 8), 0xc0, 4096);
  initiator->Send(first);
  initiator->Send(second);
  WaitForHeld(2);
  std::promise<size_t> done;
  OnLoop([&] {
    TaskFilter filter;
    filter.has_nexus = filter.has_itt = true;
    filter.nexus = 1;
    filter.itt = first.itt();
    target_->Abort(filter, [&](size_t count) { done.set_value(count); });
    backend_.ReleaseHeld();
  });
  EXPECT_EQ(done.get_future().get(), 1u);
  EXPECT_EQ(initiator->Finish(second.itt()).status, 0);
}

TEST_F(SessionTest, ATaskAfterATaskManagementRequestIsNotItsConcernAndThatOfLaterOnes) {
  backend_.hold = true;
  auto initiator = LogIn();
  WirePdu before = initiator->Command(Cdb10(0x28, 0, 8), 0xc0, 4096);
  initiator->Send(before);
  TaskFilter first;
  first.has_before = true;
  first.before_nexus = 1;
  first.before_cmd_sn = initiator->cmd_sn;
  initiator->Send(TaskManagement(5, 900, 0, first.before_cmd_sn));
  WirePdu after = initiator->Command(Cdb10(0x28, 8, 8), 0xc0, 4096);
  initiator->Send(after);
  WaitForHeld(2);
  recorder_.Wait("pdu");
  TaskFilter second = first;
  second.before_cmd_sn = initiator->cmd_sn;
  std::promise<size_t> first_done, second_done;
  OnLoop([&] {
    target_->Abort(first, [&](size_t count) { first_done.set_value(count); });
    target_->Abort(second, [&](size_t count) { second_done.set_value(count); });
    backend_.ReleaseHeld();
  });
  EXPECT_EQ(first_done.get_future().get(), 1u);
  EXPECT_EQ(second_done.get_future().get(), 1u);
  EXPECT_TRUE(initiator->SilentFor(50));
}

TEST_F(SessionTest, WhoeverIsNotOfTheNexusAbortsTasksAfterItsTaskManagementRequestAsWell) {
  auto initiator = LogIn();
  initiator->Send(TaskManagement(5, 900, 0, initiator->cmd_sn));
  WirePdu writing = initiator->Command(Cdb10(0x2a, 0, 8), 0xa0, 4096);
  initiator->Send(writing);
  auto r2t = initiator->Receive();
  ASSERT_EQ(r2t->opcode(), Opcode::kR2t);
  TaskFilter preempted;
  preempted.has_nexus = true;
  preempted.nexus = 1;
  EXPECT_EQ(AbortAndWait(preempted), 1u);
  initiator->Send(Initiator::DataOutPdu(writing.itt(), TttOf(r2t->bhs), 0, 0, Pattern(4096, 1), true));
  EXPECT_TRUE(initiator->SilentFor(50));
  EXPECT_EQ(Medium(0, 4096), Bytes(4096)) << "it was fenced";
}

TEST_F(SessionTest, AHeldTaskThatIsAbortedGivesItsNumberAway) {
  auto initiator = LogIn();
  initiator->cmd_sn = 2;
  WirePdu ahead = initiator->Command(Cdb10(0x28, 0, 8), 0xc0, 4096);
  initiator->Send(ahead);
  while (true) {
    TaskFilter filter;
    if (AbortAndWait(filter) == 1) break;
  }
  initiator->Send(NopOut(5, 1, false));
  auto nop = initiator->Receive();
  EXPECT_EQ(nop->itt(), 5u);
  EXPECT_TRUE(initiator->SilentFor(50));
  initiator->cmd_sn = 3;
  initiator->next_stat_sn = 2;
  EXPECT_EQ(initiator->Read(Cdb10(0x28, 0, 8), 4096).status, 0);
}

TEST_F(SessionTest, ALostConnectionEndsItsTasksAndClosingItWaitsForThem) {
  backend_.hold = true;
  auto initiator = LogIn();
  WirePdu pdu = initiator->Command(Cdb10(0x2a, 0, 8), 0xa0, 4096);
  pdu.data = Pattern(4096, 1);
  initiator->Send(pdu);
  WaitForHeld(1);
  initiator->Disconnect();
  EXPECT_EQ(recorder_.Wait("disconnected").nexus, 1u);
  std::promise<void> done;
  auto closed = done.get_future();
  OnLoop([&] { target_->CloseConnection(1, "again", [&] { done.set_value(); }); });
  EXPECT_EQ(closed.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  OnLoop([&] { backend_.ReleaseHeld(); });
  closed.get();
  EXPECT_EQ(Medium(0, 4096), Pattern(4096, 1)) << "it was in flight";
}

class DrainingTest : public SessionTest {
 protected:
  static constexpr size_t kCommands = 128;

  DrainingTest() {
    options_.command_window = kCommands;
    recorder_.parameters.first_burst_length = 256u << 10;
    backend_.hold = true;
  }

  /// Logs in and sends writes of 32 MiB in all, which the target has taken when this returns.
  std::unique_ptr<Initiator> LogInAndWrite() {
    auto initiator = LogIn();
    for (size_t i = 0; i < kCommands; ++i) {
      WirePdu write = initiator->Command(Cdb10(0x2a, 0, 512), 0xa0, kData.size());
      write.data = kData;
      initiator->Send(write);
    }
    initiator->Send(NopOut(7, 0, true));
    EXPECT_EQ(initiator->Receive()->itt(), 7u);
    ++initiator->next_stat_sn;
    return initiator;
  }

  /// Until aborted tasks hold as much as they may.
  void FillDraining() {
    for (int i = 0; i < 2; ++i) LogInAndWrite()->Disconnect();
    for (int i = 0; i < 2; ++i) recorder_.Wait("disconnected");
  }

  size_t Held() {
    size_t count = 0;
    OnLoop([&] { count = backend_.held.size(); });
    return count;
  }

  const Bytes kData = Pattern(256 << 10, 1);
};

TEST_F(DrainingTest, WhoeverLogsInAgainWhileTheVolumeStallsIsServedOnceAndThenWaits) {
  LogInAndWrite()->Disconnect();
  recorder_.Wait("disconnected");
  EXPECT_EQ(Held(), kCommands);
  for (int i = 0; i < 5; ++i) {
    LogInAndWrite()->Disconnect();
    recorder_.Wait("disconnected");
    EXPECT_EQ(Held(), 2 * kCommands) << "what ended sessions have left is bounded";
  }
  auto initiator = LogInAndWrite();
  OnLoop([&] { backend_.ReleaseHeld(); });
  for (uint32_t i = 0; i < kCommands; ++i) EXPECT_EQ(initiator->Finish(100 + i).status, 0);
  EXPECT_EQ(Medium(0, kData.size()), kData);
}

TEST_F(DrainingTest, CommandsOfAllKindsWaitForWhatIsDraining) {
  recorder_.parameters.initial_r2t = false;
  FillDraining();
  recorder_.access = {true, false, false};
  auto initiator = LogIn();
  WirePdu read = initiator->Command(Cdb10(0x28, 0, 8), 0xc0, 4096);
  initiator->Send(read);
  WirePdu unsolicited = initiator->Command(Cdb10(0x2a, 1024, 8), 0x20, 4096);
  initiator->Send(unsolicited);
  auto event = recorder_.Wait("command");
  OnLoop([&] { target_->Execute(event.task); });
  initiator->Send(Initiator::DataOutPdu(unsolicited.itt(), kNoTag, 0, 0, Pattern(4096, 9), true));
  WirePdu solicited = initiator->Command(Cdb10(0x2a, 2048, 8), 0xa0, 4096);
  initiator->Send(solicited);
  event = recorder_.Wait("command");
  OnLoop([&] { target_->Execute(event.task); });
  EXPECT_TRUE(initiator->SilentFor(50)) << "nothing is asked for";
  EXPECT_EQ(Held(), 2 * kCommands);
  OnLoop([&] { backend_.ReleaseHeld(); });
  EXPECT_EQ(initiator->Finish(read.itt()).status, 0);
  EXPECT_EQ(initiator->Finish(unsolicited.itt()).status, 0);
  EXPECT_EQ(initiator->Finish(solicited.itt(), Pattern(4096, 5)).status, 0);
  EXPECT_EQ(Medium(1024 << 9, 4096), Pattern(4096, 9));
  EXPECT_EQ(Medium(2048 << 9, 4096), Pattern(4096, 5));
}

TEST_F(DrainingTest, WhatWaitsForItCanBeAbortedAndCanFail) {
  recorder_.parameters.initial_r2t = false;
  FillDraining();
  auto initiator = LogIn();
  WirePdu aborted = initiator->Command(Cdb10(0x28, 0, 8), 0xc0, 4096);
  initiator->Send(aborted);
  TaskFilter filter;
  filter.has_nexus = filter.has_itt = true;
  filter.nexus = 3;
  filter.itt = aborted.itt();
  while (AbortAndWait(filter) == 0) usleep(1000);
  WirePdu failing = initiator->Command(Cdb10(0x2a, 1024, 8), 0x20, 4096);
  initiator->Send(failing);
  initiator->Send(
      Initiator::DataOutPdu(failing.itt(), kNoTag, 1, 0, Pattern(4096, 9), true));  // 0 is missing
  EXPECT_TRUE(initiator->SilentFor(50));
  OnLoop([&] { backend_.ReleaseHeld(); });
  EXPECT_EQ(initiator->Finish(failing.itt()).sense_key(), scsi::kProtocolServiceCrcError);
  EXPECT_EQ(Medium(1024 << 9, 4096), Bytes(4096));
}

TEST_F(SessionTest, ALoginThatTakesTooLongIsCutOff) {
  options_.login_timeout_ms = 50;
  StartTarget();
  Initiator initiator(port_);
  EXPECT_TRUE(initiator.Closed());
  EXPECT_EQ(recorder_.Wait("disconnected").reason, "login timed out");
}

TEST_F(SessionTest, WhatIsNoLoginRequestEndsTheConnectionInLoginPhase) {
  StartTarget();
  Initiator http(port_);
  std::string request = "GET / HTTP/1.1\r\n\r\n";
  http.SendRaw(request.data(), request.size());
  EXPECT_TRUE(http.Closed());
  Initiator command(port_);
  command.Send(command.Command(Cdb10(0x28, 0, 8), 0xc0, 4096));
  EXPECT_TRUE(command.Closed());
  Initiator longer(port_);
  WirePdu login;
  login.bhs[0] = 0x43;
  login.data.resize(kLoginSegmentBytesMax + 4);
  longer.Send(login);
  EXPECT_TRUE(longer.Closed());
}

TEST_F(SessionTest, LoginRequestsComeOneByOne) {
  recorder_.answer_logins = false;
  StartTarget();
  Initiator initiator(port_);
  WirePdu login;
  login.bhs[0] = 0x43;
  login.data = {'a', '=', 'b', 0};
  initiator.Send(login);
  initiator.Send(login);
  auto first = recorder_.Wait("pdu");
  EXPECT_EQ(first.data, login.data);
  OnLoop([&] {
    uint8_t reply[kBhsBytes] = {};
    reply[0] = 0x23;
    PutBe32(reply + 24, 4711);
    target_->Send(first.connection, reply, Slice(), AfterSend::kContinue, nullptr);
  });
  auto reply = initiator.Receive();
  EXPECT_EQ(reply->opcode(), Opcode::kLoginResponse);
  EXPECT_EQ(reply->stat_sn(), 4711u) << "the caller fills it in login phase";
  recorder_.Wait("pdu");
}

TEST_F(SessionTest, ConnectionsAreLimited) {
  options_.connections_max = 2;
  auto first = LogIn();
  auto second = LogIn();
  Initiator third(port_);
  EXPECT_TRUE(third.Closed());
  first->Disconnect();
  recorder_.Wait("disconnected");
  auto fourth = LogIn();
  EXPECT_EQ(fourth->Read(Cdb10(0x28, 0, 8), 4096).status, 0);
}

TEST_F(SessionTest, DiscoverySessionsTakeNoCommands) {
  recorder_.next_nexus = 0;
  auto initiator = LogIn();
  initiator->Send(initiator->Command(Cdb10(0x28, 0, 8), 0xc0, 4096));
  EXPECT_EQ(initiator->Receive()->opcode(), Opcode::kReject);
}

TEST_F(SessionTest, AnInitiatorThatDoesNotReadIsNotReadFrom) {
  options_.command_window = 256;
  auto initiator = LogIn();
  for (int i = 0; i < 20; ++i) initiator->Send(initiator->Command(Cdb10(0x28, 0, 8192), 0xc0, 4 << 20));
  usleep(100'000);
  OnLoop([&] {
    EXPECT_LT(backend_.counts[OperationKind::kRead], 20 * 16) << "reads stop when the output is full";
  });
  uint64_t got = 0;
  for (int done = 0; done < 20;) {
    auto pdu = initiator->Receive();
    ASSERT_TRUE(pdu);
    got += pdu->data.size();
    if (pdu->bhs[1] & kStatusBit) ++done;
  }
  EXPECT_EQ(got, 80u << 20);
}

// A sanitizer's malloc keeps what is freed.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_F(SessionTest, WhatAnInitiatorDoesNotReadKeepsLittleMoreThanItsBytes) {
  auto initiator = LogIn();
  // More than sockets hold, so that all answers wait behind it.
  initiator->Send(initiator->Command(Cdb10(0x28, 0, 10 << 11), 0xc0, 10 << 20));
  Bytes ping = initiator->Encode(NopOut(7, 0, true, Pattern(4096, 1)));
  Bytes ignored = initiator->Encode(Initiator::DataOutPdu(9, 9, 0, 0, Pattern(256 << 10, 1), true));
  WirePdu unknown;
  unknown.bhs[0] = 0x5c;
  Bytes rejected;
  for (int i = 0; i < 100; ++i) {
    Bytes pdu = initiator->Encode(unknown);
    rejected.insert(rejected.end(), pdu.begin(), pdu.end());
  }
  initiator->Send(TaskManagement(1, 8, 7, 0));
  recorder_.Wait("pdu");
  size_t before = ResidentBytes();
  for (int i = 0; i < 200; ++i) {
    for (const Bytes& wire : {ping, ignored, ignored, rejected}) initiator->SendRaw(wire.data(), wire.size());
  }
  initiator->Send(TaskManagement(1, 8, 7, 0));
  recorder_.Wait("pdu");
  EXPECT_LT(ResidentBytes(), before + (24u << 20));
}
#endif

TEST_F(SessionTest, ListensOnIpv6) {
  StartTarget();
  OnLoop([&] {
    Target::Bound bound = target_->Listen("::1", 0);
    EXPECT_EQ(bound.error, 0);
    EXPECT_EQ(bound.host, "::1");
    EXPECT_NE(bound.port, 0);
    EXPECT_EQ(target_->Listen("somewhere.example", 0).error, EINVAL);
    EXPECT_EQ(target_->Listen("127.0.0.1", port_).error, EADDRINUSE);
  });
}

}  // namespace
}  // namespace aurochs::iscsi
