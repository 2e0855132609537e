// Buffers, the event loop, the output queue and CRC32C.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/crc32c.h"
#include "base/event_loop.h"
#include "base/limits.h"
#include "base/output_queue.h"
#include "resident_bytes.h"

namespace aurochs {
namespace {

TEST(Crc32c, MatchesTheExamplesOfRfc7143AppendixA4) {
  std::vector<uint8_t> bytes(32, 0);
  EXPECT_EQ(Crc32c(bytes.data(), bytes.size()), 0x8a9136aau);
  std::fill(bytes.begin(), bytes.end(), 0xff);
  EXPECT_EQ(Crc32c(bytes.data(), bytes.size()), 0x62a8ab43u);
  for (int i = 0; i < 32; ++i) bytes[i] = i;
  EXPECT_EQ(Crc32c(bytes.data(), bytes.size()), 0x46dd794eu);
}

TEST(Crc32c, InstructionsAndTableAgreeOnEveryLengthAndSeed) {
  std::mt19937 random(1);
  std::vector<uint8_t> bytes(20000);
  for (auto& byte : bytes) byte = random();
  for (size_t length = 0; length < 4000; length += 1 + length / 50) {
    size_t from = random() % 100;
    uint32_t seed = random();
    EXPECT_EQ(Crc32c(&bytes[from], length, seed), Crc32cPortable(&bytes[from], length, seed)) << length;
  }
  uint32_t whole = Crc32c(bytes.data(), bytes.size());
  EXPECT_EQ(Crc32c(&bytes[7777], bytes.size() - 7777, Crc32c(bytes.data(), 7777)), whole);
}

TEST(Buffer, IsAlignedAndReturnsToThePoolWithItsLastOwner) {
  uint8_t* first;
  {
    BufferRef buffer = Buffer::Allocate(5000);
    first = buffer.data();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 4096, 0u);
    EXPECT_GE(buffer->capacity(), 5000u);
    BufferRef second = buffer;
    EXPECT_FALSE(buffer.unique());
  }
  EXPECT_EQ(Buffer::Allocate(5000).data(), first);
}

TEST(Buffer, WhatIsNotNeededForAWhileGoesBack) {
  int64_t now = 1'000'000'000;  // later than any other test has said
  while (Buffer::ReleaseUnused(now)) now += kBufferUnusedMs;
  const uint8_t* small;
  {
    BufferRef large = Buffer::Allocate(1u << 20);
    BufferRef other = Buffer::Allocate(1u << 20);
    BufferRef little = Buffer::Allocate(4096);
    small = little.data();
    memset(large.data(), 1, large->capacity());
  }
  EXPECT_TRUE(Buffer::ReleaseUnused(now + kBufferUnusedMs - 1)) << "kept for whoever comes next";
  EXPECT_TRUE(Buffer::ReleaseUnused(now += kBufferUnusedMs));
  { EXPECT_EQ(Buffer::Allocate(4096).data(), small) << "and used meanwhile"; }
  EXPECT_TRUE(Buffer::ReleaseUnused(now += kBufferUnusedMs)) << "so that it stays, and the large ones go";
  EXPECT_FALSE(Buffer::ReleaseUnused(now += kBufferUnusedMs));
}

// A sanitizer's malloc keeps what is freed.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(Buffer, WhatGoesBackIsTheSystemsAlsoWhereSmallThingsLieBetween) {
  int64_t now = 2'000'000'000;
  while (Buffer::ReleaseUnused(now)) now += kBufferUnusedMs;
  // Of each buffer the page that it shares with a small thing stays.
  const size_t bytes = 4 * sysconf(_SC_PAGESIZE);
  const size_t buffers = (64u << 20) / bytes;
  std::vector<std::unique_ptr<std::string>> between;
  size_t before = ResidentBytes();
  {
    std::vector<BufferRef> burst;
    for (size_t i = 0; i < buffers; ++i) {
      memset(burst.emplace_back(Buffer::Allocate(bytes)).data(), 1, bytes);
      between.push_back(std::make_unique<std::string>(100, 'x'));
    }
    EXPECT_GT(ResidentBytes(), before + buffers * bytes * 3 / 4);
  }
  while (Buffer::ReleaseUnused(now)) now += kBufferUnusedMs;
  EXPECT_LT(ResidentBytes(), before + buffers * bytes / 2);
}
#endif

