// The fan-out over real streams: what is acknowledged, what is held, and in which order.
#include <gtest/gtest.h>

#include "volume_fixture.h"

namespace aurochs {
namespace {

constexpr uint64_t kSize = 8 << 20;
using Kind = OperationKind;

/// What a replica's store has at `offset`.
int Stored(VolumeFixture& f, int replica, uint64_t offset) {
  return f.replicas[replica]->Do([&] { return f.replicas[replica]->store.bytes[offset]; });
}
void Hold(VolumeFixture& f, int replica) {
  f.replicas[replica]->Do([&] { f.replicas[replica]->store.hold = true; });
}
void Release(VolumeFixture& f, int replica) {
  f.replicas[replica]->Do([&] { f.replicas[replica]->store.ReleaseHeld(); });
}
void WaitHeld(VolumeFixture& f, int replica, size_t count) {
  while (f.replicas[replica]->Do([&] { return f.replicas[replica]->store.held.size(); }) < count) {
    std::this_thread::yield();
  }
}
void Fail(VolumeFixture& f, int replica, Status status) {
  f.replicas[replica]->Do(
      [&, status] { f.replicas[replica]->store.failure = [status](const StoreRequest&) { return status; }; });
}
void Heal(VolumeFixture& f, int replica) {
  f.replicas[replica]->Do([&] { f.replicas[replica]->store.failure = nullptr; });
}

TEST(Volume, AWriteIsAcknowledgedWhenAllReplicasHaveAnswered) {
  VolumeFixture f(kSize, 2);
  Hold(f, 1);
  auto write = f.Write(4096, 4096, 7);
  WaitHeld(f, 1, 1);
  f.Drain();
  EXPECT_FALSE(write->ended());
  Release(f, 1);
  EXPECT_EQ(write->Wait(), Status::kOk);
  EXPECT_EQ(Stored(f, 0, 4096), 7);
  EXPECT_EQ(Stored(f, 1, 4096), 7);
  EXPECT_EQ(f.Submit(Kind::kFlush, 0, 0)->Wait(), Status::kOk);
  EXPECT_EQ(f.Submit(Kind::kUnmap, 4096, 512)->Wait(), Status::kOk);
  EXPECT_EQ(f.Byte(4096), 0);
  EXPECT_EQ(f.Byte(4608), 7);
  EXPECT_EQ(f.Submit(Kind::kWriteZeroes, 0, kSize)->Wait(), Status::kOk);
  EXPECT_EQ(f.Byte(4608), 0);
}

TEST(Volume, WithoutRwSlotsOperationsWaitUntilThereIsOneOrTheyAreFailed) {
  VolumeFixture f(kSize, 2);
  f.SetMode(0, SlotMode::kOff);
  f.SetMode(1, SlotMode::kWriteOnly);
  auto write = f.Write(0, 512, 1);
  auto read = f.Submit(Kind::kRead, 4096, 512);
  f.Drain();
  EXPECT_FALSE(write->ended() || read->ended());
  EXPECT_EQ(f.FailHeld(Volume::kAnySlot, Status::kIoError), 2u);
  EXPECT_EQ(write->Wait(), Status::kIoError);
  EXPECT_EQ(read->Wait(), Status::kIoError);
  auto later = f.Write(0, 512, 2);
  f.Drain();
  EXPECT_FALSE(later->ended());
  f.SetMode(1, SlotMode::kReadWrite);
  EXPECT_EQ(later->Wait(), Status::kOk);
  EXPECT_EQ(f.Byte(0), 2);
}

TEST(Volume, AWoSlotIsWrittenAndNeverRead) {
  VolumeFixture f(kSize, 2);
  f.SetMode(1, SlotMode::kWriteOnly);
  EXPECT_EQ(f.Write(0, 512, 3)->Wait(), Status::kOk);
  f.replicas[1]->Do([&] { f.replicas[1]->store.bytes[0] = 99; });
  for (int i = 0; i < 20; ++i) EXPECT_EQ(f.Byte(0), 3);
  EXPECT_EQ(f.Byte(0, 1), 99) << "unless it is named";
}

TEST(Volume, AnErrorAnswerHoldsTheWriteUntilTheSlotIsOff) {
  VolumeFixture f(kSize, 2);
  Fail(f, 1, Status::kNoSpace);
  auto write = f.Write(0, 512, 4);
  Event event = f.WaitFor(Event::Type::kFailed);
  EXPECT_EQ(event.slot, 1);
  EXPECT_EQ(event.status, Status::kNoSpace);
  EXPECT_EQ(event.kind, Kind::kWrite);
  f.Drain();
  EXPECT_FALSE(write->ended());
  EXPECT_EQ(f.stats().slots[1].held, 1u);
  f.SetMode(1, SlotMode::kOff);
  EXPECT_EQ(write->Wait(), Status::kOk);
  EXPECT_FALSE(f.stats().slots[1].connected);
}

TEST(Volume, AnErrorOfTheLastReplicaCanBePassedOn) {
  VolumeFixture f(kSize, 1);
  Fail(f, 0, Status::kNoSpace);
  auto write = f.Write(0, 512, 4);
  f.WaitFor(Event::Type::kFailed);
  EXPECT_EQ(f.FailHeld(0, Status::kNoSpace), 1u);
  EXPECT_EQ(write->Wait(), Status::kNoSpace);
  Heal(f, 0);
  EXPECT_EQ(f.Write(0, 512, 5)->Wait(), Status::kOk) << "the range is free again";
}

TEST(Volume, AnErrorIsNotPassedOnToWhatWaitsForTheStream) {
  VolumeFixture f(kSize, 2);
  for (int replica : {0, 1}) Fail(f, replica, Status::kNoSpace);
  auto failed = f.Write(0, 512, 4);
  f.WaitFor(Event::Type::kFailed);
  f.WaitFor(Event::Type::kFailed);
  Heal(f, 0);
  f.replicas[1]->Cut();
  f.WaitFor(Event::Type::kDisconnected);
  auto waiting = f.Write(4096, 512, 5);
  f.Drain();
  EXPECT_EQ(f.FailHeld(0, Status::kNoSpace), 1u);
  EXPECT_EQ(f.FailHeld(1, Status::kNoSpace), 0u);
  EXPECT_EQ(failed->Wait(), Status::kNoSpace);
  EXPECT_FALSE(waiting->ended());
  OnLoop(f.loop, [&] { f.volume->Refuse(Status::kIoError); });
  EXPECT_EQ(f.FailHeld(1, Status::kIoError), 1u);
  EXPECT_EQ(waiting->Wait(), Status::kIoError);
}

TEST(Volume, AnOperationFailedByItsOwnerKeepsItsRangeUntilTheOtherReplicaHasAnswered) {
  VolumeFixture f(kSize, 2);
  Hold(f, 0);
  Fail(f, 1, Status::kIoError);
  auto write = f.Write(0, 512, 1);
  f.WaitFor(Event::Type::kFailed);
  WaitHeld(f, 0, 1);
  EXPECT_EQ(f.FailHeld(1, Status::kIoError), 1u);
  EXPECT_EQ(write->Wait(), Status::kIoError);
  Heal(f, 1);
  auto next = f.Write(0, 512, 2);
  f.Drain();
  EXPECT_EQ(f.replicas[0]->Do([&] { return f.replicas[0]->store.held.size(); }), 1u)
      << "two writes of one range would be in flight";
  Release(f, 0);
  EXPECT_EQ(next->Wait(), Status::kOk);
  EXPECT_EQ(Stored(f, 0, 0), 2);
  EXPECT_EQ(Stored(f, 1, 0), 2);
}

TEST(Volume, AReadThatFailsGoesElsewhereOnceItsSlotIsOff) {
  VolumeFixture f(kSize, 2);
  EXPECT_EQ(f.Write(0, 4096, 6)->Wait(), Status::kOk);
  f.replicas[0]->Do([&] { f.replicas[0]->store.corrupt_reads = true; });
  auto read = f.Submit(Kind::kRead, 0, 4096);
  Event event = f.WaitFor(Event::Type::kFailed);
  EXPECT_EQ(event.slot, 0);
  EXPECT_EQ(event.status, Status::kChecksumMismatch);
  EXPECT_FALSE(read->ended());
  EXPECT_EQ(f.stats().slots[0].crc_errors, 1u);
  f.SetMode(0, SlotMode::kOff);
  EXPECT_EQ(read->Wait(), Status::kOk);
  EXPECT_EQ(read->payload.data()[256], 6);
}

TEST(Volume, ADisconnectHoldsOperationsAndTheNextConnectionSendsThemAgain) {
  VolumeFixture f(kSize, 2);
  Hold(f, 1);
  auto write = f.Write(0, 4096, 8);
  WaitHeld(f, 1, 1);
  auto cut = std::thread([&] { f.replicas[1]->Cut(); });
  EXPECT_EQ(f.WaitFor(Event::Type::kDisconnected).slot, 1);
  auto meanwhile = f.Write(8192, 4096, 9);
  f.Drain();
  EXPECT_FALSE(write->ended() || meanwhile->ended());
  EXPECT_EQ(f.stats().slots[1].held, 2u);
  // The copy that the old stream left in the store must not come after the one that is sent again.
  Release(f, 1);
  cut.join();
  EXPECT_EQ(f.Connect(1), Status::kOk);
  EXPECT_EQ(write->Wait(), Status::kOk);
  EXPECT_EQ(meanwhile->Wait(), Status::kOk);
  EXPECT_EQ(Stored(f, 1, 0), 8);
  EXPECT_EQ(Stored(f, 1, 8192), 9);
}

TEST(Volume, ADisconnectedReplicaThatIsGivenUpReleasesItsOperations) {
  VolumeFixture f(kSize, 2);
  f.replicas[1]->Close();
  f.WaitFor(Event::Type::kDisconnected);
  auto write = f.Write(0, 512, 1);
  f.Drain();
  EXPECT_FALSE(write->ended());
  f.SetMode(1, SlotMode::kOff);
  EXPECT_EQ(write->Wait(), Status::kOk);
  EXPECT_EQ(f.Connect(1), Status::kDisconnected);
}

TEST(Volume, ASilentReplicaIsReportedOnceAndItsLateAnswerIsIgnored) {
  VolumeFixture f(kSize, 2, 40);
  Hold(f, 1);
  auto write = f.Write(0, 512, 1);
  Event event = f.WaitFor(Event::Type::kTimeout);
  EXPECT_EQ(event.slot, 1);
  EXPECT_EQ(event.kind, Kind::kWrite);
  EXPECT_FALSE(write->ended());
  EXPECT_EQ(f.FailHeld(1, Status::kIoError), 0u) << "what is in flight is not held";
  f.SetMode(1, SlotMode::kOff);
  EXPECT_EQ(write->Wait(), Status::kOk);
  Release(f, 1);
  f.Drain();
  EXPECT_EQ(f.Byte(0), 1);
}

TEST(Volume, OverlappingOperationsWaitForEarlierWritesAndOthersDoNot) {
  VolumeFixture f(kSize, 2);
  Hold(f, 0);
  Hold(f, 1);
  auto first = f.Write(0, 8192, 1);
  auto second = f.Write(4096, 8192, 2);
  auto read = f.Submit(Kind::kRead, 8192, 512);
  auto apart = f.Write(1 << 20, 512, 3);
  WaitHeld(f, 0, 2);
  WaitHeld(f, 1, 2);
  f.Drain();
  EXPECT_EQ(f.replicas[0]->Do([&] { return f.replicas[0]->store.held.size(); }), 2u);
  Release(f, 0);
  Release(f, 1);
  EXPECT_EQ(first->Wait(), Status::kOk);
  EXPECT_EQ(second->Wait(), Status::kOk);
  EXPECT_EQ(apart->Wait(), Status::kOk);
  EXPECT_EQ(read->Wait(), Status::kOk);
  EXPECT_EQ(read->payload.data()[0], 2);
  EXPECT_EQ(f.Byte(0), 1);
}

TEST(Volume, CompareAndWriteWritesOnlyWhatMatches) {
  VolumeFixture f(kSize, 2);
  EXPECT_EQ(f.Write(0, 1024, 1)->Wait(), Status::kOk);
  Slice data = Slice::Allocate(2048);
  memset(data.data(), 1, 1024);
  memset(data.data() + 1024, 2, 1024);
  EXPECT_EQ(f.Submit(Kind::kCompareAndWrite, 0, 1024, data)->Wait(), Status::kOk);
  EXPECT_EQ(Stored(f, 0, 1023), 2);
  EXPECT_EQ(Stored(f, 1, 1023), 2);
  memset(data.data(), 2, 1024);
  data.data()[700] = 9;
  auto miss = f.Submit(Kind::kCompareAndWrite, 0, 1024, data);
  EXPECT_EQ(miss->Wait(), Status::kMiscompare);
  EXPECT_EQ(miss->miscompare_offset, 700u);
  Slice bits = Slice::Allocate(512);
  memset(bits.data(), 0x50, 512);
  EXPECT_EQ(f.Submit(Kind::kOrWrite, 0, 512, bits)->Wait(), Status::kOk);
  EXPECT_EQ(Stored(f, 1, 0), 0x52);
  EXPECT_EQ(f.Byte(0), 0x52);
}

TEST(Volume, ManyCompareAndWritesOfOneBlockAreOneAfterTheOther) {
  VolumeFixture f(kSize, 2);
  std::vector<std::shared_ptr<WaitedOperation>> operations;
  for (int i = 0; i < 50; ++i) {
    Slice data = Slice::Allocate(1024);
    memset(data.data(), i, 512);
    memset(data.data() + 512, i + 1, 512);
    operations.push_back(f.Submit(Kind::kCompareAndWrite, 0, 512, data));
  }
  for (auto& operation : operations) EXPECT_EQ(operation->Wait(), Status::kOk);
  EXPECT_EQ(f.Byte(0), 50);
}

TEST(Volume, CopyMakesASlotEqualAndCountsWhatDiffered) {
  VolumeFixture f(kSize, 2);
  f.SetMode(1, SlotMode::kWriteOnly);
  f.replicas[0]->Do([&] {
    auto& bytes = f.replicas[0]->store.bytes;
    for (uint64_t at = 0; at < 3 << 20; at += 12288) bytes[at] = 1;
    bytes[(3 << 20) - 512] = 1;
  });
  uint64_t blocks = ((3 << 20) + 12287) / 12288 + 1;
  auto copy = f.Copy(0, 1, 0, 3 << 20);
  ASSERT_EQ(copy->Wait(), Status::kOk);
  EXPECT_EQ(copy->copied_bytes, blocks * 4096);
  EXPECT_EQ(f.replicas[0]->Do([&] { return f.replicas[0]->store.bytes; }),
            f.replicas[1]->Do([&] { return f.replicas[1]->store.bytes; }));
  auto again = f.Copy(0, 1, 0, kSize);
  EXPECT_EQ(again->Wait(), Status::kOk);
  EXPECT_EQ(again->copied_bytes, 0u);
}

TEST(Volume, ACopyIsEndedByAnErrorAndSaysWhoseItWas) {
  VolumeFixture f(kSize, 2);
  f.SetMode(1, SlotMode::kWriteOnly);
  EXPECT_EQ(f.Write(0, 512, 1, 0)->Wait(), Status::kOk);
  f.replicas[1]->Do([&] {
    f.replicas[1]->store.failure = [](const StoreRequest& request) {
      return request.kind == StoreRequest::Kind::kWrite ? Status::kNoSpace : Status::kOk;
    };
  });
  auto copy = f.Copy(0, 1, 0, kSize);
  EXPECT_EQ(copy->Wait(), Status::kNoSpace);
  EXPECT_EQ(copy->failed_slot, 1);
  Heal(f, 1);
  EXPECT_EQ(f.Copy(0, 1, 0, kSize)->Wait(), Status::kOk) << "its range is free again";
}

TEST(Volume, OperationsThatNameASlotEndWithItsStream) {
  VolumeFixture f(kSize, 2);
  Hold(f, 1);
  auto write = f.Write(0, 512, 1, 1);
  WaitHeld(f, 1, 1);
  f.SetMode(1, SlotMode::kOff);
  EXPECT_EQ(write->Wait(), Status::kDisconnected);
  EXPECT_EQ(f.Write(0, 512, 1, 1)->Wait(), Status::kDisconnected);
  Release(f, 1);
}

TEST(Volume, ASlotThatJoinsGetsTheWritesThatAreUnderWay) {
  VolumeFixture f(kSize, 2);
  f.SetMode(1, SlotMode::kOff);
  EXPECT_EQ(f.Connect(1), Status::kOk);
  Hold(f, 0);
  auto write = f.Write(0, 512, 5);
  WaitHeld(f, 0, 1);
  f.SetMode(1, SlotMode::kWriteOnly);
  Release(f, 0);
  EXPECT_EQ(write->Wait(), Status::kOk);
  EXPECT_EQ(Stored(f, 1, 0), 5);
}

TEST(Volume, SettlementMarksThenWaitsForEarlierWritesThenSettles) {
  VolumeFixture f(kSize, 2);
  Hold(f, 1);
  auto write = f.Write(0, 512, 1);
  WaitHeld(f, 1, 1);
  auto settle = f.Settle();
  WaitHeld(f, 1, 2);
  auto later = f.Write(4096, 512, 2);
  WaitHeld(f, 1, 3);
  // The flush with the mark is answered, the write before it is not.
  f.replicas[1]->Do([&] {
    auto& held = f.replicas[1]->store.held;
    StoreRequest* flush = held[1];
    held.erase(held.begin() + 1);
    f.replicas[1]->store.Execute(flush);
  });
  f.Drain();
  using Flushes = std::vector<std::pair<uint64_t, uint64_t>>;
  auto flushes = [&](int replica) {
    return f.replicas[replica]->Do([&] { return f.replicas[replica]->store.flushes; });
  };
  EXPECT_EQ(flushes(0), (Flushes{{1, 0}}));
  EXPECT_EQ(flushes(1), (Flushes{{1, 0}}));
  f.replicas[1]->Do([&] {
    auto& held = f.replicas[1]->store.held;
    StoreRequest* first = held.front();
    held.pop_front();
    f.replicas[1]->store.Execute(first);
  });
  WaitHeld(f, 1, 2);  // the later write and the flush that settles
  EXPECT_FALSE(later->ended());
  Release(f, 1);
  EXPECT_EQ(settle->Wait(), Status::kOk) << "writes after the mark are not waited for";
  EXPECT_EQ(flushes(0), (Flushes{{1, 0}, {0, 1}}));
  EXPECT_EQ(flushes(1), (Flushes{{1, 0}, {0, 1}}));
  EXPECT_EQ(later->Wait(), Status::kOk);
}

TEST(Volume, ASettlementThatIsDisturbedEndsAndTheNextOneUsesANewMark) {
  VolumeFixture f(kSize, 2);
  Hold(f, 1);
  auto settle = f.Settle();
  WaitHeld(f, 1, 1);
  auto cut = std::thread([&] { f.replicas[1]->Cut(); });
  EXPECT_EQ(settle->Wait(), Status::kAborted);
  EXPECT_EQ(f.Settle()->Wait(), Status::kAborted) << "a slot is not connected";
  Release(f, 1);
  cut.join();
  EXPECT_EQ(f.Connect(1), Status::kOk);
  EXPECT_EQ(f.Settle()->Wait(), Status::kOk);
  auto flushes = f.replicas[1]->Do([&] { return f.replicas[1]->store.flushes; });
  ASSERT_GE(flushes.size(), 2u);
  EXPECT_EQ(flushes[flushes.size() - 2], (std::pair<uint64_t, uint64_t>{2, 0}));
  EXPECT_EQ(flushes.back(), (std::pair<uint64_t, uint64_t>{0, 2}));
}

TEST(Volume, NothingIsSettledAfterAFailedWriteUntilTheCopiesWereMadeEqual) {
  VolumeFixture f(kSize, 2);
  Fail(f, 1, Status::kNoSpace);
  auto write = f.Write(0, 512, 1);
  f.WaitFor(Event::Type::kFailed);
  f.FailHeld(1, Status::kNoSpace);
  EXPECT_EQ(write->Wait(), Status::kNoSpace);
  Heal(f, 1);
  EXPECT_EQ(f.Settle()->Wait(), Status::kAborted);
  EXPECT_EQ(f.Copy(0, 1, 0, 4096)->Wait(), Status::kOk);
  EXPECT_EQ(f.Settle()->Wait(), Status::kOk);
}

TEST(Volume, AReadGoesElsewhereWhenItsSlotIsNotRwAnyMore) {
  VolumeFixture f(kSize, 2);
  EXPECT_EQ(f.Write(0, 512, 1)->Wait(), Status::kOk);
  Fail(f, 0, Status::kIoError);
  auto held = f.Submit(Kind::kRead, 0, 512);
  EXPECT_EQ(f.WaitFor(Event::Type::kFailed).slot, 0);
  Heal(f, 0);
  Hold(f, 0);
  Hold(f, 1);
  auto sent_elsewhere = f.Submit(Kind::kRead, 0, 512);  // the held one counts
  auto sent = f.Submit(Kind::kRead, 0, 512);
  WaitHeld(f, 0, 1);
  f.SetMode(0, SlotMode::kWriteOnly);
  f.replicas[0]->Do([&] { f.replicas[0]->store.bytes[0] = 99; });
  Release(f, 0);
  Release(f, 1);
  for (auto& read : {held, sent, sent_elsewhere}) {
    EXPECT_EQ(read->Wait(), Status::kOk);
    EXPECT_EQ(read->payload.data()[0], 1);
  }
}

TEST(Volume, QuiesceWaitsForWhatIsInFlightAndHoldsBackTheRest) {
  VolumeFixture f(kSize, 2);
  Hold(f, 0);
  auto write = f.Write(0, 512, 1);
  WaitHeld(f, 0, 1);
  std::promise<void> quiet, twice;
  std::atomic<bool> is_quiet{false};
  OnLoop(f.loop, [&] {
    f.volume->Quiesce([&] {
      is_quiet = true;
      quiet.set_value();
    });
    f.volume->Quiesce([&] { twice.set_value(); });
  });
  auto later = f.Write(4096, 512, 2);
  f.Drain();
  EXPECT_FALSE(is_quiet);
  Release(f, 0);
  quiet.get_future().get();
  twice.get_future().get();
  EXPECT_EQ(write->Wait(), Status::kOk);
  OnLoop(f.loop, [&] { f.volume->Resume(); });
  f.Drain();
  EXPECT_FALSE(later->ended());
  OnLoop(f.loop, [&] { f.volume->Resume(); });
  EXPECT_EQ(later->Wait(), Status::kOk);
}

// A change that one replica has made and another one has not, answered with an error: `copy` is asked for
// before that.
uint64_t CountOf(const LatencyCounts& latency) {
  uint64_t count = 0;
  for (size_t bucket = 0; bucket < LatencyCounts::kBuckets; ++bucket) count += latency[bucket];
  return count;
}

TEST(Volume, OperationsOfUsersAreCountedByKindAndByHowLongTheyTookAndWereHeldBack) {
  VolumeFixture f(kSize, 2);
  ASSERT_EQ(f.Write(0, 512, 1)->Wait(), Status::kOk);
  ASSERT_EQ(f.Submit(Kind::kRead, 0, 512)->Wait(), Status::kOk);
  ASSERT_EQ(f.Submit(Kind::kRead, 0, 512, Slice(), 1)->Wait(), Status::kOk);  // names a slot: no user's
  ASSERT_EQ(f.Submit(Kind::kFlush, 0, 0)->Wait(), Status::kOk);
  ASSERT_EQ(f.Submit(Kind::kUnmap, 0, 512)->Wait(), Status::kOk);
  EXPECT_NE(f.Submit(Kind::kRead, kSize, 512)->Wait(), Status::kOk);
  std::promise<void> quiet;
  OnLoop(f.loop, [&] { f.volume->Quiesce([&] { quiet.set_value(); }); });
  quiet.get_future().wait();
  auto held = f.Write(0, 512, 2);
  f.Drain();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  OnLoop(f.loop, [&] { f.volume->Resume(); });
  ASSERT_EQ(held->Wait(), Status::kOk);
  auto stats = f.stats();
  EXPECT_EQ(CountOf(stats.read_latency), 1u);
  EXPECT_EQ(CountOf(stats.write_latency), 2u);
  EXPECT_EQ(CountOf(stats.flush_latency), 1u);
  EXPECT_EQ(CountOf(stats.unmap_latency), 1u);
  EXPECT_GE(stats.write_latency.sum_us(), 20'000u);
}

TEST(Volume, QuiesceWaitsUntilWhatAChangeHasLeftUnequalIsEqual) {
  VolumeFixture f(kSize, 2);
  Fail(f, 1, Status::kNoSpace);
  auto write = f.Write(0, 4096, 1);
  f.WaitFor(Event::Type::kFailed);
  Heal(f, 1);
  std::promise<void> quiet;
  OnLoop(f.loop, [&] { f.volume->Quiesce([&] { quiet.set_value(); }); });
  auto read = f.Submit(Kind::kRead, 0, 512);
  auto copy = f.Copy(1, 0, 0, 4096);
  auto elsewhere = f.Copy(1, 0, 1 << 20, 4096);
  EXPECT_EQ(f.FailHeld(1, Status::kNoSpace), 1u);
  quiet.get_future().get();
  EXPECT_EQ(write->Wait(), Status::kNoSpace);
  EXPECT_TRUE(copy->ended());
  EXPECT_EQ(f.stats().differing, 0u);
  EXPECT_EQ(Stored(f, 0, 0), 0) << "as replica 1 has it";
  EXPECT_FALSE(read->ended());
  EXPECT_FALSE(elsewhere->ended()) << "nothing that was under way has to do with it";
  OnLoop(f.loop, [&] { f.volume->Resume(); });
  EXPECT_EQ(read->Wait(), Status::kOk);
  EXPECT_EQ(elsewhere->Wait(), Status::kOk);
}

TEST(Volume, WhatIsUnequalIsToldAndMadeEqualBeforeItIsRead) {
  VolumeFixture f(kSize, 2);
  Fail(f, 1, Status::kNoSpace);
  auto write = f.Write(0, 4096, 1);
  f.WaitFor(Event::Type::kFailed);
  Heal(f, 1);
  EXPECT_EQ(f.FailHeld(1, Status::kNoSpace), 1u);
  EXPECT_EQ(write->Wait(), Status::kNoSpace);
  EXPECT_EQ(f.stats().differing, 1u);
  std::promise<void> quiet;
  OnLoop(f.loop, [&] { f.volume->Quiesce([&] { quiet.set_value(); }); });
  quiet.get_future().get();
  std::vector<std::shared_ptr<WaitedOperation>> reads;
  for (int i = 0; i < 4; ++i) reads.push_back(f.Submit(Kind::kRead, 0, 512));
  auto copy = f.Copy(1, 0, 0, 4096);
  f.Drain();
  EXPECT_FALSE(copy->ended()) << "held with all others";
  OnLoop(f.loop, [&] { f.volume->Resume(); });
  for (auto& read : reads) {
    EXPECT_EQ(read->Wait(), Status::kOk);
    EXPECT_EQ(read->payload.data()[0], 0);
  }
  EXPECT_EQ(f.stats().differing, 0u);
}

TEST(Volume, CopiesDoNotWaitForRoom) {
  VolumeFixture f(kSize, 3);
  Hold(f, 0);
  std::vector<std::shared_ptr<WaitedOperation>> writes;
  for (int i = 0; i < 1200; ++i) writes.push_back(f.Write(0, 512, 1));
  WaitHeld(f, 0, 1);
  auto copy = f.Copy(1, 2, 1 << 20, 4096);
  EXPECT_EQ(copy->Wait(), Status::kOk);
  Release(f, 0);
  for (auto& write : writes) EXPECT_EQ(write->Wait(), Status::kOk);
}

TEST(Volume, RefuseAnswersNewOperationsAtOnce) {
  VolumeFixture f(kSize, 1);
  OnLoop(f.loop, [&] { f.volume->Refuse(Status::kIoError); });
  EXPECT_EQ(f.Write(0, 512, 1)->Wait(), Status::kIoError);
  OnLoop(f.loop, [&] { f.volume->Refuse(std::nullopt); });
  EXPECT_EQ(f.Write(0, 512, 1)->Wait(), Status::kOk);
  EXPECT_EQ(f.Write(kSize, 512, 1)->Wait(), Status::kOutOfRange);
}

TEST(Volume, RefuseAnswersWhatIsHeldBackAndHasNotBegun) {
  VolumeFixture f(kSize, 1);
  OnLoop(f.loop, [&] { f.volume->Quiesce([] {}); });
  auto read = f.Submit(Kind::kRead, 0, 512);
  f.Drain();
  EXPECT_FALSE(read->ended());
  OnLoop(f.loop, [&] {
    f.volume->Refuse(Status::kIoError);
    f.volume->Resume();
  });
  EXPECT_EQ(read->Wait(), Status::kIoError);
}

TEST(Volume, ExtentsOfALargeRangeAreJoinedFromParts) {
  constexpr uint64_t kLarge = (1ull << 29) + (4 << 20);  // two parts
  VolumeFixture f(kLarge, 1);
  f.replicas[0]->Do([&] {
    auto& bytes = f.replicas[0]->store.bytes;
    bytes[0] = bytes[(1ull << 29) - 512] = bytes[1ull << 29] = bytes[kLarge - 512] = 1;
  });
  auto extents = f.Submit(Kind::kExtents, 0, kLarge);
  ASSERT_EQ(extents->Wait(), Status::kOk);
  EXPECT_EQ(extents->extents, (Extents{{0, 512}, {(1ull << 29) - 512, 1024}, {kLarge - 512, 512}}));
}

TEST(Volume, AWatchedUnmapWaitsWithItsRangeAndNothingElseDoes) {
  VolumeFixture f(kSize, 2);
  EXPECT_EQ(f.Write(0, 8192, 1)->Wait(), Status::kOk);
  f.WatchUnmaps(true);
  auto unmap = f.Submit(Kind::kUnmap, 0, 4096);
  f.WaitFor(Event::Type::kUnmapsWaiting);
  auto behind = f.Write(0, 512, 2);
  auto second = f.Submit(Kind::kUnmap, 4096, 4096);
  EXPECT_EQ(f.Write(1 << 20, 512, 3)->Wait(), Status::kOk);
  EXPECT_EQ(f.Submit(Kind::kFlush, 0, 0)->Wait(), Status::kOk);
  EXPECT_EQ(f.Submit(Kind::kUnmap, 8192, 4096, Slice(), 0)->Wait(), Status::kOk) << "it names its slot";
  f.Drain();
  EXPECT_FALSE(unmap->ended() || behind->ended() || second->ended());
  EXPECT_EQ(Stored(f, 0, 0), 1);
  EXPECT_EQ(f.EventCount(), 0u) << "told once";
  f.WatchUnmaps(false);
  for (auto& operation : {unmap, behind, second}) EXPECT_EQ(operation->Wait(), Status::kOk);
  for (int replica : {0, 1}) {
    EXPECT_EQ(Stored(f, replica, 0), 2) << "the write came after the unmap";
    EXPECT_EQ(Stored(f, replica, 512), 0);
    EXPECT_EQ(Stored(f, replica, 4096), 0);
  }
  EXPECT_EQ(f.Submit(Kind::kUnmap, 0, 4096)->Wait(), Status::kOk) << "not watched any more";
}

TEST(Volume, AWatchedUnmapThatWaitsForItsRangeIsToldWhenItHasIt) {
  VolumeFixture f(kSize, 2);
  Hold(f, 0);
  auto write = f.Write(0, 512, 1);
  WaitHeld(f, 0, 1);
  f.WatchUnmaps(true);
  auto unmap = f.Submit(Kind::kUnmap, 0, 4096);
  f.Drain();
  EXPECT_EQ(f.EventCount(), 0u);
  Release(f, 0);
  f.WaitFor(Event::Type::kUnmapsWaiting);
  EXPECT_EQ(write->Wait(), Status::kOk);
  f.WatchUnmaps(false);
  EXPECT_EQ(unmap->Wait(), Status::kOk);
  EXPECT_EQ(f.Byte(0), 0);
}

TEST(Volume, QuiesceLetsWatchedUnmapsGoAndLaterOnesWaitAgain) {
  VolumeFixture f(kSize, 2);
  f.WatchUnmaps(true);
  auto unmap = f.Submit(Kind::kUnmap, 0, 4096);
  f.WaitFor(Event::Type::kUnmapsWaiting);
  std::promise<void> quiet;
  OnLoop(f.loop, [&] { f.volume->Quiesce([&] { quiet.set_value(); }); });
  quiet.get_future().get();
  EXPECT_EQ(unmap->Wait(), Status::kOk);
  auto later = f.Submit(Kind::kUnmap, 0, 4096);
  OnLoop(f.loop, [&] { f.volume->Resume(); });
  f.WaitFor(Event::Type::kUnmapsWaiting);
  EXPECT_FALSE(later->ended());
  f.WatchUnmaps(false);
  EXPECT_EQ(later->Wait(), Status::kOk);
}

TEST(Volume, AWatchedUnmapGoesToWhoeverIsThereWhenItGoesOn) {
  VolumeFixture f(kSize, 2);
  f.SetMode(1, SlotMode::kOff);
  EXPECT_EQ(f.Write(0, 4096, 1)->Wait(), Status::kOk);
  f.WatchUnmaps(true);
  auto unmap = f.Submit(Kind::kUnmap, 0, 4096);
  f.WaitFor(Event::Type::kUnmapsWaiting);
  EXPECT_EQ(f.Connect(1), Status::kOk);
  f.SetMode(1, SlotMode::kReadWrite);
  f.replicas[1]->Do([&] { f.replicas[1]->store.bytes[0] = 1; });
  f.SetMode(0, SlotMode::kOff);
  f.WatchUnmaps(false);
  EXPECT_EQ(unmap->Wait(), Status::kOk);
  EXPECT_EQ(Stored(f, 0, 0), 1);
  EXPECT_EQ(Stored(f, 1, 0), 0);
}

TEST(Volume, AWatchedUnmapThatLosesItsStreamIsHeldAsAnyOther) {
  VolumeFixture f(kSize, 1);
  f.WatchUnmaps(true);
  auto unmap = f.Submit(Kind::kUnmap, 0, 4096);
  f.WaitFor(Event::Type::kUnmapsWaiting);
  f.replicas[0]->Cut();
  f.WaitFor(Event::Type::kDisconnected);
  f.WatchUnmaps(false);
  f.Drain();
  EXPECT_FALSE(unmap->ended());
  EXPECT_EQ(f.Connect(0), Status::kOk);
  EXPECT_EQ(unmap->Wait(), Status::kOk);
}

TEST(Volume, CloseAbortsWatchedUnmapsAndWhatWaitsBehind) {
  VolumeFixture f(kSize, 2);
  f.WatchUnmaps(true);
  auto unmap = f.Submit(Kind::kUnmap, 0, 4096);
  f.WaitFor(Event::Type::kUnmapsWaiting);
  auto behind = f.Submit(Kind::kUnmap, 0, 4096);
  auto last = f.Write(0, 512, 1);
  f.Drain();
  OnLoop(f.loop, [&] {
    f.volume->Close();
    f.volume->WatchUnmaps(false);
  });
  for (auto& operation : {unmap, behind, last}) EXPECT_EQ(operation->Wait(), Status::kAborted);
}

TEST(Volume, CloseAbortsWhatIsLeftInWhateverStateItIs) {
  VolumeFixture f(kSize, 2);
  Hold(f, 0);
  Fail(f, 1, Status::kIoError);
  std::vector<std::shared_ptr<WaitedOperation>> operations;
  for (int i = 0; i < 1200; ++i) operations.push_back(f.Write(static_cast<uint64_t>(i % 7) * 512, 1024, 1));
  f.WaitFor(Event::Type::kFailed);
  OnLoop(f.loop, [&] {
    f.volume->Close();
    f.volume->Close();
  });
  for (auto& operation : operations) EXPECT_EQ(operation->Wait(), Status::kAborted);
  EXPECT_EQ(f.Write(0, 512, 1)->Wait(), Status::kAborted);
  Release(f, 0);
}

}  // namespace
}  // namespace aurochs
