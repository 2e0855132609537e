// A file between two replicas: both ends of frames, and what neither end may take from the other.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <future>
#include <random>
#include <thread>

#include "base/crc32c.h"
#include "store_harness.h"
#include "stream/socket.h"
#include "sync/file_sender.h"
#include "sync/limits.h"
#include "sync/receiver_port.h"

namespace aurochs {
namespace {

constexpr uint64_t kBlock = 4096;
constexpr int kTimeoutMs = 20'000;

std::vector<FileRange> LayoutOf(const std::string& path, uint64_t size) {
  int fd = open(path.c_str(), O_RDONLY);
  std::vector<FileRange> joined;
  for (uint64_t position = 0; position < size;) {
    std::vector<FileRange> found;
    EXPECT_EQ(ListFileExtents(fd, position, size, position == 0, &found), 0);
    if (found.empty()) break;
    for (const FileRange& extent : found) {
      position = extent.offset + extent.length;
      if (!joined.empty() && joined.back().offset + joined.back().length == extent.offset) {
        joined.back().length += extent.length;
      } else {
        joined.push_back(extent);
      }
    }
  }
  close(fd);
  return joined;
}

bool SameLayout(const std::vector<FileRange>& a, const std::vector<FileRange>& b) {
  auto same = [](const FileRange& one, const FileRange& other) {
    return one.offset == other.offset && one.length == other.length;
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same);
}

struct Outcome {
  std::string error;
  int system_errno;
  uint64_t bytes;
};

/// A port, and what it tells.
class Port final : public ReceiverPort::Listener {
 public:
  Port() {
    std::string error;
    int fd = ListenTcp(ResolveAddress("127.0.0.1", 0, &error)[0]);
    number = LocalAddress(fd).port();
    port = std::make_unique<ReceiverPort>(fd, this);
    port->Start();
  }
  ~Port() { port.reset(); }

  std::future<Outcome> Receive(int fd, uint64_t size) {
    ended_ = std::promise<Outcome>();
    port->Receive(std::make_unique<FileReceiver>(fd, size, "volume-snap-a.img",
                                                 [this](uint64_t bytes) { progress += bytes; }));
    return ended_.get_future();
  }
  std::future<Outcome> Receive(const std::string& path, uint64_t size) {
    return Receive(open(path.c_str(), O_RDWR | O_CLOEXEC), size);
  }

  uint16_t number;
  std::unique_ptr<ReceiverPort> port;
  std::promise<int> foreign;
  std::atomic<uint64_t> progress{0};

 private:
  void OnForeign(int fd) override { foreign.set_value(fd); }
  void OnEnded(std::unique_ptr<FileReceiver> file) override {
    ended_.set_value({file->error(), file->system_errno(), file->received_bytes()});
  }
  void OnStopped() override {}

