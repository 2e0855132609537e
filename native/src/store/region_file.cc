#include "store/region_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace aurochs {

namespace {

std::string Failure(const std::string& path, const char* what, int* system_errno) {
  *system_errno = errno;
  return path + ": " + what + ": " + strerror(errno);
}

bool WriteAll(int fd, uint64_t offset, const std::vector<uint8_t>& bytes) {
  size_t written = 0;
  while (written < bytes.size()) {
    ssize_t count =
        pwrite(fd, bytes.data() + written, bytes.size() - written, static_cast<off_t>(offset + written));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    written += count;
  }
  return true;
}

bool SyncDirectoryOf(const std::string& path) {
  size_t slash = path.rfind('/');
  std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  bool synced = fsync(fd) == 0;
  int error = errno;
  close(fd);
  errno = error;
  return synced;
}

// A crash while it is made leaves the old state: no file.
int Create(const std::string& path, const std::vector<uint8_t>& content, std::string* error,
           int* system_errno) {
  std::string temporary = path + ".tmp";
  int fd = open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) {
    *error = Failure(temporary, "create", system_errno);
    return -1;
  }
  if (WriteAll(fd, 0, content) && fsync(fd) == 0 && rename(temporary.c_str(), path.c_str()) == 0 &&
      SyncDirectoryOf(path)) {
    return fd;
  }
  *error = Failure(path, "create", system_errno);
  close(fd);
  unlink(temporary.c_str());
  return -1;
}

}  // namespace

std::unique_ptr<RegionFile> RegionFile::Open(const std::string& path, RegionMap* map, std::string* error,
                                             int* system_errno) {
  int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) {
    fd = Create(path, map->EncodeEmpty(), error, system_errno);
    if (fd < 0) return nullptr;
    return std::unique_ptr<RegionFile>(new RegionFile(path, fd));
  }
  if (fd < 0) {
    *error = Failure(path, "open", system_errno);
    return nullptr;
  }
  std::unique_ptr<RegionFile> file(new RegionFile(path, fd));
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    *error = path + ": not a regular file";
    return nullptr;
  }
  // One byte more than it should have tells a longer file, and nothing larger is ever read.
  std::vector<uint8_t> content(map->FileBytes() + 1);
  size_t length = 0;
  while (length < content.size()) {
    ssize_t count = pread(fd, content.data() + length, content.size() - length, static_cast<off_t>(length));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      *error = Failure(path, "read", system_errno);
      return nullptr;
    }
    if (count == 0) break;
    length += count;
  }
  std::string problem = map->Decode(content.data(), length);
  if (!problem.empty()) {
    *error = path + ": " + problem;
    return nullptr;
  }
  // A process that was killed may have left bits, or the name itself, that are not durable yet; writes rely
  // on them.
  if (fdatasync(fd) != 0 || !SyncDirectoryOf(path)) {
    *error = Failure(path, "sync", system_errno);
    return nullptr;
  }
  return file;
}

RegionFile::~RegionFile() { close(fd_); }

std::string RegionFile::Write(const std::vector<RegionMap::BlockImage>& images, int* system_errno) const {
  for (const auto& image : images) {
    if (!WriteAll(fd_, image.file_offset, image.bytes)) return Failure(path_, "write", system_errno);
  }
  return fdatasync(fd_) == 0 ? std::string() : Failure(path_, "sync", system_errno);
}

}  // namespace aurochs