TEST(OutputQueue, SendsHeadersAndPayloadsInOrderThroughAFullSocket) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  fcntl(pair[1], F_SETFL, O_NONBLOCK);
  OutputQueue queue;
  std::string expected;
  for (int i = 0; i < 3000; ++i) {
    std::string header = "header " + std::to_string(i) + ";";
    queue.AppendCopy(header.data(), header.size());
    Slice payload = Slice::Allocate(777);
    memset(payload.data(), 'a' + i % 26, 777);
    queue.Append(payload);
    expected += header + std::string(777, 'a' + i % 26);
  }
  std::string received;
  char chunk[65536];
  bool blocked = false;
  for (;;) {
    auto result = queue.Flush(pair[0]);
    ASSERT_NE(result, OutputQueue::Result::kError);
    blocked |= result == OutputQueue::Result::kBlocked;
    ssize_t got;
    while ((got = read(pair[1], chunk, sizeof chunk)) > 0) received.append(chunk, got);
    if (result == OutputQueue::Result::kDrained) break;
  }
  EXPECT_TRUE(blocked);
  EXPECT_TRUE(received == expected);
  close(pair[0]);
  close(pair[1]);
}

TEST(OutputQueue, KeepsNoBufferOfAShortPayload) {
  OutputQueue queue;
  Slice shorter = Slice::Allocate(kCopiedBytesMax), longer = Slice::Allocate(kCopiedBytesMax + 1);
  queue.Append(shorter);
  queue.Append(longer);
  EXPECT_TRUE(shorter.buffer.unique());
  EXPECT_FALSE(longer.buffer.unique());
  EXPECT_EQ(queue.bytes(), 2 * kCopiedBytesMax + 1);
}

TEST(PollRule, PollsAfterShortWaitsInARowAndNeverAfterALongOne) {
  PollRule rule(2);
  for (int i = 0; i < kShortWaitsBeforePolling; ++i) {
    EXPECT_FALSE(rule.polls());
    rule.Slept(kShortWaitNs - 1);
  }
  EXPECT_TRUE(rule.polls());
  rule.Slept(kShortWaitNs);
  EXPECT_FALSE(rule.polls());
}

TEST(PollRule, RestsAfterPollingInVain) {
  PollRule rule(2);
  for (int i = 0; i < kShortWaitsBeforePolling; ++i) rule.Slept(1);
  rule.Missed();
  for (int i = 0; i < kSleepsAfterVainPoll; ++i) {
    rule.Slept(1);
    EXPECT_FALSE(rule.polls());
  }
  for (int i = 0; i < kShortWaitsBeforePolling; ++i) rule.Slept(1);
  EXPECT_TRUE(rule.polls());
}

TEST(PollRule, ASingleCpuNeverPolls) {
  PollRule rule(1);
  for (int i = 0; i < 100; ++i) rule.Slept(1);
  EXPECT_FALSE(rule.polls());
}

TEST(EventLoop, RunsPostedWorkTimersAndEndOfCycleTasks) {
  struct Task : EventLoop::CycleTask {
    std::atomic<int> runs{0};
    void AtEndOfCycle() override { ++runs; }
  } task;
  EventLoop loop;
  loop.Start("test");
  std::promise<int> done;
  loop.Post([&] {
    loop.RunAtEndOfCycle(&task);
    loop.RunAtEndOfCycle(&task);
    auto cancelled = loop.StartTimer(1, [&] { ADD_FAILURE() << "a cancelled timer fired"; });
    loop.CancelTimer(cancelled);
    loop.StartTimer(5, [&] { done.set_value(task.runs); });
  });
  EXPECT_EQ(done.get_future().get(), 1);
  loop.Stop();
  loop.Stop();
}

TEST(EventLoop, ARemovedHandlerIsNotCalledForEventsAlreadyFetched) {
  EventLoop loop;
  int first[2], second[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, first), 0);
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, second), 0);
  struct Handler : EventLoop::Handler {
    EventLoop* loop;
    int self, other;
    std::atomic<int>* calls;
    void OnReady(uint32_t) override {
      ++*calls;
      loop->Remove(self);
      loop->Remove(other);
    }
  } a, b;
  std::atomic<int> calls{0};
  a.loop = b.loop = &loop;
  a.calls = b.calls = &calls;
  a.self = b.other = first[0];
  a.other = b.self = second[0];
  loop.Add(first[0], 1 /* EPOLLIN */, &a);
  loop.Add(second[0], 1, &b);
  (void)!write(first[1], "x", 1);
  (void)!write(second[1], "x", 1);
  loop.Start("test");
  std::promise<void> done;
  loop.Post([&] { loop.StartTimer(20, [&] { done.set_value(); }); });
  done.get_future().wait();
  EXPECT_EQ(calls, 1);
  loop.Stop();
  for (int fd : {first[0], first[1], second[0], second[1]}) close(fd);
}

}  // namespace
}  // namespace aurochs