  std::promise<Outcome> ended_;
};

std::unique_ptr<FileSender> SenderOf(const std::string& path, uint64_t size, const Port& port) {
  FileSender::Options options{"127.0.0.1", port.number, kTimeoutMs, kTimeoutMs};
  return std::make_unique<FileSender>(open(path.c_str(), O_RDONLY | O_CLOEXEC), size, options,
                                      [](uint64_t) {});
}

/// Sends `path` to a new file beside it, and expects it to be the same.
void ExpectArrives(const TestDirectory& directory, const std::string& path, uint64_t size) {
  Port port;
  std::string copy = directory.At("copy");
  unlink(copy.c_str());
  MakeSparseFile(copy, size);
  std::future<Outcome> received = port.Receive(copy, size);
  auto sender = SenderOf(path, size, port);
  sender->Allow(size);
  sender->Run();
  EXPECT_EQ(sender->error(), "");
  Outcome outcome = received.get();
  EXPECT_EQ(outcome.error, "");
  std::vector<FileRange> layout = LayoutOf(path, size);
  EXPECT_TRUE(SameLayout(LayoutOf(copy, size), layout));
  uint64_t bytes = 0;
  for (const FileRange& extent : layout) {
    bytes += extent.length;
    ASSERT_TRUE(ReadFileAt(copy, extent.offset, extent.length) ==
                ReadFileAt(path, extent.offset, extent.length));
  }
  EXPECT_EQ(outcome.bytes, bytes);
  EXPECT_EQ(port.progress, bytes);
}

TEST(SyncFile, ArrivesWithItsHolesAndData) {
  TestDirectory directory;
  std::mt19937 random(7);
  std::string path = directory.At("file");
  for (int round = 0; round < 12; ++round) {
    unlink(path.c_str());
    uint64_t size = kBlock * (1 + random() % 3000);
    MakeSparseFile(path, size);
    for (uint64_t at = 0; at < size;) {
      uint64_t length = std::min(size - at, kBlock * (1 + random() % (round % 3 == 0 ? 2 : 400)));
      if (random() % 2 == 0) WriteFileAt(path, at, Pattern(length, static_cast<uint32_t>(at)));
      at += length;
    }
    ExpectArrives(directory, path, size);
  }
}

TEST(SyncFile, ArrivesWhenItIsEmptyAndWhenItsHolesAreLong) {
  TestDirectory directory;
  std::string path = directory.At("file");
  MakeSparseFile(path, 0);
  ExpectArrives(directory, path, 0);
  uint64_t size = uint64_t{9} << 30;
  MakeSparseFile(path, size);
  ExpectArrives(directory, path, size);
  WriteFileAt(path, (uint64_t{5} << 30) + kBlock, Pattern(kBlock, 1));
  WriteFileAt(path, size - kBlock, Pattern(kBlock, 2));
  ExpectArrives(directory, path, size);
}

TEST(SyncFile, AllocatedZerosArriveAllocated) {
  TestDirectory directory;
  std::string path = directory.At("file");
  MakeSparseFile(path, 1 << 20);
  int fd = open(path.c_str(), O_RDWR);
  ASSERT_EQ(fallocate(fd, 0, 64 << 10, 64 << 10), 0);
  close(fd);
  ExpectArrives(directory, path, 1 << 20);
}

TEST(SyncFile, NothingIsSentBeyondWhatIsAllowed) {
  TestDirectory directory;
  std::string path = directory.At("file");
  uint64_t size = 8 << 20;
  MakeSparseFile(path, size);
  WriteFileAt(path, 0, Pattern(size, 3));
  std::string copy = directory.At("copy");
  MakeSparseFile(copy, size);
  Port port;
  std::future<Outcome> received = port.Receive(copy, size);
  auto sender = SenderOf(path, size, port);
  sender->Allow(3 << 20);
  std::thread thread([&] { sender->Run(); });
  while (port.progress < 2 << 20) std::this_thread::yield();
  EXPECT_LE(port.progress, uint64_t{3 << 20});
  sender->Cancel();
  thread.join();
  EXPECT_EQ(sender->system_errno(), ECANCELED);
  sender.reset();
  Outcome outcome = received.get();
  EXPECT_NE(outcome.error, "");
  EXPECT_LE(outcome.bytes, uint64_t{3 << 20});
}

TEST(SyncFile, ASenderIsToldWhyItsFileCannotBeWritten) {
  TestDirectory directory;
  std::string path = directory.At("file");
  uint64_t size = 32 << 20;
  MakeSparseFile(path, size);
  WriteFileAt(path, 0, Pattern(size, 3));
  Port port;
  std::future<Outcome> received = port.Receive(open("/dev/full", O_RDWR), size);
  auto sender = SenderOf(path, size, port);
  sender->Allow(size);
  sender->Run();
  EXPECT_EQ(sender->error(), "write volume-snap-a.img: no space left on device");
  EXPECT_EQ(received.get().system_errno, ENOSPC);
}

TEST(SyncFile, EitherEndThatStopsEndsTheOther) {
  TestDirectory directory;
  std::string path = directory.At("file");
  uint64_t size = 4 << 20;
  MakeSparseFile(path, size);
  WriteFileAt(path, 0, Pattern(size, 3));
  std::string copy = directory.At("copy");
  MakeSparseFile(copy, size);
  {
    Port port;
    std::future<Outcome> received = port.Receive(copy, size);
    auto sender = SenderOf(path, size, port);
    std::thread thread([&] { sender->Run(); });
    sender->Allow(size / 2);
    while (port.progress == 0) std::this_thread::yield();
    port.port->CancelReceive();
    EXPECT_NE(received.get().error, "");
    sender->Allow(size);
    thread.join();
    EXPECT_NE(sender->error(), "");
  }
  {
    Port port;
    std::future<Outcome> received = port.Receive(copy, size);
    port.port->CancelReceive();
    EXPECT_EQ(received.get().system_errno, ECANCELED) << "no sender came";
    received = port.Receive(copy, size);
    port.port->Stop();
    EXPECT_EQ(received.get().system_errno, ECANCELED);
  }
}

TEST(SyncPort, GivesAwayWhatIsNotOursWithAllItSaid) {
  Port port;
  std::string error;
  int fd = ConnectTo(ResolveAddress("127.0.0.1", port.number, &error)[0]);
  fcntl(fd, F_SETFL, 0);
  ASSERT_EQ(send(fd, "GET /", 5, MSG_NOSIGNAL), 5);
  int given = port.foreign.get_future().get();
  char text[5];
  EXPECT_EQ(recv(given, text, sizeof text, 0), 5);
  EXPECT_EQ(memcmp(text, "GET /", 5), 0);
  close(given);
  close(fd);
}

/// What a sender that is wrong says, and what it is told.
class SyncRefusal : public testing::Test {
 protected:
  static constexpr uint64_t kSize = 1 << 20;

