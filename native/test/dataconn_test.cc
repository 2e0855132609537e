// Longhorn's data protocol at the replica's end, byte by byte over a real socket.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <future>
#include <map>
#include <string>
#include <vector>

#include "base/limits.h"
#include "dataconn_fixture.h"
#include "stream_fixture.h"

namespace aurochs {
namespace {

constexpr uint64_t kSize = 1 << 20;
TEST(Dataconn, AHeadIs26BytesLittleEndian) {
  DataconnHead head;
  head.sequence = 0x01020304;
  head.type = 7;
  head.offset = 0x1122334455667788;
  head.size = 0xa0b0c0d0;
  head.data_length = 5;
  const DataconnHead::Bytes expected = {0x01, 0x1b, 0x04, 0x03, 0x02, 0x01, 7,    0,    0,
                                        0,    0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
                                        0xd0, 0xc0, 0xb0, 0xa0, 5,    0,    0,    0};
  EXPECT_EQ(head.Encode(), expected);
  DataconnHead decoded = DataconnHead::Decode(expected);
  EXPECT_EQ(decoded.Encode(), expected);
  EXPECT_EQ(decoded.offset, head.offset);
}

TEST(Dataconn, WritesReadsAndPingsAreAnsweredWithTheirSequenceNumberAndOffset) {
  Replica replica(kSize);
  DataconnClient client(replica.address);
  const std::string data(8192, 'x');
  DataconnReply written = client.Ask(DataconnType::kWrite, 7, 4096, 8192, data);
  EXPECT_EQ(written.head.magic, kDataconnMagic);
  EXPECT_EQ(written.head.type, static_cast<uint32_t>(DataconnType::kResponse));
  EXPECT_EQ(written.head.sequence, 7u);
  EXPECT_EQ(written.head.offset, 4096);
  EXPECT_EQ(written.head.size, 8192u);
  EXPECT_EQ(written.head.data_length, 0u);
  DataconnReply read = client.Ask(DataconnType::kRead, 8, 4096 + 512, 1024);
  EXPECT_EQ(read.head.type, static_cast<uint32_t>(DataconnType::kResponse));
  EXPECT_EQ(read.head.size, 1024u);
  EXPECT_EQ(read.data, std::string(1024, 'x'));
  DataconnReply pong = client.Ask(DataconnType::kPing, 9, 0, 0);
  EXPECT_EQ(pong.head.type, static_cast<uint32_t>(DataconnType::kResponse));
  EXPECT_EQ(pong.head.sequence, 9u);
  EXPECT_EQ(pong.head.size, 0u);
}

TEST(Dataconn, AMessageMayComeInPiecesOfAnySize) {
  Replica replica(kSize);
  DataconnClient client(replica.address);
  std::string bytes = DataconnClient::Encoded(DataconnType::kWrite, 1, 0, 1024, std::string(1024, 'a')) +
                      DataconnClient::Encoded(DataconnType::kRead, 2, 0, 512);
  for (size_t at = 0; at < bytes.size(); at += 13) client.SendBytes(bytes.substr(at, 13));
  EXPECT_EQ(client.Receive().head.sequence, 1u);
  EXPECT_EQ(client.Receive().data, std::string(512, 'a'));
}

TEST(Dataconn, AnswersComeAsTheyAreReady) {
  Replica replica(kSize);
  DataconnClient client(replica.address);
  client.Ask(DataconnType::kPing, 0, 0, 0);
  replica.Do([&] { replica.store.hold = true; });
  client.Send(DataconnType::kWrite, 1, 0, 512, std::string(512, 'w'));
  EXPECT_EQ(client.Ask(DataconnType::kPing, 2, 0, 0).head.sequence, 2u);
  replica.Do([&] { replica.store.ReleaseHeld(); });
  EXPECT_EQ(client.Receive().head.sequence, 1u);
}

TEST(Dataconn, UnmapIsRoundedInwardsAndAnsweredWithTheBytesFreed) {
  Replica replica(kSize);
  DataconnClient client(replica.address);
  client.Ask(DataconnType::kWrite, 1, 0, 16384, std::string(16384, 'x'));
  replica.Do([&] {
    replica.store.allocated = 16384;
    replica.store.on_submit = [&](StoreRequest* request) {
      if (request->kind == StoreRequest::Kind::kUnmap) replica.store.allocated -= request->length;
    };
  });
  DataconnReply unmapped = client.Ask(DataconnType::kUnmap, 2, 512, 12288);
  EXPECT_EQ(unmapped.head.type, static_cast<uint32_t>(DataconnType::kResponse));
  EXPECT_EQ(unmapped.head.size, 8192u);
  EXPECT_EQ(client.Ask(DataconnType::kRead, 3, 0, 4096).data, std::string(4096, 'x'));
  EXPECT_EQ(client.Ask(DataconnType::kRead, 4, 4096, 8192).data, std::string(8192, '\0'));
  EXPECT_EQ(client.Ask(DataconnType::kUnmap, 5, 512, 4096).head.size, 0u);
}

TEST(Dataconn, ABadRangeIsAnErrorAndTouchesNothing) {
  Replica replica(kSize);
  DataconnClient client(replica.address);
  const std::string data(512, 'x');
  const std::string past = "the range passes the end of the volume";
  ExpectError(client.Ask(DataconnType::kWrite, 1, kSize, 512, data), 1, past);
  ExpectError(client.Ask(DataconnType::kWrite, 2, -512, 512, data), 2, past);
  ExpectError(client.Ask(DataconnType::kWrite, 3, INT64_MAX - 255, 512, data), 3, past);
  ExpectError(client.Ask(DataconnType::kUnmap, 4, 0, kSize + 4096), 4, past);
  ExpectError(client.Ask(DataconnType::kRead, 5, kSize - 512, 1024), 5, "unexpected EOF");
  ExpectError(client.Ask(DataconnType::kWrite, 6, 0, 1024, data), 6, "the data are not as long as the range");
  ExpectError(client.Ask(DataconnType::kRead, 7, 0, 512, data), 7, "data where none belong");
  ExpectError(client.Ask(DataconnType::kWrite, 8, kSize - 511, 512, data), 8, past);
  ExpectError(client.Ask(DataconnType::kRead, 9, 0, UINT32_MAX), 9, "the range is too long");
  ExpectError(client.Ask(DataconnType::kRead, 10, kSize - 1, 2), 10, "unexpected EOF");
  EXPECT_EQ(replica.Do([&] { return replica.store.submitted; }), 0u);
  EXPECT_EQ(client.Ask(DataconnType::kPing, 11, 0, 0).head.sequence, 11u);
}

TEST(Dataconn, RangesOfAnyAlignmentAreWrittenAndReadAndKeepTheirNeighbours) {
  Replica replica(kSize);
  DataconnClient client(replica.address);
  std::string expected(8 * 512, 'o');
  client.Ask(DataconnType::kWrite, 1, 0, expected.size(), expected);
  struct Range {
    uint32_t offset, length;
  };
  uint32_t sequence = 1;
  for (auto [offset, length] : {Range{100, 12},
                                {0, 1},
                                {511, 1},
                                {500, 24},
                                {512, 700},
                                {1030, 506},
                                {1000, 2000},
                                {1537, 511},
                                {8 * 512 - 1, 1},
                                {1, 8 * 512 - 2}}) {
    std::string data(length, static_cast<char>('a' + sequence % 26));
    DataconnReply written = client.Ask(DataconnType::kWrite, ++sequence, offset, length, data);
    EXPECT_EQ(written.head.type, static_cast<uint32_t>(DataconnType::kResponse));
    EXPECT_EQ(written.head.offset, offset);
    EXPECT_EQ(written.head.size, length);
    expected.replace(offset, length, data);
    EXPECT_EQ(client.Ask(DataconnType::kRead, ++sequence, 0, expected.size()).data, expected) << offset;
    DataconnReply read = client.Ask(DataconnType::kRead, ++sequence, offset, length);
    EXPECT_EQ(read.head.size, length);
    EXPECT_EQ(read.data, data);
  }
  // To the very end.
  EXPECT_EQ(client.Ask(DataconnType::kWrite, 1, kSize - 3, 3, "end").head.size, 3u);
  EXPECT_EQ(client.Ask(DataconnType::kRead, 2, kSize - 4, 4).data, std::string("\0end", 4));
}

TEST(Dataconn, WritesOfPartsOfASectorLoseNothingOfEachOtherOnWhicheverConnection) {
  Replica replica(kSize);
  DataconnClient first(replica.address), second(replica.address);
  first.Ask(DataconnType::kPing, 0, 0, 0);
  second.Ask(DataconnType::kPing, 0, 0, 0);
  replica.Do([&] { replica.store.hold = true; });
  first.Send(DataconnType::kWrite, 1, 500, 100, std::string(100, 'a'));
  second.Send(DataconnType::kWrite, 1, 600, 100, std::string(100, 'b'));
  first.Send(DataconnType::kWrite, 2, 512 + 300, 100, std::string(100, 'c'));
  second.Send(DataconnType::kWrite, 2, 1024, 512, std::string(512, 'd'));
  first.Send(DataconnType::kUnmap, 3, 4096, 4096);
  first.Send(DataconnType::kWrite, 4, 4096 + 10, 10, std::string(10, 'e'));
  for (DataconnClient* client : {&first, &second}) client->Ask(DataconnType::kPing, 5, 0, 0);
  // All that the store has at a time is done together.
  while (replica.Do([&] {
    auto held = std::exchange(replica.store.held, {});
    for (StoreRequest* request : held) replica.store.Execute(request);
    return !held.empty();
  })) {
  }
  for (DataconnClient* client : {&first, &first, &first, &first, &second, &second})
    EXPECT_EQ(client->Receive().head.type, static_cast<uint32_t>(DataconnType::kResponse));
  replica.Do([&] { replica.store.hold = false; });
  EXPECT_EQ(first.Ask(DataconnType::kRead, 5, 500, 412).data,
            std::string(100, 'a') + std::string(100, 'b') + std::string(112, '\0') + std::string(100, 'c'));
  EXPECT_EQ(first.Ask(DataconnType::kRead, 6, 4096 + 10, 10).data, std::string(10, 'e'));
}

TEST(Dataconn, AWriteThatWaitsForItsSectorsNeverReachesTheStoreOnceItsConnectionHasEnded) {
  Replica replica(kSize);
  DataconnClient client(replica.address);
  client.Ask(DataconnType::kPing, 0, 0, 0);
  replica.Do([&] { replica.store.hold = true; });
  for (uint32_t i = 1; i <= 3; ++i) client.Send(DataconnType::kWrite, i, i * 10, 10, std::string(10, 'x'));
  client.Ask(DataconnType::kPing, 4, 0, 0);
  EXPECT_EQ(replica.Do([&] { return replica.store.submitted; }), 1u)
      << "one reads the sector, the others wait";
  std::promise<void> fenced;
  std::future<void> future = fenced.get_future();
  replica.Do([&] { replica.server->Fence(nullptr, [&] { fenced.set_value(); }); });
  EXPECT_EQ(future.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  replica.Do([&] { replica.store.ReleaseHeld(); });
  future.wait();
  DataconnClient next(replica.address);
  EXPECT_EQ(next.Ask(DataconnType::kRead, 1, 0, 100).data, std::string(100, '\0'));
  EXPECT_EQ(replica.Do([&] { return replica.store.changed; }), 0u);
}

TEST(Dataconn, AWriteThatWasJustGivenItsSectorsGivesThemBackWhenItsConnectionEnds) {
  Replica replica(kSize);
  DataconnClient client(replica.address);
  client.Ask(DataconnType::kPing, 0, 0, 0);
  replica.Do([&] { replica.store.hold = true; });
  client.Send(DataconnType::kWrite, 1, 0, 512, std::string(512, 'a'));
  client.Send(DataconnType::kWrite, 2, 0, 512, std::string(512, 'b'));
  client.Ask(DataconnType::kPing, 3, 0, 0);
  std::promise<void> fenced;
  // In one cycle of the loop: at its end the second one would be started.
  replica.Do([&] {
    replica.store.ReleaseHeld();
    replica.server->Fence(nullptr, [&] { fenced.set_value(); });
  });
  fenced.get_future().wait();
  DataconnClient next(replica.address);
  EXPECT_EQ(next.Ask(DataconnType::kRead, 1, 0, 512).data, std::string(512, 'a'));
  EXPECT_EQ(next.Ask(DataconnType::kWrite, 2, 0, 512, std::string(512, 'c')).head.size, 512u);
  EXPECT_EQ(replica.Do([&] { return replica.store.changed; }), 2u);
}

TEST(Dataconn, AWriteWhoseSectorCannotBeReadIsAnErrorAndLetsTheNextOneGo) {
  Replica replica(kSize);
  DataconnClient client(replica.address);
  replica.Do([&] {
    replica.store.failure = [](const StoreRequest& request) {
      return request.kind == StoreRequest::Kind::kRead ? Status::kIoError : Status::kOk;
    };
  });
  ExpectError(client.Ask(DataconnType::kWrite, 1, 10, 10, std::string(10, 'x')), 1, "injected");
  EXPECT_EQ(client.Ask(DataconnType::kWrite, 2, 0, 512, std::string(512, 'y')).head.size, 512u);
  EXPECT_EQ(replica.Do([&] { return replica.store.changed; }), 1u);
}

TEST(Dataconn, AFullDiskIsToldInTheTextThatLonghornsEngineLooksFor) {
  Replica replica(kSize);
  DataconnClient client(replica.address);
  replica.Do([&] { replica.store.failure = [](const StoreRequest&) { return Status::kNoSpace; }; });
  ExpectError(client.Ask(DataconnType::kWrite, 1, 0, 512, std::string(512, 'x')), 1,
              "no space left on device");
}

TEST(Dataconn, AnUnknownTypeIsNotAnswered) {
  Replica replica(kSize);
  DataconnClient client(replica.address);
  client.Send(static_cast<DataconnType>(99), 1, 0, 0, "whatever");
  EXPECT_EQ(client.Ask(DataconnType::kPing, 2, 0, 0).head.sequence, 2u);
}

TEST(Dataconn, AWrongMagicOrATooLongMessageEndsTheConnection) {
  Replica replica(kSize);
  for (const char* expected : {"wrong API version received: 0x2b01", "exceeds the limit"}) {
    DataconnClient client(replica.address);
    client.Ask(DataconnType::kPing, 1, 0, 0);
    std::string bytes = DataconnClient::Encoded(DataconnType::kPing, 2, 0, 0);
    if (expected[0] == 'w') {
      bytes[1] = 0x2b;
    } else {
      memset(&bytes[22], 0xff, 4);
    }
    client.SendBytes(bytes);
    DataconnReply farewell = client.Receive();
    EXPECT_EQ(farewell.head.magic, 0);
    EXPECT_EQ(farewell.head.type, static_cast<uint32_t>(DataconnType::kClose));
    EXPECT_TRUE(client.Ended());
    std::string reason = replica.Do([&] { return replica.closed_reasons.back(); });
    EXPECT_NE(reason.find(expected), std::string::npos) << reason;
  }
}

TEST(Dataconn, NothingIsReadBeforeTheOwnerAccepts) {
  Replica replica(kSize);
  replica.Do([&] { replica.decide = false; });
  DataconnClient client(replica.address);
  client.Send(DataconnType::kWrite, 1, 0, 512, std::string(512, 'x'));
  while (replica.Do([&] { return replica.dataconns; }) == 0) usleep(1000);
  usleep(20'000);
  EXPECT_EQ(replica.Do([&] { return replica.store.submitted; }), 0u);
  replica.Do([&] { replica.server->Accept(replica.last_stream); });
  EXPECT_EQ(client.Receive().head.sequence, 1u);
}

TEST(Dataconn, ARejectedConnectionIsClosed) {
  Replica replica(kSize);
  replica.Do([&] { replica.rejection = Status::kFenced; });
  DataconnClient client(replica.address);
  client.Send(DataconnType::kWrite, 1, 0, 512, std::string(512, 'x'));
  EXPECT_EQ(client.Receive().head.type, static_cast<uint32_t>(DataconnType::kClose));
  EXPECT_EQ(replica.Do([&] { return replica.store.submitted; }), 0u);
}

TEST(Dataconn, WhatIsAnsweredIsDurable) {
  Replica replica(kSize);
  std::map<StoreRequest::Kind, bool> fua;
  replica.Do(
      [&] { replica.store.on_submit = [&](StoreRequest* request) { fua[request->kind] = request->fua; }; });
  DataconnClient client(replica.address);
  client.Ask(DataconnType::kWrite, 1, 0, 512, std::string(512, 'x'));
  client.Ask(DataconnType::kUnmap, 2, 0, 4096);
  client.Ask(DataconnType::kRead, 3, 0, 512);
  using Kind = StoreRequest::Kind;
  EXPECT_EQ(fua, (std::map<Kind, bool>{{Kind::kRead, false}, {Kind::kWrite, true}, {Kind::kUnmap, true}}));
}

TEST(Dataconn, WhatIsDurableIsCountedOnceForAllThatAreAnswered) {
  Replica replica(kSize);
  std::string path = testing::TempDir() + "/revision.counter";
  close(open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600));
  auto counted = [&] {
    std::string text;
    std::getline(std::ifstream(path), text, '\0');
    return text;
  };
  replica.Do([&] {
    EXPECT_EQ(replica.server->KeepRevision(path, 100, replica.store.changes()), 0);
    replica.store.hold = true;
  });
  DataconnClient client(replica.address);
  constexpr uint32_t kCount = 8;
  for (uint32_t i = 0; i < kCount; ++i)
    client.Send(DataconnType::kWrite, i, i * 512, 512, std::string(512, 'x'));
  client.Ask(DataconnType::kPing, kCount, 0, 0);
  EXPECT_EQ(counted(), "100") << "nothing is durable yet";
  replica.Do([&] { replica.store.ReleaseHeld(); });
  for (uint32_t i = 0; i < kCount; ++i) {
    EXPECT_EQ(client.Receive().head.type, static_cast<uint32_t>(DataconnType::kResponse));
    EXPECT_EQ(counted(), "108") << "at the first answer as well";
  }
  replica.Do([&] { replica.store.failure = [](const StoreRequest&) { return Status::kIoError; }; });
  EXPECT_EQ(client.Ask(DataconnType::kWrite, 1, 0, 512, std::string(512, 'y')).head.type,
            static_cast<uint32_t>(DataconnType::kError));
  replica.Do([&] { replica.store.failure = nullptr; });
  client.Ask(DataconnType::kWrite, 1, 0, 512, std::string(512, 'y'));
  EXPECT_EQ(counted(), "109") << "one that failed is not counted";
  // With answers that wait to be counted a connection may end.
  replica.Do([&] { replica.store.hold = true; });
  client.Send(DataconnType::kWrite, 1, 0, 512, std::string(512, 'y'));
  client.Ask(DataconnType::kPing, 2, 0, 0);
  std::promise<void> fenced;
  replica.Do([&] {
    replica.store.ReleaseHeld();
    replica.server->Fence(nullptr, [&] { fenced.set_value(); });
  });
  fenced.get_future().wait();
  unlink(path.c_str());
}

TEST(Dataconn, FencingWaitsForWhatTheStoreHas) {
  Replica replica(kSize);
  DataconnClient client(replica.address);
  client.Ask(DataconnType::kPing, 0, 0, 0);
  replica.Do([&] { replica.store.hold = true; });
  client.Send(DataconnType::kWrite, 1, 0, 512, std::string(512, 'x'));
  client.Ask(DataconnType::kPing, 2, 0, 0);
  std::promise<void> fenced;
  std::future<void> future = fenced.get_future();
  replica.Do([&] { replica.server->Fence(nullptr, [&] { fenced.set_value(); }); });
  EXPECT_EQ(future.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  EXPECT_EQ(client.Receive().head.type, static_cast<uint32_t>(DataconnType::kClose));
  replica.Do([&] { replica.store.ReleaseHeld(); });
  future.wait();
}

TEST(Dataconn, ManyRequestsAtOnceAreAllAnsweredWithinTheBounds) {
  DataServer::Options options;
  options.max_requests = 4;
  options.max_payload_in_flight = 64 << 10;
  Replica replica(kSize, options);
  DataconnClient client(replica.address);
  constexpr uint32_t kCount = 400;
  std::string bytes;
  for (uint32_t i = 0; i < kCount; ++i) {
    bytes += i % 2 == 0 ? DataconnClient::Encoded(DataconnType::kRead, i, 0, 16384)
                        : DataconnClient::Encoded(DataconnType::kWrite, i, 0, 512, std::string(512, 'y'));
  }
  std::thread sender([&] { client.SendBytes(bytes); });
  std::map<uint32_t, int> answers;
  for (uint32_t i = 0; i < kCount; ++i) ++answers[client.Receive().head.sequence];
  sender.join();
  EXPECT_EQ(answers.size(), kCount);
}

}  // namespace
}  // namespace aurochs
