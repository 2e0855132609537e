// A disk that forgets: a FUSE file system with one file, `disk`, for a loop device. Writes stay volatile
// until the file is synced. Writing "SEED KEEP GRANULE" to the file `cut` is a power cut: of each GRANULE
// bytes written since the last sync KEEP per cent survive, chosen by SEED, which tears and reorders writes;
// from then on the disk answers EIO. Started again over the same backing file it presents what survived.
// `status` tells how much is volatile.
//
// Writing to the file `fault` makes it a bad disk until the next line: "none"; "read-error", "write-error" or
// "sync-error", with N: after N more such requests they fail with EIO; "read-only": writes fail with EROFS;
// "slow", with N: each request takes N ms longer; "hang": none is answered. Read, it tells how many requests
// have met the present fault.
//
// usage: forgetful_disk MOUNTPOINT BACKING_FILE (in the foreground)

#define FUSE_USE_VERSION 35
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr uint64_t kPageSize = 4096;
using Page = std::array<char, kPageSize>;

struct Write {
  uint64_t offset;
  std::vector<char> bytes;
};

enum class Request { kRead, kWrite, kSync };

// What is wrong with the disk, apart from its memory.
class Fault {
 public:
  // false: there is no such fault
  bool Set(const std::string& line) {
    char name[16];
    unsigned long long number = 0;
    if (sscanf(line.c_str(), "%15s %llu", name, &number) < 1) return false;
    const auto known = std::find(kNames.begin(), kNames.end(), std::string(name));
    if (known == kNames.end()) return false;
    const std::lock_guard lock(mutex_);
    kind_ = static_cast<Kind>(known - kNames.begin());
    number_ = number;
    met_ = 0;
    changed_.notify_all();
    return true;
  }

  // 0, or what the request fails with; waits first, if it is that kind of fault.
  int Meet(Request request) {
    std::unique_lock lock(mutex_);
    met_ += kind_ == Kind::kHang;
    changed_.wait(lock, [this] { return kind_ != Kind::kHang; });
    switch (kind_) {
      case Kind::kNone:
      case Kind::kHang:
        return 0;
      case Kind::kReadError:
        return request == Request::kRead ? Count() : 0;
      case Kind::kWriteError:
        return request == Request::kWrite ? Count() : 0;
      case Kind::kSyncError:
        return request == Request::kSync ? Count() : 0;
      case Kind::kReadOnly:
        if (request != Request::kWrite) return 0;
        ++met_;
        return -EROFS;
      case Kind::kSlow: {
        ++met_;
        const auto pause = std::chrono::milliseconds(number_);
        lock.unlock();
        std::this_thread::sleep_for(pause);
        return 0;
      }
    }
    return 0;
  }

  uint64_t met() {
    const std::lock_guard lock(mutex_);
    return met_;
  }

 private:
  enum class Kind { kNone, kReadError, kWriteError, kSyncError, kReadOnly, kSlow, kHang };
  static inline const std::vector<std::string> kNames = {
      "none", "read-error", "write-error", "sync-error", "read-only", "slow", "hang"};

  int Count() {
    if (number_ == 0) {
      ++met_;
      return -EIO;
    }
    --number_;
    return 0;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  Kind kind_ = Kind::kNone;
  uint64_t number_ = 0;
  uint64_t met_ = 0;
};

// Calls come from several threads, so that one that hangs does not keep the files `cut` and `fault` from
// being written.
class Disk {
 public:
  bool Open(const char* path) {
    fd_ = open(path, O_RDWR | O_CLOEXEC);
    struct stat st;
    if (fd_ < 0 || fstat(fd_, &st) != 0) return false;
    size_ = st.st_size;
    return true;
  }

  uint64_t size() const { return size_; }

  int Read(char* out, size_t length, uint64_t offset) {
    const std::lock_guard lock(mutex_);
    if (dead_) return -EIO;
    if (offset >= size_) return 0;
    length = std::min<uint64_t>(length, size_ - offset);
    if (!ReadDurable(out, length, offset)) return -EIO;
    for (auto it = latest_.lower_bound(offset / kPageSize);
         it != latest_.end() && it->first * kPageSize < offset + length; ++it) {
      const uint64_t page = it->first * kPageSize;
      const uint64_t from = std::max(page, offset), to = std::min(page + kPageSize, offset + length);
      memcpy(out + (from - offset), it->second->data() + (from - page), to - from);
    }
    return static_cast<int>(length);
  }

  int WriteVolatile(const char* data, size_t length, uint64_t offset) {
    const std::lock_guard lock(mutex_);
    if (dead_) return -EIO;
    if (offset + length > size_) return -ENOSPC;
    for (uint64_t at = offset; at < offset + length;) {
      const uint64_t page = at / kPageSize * kPageSize;
      const uint64_t to = std::min(page + kPageSize, offset + length);
      auto& content = latest_[page / kPageSize];
      if (content == nullptr) {
        content = std::make_unique<Page>();
        if (!ReadDurable(content->data(), std::min(kPageSize, size_ - page), page)) return -EIO;
      }
      memcpy(content->data() + (at - page), data + (at - offset), to - at);
      at = to;
    }
    log_.push_back({offset, {data, data + length}});
    volatile_bytes_ += length;
    return static_cast<int>(length);
  }

  int Sync() {
    const std::lock_guard lock(mutex_);
    if (dead_) return -EIO;
    for (const Write& write : log_)
      if (!WriteDurable(write.bytes.data(), write.bytes.size(), write.offset)) return -EIO;
    Forget();
    return 0;
  }