  SyncRefusal() {
    path_ = directory_.At("file");
    MakeSparseFile(path_, kSize);
    received_ = port_.Receive(path_, kSize);
    std::string error;
    wire_.Connect(ResolveAddress("127.0.0.1", port_.number, &error), kTimeoutMs);
    wire_.SetTimeout(kTimeoutMs);
  }

  /// A frame with one extent, its sums right.
  static FrameHead::Bytes Frame(uint64_t begin, FileRange extent, std::vector<uint8_t>* body) {
    FrameHead head;
    head.begin = begin;
    head.end = extent.offset + extent.length;
    head.extents = 1;
    head.data_bytes = static_cast<uint32_t>(extent.length);
    body->assign(kFrameExtentBytes + extent.length, 7);
    EncodeExtents(begin, std::span(&extent, 1), body->data());
    head.body_crc = Crc32c(body->data(), body->size());
    return head.Encode();
  }

  void Say(FrameHead::Bytes head, std::vector<uint8_t> body = {}) {
    iovec parts[2] = {{head.data(), head.size()}, {body.data(), body.size()}};
    EXPECT_TRUE(wire_.Send(std::span(parts, body.empty() ? 1 : 2)));
  }

  void ExpectRefused(const std::string& why) {
    FrameHead::Bytes bytes;
    FrameHead head;
    ASSERT_TRUE(wire_.Receive(bytes.data(), bytes.size())) << wire_.error();
    ASSERT_EQ(FrameHead::Decode(bytes, &head), nullptr);
    EXPECT_EQ(head.kind, FrameKind::kFailed);
    std::string text(head.data_bytes, '\0');
    ASSERT_TRUE(wire_.Receive(text.data(), text.size()));
    EXPECT_EQ(text, why);
    wire_.Cancel();
    EXPECT_EQ(received_.get().error, why);
  }

  TestDirectory directory_;
  std::string path_;
  Port port_;
  std::future<Outcome> received_;
  Wire wire_;
};

TEST_F(SyncRefusal, OfDamagedDataNothingIsWritten) {
  std::vector<uint8_t> body;
  FrameHead::Bytes head = Frame(0, {0, kBlock}, &body);
  body.back() ^= 1;
  Say(head, body);
  ExpectRefused("CRC32C of a frame is wrong");
  EXPECT_EQ(AllocatedBytesOf(path_), 0u);
}

TEST_F(SyncRefusal, OfADamagedHeadNothingIsBelieved) {
  std::vector<uint8_t> body;
  FrameHead::Bytes head = Frame(0, {0, kBlock}, &body);
  head[16] ^= 1;
  Say(head, body);
  ExpectRefused("CRC32C of a frame's head is wrong");
}

TEST_F(SyncRefusal, AFrameBehindAGap) {
  std::vector<uint8_t> body;
  FrameHead::Bytes head = Frame(kBlock, {kBlock, kBlock}, &body);
  Say(head, body);
  ExpectRefused("a frame is not of the range that follows");
}

TEST_F(SyncRefusal, AFrameBehindTheEndOfTheFile) {
  std::vector<uint8_t> body;
  FrameHead::Bytes head = Frame(0, {kSize, kBlock}, &body);
  Say(head, body);
  ExpectRefused("a frame is not of the range that follows");
}

TEST_F(SyncRefusal, AnExtentBehindTheEndOfItsFrame) {
  std::vector<uint8_t> body;
  Frame(0, {0, kBlock}, &body);
  FrameHead head;
  head.end = kBlock / 2;
  head.extents = 1;
  head.data_bytes = kBlock;
  head.body_crc = Crc32c(body.data(), body.size());
  Say(head.Encode(), body);
  ExpectRefused("an extent leaves its frame's range");
}

TEST_F(SyncRefusal, MoreThanAFrameMayHave) {
  FrameHead head;
  head.end = kSize;
  head.data_bytes = kFrameDataBytesMax + 1;
  Say(head.Encode());
  ExpectRefused("a frame is longer than any may be");
}

TEST_F(SyncRefusal, AnEndBeforeTheEnd) {
  std::vector<uint8_t> body;
  FrameHead::Bytes first = Frame(0, {0, kBlock}, &body);
  Say(first, body);
  FrameHead end;
  end.kind = FrameKind::kEnd;
  end.begin = end.end = kBlock;
  Say(end.Encode());
  ExpectRefused("volume-snap-a.img is incomplete: byte 4096 was never received");
}

}  // namespace
}  // namespace aurochs
