#include "stream/revision_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

namespace aurochs {

namespace {
constexpr size_t kBlockBytes = 4096;
}  // namespace

RevisionFile::~RevisionFile() {
  if (fd_ >= 0) close(fd_);
}

int RevisionFile::Open(const std::string& path, uint64_t revision, uint64_t changes) {
  int fd = open(path.c_str(), O_WRONLY | O_DSYNC | O_CLOEXEC);
  if (fd < 0) return errno;
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
  revision_ = revision;
  changes_ = changes;
  return 0;
}

int RevisionFile::Write(uint64_t changes) {
  if (fd_ < 0) return 0;
  char block[kBlockBytes] = {};
  std::to_chars(block, block + sizeof block, revision_ + (changes - changes_));
  ssize_t length;
  do {
    length = pwrite(fd_, block, sizeof block, 0);
  } while (length < 0 && errno == EINTR);
  if (length < 0) return errno;
  return length == sizeof block ? 0 : ENOSPC;
}

}  // namespace aurochs
