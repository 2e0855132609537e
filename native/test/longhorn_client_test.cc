// Longhorn's data protocol at the engine's end: against a replica that is played byte by byte, and against
// our own server through a volume.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/limits.h"
#include "stream/dataconn_message.h"
#include "volume_fixture.h"

namespace aurochs {
namespace {

constexpr uint64_t kSize = 4 << 20;
constexpr int kWaitMs = 20'000;

struct Message {
  DataconnHead head;
  std::string data;
};

/// A replica whose part the test plays.
class PlayedReplica {
 public:
  PlayedReplica() {
    std::string error;
    listener_ = ListenTcp(ResolveAddress("127.0.0.1", 0, &error)[0]);
    if (listener_ < 0) abort();
    address = LocalAddress(listener_);
  }
  ~PlayedReplica() {
    if (fd_ >= 0) close(fd_);
    close(listener_);
  }
  void Accept() {
    pollfd waits{listener_, POLLIN, 0};
    ASSERT_EQ(poll(&waits, 1, kWaitMs), 1);
    fd_ = accept(listener_, nullptr, nullptr);
  }
  Message Receive() {
    Message message;
    DataconnHead::Bytes bytes{};
    if (!ReceiveAll(bytes.data(), bytes.size())) {
      ADD_FAILURE() << "nothing came";
      return message;
    }
    message.head = DataconnHead::Decode(bytes);
    message.data.resize(message.head.data_length);
    EXPECT_TRUE(ReceiveAll(reinterpret_cast<uint8_t*>(message.data.data()), message.data.size()));
    return message;
  }
  /// The next message that is no ping; pings are answered.
  Message ReceiveRequest() {
    for (;;) {
      Message message = Receive();
      if (message.head.type != static_cast<uint32_t>(DataconnType::kPing)) return message;
      Answer(message, DataconnType::kResponse, 0);
    }
  }
  void Answer(const Message& to, DataconnType type, uint32_t size, const std::string& data = "") {
    DataconnHead head = to.head;
    head.type = static_cast<uint32_t>(type);
    head.size = size;
    head.data_length = static_cast<uint32_t>(data.size());
    Say(head, data);
  }
  void Say(const DataconnHead& head, const std::string& data) {
    auto bytes = head.Encode();
    std::string all = std::string(reinterpret_cast<char*>(bytes.data()), bytes.size()) + data;
    // In two pieces: a head need not come as a whole.
    for (const std::string& part : {all.substr(0, 11), all.substr(11)}) {
      send(fd_, part.data(), part.size(), MSG_NOSIGNAL);
    }
  }
  SocketAddress address;

