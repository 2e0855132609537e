// A volume over Longhorn's data protocol at a unix socket.
#include "volume/volume_socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <future>
#include <string>
#include <vector>

#include "base/limits.h"
#include "dataconn_fixture.h"
#include "memory_backend.h"
#include "stream_fixture.h"

namespace aurochs {
namespace {

constexpr uint64_t kSize = 8 << 20;

class Served final : public VolumeSocket::Listener {
 public:
  Served() : backend(kSize) {
    char folder[] = "/tmp/volume-socket-XXXXXX";
    if (!mkdtemp(folder)) abort();
    folder_ = folder;
    path = folder_ + "/volume.sock";
    loop.Start("served");
    std::string error;
    int fd = ListenUnix(path, &error);
    if (fd < 0) abort();
    OnLoop(loop, [&] { socket = std::make_unique<VolumeSocket>(&loop, &backend, fd, this); });
  }
  ~Served() {
    if (OnLoop(loop, [&] { return socket != nullptr; })) Close().get();
    loop.Stop();
    unlink(path.c_str());
    rmdir(folder_.c_str());
  }

  std::future<void> Close() {
    auto closed = std::make_shared<std::promise<void>>();
    loop.Post([this, closed] {
      socket->Close([this, closed] {
        socket.reset();
        closed->set_value();
      });
    });
    return closed->get_future();
  }
  template <class Work>
  auto Do(Work work) {
    return OnLoop(loop, work);
  }
  /// Waits until the server has seen the end of that many connections.
  void AwaitEnded(size_t count) {
    while (Do([&] { return reasons.size(); }) < count) usleep(1000);
  }

  std::string path;
  EventLoop loop;
  MemoryBackend backend;
  std::unique_ptr<VolumeSocket> socket;
  std::vector<std::string> reasons;

 private:
  void OnConnectionEnded(const std::string& reason) override { reasons.push_back(reason); }

