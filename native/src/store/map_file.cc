#include "store/map_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace aurochs {

namespace {

constexpr size_t kSectorBytes = 512;

void Fail(const std::string& path, const char* what, MapFile::Error* error) {
  error->system_errno = errno;
  error->message = path + ": " + what + ": " + strerror(errno);
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

/// Writes the sectors that are not zero: others may be holes, also within a block of ours.
bool RewriteBits(int fd, const std::vector<uint8_t>& content) {
  auto sector_end = [&](size_t offset) { return std::min<size_t>(offset + kSectorBytes, content.size()); };
  auto is_zero = [&](size_t offset) {
    return std::all_of(&content[offset], content.data() + sector_end(offset),
                       [](uint8_t byte) { return byte == 0; });
  };
  for (size_t offset = 0; offset < content.size();) {
    size_t end = offset;
    while (end < content.size() && !is_zero(end)) end = sector_end(end);
    if (end > offset && !WriteAll(fd, offset, {content.data() + offset, content.data() + end})) return false;
    offset = end == offset ? sector_end(offset) : end;
  }
  return true;
}

bool ReadAll(int fd, std::vector<uint8_t>* content) {
  size_t length = 0;
  while (length < content->size()) {
    ssize_t count = pread(fd, content->data() + length, content->size() - length, static_cast<off_t>(length));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    if (count == 0) break;
    length += count;
  }
  content->resize(length);
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

}  // namespace

std::unique_ptr<MapFile> MapFile::Create(const std::string& path, const std::vector<uint8_t>& content,
                                         Error* error) {
  std::string temporary = path + ".tmp";
  int fd = open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) {
    Fail(temporary, "create", error);
    return nullptr;
  }
  std::unique_ptr<MapFile> file(new MapFile(path, fd));
  if (!WriteAll(fd, 0, content) || fsync(fd) != 0 || rename(temporary.c_str(), path.c_str()) != 0) {
    Fail(path, "create", error);
    unlink(temporary.c_str());
    return nullptr;
  }
  if (SyncDirectoryOf(path)) return file;
  Fail(path, "create", error);
  error->uncertain = true;
  return nullptr;
}

std::unique_ptr<MapFile> MapFile::Open(const std::string& path, size_t bytes_max,
                                       std::vector<uint8_t>* content, Error* error) {
  int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    Fail(path, "open", error);
    return nullptr;
  }
  std::unique_ptr<MapFile> file(new MapFile(path, fd));
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    error->message = path + ": not a regular file";
    return nullptr;
  }
  content->resize(std::min<uint64_t>(info.st_size, bytes_max) + 1);
  if (!ReadAll(fd, content)) {
    Fail(path, "read", error);
    return nullptr;
  }
  // A process that was killed may have left bits, or the name itself, that are not durable yet; writes rely
  // on them. Bits that a failed sync dropped are read from the page cache as if they were, and no sync writes
  // them: so they are written once more. Where there are none there may be a hole, and no space to fill it.
  if (!RewriteBits(fd, *content) || fdatasync(fd) != 0 || !SyncDirectoryOf(path)) {
    Fail(path, "sync", error);
    return nullptr;
  }
  return file;
}

bool MapFile::Remove(const std::string& path, Error* error) {
  bool removed = (unlink(path.c_str()) == 0 || errno == ENOENT) && SyncDirectoryOf(path);
  if (!removed) Fail(path, "remove", error);
  return removed;
}

MapFile::~MapFile() { close(fd_); }

bool MapFile::MoveTo(const std::string& path) {
  if (std::rename(path_.c_str(), path.c_str()) != 0) return false;
  path_ = path;
  return true;
}

bool MapFile::Write(const std::vector<MapBlockImage>& images, Error* error) const {
  for (const auto& image : images) {
    if (WriteAll(fd_, image.file_offset, image.bytes)) continue;
    Fail(path_, "write", error);
    return false;
  }
  if (fdatasync(fd_) == 0) return true;
  Fail(path_, "sync", error);
  return false;
}

}  // namespace aurochs