 private:
  bool ReceiveAll(uint8_t* bytes, size_t length) {
    for (size_t done = 0; done < length;) {
      pollfd waits{fd_, POLLIN, 0};
      if (poll(&waits, 1, kWaitMs) != 1) return false;
      ssize_t got = recv(fd_, bytes + done, length - done, 0);
      if (got <= 0) return false;
      done += static_cast<size_t>(got);
    }
    return true;
  }
  int listener_;
  int fd_ = -1;
};

std::future<Status> StartConnecting(VolumeFixture& fixture, const SocketAddress& address,
                                    bool unmap_zeroes = false) {
  auto result = std::make_shared<std::promise<Status>>();
  fixture.loop.Post([&fixture, address, unmap_zeroes, result] {
    fixture.volume->ConnectLonghorn(
        0, {address}, unmap_zeroes,
        [result](Status status, const std::string&, const HelloReply&) { result->set_value(status); });
  });
  return result->get_future();
}

/// A volume whose only slot is connected to a played replica.
struct Played {
  explicit Played(bool unmap_zeroes = false, int64_t timeout_ms = 30'000) : fixture(kSize, 0, timeout_ms) {
    auto connected = StartConnecting(fixture, replica.address, unmap_zeroes);
    replica.Accept();
    Message ping = replica.Receive();
    EXPECT_EQ(ping.head.magic, kDataconnMagic);
    EXPECT_EQ(ping.head.type, static_cast<uint32_t>(DataconnType::kPing));
    replica.Answer(ping, DataconnType::kResponse, 0);
    EXPECT_EQ(connected.get(), Status::kOk);
    fixture.SetMode(0, SlotMode::kReadWrite);
  }
  PlayedReplica replica;
  VolumeFixture fixture;
};

void ExpectAsked(const Message& message, DataconnType type, int64_t offset, uint32_t size,
                 size_t data_length) {
  EXPECT_EQ(message.head.magic, kDataconnMagic);
  EXPECT_EQ(message.head.type, static_cast<uint32_t>(type));
  EXPECT_EQ(message.head.offset, offset);
  EXPECT_EQ(message.head.size, size);
  EXPECT_EQ(message.data.size(), data_length);
}

TEST(LonghornClient, ReadsAndWritesAreAnsweredInAnyOrder) {
  Played played;
  auto write = played.fixture.Write(4096, 1024, 'w');
  auto read = played.fixture.Submit(OperationKind::kRead, 65536, 512);
  Message first = played.replica.ReceiveRequest(), second = played.replica.ReceiveRequest();
  ExpectAsked(first, DataconnType::kWrite, 4096, 1024, 1024);
  EXPECT_EQ(first.data, std::string(1024, 'w'));
  ExpectAsked(second, DataconnType::kRead, 65536, 512, 0);
  EXPECT_NE(first.head.sequence, second.head.sequence);
  played.replica.Answer(second, DataconnType::kResponse, 512, std::string(512, 'r'));
  EXPECT_EQ(read->Wait(), Status::kOk);
  EXPECT_EQ(read->payload.data()[511], 'r');
  EXPECT_FALSE(write->ended());
  played.replica.Answer(first, DataconnType::kResponse, 1024);
  EXPECT_EQ(write->Wait(), Status::kOk);
}

TEST(LonghornClient, AFlushWaitsForChangesSentBefore) {
  Played played;
  auto write = played.fixture.Write(0, 512, 1);
  Message asked = played.replica.ReceiveRequest();
  auto flush = played.fixture.Submit(OperationKind::kFlush, 0, 0);
  played.fixture.Drain();
  EXPECT_FALSE(flush->ended());
  played.replica.Answer(asked, DataconnType::kResponse, 512);
  EXPECT_EQ(flush->Wait(), Status::kOk);
  auto read = played.fixture.Submit(OperationKind::kRead, 0, 512);
  EXPECT_EQ(played.fixture.Submit(OperationKind::kFlush, 0, 0)->Wait(), Status::kOk) << "reads do not matter";
  EXPECT_FALSE(read->ended());
  played.replica.Answer(played.replica.ReceiveRequest(), DataconnType::kResponse, 512, std::string(512, 'r'));
  EXPECT_EQ(read->Wait(), Status::kOk);
}

TEST(LonghornClient, ErrorsAreTakenFromTheText) {
  const std::pair<const char*, Status> cases[] = {
      {"failed to write: no space left on device", Status::kNoSpace},
      {"replica no longer exist", Status::kNotOpen},
      {"input/output error", Status::kIoError},
  };
  for (auto [text, status] : cases) {
    Played played;
    auto write = played.fixture.Submit(OperationKind::kWrite, 0, 512, Slice::Allocate(512), 0);
    played.replica.Answer(played.replica.ReceiveRequest(), DataconnType::kError,
                          static_cast<uint32_t>(strlen(text)), text);
    EXPECT_EQ(write->Wait(), status) << text;
  }
}

TEST(LonghornClient, AShortWriteAndAnEarlyEndOfDataAreErrors) {
  Played played;
  auto write = played.fixture.Submit(OperationKind::kWrite, 0, 1024, Slice::Allocate(1024), 0);
  played.replica.Answer(played.replica.ReceiveRequest(), DataconnType::kResponse, 512);
  EXPECT_EQ(write->Wait(), Status::kIoError);
  auto early = played.fixture.Submit(OperationKind::kRead, 0, 1024, Slice(), 0);
  played.replica.Answer(played.replica.ReceiveRequest(), DataconnType::kEof, 512, std::string(512, 'x'));
  EXPECT_EQ(early->Wait(), Status::kIoError);
  auto whole = played.fixture.Submit(OperationKind::kRead, 0, 1024, Slice(), 0);
  played.replica.Answer(played.replica.ReceiveRequest(), DataconnType::kEof, 1024, std::string(1024, 'x'));
  EXPECT_EQ(whole->Wait(), Status::kOk);
}

TEST(LonghornClient, WhatIsNoAnswerEndsTheConnection) {
  using Change = std::function<void(DataconnHead&, std::string&)>;
  const Change changes[] = {
      [](DataconnHead& head, std::string&) { head.magic = 0x1b02; },
      [](DataconnHead& head, std::string&) { ++head.sequence; },
      [](DataconnHead& head, std::string&) { head.type = 1; },
      [](DataconnHead& head, std::string&) { head.type = 4711; },
      [](DataconnHead& head, std::string& data) {
        data.resize(511);
        head.data_length = 511;
      },
      [](DataconnHead& head, std::string&) { head.data_length = 0xffffffff; },
      [](DataconnHead& head, std::string& data) {
        head.type = static_cast<uint32_t>(DataconnType::kError);
        head.data_length = kDataconnTextBytesMax + 1;
        data.clear();
      },
      [](DataconnHead& head, std::string& data) {
        head = DataconnHead();
        head.magic = 0;
        head.type = static_cast<uint32_t>(DataconnType::kClose);
        data.clear();
      },
  };
  for (const Change& change : changes) {
    Played played;
    auto read = played.fixture.Submit(OperationKind::kRead, 0, 512);
    Message asked = played.replica.ReceiveRequest();
    DataconnHead head = asked.head;
    head.type = static_cast<uint32_t>(DataconnType::kResponse);
    head.data_length = head.size;
    std::string data(512, 'x');
    change(head, data);
    played.replica.Say(head, data);
    EXPECT_EQ(played.fixture.WaitFor(Event::Type::kDisconnected).slot, 0);
    EXPECT_FALSE(read->ended());
    OnLoop(played.fixture.loop, [&] { played.fixture.volume->Refuse(Status::kIoError); });
    EXPECT_EQ(played.fixture.FailHeld(0, Status::kIoError), 1u);
    EXPECT_EQ(read->Wait(), Status::kIoError);
  }
}

TEST(LonghornClient, APingThatFailsEndsTheConnection) {
  {
    VolumeFixture fixture(kSize, 0);
    PlayedReplica replica;
    auto connected = StartConnecting(fixture, replica.address);
    replica.Accept();
    replica.Answer(replica.Receive(), DataconnType::kError, 5, "state");
    EXPECT_EQ(connected.get(), Status::kNotOpen);
  }
  Played played;
  Message ping = played.replica.Receive();
  EXPECT_EQ(ping.head.type, static_cast<uint32_t>(DataconnType::kPing));
  played.replica.Answer(ping, DataconnType::kError, 5, "state");
  EXPECT_EQ(played.fixture.WaitFor(Event::Type::kDisconnected).slot, 0);
}

TEST(LonghornClient, APortThatDoesNotAnswerIsNotConnected) {
  VolumeFixture fixture(kSize, 0, 200);
  PlayedReplica replica;
  EXPECT_EQ(StartConnecting(fixture, replica.address).get(), Status::kDisconnected);
}

TEST(LonghornClient, SilenceIsReported) {
  Played played(false, 100);
  auto read = played.fixture.Submit(OperationKind::kRead, 0, 512);
  EXPECT_EQ(played.fixture.WaitFor(Event::Type::kTimeout).kind, OperationKind::kRead);
  EXPECT_FALSE(read->ended());
  played.replica.Answer(played.replica.ReceiveRequest(), DataconnType::kResponse, 512, std::string(512, 'r'));
  EXPECT_EQ(read->Wait(), Status::kOk);
}

TEST(LonghornClient, WithNothingBelowTheHeadWholeBlocksAreUnmapped) {
  Played played(true);
  auto unmap = played.fixture.Submit(OperationKind::kUnmap, 512, 16384);
  Message look = played.replica.ReceiveRequest();
  ExpectAsked(look, DataconnType::kRead, 512, 3584, 0);
  played.replica.Answer(look, DataconnType::kResponse, 3584, std::string(3584, 'x'));
  Message zero = played.replica.ReceiveRequest();
  ExpectAsked(zero, DataconnType::kWrite, 512, 3584, 3584);
  EXPECT_EQ(zero.data, std::string(3584, '\0'));
  played.replica.Answer(zero, DataconnType::kResponse, 3584);
  Message punch = played.replica.ReceiveRequest();
  ExpectAsked(punch, DataconnType::kUnmap, 4096, 12288, 0);
  played.replica.Answer(punch, DataconnType::kResponse, 8192);
  Message end = played.replica.ReceiveRequest();
  ExpectAsked(end, DataconnType::kRead, 16384, 512, 0);
  EXPECT_FALSE(unmap->ended());
  played.replica.Answer(end, DataconnType::kResponse, 512, std::string(512, '\0'));
  EXPECT_EQ(unmap->Wait(), Status::kOk);
}

TEST(LonghornClient, WithSnapshotsBlocksThatAreNotZeroAreOverwritten) {
  Played played(true);
  OnLoop(played.fixture.loop, [&] { played.fixture.volume->SetUnmapZeroes(0, false); });
  auto unmap = played.fixture.Submit(OperationKind::kUnmap, 0, kPayloadBytesMax + 4096);
  Message look = played.replica.ReceiveRequest();
  ExpectAsked(look, DataconnType::kRead, 0, kPayloadBytesMax, 0);
  std::string there(kPayloadBytesMax, '\0');
  there[8192 + 5] = 'x';
  there[16384] = 'x';
  played.replica.Answer(look, DataconnType::kResponse, kPayloadBytesMax, there);
  Message zero = played.replica.ReceiveRequest();
  ExpectAsked(zero, DataconnType::kWrite, 8192, 12288, 12288);
  EXPECT_EQ(zero.data, std::string(12288, '\0'));
  played.replica.Answer(zero, DataconnType::kResponse, 12288);
  Message rest = played.replica.ReceiveRequest();
  ExpectAsked(rest, DataconnType::kRead, kPayloadBytesMax, 4096, 0);
  played.replica.Answer(rest, DataconnType::kResponse, 4096, std::string(4096, '\0'));
  EXPECT_EQ(unmap->Wait(), Status::kOk);
}

TEST(LonghornClient, AllCountsAsAllocated) {
  Played played;
  auto extents = played.fixture.Submit(OperationKind::kExtents, 4096, 1 << 20);
  EXPECT_EQ(extents->Wait(), Status::kOk);
  std::vector<std::pair<uint64_t, uint64_t>> all = {{4096, 1 << 20}};
  EXPECT_EQ(extents->extents, all);
}

TEST(LonghornClient, AVolumeGoesOnBothProtocolsAtOnce) {
  VolumeFixture fixture(kSize, 2);
  EXPECT_EQ(StartConnecting(fixture, fixture.replicas[0]->address).get(), Status::kOk);
  std::vector<std::shared_ptr<WaitedOperation>> writes;
  for (uint32_t i = 0; i < 2000; ++i)
    writes.push_back(fixture.Write(i % 512 * 4096, 4096, static_cast<uint8_t>(i)));
  for (auto& write : writes) EXPECT_EQ(write->Wait(), Status::kOk);
  EXPECT_EQ(fixture.Submit(OperationKind::kWriteZeroes, 4096 + 512, 1 << 20)->Wait(), Status::kOk);
  EXPECT_EQ(fixture.Submit(OperationKind::kUnmap, 3 << 20, 8192)->Wait(), Status::kOk);
  EXPECT_EQ(fixture.Submit(OperationKind::kFlush, 0, 0)->Wait(), Status::kOk);
  auto settled = fixture.Settle();
  EXPECT_EQ(settled->Wait(), Status::kOk);
  auto bytes = [&](int i) {
    return fixture.replicas[i]->Do([&] { return fixture.replicas[i]->store.bytes; });
  };
  EXPECT_EQ(bytes(0), bytes(1));
  EXPECT_EQ(fixture.Copy(0, 1, 0, kSize)->Wait(), Status::kOk);
  auto stats = fixture.stats().slots[0];
  EXPECT_GT(stats.bytes_sent, 2000u * 4096);
  EXPECT_GT(stats.bytes_received, 2000u * 26);
}

TEST(LonghornClient, WhatWasNotAnsweredIsSentAgainOnTheNextConnection) {
  Played played;
  auto write = played.fixture.Write(0, 512, 'w');
  played.replica.ReceiveRequest();
  auto connected = StartConnecting(played.fixture, played.replica.address);
  played.replica.Accept();
  played.replica.Answer(played.replica.Receive(), DataconnType::kResponse, 0);
  EXPECT_EQ(connected.get(), Status::kOk);
  Message again = played.replica.ReceiveRequest();
  ExpectAsked(again, DataconnType::kWrite, 0, 512, 512);
  played.replica.Answer(again, DataconnType::kResponse, 512);
  EXPECT_EQ(write->Wait(), Status::kOk);
}

}  // namespace
}  // namespace aurochs
