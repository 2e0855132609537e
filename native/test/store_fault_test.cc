// What the store does when the disk, the file system or the space fails; and in which order it makes things
// durable.
#include <sys/mount.h>
#include <sys/syscall.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <string>

#include "base/limits.h"
#include "store_harness.h"
#include "store_syscalls.h"

namespace aurochs {

namespace {

std::atomic<bool> watching{false};
std::mutex watch_mutex;
std::function<CallFate(const WatchedCall&)> watcher;  // guarded by watch_mutex

CallFate FateOf(const char* name, int fd, uint64_t length, int mode) {
  if (!watching.load()) return {};
  char path[4096];
  ssize_t count = readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof path);
  std::string file(path, count < 0 ? 0 : static_cast<size_t>(count));
  CallFate fate;
  {
    std::lock_guard lock(watch_mutex);
    if (watcher) fate = watcher({name, file.substr(file.rfind('/') + 1), length, mode, fd});
  }
  if (fate.until.valid()) fate.until.wait();
  return fate;
}

int Fail(int error) {
  errno = error;
  return -1;
}

}  // namespace

SyscallWatch::SyscallWatch(std::function<CallFate(const WatchedCall&)> watch) {
  std::lock_guard lock(watch_mutex);
  watcher = std::move(watch);
  watching = true;
}

SyscallWatch::~SyscallWatch() {
  std::lock_guard lock(watch_mutex);
  watching = false;
  watcher = nullptr;
}

}  // namespace aurochs

extern "C" ssize_t pread(int fd, void* data, size_t length, off_t offset) {
  auto fate = aurochs::FateOf("pread", fd, length, 0);
  if (fate.error != 0) return aurochs::Fail(fate.error);
  return syscall(SYS_pread64, fd, data, length, offset);
}

extern "C" ssize_t pwrite(int fd, const void* data, size_t length, off_t offset) {
  auto fate = aurochs::FateOf("pwrite", fd, length, 0);
  if (fate.error != 0) return aurochs::Fail(fate.error);
  if (fate.cut_to != 0) length = std::min<size_t>(length, fate.cut_to);
  return syscall(SYS_pwrite64, fd, data, length, offset);
}

extern "C" int fdatasync(int fd) {
  auto fate = aurochs::FateOf("fdatasync", fd, 0, 0);
  return fate.error != 0 ? aurochs::Fail(fate.error) : static_cast<int>(syscall(SYS_fdatasync, fd));
}

extern "C" int fallocate(int fd, int mode, off_t offset, off_t length) {
  auto fate = aurochs::FateOf("fallocate", fd, static_cast<uint64_t>(length), mode);
  if (fate.error != 0) return aurochs::Fail(fate.error);
  return static_cast<int>(syscall(SYS_fallocate, fd, mode, offset, length));
}

extern "C" int sync_file_range(int fd, off_t offset, off_t length, unsigned int flags) {
  auto fate = aurochs::FateOf("sync_file_range", fd, 0, 0);
  if (fate.error != 0) return aurochs::Fail(fate.error);
  return static_cast<int>(syscall(SYS_sync_file_range, fd, offset, length, flags));
}

namespace aurochs {
namespace {

constexpr uint64_t kVolume = 16 << 20;

Bytes ReadBack(TestStore& store, uint64_t offset, uint64_t length) {
  Bytes bytes;
  EXPECT_EQ(store.Read(offset, length, &bytes).status, Status::kOk);
  return bytes;
}

/// A head `layer-1` over a lower layer `layer-0` that is full of `below`.
class StoreFaults : public ::testing::TestWithParam<bool> {
 protected:
  StoreFaults() {
    WriteFileAt(chain_.Path(0), 0, below_);
    chain_.AddHead();
  }
  void ExpectAsBelowNowAndAfterAReopen(TestStore& store, uint64_t offset, uint64_t length) {
    Bytes expected(below_.begin() + static_cast<ptrdiff_t>(offset),
                   below_.begin() + static_cast<ptrdiff_t>(offset + length));
    EXPECT_EQ(ReadBack(store, offset, length), expected);
    store.Close();
    TestStore again(chain_.Options());
    EXPECT_EQ(ReadBack(again, offset, length), expected);
  }

