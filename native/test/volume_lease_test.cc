// Reads that count only while somebody says so.
#include <gtest/gtest.h>

#include "volume_fixture.h"

namespace aurochs {
namespace {

constexpr uint64_t kSize = 8 << 20;
constexpr int64_t kHourUs = 3'600'000'000;
using Kind = OperationKind;

TEST(VolumeLease, ReadsAreHeldOnceItHasRunOutAndAnsweredWhenItGoesOn) {
  VolumeFixture f(kSize, 2);
  EXPECT_EQ(f.Write(0, 4096, 1)->Wait(), Status::kOk);
  f.LeaseReads(Volume::Clock() + kHourUs);
  EXPECT_EQ(f.Byte(0), 1);
  f.LeaseReads(Volume::Clock());
  auto read = f.Submit(Kind::kRead, 0, 512);
  auto extents = f.Submit(Kind::kExtents, 0, 4096);
  f.Drain();
  EXPECT_FALSE(read->ended() || extents->ended());
  EXPECT_EQ(f.Write(4096, 4096, 2)->Wait(), Status::kOk) << "writes ask all replicas";
  EXPECT_EQ(f.Byte(0, 1), 1) << "who names a slot asks for what is there";
  f.LeaseReads(Volume::Clock() - 1);
  f.Drain();
  EXPECT_FALSE(read->ended() || extents->ended());
  f.LeaseReads(Volume::Clock() + kHourUs);
  EXPECT_EQ(read->Wait(), Status::kOk);
  EXPECT_EQ(read->payload.data()[0], 1);
  EXPECT_EQ(extents->Wait(), Status::kOk);
  f.LeaseReads(Volume::Clock());
  auto last = f.Submit(Kind::kRead, 4096, 512);
  f.Drain();
  EXPECT_FALSE(last->ended());
  f.LeaseReads(Volume::kForGood);
  EXPECT_EQ(last->Wait(), Status::kOk);
}

TEST(VolumeLease, WhatRunsOutWhileAReplicaReadsHoldsItsAnswer) {
  VolumeFixture f(kSize, 1);
  f.replicas[0]->Do([&] { f.replicas[0]->store.hold = true; });
  int64_t until_us = Volume::Clock() + 20'000;
  f.LeaseReads(until_us);
  auto read = f.Submit(Kind::kRead, 0, 512);
  while (f.replicas[0]->Do([&] { return f.replicas[0]->store.held.size(); }) < 1) std::this_thread::yield();
  while (Volume::Clock() < until_us) std::this_thread::yield();
  f.replicas[0]->Do([&] { f.replicas[0]->store.ReleaseHeld(); });
  f.Drain();
  EXPECT_FALSE(read->ended());
  f.LeaseReads(Volume::kForGood);
  EXPECT_EQ(read->Wait(), Status::kOk);
}

TEST(VolumeLease, ACompareAndWriteDoesNotTellWhatItReadBefore) {
  VolumeFixture f(kSize, 2);
  f.LeaseReads(Volume::Clock());
  auto compare = f.Submit(Kind::kCompareAndWrite, 0, 512, [] {
    Slice data = Slice::Allocate(1024);
    memset(data.data(), 9, 1024);
    return data;
  }());
  f.Drain();
  EXPECT_FALSE(compare->ended());
  f.LeaseReads(Volume::kForGood);
  EXPECT_EQ(compare->Wait(), Status::kMiscompare);
}

TEST(VolumeLease, WhatIsHeldIsReadElsewhereOnceItsSlotIsOff) {
  VolumeFixture f(kSize, 2);
  for (int i : {0, 1}) f.replicas[i]->Do([&] { f.replicas[i]->store.bytes[0] = 10 + i; });
  f.SetMode(1, SlotMode::kWriteOnly);
  f.LeaseReads(Volume::Clock());
  auto read = f.Submit(Kind::kRead, 0, 512);
  f.Drain();
  f.SetMode(1, SlotMode::kReadWrite);
  f.SetMode(0, SlotMode::kOff);
  f.Drain();
  EXPECT_FALSE(read->ended());
  f.LeaseReads(Volume::kForGood);
  EXPECT_EQ(read->Wait(), Status::kOk);
  EXPECT_EQ(read->payload.data()[0], 11);
}

TEST(VolumeLease, WhatIsHeldCanBeFailedAndIsAbortedByTheEnd) {
  VolumeFixture f(kSize, 1);
  f.LeaseReads(Volume::Clock());
  auto failed = f.Submit(Kind::kRead, 0, 512);
  f.Drain();
  EXPECT_EQ(f.FailHeld(0, Status::kIoError), 0u);
  EXPECT_EQ(f.FailHeld(Volume::kAnySlot, Status::kIoError), 1u);
  EXPECT_EQ(failed->Wait(), Status::kIoError);
  auto held = f.Submit(Kind::kRead, 0, 512);
  std::promise<void> quiet;
  OnLoop(f.loop, [&] { f.volume->Quiesce([&] { quiet.set_value(); }); });
  f.Drain();
  EXPECT_EQ(quiet.get_future().wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  OnLoop(f.loop, [&] { f.volume->Close(); });
  EXPECT_EQ(held->Wait(), Status::kAborted);
}

}  // namespace
}  // namespace aurochs
