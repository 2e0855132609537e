#include "store/file_hash.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/buffer.h"
#include "base/crc64.h"
#include "store/limits.h"

namespace aurochs {

namespace {
constexpr uint64_t kAlignment = 4096;  // of O_DIRECT
}  // namespace

void FileHash::Fail(const char* what, int system_errno) {
  system_errno_ = system_errno;
  error_ = path_ + ": " + what + ": " + strerror(system_errno);
}

void FileHash::Run() {
  int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
  if (fd < 0 && errno == EINVAL) fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    Fail("open", errno);
    return;
  }
  HashFile(fd);
  close(fd);
}

void FileHash::HashFile(int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0) return Fail("stat", errno);
  if (!S_ISREG(info.st_mode)) return Fail("open", EINVAL);
  auto size = static_cast<uint64_t>(info.st_size);
  BufferRef buffer = Buffer::Allocate(kHashBufferBytes);
  Crc64Iso crc;
  uint64_t hashed = 0;
  uint64_t data_end = 0;  // up to here there is no hole
  while (hashed < size) {
    if (cancelled_) return Fail("hash", ECANCELED);
    if (hashed >= data_end) {
      off_t data = lseek(fd, static_cast<off_t>(hashed), SEEK_DATA);
      if (data < 0 && errno != ENXIO) return Fail("seek", errno);
      uint64_t begin = data < 0 ? size : std::min(static_cast<uint64_t>(data) & ~(kAlignment - 1), size);
      if (begin > hashed) {
        crc.UpdateZeros(begin - hashed);
        hashed = begin;
        continue;
      }
      off_t hole = lseek(fd, data, SEEK_HOLE);
      if (hole < 0) return Fail("seek", errno);
      data_end = std::min((static_cast<uint64_t>(hole) + kAlignment - 1) & ~(kAlignment - 1), size);
    }
    uint64_t wanted = std::min(data_end - hashed, kHashBufferBytes);
    // Whole blocks: the file system cuts at the end of the file.
    uint64_t aligned = (wanted + kAlignment - 1) & ~(kAlignment - 1);
    ssize_t got = pread(fd, buffer.data(), aligned, static_cast<off_t>(hashed));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Fail("read", errno);
    uint64_t count = std::min<uint64_t>(static_cast<uint64_t>(got), wanted);
    if (count < wanted && count % kAlignment != 0) return Fail("read", EIO);  // it became shorter
    if (count == 0) return Fail("read", EIO);
    crc.Update(buffer.data(), count);
    hashed += count;
  }
  crc64_ = crc.value();
}

}  // namespace aurochs