  TestDirectory directory_;
  TestChain chain_ = MakeChain(directory_, kVolume, GetParam());
  Bytes below_ = Pattern(4 << 20, 1);
};

// What the kernel does after a failed sync, data that are clean and on no disk, cannot be made here: that all
// of it is written again is looked at.
TEST_P(StoreFaults, WhatASyncMayHaveDroppedIsWrittenAgainAsItIs) {
  Bytes in_head = Pattern(8192, 2);
  {
    TestStore store(chain_.Options());
    ASSERT_EQ(store.Write(1 << 20, in_head).status, Status::kOk);
    store.Close();
  }
  uint64_t before = AllocatedBytesOf(chain_.Path(0)) + AllocatedBytesOf(chain_.Path(1));
  TestStore store(chain_.Options());
  std::map<std::string, uint64_t> written;
  std::vector<std::string> synced;
  {
    SyscallWatch watch([&](const WatchedCall& call) {
      if (call.name == "pwrite") written[call.file] += call.length;
      if (call.name == "fdatasync") synced.push_back(call.file);
      return CallFate();
    });
    EXPECT_EQ(store.Rewrite().message, "");
  }
  EXPECT_EQ(written, (std::map<std::string, uint64_t>{{"layer-0", 1 << 20}, {"layer-1", 8192}}))
      << "the region that was changed, without its holes";
  EXPECT_EQ(synced, (std::vector<std::string>{"layer-0", "layer-1"}));
  EXPECT_EQ(AllocatedBytesOf(chain_.Path(0)) + AllocatedBytesOf(chain_.Path(1)), before);
  EXPECT_EQ(ReadFileAt(chain_.Path(0), 0, below_.size()), below_);
  EXPECT_EQ(ReadBack(store, 1 << 20, 8192), in_head);
  SyscallWatch watch([](const WatchedCall& call) { return CallFate{call.name == "fdatasync" ? EIO : 0}; });
  EXPECT_EQ(store.Rewrite().status, Status::kIoError);
}

TEST_P(StoreFaults, ARegionIsMarkedDurablyBeforeItIsChanged) {
  for (auto kind :
       {StoreRequest::Kind::kWrite, StoreRequest::Kind::kUnmap, StoreRequest::Kind::kWriteZeroes}) {
    std::filesystem::remove(chain_.MapPath());
    TestStore store(chain_.Options());
    std::vector<std::string> calls;
    SyscallWatch watch([&](const WatchedCall& call) {
      if (call.file != "aurochs.zeros") calls.push_back(call.file + " " + call.name);
      return CallFate();
    });
    auto request = kind == StoreRequest::Kind::kWrite ? store.BeginWrite(2 << 20, Bytes(4096, 1))
                                                      : store.Begin(kind, 2 << 20, 4096);
    ASSERT_EQ(request->answer.get_future().get().status, Status::kOk);
    ASSERT_EQ(calls.size(), 3u);
    EXPECT_EQ(calls[0], "aurochs.regions pwrite");
    EXPECT_EQ(calls[1], "aurochs.regions fdatasync");
    EXPECT_EQ(calls[2],
              std::string("layer-1 ") + (kind == StoreRequest::Kind::kWrite ? "pwrite" : "fallocate"));
    EXPECT_EQ(ReadFileAt(chain_.MapPath(), 4096, 1)[0], 1 << 2);
  }
}

TEST_P(StoreFaults, AFailedSyncEndsTheStoreAndSaysSoOnce) {
  TestStore store(chain_.Options());
  ASSERT_EQ(store.Write(0, Bytes(4096, 7)).status, Status::kOk);
  std::string expected = chain_.HeadPath() + ": fdatasync: Input/output error";
  {
    SyscallWatch watch([](const WatchedCall& call) {
      return CallFate{call.name == "fdatasync" && call.file == "layer-1" ? EIO : 0};
    });
    Answer flush = store.Flush();
    EXPECT_EQ(flush.status, Status::kIoError);
    EXPECT_EQ(flush.message, expected);
  }
  // The next sync would succeed, but the kernel has forgotten what it could not write.
  Bytes bytes;
  for (Answer answer : {store.Flush(), store.Read(0, 4096, &bytes), store.Write(0, Bytes(4096, 8)),
                        store.Unmap(0, 4096), store.Agreed(), store.Release()}) {
    EXPECT_EQ(answer.status, Status::kIoError);
    EXPECT_EQ(answer.message, expected);
  }
  EXPECT_EQ(store.fatal(), std::vector<std::string>{expected});
  store.Close();
  TestStore again(chain_.Options());
  EXPECT_EQ(again.store().InheritedRegions()[0], 1) << "the region stays marked";
}

TEST_P(StoreFaults, AFuaWriteIsNotAnsweredWithoutItsSync) {
  TestStore store(chain_.Options());
  SyscallWatch watch([](const WatchedCall& call) {
    return CallFate{call.name == "fdatasync" && call.file == "layer-1" ? EIO : 0};
  });
  EXPECT_EQ(store.Write(0, Bytes(4096, 7), true).status, Status::kIoError);
  EXPECT_EQ(store.store().changes(), 0u) << "nobody was told that it was made";
}

TEST_P(StoreFaults, NothingIsWrittenWhenTheMapCannotBe) {
  TestStore store(chain_.Options());
  bool head_touched = false;
  SyscallWatch watch([&](const WatchedCall& call) {
    head_touched |= call.file == "layer-1";
    return CallFate{call.name == "fdatasync" && call.file == "aurochs.regions" ? EIO : 0};
  });
  Answer answer = store.Write(0, Bytes(4096, 7));
  EXPECT_EQ(answer.status, Status::kIoError);
  EXPECT_EQ(answer.message, chain_.MapPath() + ": sync: Input/output error");
  EXPECT_FALSE(head_touched);
  EXPECT_EQ(store.fatal().size(), 1u);
}

// What the kernel dropped cannot be made here either.
TEST_P(StoreFaults, BitsThatAFailedSyncMayHaveDroppedAreWrittenAgainWhenTheStoreIsOpened) {
  {
    TestStore store(chain_.Options());
    SyscallWatch watch([](const WatchedCall& call) {
      return CallFate{call.name == "fdatasync" && call.file == "aurochs.regions" ? EIO : 0};
    });
    ASSERT_EQ(store.Write(0, Bytes(4096, 7)).status, Status::kIoError);
  }
  Bytes map = ReadFileAt(chain_.MapPath(), 0, std::filesystem::file_size(chain_.MapPath()));
  ASSERT_EQ(map[4096], 1) << "the bit is read, and may be on no disk";
  std::vector<std::string> calls;
  {
    SyscallWatch watch([&](const WatchedCall& call) {
      if (call.file != "aurochs.regions" || call.name == "pread") return CallFate();
      calls.push_back(call.name + " " + std::to_string(call.length));
      return CallFate();
    });
    TestStore again(chain_.Options());
    ASSERT_TRUE(again.open()) << again.error();
    // The header, and the bit and the checksum of the one block: what is zero may be a hole.
    EXPECT_EQ(calls, (std::vector<std::string>{"pwrite 512", "pwrite 512", "pwrite 512", "fdatasync 0"}));
    EXPECT_EQ(again.Write(0, Bytes(4096, 7)).status, Status::kOk);
  }
  EXPECT_EQ(ReadFileAt(chain_.MapPath(), 0, map.size()), map);
  SyscallWatch watch([](const WatchedCall& call) {
    return CallFate{call.name == "pwrite" && call.file == "aurochs.regions" ? EIO : 0};
  });
  TestStore failing(chain_.Options());
  EXPECT_FALSE(failing.open());
}

TEST_P(StoreFaults, AFailedWriteNamesTheFileAndLeavesTheOldContent) {
  TestStore store(chain_.Options());
  {
    SyscallWatch watch([](const WatchedCall& call) {
      return CallFate{call.name == "pwrite" && call.file == "layer-1" ? EIO : 0};
    });
    Answer answer = store.Write(8192, Bytes(65536, 7));
    EXPECT_EQ(answer.status, Status::kIoError);
    EXPECT_EQ(answer.message, chain_.HeadPath() + ": write: Input/output error");
  }
  EXPECT_TRUE(store.fatal().empty());
  EXPECT_EQ(store.store().changes(), 0u) << "it was not made";
  ExpectAsBelowNowAndAfterAReopen(store, 0, 1 << 20);
}

TEST_P(StoreFaults, AWriteThatRunsOutOfSpaceHalfWayChangesNothing) {
  TestStore store(chain_.Options());
  Bytes old = Pattern(4096, 9);
  ASSERT_EQ(store.Write(65536, old).status, Status::kOk);  // a block of the head in the middle
  for (uint64_t offset : {uint64_t{65536 - 16384}, uint64_t{65536 - 16384 - 512}}) {
    int writes = 0;
    SyscallWatch watch([&](const WatchedCall& call) {
      if (call.name != "pwrite" || call.file != "layer-1") return CallFate();
      return ++writes == 1 ? CallFate{0, 8192} : CallFate{ENOSPC};
    });
    Answer answer = store.Write(offset, Bytes(65536, 7));
    EXPECT_EQ(answer.status, Status::kNoSpace);
    EXPECT_EQ(answer.message, chain_.HeadPath() + ": write: No space left on device");
  }
  EXPECT_EQ(ReadBack(store, 65536, 4096), old);
  ExpectAsBelowNowAndAfterAReopen(store, 65536 + 4096, 65536);
  TestStore again(chain_.Options());
  ExpectAsBelowNowAndAfterAReopen(again, 65536 - 32768, 32768);
}

TEST_P(StoreFaults, OutOfSpaceAfterOverwritingIsNotCalledNoSpace) {
  TestStore store(chain_.Options());
  ASSERT_EQ(store.Write(0, Bytes(16384, 5)).status, Status::kOk);
  int writes = 0;
  SyscallWatch watch([&](const WatchedCall& call) {
    if (call.name != "pwrite" || call.file != "layer-1") return CallFate();
    return ++writes == 1 ? CallFate{0, 4096} : CallFate{ENOSPC};
  });
  Answer answer = store.Write(0, Bytes(16384, 7));
  EXPECT_EQ(answer.status, Status::kIoError) << "copies that differ now must not both pass for unchanged";
  EXPECT_EQ(answer.message, chain_.HeadPath() + ": write: No space left on device (applied in part)");
}

TEST_P(StoreFaults, AFailureThatCannotBeUndoneEndsTheStore) {
  TestStore store(chain_.Options());
  SyscallWatch watch([&](const WatchedCall& call) {
    if (call.file != "layer-1") return CallFate();
    return CallFate{call.name == "pwrite" ? ENOSPC : EIO};
  });
  EXPECT_EQ(store.Write(0, Bytes(16384, 7)).status, Status::kIoError);
  Bytes bytes;
  EXPECT_EQ(store.Read(0, 4096, &bytes).status, Status::kIoError);
  EXPECT_EQ(store.fatal().size(), 1u);
}

TEST_P(StoreFaults, WithoutPunchAndZeroRangeZerosAreWritten) {
  {
    TestStore store(chain_.Options());
    ASSERT_EQ(store.Write(8 << 20, Pattern(65536, 3)).status, Status::kOk);  // nothing below
    SyscallWatch watch(
        [](const WatchedCall& call) { return CallFate{call.name == "fallocate" ? EOPNOTSUPP : 0}; });
    ASSERT_EQ(store.Unmap(0, 1 << 20).status, Status::kOk);
    ASSERT_EQ(store.Unmap(8 << 20, 65536).status, Status::kOk);
    ASSERT_EQ(store.WriteZeroes(10 << 20, 512 << 10).status, Status::kOk);
    EXPECT_EQ(store.Extents(8 << 20, 65536).size(), 1u) << "still allocated, and said to be";
  }
  TestStore again(chain_.Options());
  EXPECT_EQ(ReadBack(again, 0, 1 << 20), Bytes(1 << 20));
  EXPECT_EQ(ReadBack(again, 8 << 20, 65536), Bytes(65536));
  EXPECT_EQ(ReadBack(again, 10 << 20, 512 << 10), Bytes(512 << 10));
}

TEST_P(StoreFaults, AnUnmapThatRunsOutOfSpaceChangesNothing) {
  TestStore store(chain_.Options());
  ASSERT_EQ(store.Write(65536, Bytes(4096, 5)).status, Status::kOk);
  {
    SyscallWatch watch([](const WatchedCall& call) {
      bool zero_range = call.name == "fallocate" && (call.mode & FALLOC_FL_ZERO_RANGE) != 0;
      return CallFate{zero_range ? ENOSPC : 0};
    });
    EXPECT_EQ(store.Unmap(512, 1 << 20).status, Status::kNoSpace);
  }
  EXPECT_EQ(ReadBack(store, 65536, 4096), Bytes(4096, 5));
  ExpectAsBelowNowAndAfterAReopen(store, 0, 65536);
}

// The kernel tells each open file once that data could not be written.
TEST_P(StoreFaults, WhoWritesOutOrPrunesDoesNotTakeAnErrorFromAFlush) {
  TestStore store(chain_.Options());
  std::map<std::string, std::set<int>> descriptors;  // of the head, by what they are for
  std::atomic<const char*> syncing{"flush"};
  SyscallWatch watch([&](const WatchedCall& call) {
    if (call.file != "layer-1") return CallFate();
    if (call.name == "fdatasync") descriptors[syncing.load()].insert(call.fd);
    if (call.name == "sync_file_range") descriptors["write-out"].insert(call.fd);
    return CallFate();
  });
  uint64_t writes = GetParam() ? 1 : (kWriteOutBytes >> 20) + 8;
  for (uint64_t i = 0; i < writes; ++i) ASSERT_EQ(store.Write(0, Bytes(1 << 20, 1)).message, "");
  ASSERT_EQ(store.Flush().status, Status::kOk);
  syncing = "prune";
  ASSERT_EQ(store.Prune(chain_.Path(0)).message, "");
  store.Close();
  std::set<int> all;
  for (const auto& [what, own] : descriptors) {
    EXPECT_EQ(own.size(), 1u) << what;
    all.insert(own.begin(), own.end());
  }
  EXPECT_EQ(descriptors.size(), GetParam() ? 2u : 3u) << "nothing is written out with O_DIRECT";
  EXPECT_EQ(all.size(), descriptors.size());
}

INSTANTIATE_TEST_SUITE_P(BothCacheModes, StoreFaults, ::testing::Bool(),
                         [](const auto& mode) { return mode.param ? "None" : "Writeback"; });

TEST(StoreWriteOutFault, AnErrorOfTheBackgroundWriteOutEndsTheStore) {
  TestDirectory directory;
  TestChain chain = MakeChain(directory, 256 << 20, false);
  TestStore store(chain.Options());
  SyscallWatch watch(
      [](const WatchedCall& call) { return CallFate{call.name == "sync_file_range" ? EIO : 0}; });
  for (uint64_t i = 0; i < (kWriteOutBytes >> 20) + 8; ++i) store.Write(i << 20, Bytes(1 << 20, 1));
  Answer flush = store.Flush();
  EXPECT_EQ(flush.status, Status::kIoError);
  EXPECT_EQ(flush.message, chain.HeadPath() + ": sync_file_range: Input/output error");
}

// ---------------------------------------------------------------------------------------------- a full disk

/// A small file system of its own in a file.
class SmallDisk {
 public:
  SmallDisk(const TestDirectory& directory, const std::string& type, uint64_t size)
      : path_(directory.At("mnt")) {
    std::string image = directory.At("image");
    MakeSparseFile(image, size);
    std::string make = type == "xfs" ? "mkfs.xfs -q " : "mkfs.ext4 -q -m 0 -b " + type.substr(5) + " ";
    std::filesystem::create_directory(path_);
    mounted_ = system((make + image + " && mount -o loop " + image + " " + path_).c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  std::string At(const std::string& name) const { return path_ + "/" + name; }
  /// Leaves `bytes` free.
  void FillBut(uint64_t bytes) const {
    int fd = open(At("filler").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    uint64_t length = 0;
    for (uint64_t step = 64 << 20; step >= 4096; step /= 2) {
      while (std::filesystem::space(path_).available > bytes + step &&
             fallocate(fd, 0, static_cast<off_t>(length), static_cast<off_t>(step)) == 0) {
        length += step;
      }
    }
    close(fd);
  }

 private:
  std::string path_;
  bool mounted_ = false;
};

using DiskCase = std::tuple<std::string, bool>;
class StoreFullDisk : public ::testing::TestWithParam<DiskCase> {};

TEST_P(StoreFullDisk, NoSpaceMeansThatNothingChangedAndSpaceBringsItBack) {
  auto [type, direct] = GetParam();
  uint32_t seed = std::random_device()();
  SCOPED_TRACE("SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  TestDirectory directory;
  SmallDisk disk(directory, type, type == "xfs" ? 320 << 20 : 64 << 20);
  ASSERT_TRUE(disk.mounted()) << "mount -o loop needs root and a loop device";
  ExtentStore::Options options;
  options.layers = {{disk.At("snapshot"), false, {}}, {disk.At("head"), false, {}}};
  options.size = kVolume;
  options.direct = direct;
  options.region_map_path = disk.At("aurochs.regions");
  options.region_bytes = 1 << 20;
  options.io_threads = 2;
  MakeSparseFile(disk.At("snapshot"), kVolume);
  MakeSparseFile(disk.At("head"), kVolume);
  Bytes model(kVolume);
  Bytes below = Pattern(4 << 20, 1);
  std::copy(below.begin(), below.end(), model.begin());
  WriteFileAt(disk.At("snapshot"), 0, below);
  int refused = 0;
  {
    TestStore store(options);
    ASSERT_TRUE(store.open()) << store.error();
    disk.FillBut(kReserveBytes + (3 << 20));
    for (int step = 0; step < 600 && refused < 25; ++step) {
      uint64_t offset = random() % (kVolume / 512 - 256) * 512;
      uint64_t length = (1 + random() % 255) * 512;
      Answer answer;
      Bytes data(length);
      switch (random() % 6) {
        case 0:
          answer = store.Unmap(offset, length);
          break;
        case 1:
          answer = store.WriteZeroes(offset, length);
          break;
        default:
          data = Pattern(length, random());
          answer = store.Write(offset, data);
      }
      if (answer.status == Status::kNoSpace) {
        ++refused;
      } else {
        ASSERT_EQ(answer.status, Status::kOk) << answer.message;
        std::copy(data.begin(), data.end(), model.begin() + static_cast<ptrdiff_t>(offset));
      }
      if (refused % 5 == 1) {
        ASSERT_TRUE(ReadBack(store, 0, kVolume) == model) << "step " << step;
      }
    }
    EXPECT_GT(refused, 0);
    ASSERT_TRUE(ReadBack(store, 0, kVolume) == model);
    ASSERT_EQ(store.Flush().status, Status::kOk) << "what was answered has its space";
  }
  TestStore again(options);
  ASSERT_TRUE(again.open()) << again.error();
  ASSERT_TRUE(ReadBack(again, 0, kVolume) == model) << "after a reopen";
  std::filesystem::remove(disk.At("filler"));
  // XFS frees a removed file in the background.
  while (std::filesystem::space(disk.At("")).available < 2 * kReserveBytes) usleep(10'000);
  EXPECT_EQ(again.Write(8 << 20, Bytes(1 << 20, 3)).status, Status::kOk);
  again.Close();
}

/// An ext4 on a disk that has not got all the space that it says, until it is given more.
class ThinDisk {
 public:
  explicit ThinDisk(const TestDirectory& directory)
      : thin_(directory.At("thin")), path_(directory.At("mnt")), image_(thin_ + "/disk") {
    std::filesystem::create_directory(thin_);
    std::filesystem::create_directory(path_);
    if (system(("mount -t tmpfs -o size=40m tmpfs " + thin_).c_str()) != 0) return;
    MakeSparseFile(image_, 160 << 20);
    std::string make = "mkfs.ext4 -q -J size=8 -E lazy_itable_init=0,lazy_journal_init=0 ";
    if (system((make + image_).c_str()) == 0) Mount();
  }
  ~ThinDisk() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
    umount2(thin_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  std::string At(const std::string& name) const { return path_ + "/" + name; }
  bool Grow() const { return system(("mount -o remount,size=400m " + thin_).c_str()) == 0; }
  /// Nothing is cached any more.
  bool MountAnew() {
    mounted_ = umount(path_.c_str()) != 0;
    return !mounted_ && Mount();
  }

 private:
  bool Mount() {
    mounted_ = system(("mount -o loop,errors=continue " + image_ + " " + path_).c_str()) == 0;
    return mounted_;
  }

  std::string thin_, path_, image_;
  bool mounted_ = false;
};

/// Empty files of `size` bytes at `paths`, the head last, with a map that does not lie on the thin disk.
ExtentStore::Options SparseChain(const TestDirectory& directory, const std::vector<std::string>& paths,
                                 uint64_t size) {
  ExtentStore::Options options;
  for (const auto& path : paths) {
    MakeSparseFile(path, size);
    options.layers.push_back({path, false, {}});
  }
  options.size = size;
  options.region_map_path = directory.At("aurochs.regions");
  options.region_bytes = 1 << 20;
  options.io_threads = 2;
  return options;
}

TEST(StoreThinDisk, WhatAThinDiskCouldNotTakeIsOnItAfterARewrite) {
  constexpr uint64_t kSize = 64 << 20;
  TestDirectory directory;
  ThinDisk disk(directory);
  ASSERT_TRUE(disk.mounted()) << "mount needs root and a loop device";
  auto options = SparseChain(directory, {disk.At("head")}, kSize);
  {
    TestStore store(options);
    ASSERT_TRUE(store.open()) << store.error();
    for (uint64_t offset = 0; offset < kSize; offset += 1 << 20) {
      if (store.Write(offset, Pattern(1 << 20, 1 + offset)).status != Status::kOk) break;
    }
    EXPECT_EQ(store.Flush().status, Status::kIoError);
  }
  ASSERT_TRUE(disk.Grow());
  Bytes cached;
  {
    TestStore store(options);
    ASSERT_TRUE(store.open()) << store.error();
    cached = ReadBack(store, 0, kSize);
    EXPECT_EQ(store.Rewrite().message, "");
  }
  ASSERT_TRUE(disk.MountAnew());
  TestStore store(options);
  ASSERT_TRUE(store.open()) << store.error();
  EXPECT_TRUE(ReadBack(store, 0, kSize) == cached);
  store.Close();
}

TEST(StoreThinDisk, WhatItCouldNotTakeOfAMergeIsOnItAfterAnotherMerge) {
  constexpr uint64_t kSize = 64 << 20;
  TestDirectory directory;
  ThinDisk disk(directory);
  ASSERT_TRUE(disk.mounted()) << "mount needs root and a loop device";
  std::string lower = disk.At("lower"), upper = directory.At("upper");
  auto options = SparseChain(directory, {lower, upper, directory.At("head")}, kSize);
  Bytes data = Pattern(48 << 20, 1);
  WriteFileAt(upper, 0, data);
  {
    TestStore store(options);
    ASSERT_TRUE(store.open()) << store.error();
    EXPECT_NE(store.Merge(lower, upper).status, Status::kOk);
    ASSERT_TRUE(disk.Grow());
    ASSERT_EQ(store.Merge(lower, upper).message, "");
  }
  ASSERT_TRUE(disk.MountAnew());
  EXPECT_TRUE(ReadFileAt(lower, 0, data.size()) == data);
}

INSTANTIATE_TEST_SUITE_P(FileSystems, StoreFullDisk,
                         ::testing::Combine(::testing::Values("ext4_1024", "ext4_4096", "xfs"),
                                            ::testing::Bool()),
                         [](const auto& disk) {
                           return std::get<0>(disk.param) + (std::get<1>(disk.param) ? "None" : "Writeback");
                         });

}  // namespace
}  // namespace aurochs