  int Cut(uint64_t seed, unsigned keep_percent, uint64_t granule) {
    const std::lock_guard lock(mutex_);
    std::mt19937_64 random(seed);
    for (const Write& write : log_) {
      for (uint64_t at = 0; at < write.bytes.size();) {
        // Granules are those of the disk, not of the write. The first page survives whole or not at all:
        // ext4's superblock is in two sectors and in no journal, so that a disk that tears it is no disk for
        // ext4.
        const uint64_t from = write.offset + at, size = from < kPageSize ? kPageSize : granule;
        const uint64_t to = std::min<uint64_t>((from / size + 1) * size - write.offset, write.bytes.size());
        if (random() % 100 < keep_percent &&
            !WriteDurable(write.bytes.data() + at, to - at, write.offset + at))
          return -EIO;
        at = to;
      }
    }
    Forget();
    dead_ = true;
    return 0;
  }

  std::string Status() const {
    const std::lock_guard lock(mutex_);
    return std::to_string(log_.size()) + " volatile writes, " + std::to_string(volatile_bytes_) + " bytes" +
           (dead_ ? ", cut" : "") + "\n";
  }

 private:
  bool ReadDurable(char* out, uint64_t length, uint64_t offset) {
    while (length > 0) {
      const ssize_t n = pread(fd_, out, length, static_cast<off_t>(offset));
      if (n <= 0) return false;
      out += n, offset += n, length -= n;
    }
    return true;
  }

  bool WriteDurable(const char* data, uint64_t length, uint64_t offset) {
    while (length > 0) {
      const ssize_t n = pwrite(fd_, data, length, static_cast<off_t>(offset));
      if (n <= 0) return false;
      data += n, offset += n, length -= n;
    }
    return true;
  }

  void Forget() {
    log_.clear();
    latest_.clear();
    volatile_bytes_ = 0;
  }

  mutable std::mutex mutex_;
  int fd_ = -1;
  uint64_t size_ = 0;
  uint64_t volatile_bytes_ = 0;
  bool dead_ = false;
  std::vector<Write> log_;                            // since the last sync, in order
  std::map<uint64_t, std::unique_ptr<Page>> latest_;  // what reads see of them, by page number
};

Disk disk;
Fault fault;

bool Is(const char* path, const char* name) { return strcmp(path, name) == 0; }

int GetAttr(const char* path, struct stat* st, fuse_file_info*) {
  *st = {};
  st->st_nlink = 1;
  if (Is(path, "/")) {
    st->st_mode = S_IFDIR | 0700;
  } else if (Is(path, "/disk")) {
    st->st_mode = S_IFREG | 0600;
    st->st_size = static_cast<off_t>(disk.size());
  } else if (Is(path, "/cut") || Is(path, "/fault") || Is(path, "/status")) {
    st->st_mode = S_IFREG | 0600;
  } else {
    return -ENOENT;
  }
  return 0;
}

int ReadDir(const char*, void* buffer, fuse_fill_dir_t fill, off_t, fuse_file_info*, fuse_readdir_flags) {
  for (const char* name : {".", "..", "disk", "cut", "fault", "status"})
    fill(buffer, name, nullptr, 0, fuse_fill_dir_flags{});
  return 0;
}

int Open(const char* path, fuse_file_info* info) {
  // The page cache of this file must not hide what the disk forgets.
  info->direct_io = 1;
  return Is(path, "/disk") || Is(path, "/cut") || Is(path, "/fault") || Is(path, "/status") ? 0 : -ENOENT;
}

int Truncate(const char* path, off_t, fuse_file_info*) {
  return Is(path, "/cut") || Is(path, "/fault") ? 0 : -EPERM;
}

int Read(const char* path, char* out, size_t length, off_t offset, fuse_file_info*) {
  if (Is(path, "/disk")) {
    const int failed = fault.Meet(Request::kRead);
    return failed != 0 ? failed : disk.Read(out, length, offset);
  }
  if (!Is(path, "/status") && !Is(path, "/fault")) return 0;
  const std::string status = Is(path, "/fault") ? std::to_string(fault.met()) : disk.Status();
  if (static_cast<size_t>(offset) >= status.size()) return 0;
  length = std::min(length, status.size() - offset);
  memcpy(out, status.data() + offset, length);
  return static_cast<int>(length);
}

int Write(const char* path, const char* data, size_t length, off_t offset, fuse_file_info*) {
  if (Is(path, "/disk")) {
    const int failed = fault.Meet(Request::kWrite);
    return failed != 0 ? failed : disk.WriteVolatile(data, length, offset);
  }
  if (Is(path, "/fault")) return fault.Set(std::string(data, length)) ? static_cast<int>(length) : -EINVAL;
  if (!Is(path, "/cut")) return -EPERM;
  unsigned long long seed, granule;
  unsigned keep_percent;
  if (sscanf(std::string(data, length).c_str(), "%llu %u %llu", &seed, &keep_percent, &granule) != 3 ||
      keep_percent > 100 || (granule != 512 && granule != 4096))
    return -EINVAL;
  const int result = disk.Cut(seed, keep_percent, granule);
  return result < 0 ? result : static_cast<int>(length);
}

int Sync(const char* path, int, fuse_file_info*) {
  if (!Is(path, "/disk")) return 0;
  const int failed = fault.Meet(Request::kSync);
  return failed != 0 ? failed : disk.Sync();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 || !disk.Open(argv[2])) {
    fprintf(stderr, "usage: forgetful_disk MOUNTPOINT BACKING_FILE: %s\n", strerror(errno));
    return 2;
  }
  fuse_operations operations = {};
  operations.getattr = GetAttr;
  operations.readdir = ReadDir;
  operations.open = Open;
  operations.truncate = Truncate;
  operations.read = Read;
  operations.write = Write;
  operations.fsync = Sync;
  char foreground[] = "-f";
  char* arguments[] = {argv[0], foreground, argv[1], nullptr};
  return fuse_main(3, arguments, &operations, nullptr);
}