  std::string folder_;
};

TEST(VolumeSocket, ReadsWritesUnmapsAndPingsReachTheVolume) {
  Served served;
  DataconnClient client(served.path);
  DataconnReply written = client.Ask(DataconnType::kWrite, 1, 4096, 8192, std::string(8192, 'x'));
  EXPECT_EQ(written.head.type, static_cast<uint32_t>(DataconnType::kResponse));
  EXPECT_EQ(written.head.size, 8192u);
  EXPECT_EQ(written.head.offset, 4096);
  EXPECT_EQ(client.Ask(DataconnType::kRead, 2, 4096 + 512, 512).data, std::string(512, 'x'));
  EXPECT_EQ(client.Ask(DataconnType::kUnmap, 3, 4096, 4096).head.type,
            static_cast<uint32_t>(DataconnType::kResponse));
  EXPECT_EQ(client.Ask(DataconnType::kRead, 4, 4096, 4096).data, std::string(4096, '\0'));
  EXPECT_EQ(client.Ask(DataconnType::kPing, 5, 0, 0).head.sequence, 5u);
}

TEST(VolumeSocket, WhatIsAnsweredIsDurable) {
  Served served;
  DataconnClient client(served.path);
  served.Do([&] { served.backend.hold = true; });
  client.Send(DataconnType::kWrite, 1, 0, 512, std::string(512, 'x'));
  client.Send(DataconnType::kUnmap, 2, 4096, 4096);
  client.Send(DataconnType::kRead, 3, 0, 512);
  client.Ask(DataconnType::kPing, 4, 0, 0);
  served.Do([&] {
    ASSERT_EQ(served.backend.held.size(), 3u);
    EXPECT_TRUE(served.backend.held[0]->fua);
    EXPECT_TRUE(served.backend.held[1]->fua);
    EXPECT_FALSE(served.backend.held[2]->fua);
    served.backend.ReleaseHeld();
  });
}

TEST(VolumeSocket, ALongMessageBecomesSeveralOperations) {
  Served served;
  DataconnClient client(served.path);
  std::string data(3 * kPayloadBytesMax + 512, 'a');
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i >> 9);
  EXPECT_EQ(client.Ask(DataconnType::kWrite, 1, 512, data.size(), data).head.size, data.size());
  EXPECT_EQ(served.Do([&] { return served.backend.counts[OperationKind::kWrite]; }), 4);
  DataconnReply read = client.Ask(DataconnType::kRead, 2, 512, data.size());
  EXPECT_EQ(read.head.size, data.size());
  EXPECT_TRUE(read.data == data);
}

TEST(VolumeSocket, RangesOfAnyAlignmentKeepTheirNeighbours) {
  Served served;
  DataconnClient client(served.path);
  std::string expected(kPayloadBytesMax + 1024, 'o');
  client.Ask(DataconnType::kWrite, 1, 0, expected.size(), expected);
  expected.replace(5, kPayloadBytesMax + 700, std::string(kPayloadBytesMax + 700, 'n'));
  DataconnReply written = client.Ask(DataconnType::kWrite, 2, 5, kPayloadBytesMax + 700,
                                     std::string(kPayloadBytesMax + 700, 'n'));
  EXPECT_EQ(written.head.size, kPayloadBytesMax + 700);
  EXPECT_TRUE(client.Ask(DataconnType::kRead, 3, 3, expected.size() - 3).data == expected.substr(3));
}

TEST(VolumeSocket, ErrorsAreThoseOfLonghornsEngine) {
  Served served;
  DataconnClient client(served.path);
  const std::string end = " is beyond volume size " + std::to_string(kSize);
  const std::string at = std::to_string(kSize);
  ExpectError(client.Ask(DataconnType::kRead, 1, kSize, 512), 1,
              "EOF: Read of 512 bytes at offset " + at + end);
  ExpectError(client.Ask(DataconnType::kWrite, 2, kSize, 512, std::string(512, 'x')), 2,
              "EOF: Write of 512 bytes at offset " + at + end);
  ExpectError(client.Ask(DataconnType::kUnmap, 3, kSize, 512), 3,
              "EOF: unmap of 512 bytes at offset " + at + end);
  served.Do([&] { served.backend.fail = Status::kIoError; });
  ExpectError(client.Ask(DataconnType::kRead, 4, 0, 512), 4, "input/output error");
  served.Do([&] { served.backend.fail = Status::kNoSpace; });
  DataconnReply full = client.Ask(DataconnType::kWrite, 5, 0, 512, std::string(512, 'x'));
  EXPECT_EQ(full.head.type, static_cast<uint32_t>(DataconnType::kNoSpace));
  EXPECT_EQ(full.data, "no space left on device");
}

TEST(VolumeSocket, ABadMessageEndsThatConnectionOnly) {
  Served served;
  DataconnClient good(served.path), bad(served.path);
  good.Ask(DataconnType::kPing, 1, 0, 0);
  std::string bytes = DataconnClient::Encoded(DataconnType::kPing, 2, 0, 0);
  bytes[0] = 'P';
  bad.SendBytes(bytes);
  EXPECT_EQ(bad.Receive().head.type, static_cast<uint32_t>(DataconnType::kClose));
  EXPECT_TRUE(bad.Ended());
  served.AwaitEnded(1);
  EXPECT_EQ(good.Ask(DataconnType::kPing, 3, 0, 0).head.sequence, 3u);
}

TEST(VolumeSocket, ClosingWaitsForWhatTheVolumeHas) {
  Served served;
  DataconnClient client(served.path);
  served.Do([&] { served.backend.hold = true; });
  client.Send(DataconnType::kWrite, 1, 0, 512, std::string(512, 'x'));
  client.Ask(DataconnType::kPing, 2, 0, 0);
  std::future<void> closed = served.Close();
  EXPECT_EQ(client.Receive().head.type, static_cast<uint32_t>(DataconnType::kClose));
  EXPECT_TRUE(client.Ended());
  EXPECT_EQ(closed.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  served.Do([&] { served.backend.ReleaseHeld(); });
  closed.get();
}

TEST(VolumeSocket, AClientThatLeavesWithRequestsUnderWayIsForgottenWhenTheyEnd) {
  Served served;
  {
    DataconnClient client(served.path);
    served.Do([&] { served.backend.hold = true; });
    client.Send(DataconnType::kWrite, 1, 0, 512, std::string(512, 'x'));
    client.Ask(DataconnType::kPing, 2, 0, 0);
  }
  served.AwaitEnded(1);
  served.Do([&] { served.backend.ReleaseHeld(); });
  DataconnClient client(served.path);
  EXPECT_EQ(client.Ask(DataconnType::kRead, 1, 0, 512).data, std::string(512, 'x'));
}

TEST(VolumeSocket, OneConnectionTooManyIsClosed) {
  Served served;
  std::vector<std::unique_ptr<DataconnClient>> clients;
  for (size_t i = 0; i < kSocketConnectionsMax; ++i) {
    clients.push_back(std::make_unique<DataconnClient>(served.path));
    clients.back()->Ask(DataconnType::kPing, 1, 0, 0);
  }
  DataconnClient late(served.path);
  EXPECT_TRUE(late.Ended());
  clients.pop_back();
  served.AwaitEnded(2);
  DataconnClient next(served.path);
  EXPECT_EQ(next.Ask(DataconnType::kPing, 1, 0, 0).head.sequence, 1u);
}

TEST(VolumeSocket, TheFileIsTheOwnersAlone) {
  Served served;
  struct stat file;
  ASSERT_EQ(stat(served.path.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
}

TEST(VolumeSocket, OnlyWhatAProcessHasLeftThatHasEndedIsReplaced) {
  Served served;
  std::string error;
  EXPECT_EQ(ListenUnix(served.path, &error), -1);
  EXPECT_EQ(errno, EADDRINUSE);
  EXPECT_EQ(error, "another process serves " + served.path);
  const std::string left = served.path + ".left";
  for (int round = 0; round < 2; ++round) {
    int fd = ListenUnix(left, &error);
    ASSERT_GE(fd, 0) << error;
    DataconnClient client(left);
    close(fd);
  }
  unlink(left.c_str());
  close(open(left.c_str(), O_CREAT | O_WRONLY, 0600));
  EXPECT_EQ(ListenUnix(left, &error), -1);
  EXPECT_EQ(error, left + " is there and is no socket");
  EXPECT_EQ(access(left.c_str(), F_OK), 0);
  unlink(left.c_str());
  EXPECT_EQ(ListenUnix("/tmp/" + std::string(200, 'x'), &error), -1);
  EXPECT_EQ(errno, ENAMETOOLONG);
  EXPECT_NE(error.find("has 1 to 107 bytes, not 205"), std::string::npos) << error;
  EXPECT_EQ(ListenUnix("/tmp/volume-socket-none/socket", &error), -1);
  EXPECT_EQ(error, "listen /tmp/volume-socket-none/socket: No such file or directory");
}

}  // namespace
}  // namespace aurochs
