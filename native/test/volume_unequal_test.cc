// Reads of what copies may differ in wait until they do not.
#include <gtest/gtest.h>

#include "volume_fixture.h"

namespace aurochs {
namespace {

constexpr uint64_t kSize = 8 << 20;
using Kind = OperationKind;

/// Slot 1 is WO, and may differ in [4096, 8192) and [16384, 20480): there it has 2, and slot 0 has 1.
struct UnequalVolume : VolumeFixture {
  UnequalVolume() : VolumeFixture(kSize, 2) {
    SetMode(1, SlotMode::kWriteOnly);
    for (int replica : {0, 1}) {
      replicas[replica]->Do([&] {
        auto& bytes = replicas[replica]->store.bytes;
        for (uint64_t at : {4096, 16384})
          std::fill_n(bytes.begin() + at, 4096, static_cast<uint8_t>(replica + 1));
      });
    }
    HoldReads(1, {{4096, 8192}, {16384, 20480}});
  }
};

TEST(VolumeUnequal, AReadWaitsUntilTheOthersHaveWhatItReads) {
  UnequalVolume f;
  auto read = f.Submit(Kind::kRead, 7680, 1024);
  f.WaitFor(Event::Type::kReadWaits);
  EXPECT_EQ(f.Byte(8192), 0) << "elsewhere nobody waits";
  EXPECT_EQ(f.Byte(4096, 1), 2) << "nor does who names a slot";
  EXPECT_EQ(f.Copy(0, 1, 16384, 4096)->Wait(), Status::kOk);
  f.Drain();
  EXPECT_FALSE(read->ended()) << "another range";
  EXPECT_EQ(f.Byte(16384), 1);
  EXPECT_EQ(f.Copy(0, 1, 4096, 4096)->Wait(), Status::kOk);
  EXPECT_EQ(read->Wait(), Status::kOk);
  EXPECT_EQ(read->payload.data()[0], 1);
  EXPECT_EQ(f.Byte(4096, 1), 1);
}

TEST(VolumeUnequal, WhatComparesWaitsAndWhatWritesDoesNot) {
  UnequalVolume f;
  Slice expected_and_new = Slice::Allocate(1024);
  memset(expected_and_new.data(), 9, 1024);
  auto compare = f.Submit(Kind::kCompareAndWrite, 4096, 512, expected_and_new);
  f.WaitFor(Event::Type::kReadWaits);
  EXPECT_EQ(f.Write(4096, 512, 3)->Wait(), Status::kOk);
  EXPECT_EQ(f.Submit(Kind::kUnmap, 4608, 512)->Wait(), Status::kOk);
  EXPECT_EQ(f.Submit(Kind::kFlush, 0, 0)->Wait(), Status::kOk);
  f.Drain();
  EXPECT_FALSE(compare->ended());
  EXPECT_EQ(f.Copy(0, 1, 4096, 4096)->Wait(), Status::kOk);
  EXPECT_EQ(compare->Wait(), Status::kMiscompare);
}

TEST(VolumeUnequal, ACopyThatFailsOrIsOfAPartMakesNothingEqual) {
  UnequalVolume f;
  auto read = f.Submit(Kind::kRead, 4096, 512);
  f.WaitFor(Event::Type::kReadWaits);
  EXPECT_EQ(f.Copy(0, 1, 4096, 2048)->Wait(), Status::kOk);
  f.replicas[1]->Cut();
  f.WaitFor(Event::Type::kDisconnected);
  EXPECT_EQ(f.Copy(0, 1, 4096, 4096)->Wait(), Status::kDisconnected);
  f.Drain();
  EXPECT_FALSE(read->ended());
  f.SetMode(1, SlotMode::kOff);
  EXPECT_EQ(read->Wait(), Status::kOk) << "there is no other copy any more";
}

TEST(VolumeUnequal, WhatTheSourceCannotReadIsNotWaitedFor) {
  UnequalVolume f;
  auto read = f.Submit(Kind::kRead, 4096, 512);
  f.WaitFor(Event::Type::kReadWaits);
  for (int replica : {1, 0}) {
    f.replicas[replica]->Do([&] {
      f.replicas[replica]->store.failure = [](const StoreRequest& request) {
        return request.offset == 4096 && request.length == 4096 ? Status::kIoError : Status::kOk;
      };
    });
    EXPECT_EQ(f.Copy(0, 1, 4096, 4096)->Wait(), Status::kIoError);
    f.Drain();
    EXPECT_EQ(read->ended(), replica == 0);
    f.replicas[replica]->Do([&] { f.replicas[replica]->store.failure = nullptr; });
  }
  EXPECT_EQ(read->Wait(), Status::kOk);
}

TEST(VolumeUnequal, OneThatHasAgreedIsNotWaitedFor) {
  UnequalVolume f;
  auto read = f.Submit(Kind::kRead, 4096, 512);
  f.WaitFor(Event::Type::kReadWaits);
  f.SetMode(1, SlotMode::kReadWrite);
  EXPECT_EQ(read->Wait(), Status::kOk);
  f.HoldReads(1, {{0, kSize}});
  EXPECT_EQ(f.Byte(4096), 1) << "nor any that is no WO slot";
}

TEST(VolumeUnequal, WhatWaitsIsInNobodysWay) {
  UnequalVolume f;
  auto read = f.Submit(Kind::kRead, 4096, 512);
  f.WaitFor(Event::Type::kReadWaits);
  std::promise<void> quiesced;
  OnLoop(f.loop, [&] { f.volume->Quiesce([&] { quiesced.set_value(); }); });
  quiesced.get_future().get();
  auto copy = f.Copy(0, 1, 4096, 4096);
  f.Drain();
  EXPECT_FALSE(read->ended() || copy->ended());
  OnLoop(f.loop, [&] { f.volume->Resume(); });
  EXPECT_EQ(copy->Wait(), Status::kOk);
  EXPECT_EQ(read->Wait(), Status::kOk);
}

TEST(VolumeUnequal, WhatWaitsIsRefusedAndAborted) {
  UnequalVolume f;
  auto refused = f.Submit(Kind::kRead, 4096, 512);
  f.WaitFor(Event::Type::kReadWaits);
  OnLoop(f.loop, [&] { f.volume->Refuse(Status::kIoError); });
  EXPECT_EQ(refused->Wait(), Status::kIoError);
  OnLoop(f.loop, [&] { f.volume->Refuse(std::nullopt); });
  auto aborted = f.Submit(Kind::kRead, 4096, 512);
  f.WaitFor(Event::Type::kReadWaits);
  OnLoop(f.loop, [&] { f.volume->Close(); });
  EXPECT_EQ(aborted->Wait(), Status::kAborted);
}

}  // namespace
}  // namespace aurochs
