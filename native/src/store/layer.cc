#include "store/layer.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/buffer.h"
#include "base/limits.h"
#include "store/extent_index.h"
#include "store/fiemap.h"

namespace aurochs {

namespace {

// Offsets and lengths of O_DIRECT are whole blocks: that suits every device whose logical block is 4096 or
// less.
constexpr uint64_t kDirectBytes = kBlockBytes;

uint64_t RoundDown(uint64_t value) { return value & ~(kDirectBytes - 1); }
uint64_t RoundUp(uint64_t value) { return RoundDown(value + kDirectBytes - 1); }

int OpenFile(const std::string& path, int flags) {
  int fd;
  do {
    fd = open(path.c_str(), flags | O_CLOEXEC);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

// Reads until `length` bytes, an error, or the end of the file.
int PreadAll(int fd, bool direct, uint64_t offset, uint64_t length, uint8_t* data, uint64_t* got) {
  *got = 0;
  while (*got < length) {
    ssize_t result = pread(fd, data + *got, length - *got, static_cast<off_t>(offset + *got));
    if (result < 0 && errno == EINTR) continue;
    if (result < 0) return errno;
    if (result == 0) break;
    *got += result;
    // Part of a block is the end of the file, and O_DIRECT refuses to go on from there.
    if (direct && *got % kDirectBytes != 0) break;
  }
  return 0;
}

int PwriteAll(int fd, uint64_t offset, uint64_t length, const uint8_t* data, uint64_t* written) {
  *written = 0;
  while (*written < length) {
    ssize_t result = pwrite(fd, data + *written, length - *written, static_cast<off_t>(offset + *written));
    if (result < 0 && errno == EINTR) continue;
    if (result < 0) return errno;
    if (result == 0) return EIO;
    *written += result;
  }
  return 0;
}

int Fallocate(int fd, int mode, uint64_t offset, uint64_t length) {
  int result;
  do {
    result =
        fallocate(fd, mode | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset), static_cast<off_t>(length));
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

bool IsSameFile(int one, int other) {
  struct stat a, b;
  return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

uintptr_t MemoryAlignment([[maybe_unused]] int fd) {
#ifdef STATX_DIOALIGN
  struct statx info {};
  if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &info) == 0 && (info.stx_mask & STATX_DIOALIGN) != 0 &&
      info.stx_dio_mem_align != 0) {
    return info.stx_dio_mem_align;
  }
#endif
  return kDirectBytes;
}

// The bounds that reading relies on: of the memory that it takes, and of where it reads.
bool IsSound(const LayerPiece& piece, uint64_t cluster_bytes) {
  if (piece.offset + piece.length < piece.offset || piece.file_offset + piece.length < piece.length)
    return false;
  if (piece.compressed == 0) return true;
  return piece.length <= cluster_bytes && piece.compressed <= 2 * cluster_bytes &&
         piece.file_offset + piece.compressed >= piece.compressed;
}

}  // namespace

std::unique_ptr<Layer> Layer::Open(LayerSpec spec, uint64_t volume_size, bool head, bool direct,
                                   std::string* error, int* system_errno) {
  std::unique_ptr<Layer> layer(new Layer);
  layer->spec_ = std::move(spec);
  if (layer->spec_.cluster_bytes > 0)
    layer->clusters_ = std::make_unique<InflatedClusters>(layer->spec_.cluster_bytes);
  layer->volume_size_ = volume_size;
  layer->direct_ = direct;
  const std::string& path = layer->spec_.path;
  layer->fd_ = OpenFile(path, O_RDONLY | (direct ? O_DIRECT : 0));
  if (layer->fd_ < 0) {
    *system_errno = errno;
    const char* what = direct && errno == EINVAL ? "open (cache mode none needs O_DIRECT)" : "open";
    *error = layer->Describe(what, *system_errno);
    return nullptr;
  }
  struct stat info;
  if (fstat(layer->fd_, &info) != 0) {
    *system_errno = errno;
    *error = layer->Describe("stat", *system_errno);
    return nullptr;
  }
  layer->size_ = info.st_size;
  if (!S_ISREG(info.st_mode)) {
    *error = path + ": not a regular file";
    return nullptr;
  }
  if (direct) layer->memory_alignment_ = MemoryAlignment(layer->fd_);
  if (!head) return layer;
  *error = layer->CheckHead();
  if (!error->empty()) return nullptr;
  layer->size_ = volume_size;
  bool opened = layer->OpenForChanges(error, system_errno) &&
                layer->OpenAgain(O_RDONLY, &layer->apart_fd_, error, system_errno);
  return opened ? std::move(layer) : nullptr;
}

bool Layer::OpenAgain(int flags, int* fd, std::string* error, int* system_errno) const {
  int opened = OpenFile(spec_.path, flags);
  if (opened < 0) {
    *system_errno = errno;
    *error = Describe("open", *system_errno);
    return false;
  }
  if (!IsSameFile(opened, fd_)) {
    close(opened);
    *error = spec_.path + ": is another file than when it was opened";
    return false;
  }
  *fd = opened;
  return true;
}

bool Layer::OpenForChanges(std::string* error, int* system_errno) {
  if (write_fd_ >= 0) return true;
  if (direct_ && buffered_fd_ < 0 && !OpenAgain(O_RDWR, &buffered_fd_, error, system_errno)) return false;
  int fd;
  if (!OpenAgain(O_RDWR | (direct_ ? O_DIRECT : 0), &fd, error, system_errno)) return false;
  write_fd_ = fd;
  return true;
}

int Layer::Extend(uint64_t bytes) const {
  struct stat info;
  if (fstat(write_fd_, &info) != 0) return errno;
  if (static_cast<uint64_t>(info.st_size) >= bytes) return 0;
  return ftruncate(write_fd_, static_cast<off_t>(bytes)) == 0 ? 0 : errno;
}

bool Layer::SameFile(const Layer& other) const { return IsSameFile(fd_, other.fd_); }

std::optional<FileIdentity> Layer::Identity() const {
  struct stat info;
  uint64_t generation = 0;  // four bytes of it, whatever the request's name says
  if (fstat(fd_, &info) != 0 || ioctl(fd_, FS_IOC_GETVERSION, &generation) != 0) return std::nullopt;
  return FileIdentity{info.st_ino, static_cast<uint32_t>(generation)};
}

// An allocation larger than what was written would hide what lower layers hold beside it, for ever.
std::string Layer::CheckHead() {
  const std::string& path = spec_.path;
  if (spec_.mapped) return path + ": a mapped file cannot be the head";
  if (size_ < volume_size_) {
    return path + ": has " + std::to_string(size_) + " bytes, less than the volume's " +
           std::to_string(volume_size_);
  }
  struct statvfs filesystem;
  if (fstatvfs(fd_, &filesystem) != 0) return Describe("statvfs", errno);
  if (filesystem.f_bsize > kBlockBytes) {
    return path + ": the file system's block size is " + std::to_string(filesystem.f_bsize) +
           ", more than 4096 is not supported";
  }
  whole_blocks_ = direct_ || filesystem.f_bsize < kBlockBytes;
  fsxattr attributes{};
  if (ioctl(fd_, FS_IOC_FSGETXATTR, &attributes) == 0 && (attributes.fsx_xflags & FS_XFLAG_EXTSIZE) != 0 &&
      attributes.fsx_extsize > kBlockBytes) {
    return path + ": has an extent size hint of " + std::to_string(attributes.fsx_extsize) +
           " bytes, more than 4096 is not supported";
  }
  return {};
}

Layer::~Layer() {
  for (int fd : {fd_, write_fd_.load(), buffered_fd_, apart_fd_}) {
    if (fd >= 0) close(fd);
  }
}

std::string Layer::Extents(uint64_t begin, uint64_t end, bool sync, const ExtentCallback& extent) const {
  if (!spec_.mapped) {
    std::string error = ListExtents(fd_, begin, end, sync, extent);
    return error.empty() ? error : spec_.path + ": " + error;
  }
  uint64_t position = 0;
  for (const LayerPiece& piece : spec_.map) {
    if (piece.offset < position || !IsSound(piece, spec_.cluster_bytes)) {
      return spec_.path + ": the layer map is not ascending, or out of bounds, at offset " +
             std::to_string(piece.offset);
    }
    position = piece.offset + piece.length;
    uint64_t from = std::max(piece.offset, begin);
    uint64_t to = std::min(position, end);
    if (to > from) extent(from, to - from, false);
  }
  return {};
}

std::string Layer::NextExtent(uint64_t begin, uint64_t end, bool sync, uint64_t* found) const {
  std::string error = FindExtent(fd_, begin, end, sync, found);
  return error.empty() ? error : spec_.path + ": " + error;
}

bool Layer::ReadCached(uint64_t offset, uint64_t length, uint8_t* data) {
  if (!can_read_cached_ || direct_ || spec_.mapped) return false;
  uint64_t readable = offset >= size_ ? 0 : std::min(length, size_ - offset);
  if (readable > 0) {
    iovec vector{data, readable};
    ssize_t got = preadv2(fd_, &vector, 1, static_cast<off_t>(offset), RWF_NOWAIT);
    if (got < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) can_read_cached_ = false;
    if (got < 0 || static_cast<uint64_t>(got) != readable) return false;
  }
  memset(data + readable, 0, length - readable);
  return true;
}

int Layer::Read(uint64_t offset, uint64_t length, uint8_t* data) const {
  if (!spec_.mapped) return ReadFile(offset, length, data);
  auto piece = std::upper_bound(spec_.map.begin(), spec_.map.end(), offset,
                                [](uint64_t at, const LayerPiece& entry) { return at < entry.offset; });
  if (piece != spec_.map.begin()) --piece;
  while (length > 0) {
    while (piece != spec_.map.end() && piece->offset + piece->length <= offset) ++piece;
    uint64_t next = piece == spec_.map.end() ? UINT64_MAX : piece->offset;
    uint64_t count;
    if (next > offset) {
      count = std::min(length, next - offset);
      memset(data, 0, count);
    } else {
      uint64_t inside = offset - next;
      count = std::min(length, piece->length - inside);
      if (int error = ReadPiece(*piece, inside, count, data)) return error;
    }
    offset += count;
    data += count;
    length -= count;
  }
  return 0;
}

int Layer::ReadPiece(const LayerPiece& piece, uint64_t skip, uint64_t length, uint8_t* data) const {
  if (piece.compressed == 0) return ReadFile(piece.file_offset + skip, length, data);
  return clusters_->Read(
      piece.file_offset, piece.compressed, skip, length, data,
      [this](uint64_t at, uint64_t count, uint8_t* bytes) { return ReadFile(at, count, bytes); });
}

int Layer::ReadFile(uint64_t file_offset, uint64_t length, uint8_t* data) const {
  uint64_t readable = file_offset >= size_ ? 0 : std::min(length, size_ - file_offset);
  memset(data + readable, 0, length - readable);
  if (readable == 0) return 0;
  if (direct_) return ReadFileDirect(file_offset, readable, data);
  uint64_t got;
  if (int error = PreadAll(fd_, false, file_offset, readable, data, &got)) return error;
  return got == readable ? 0 : kShortRead;
}

bool Layer::MemoryAligned(const uint8_t* data) const {
  return reinterpret_cast<uintptr_t>(data) % memory_alignment_ == 0;
}

int Layer::ReadFileDirect(uint64_t file_offset, uint64_t length, uint8_t* data) const {
  uint64_t got;
  if ((file_offset | length) % kDirectBytes == 0 && MemoryAligned(data)) {
    if (int error = PreadAll(fd_, true, file_offset, length, data, &got)) return error;
    return got == length ? 0 : kShortRead;
  }
  while (length > 0) {
    uint64_t begin = RoundDown(file_offset);
    uint64_t skip = file_offset - begin;
    uint64_t count = std::min(length, kBounceBytes - skip);
    uint64_t span = RoundUp(skip + count);
    BufferRef bounce = Buffer::Allocate(span);
    if (int error = PreadAll(fd_, true, begin, span, bounce.data(), &got)) return error;
    if (got < skip + count) return kShortRead;
    memcpy(data, bounce.data() + skip, count);
    file_offset += count;
    data += count;
    length -= count;
  }
  return 0;
}

int Layer::Write(uint64_t offset, uint64_t length, const uint8_t* data, uint64_t* written) const {
  if (!direct_) return PwriteAll(write_fd_, offset, length, data, written);
  // Writes arrive in whole blocks, but for the end of a volume that ends within one.
  uint64_t whole = offset % kDirectBytes == 0 ? RoundDown(length) : 0;
  *written = 0;
  uint64_t step;
  if (whole > 0 && MemoryAligned(data)) {
    if (int error = PwriteAll(write_fd_, offset, whole, data, written)) return error;
  } else if (whole > 0) {
    BufferRef bounce = Buffer::Allocate(std::min(whole, kBounceBytes));
    while (*written < whole) {
      uint64_t count = std::min(whole - *written, kBounceBytes);
      memcpy(bounce.data(), data + *written, count);
      int error = PwriteAll(write_fd_, offset + *written, count, bounce.data(), &step);
      *written += step;
      if (error != 0) return error;
    }
  }
  if (whole == length) return 0;
  int error = PwriteAll(buffered_fd_, offset + whole, length - whole, data + whole, &step);
  *written += step;
  return error;
}

int Layer::WriteZeros(uint64_t offset, uint64_t length) const {
  uint64_t end = std::min(offset + length, volume_size_);
  BufferRef zeros = Buffer::Allocate(kBounceBytes);
  memset(zeros.data(), 0, kBounceBytes);
  while (offset < end) {
    uint64_t count = std::min(end - offset, kBounceBytes);
    uint64_t written;
    if (int error = Write(offset, count, zeros.data(), &written)) return error;
    offset += count;
  }
  return 0;
}

bool Layer::HasRoom(uint64_t bytes) const {
  struct statvfs filesystem;
  if (fstatvfs(fd_, &filesystem) != 0) return false;
  return filesystem.f_bavail * filesystem.f_frsize >= bytes;
}

int Layer::ZeroRange(uint64_t offset, uint64_t length) const {
  int error = Fallocate(write_fd_, FALLOC_FL_ZERO_RANGE, offset, length);
  return error == EOPNOTSUPP ? WriteZeros(offset, length) : error;
}

int Layer::Free(uint64_t offset, uint64_t length) const {
  return Fallocate(write_fd_, FALLOC_FL_PUNCH_HOLE, offset, length);
}

int Layer::Punch(uint64_t offset, uint64_t length, bool* punched) const {
  int error = Free(offset, length);
  *punched = error == 0;
  return error == EOPNOTSUPP ? WriteZeros(offset, length) : error;
}

int Layer::Sync() const { return fdatasync(fd_) == 0 ? 0 : errno; }

int Layer::SyncApart() const { return fdatasync(apart_fd_) == 0 ? 0 : errno; }

int Layer::StartWriteOut() const {
  int fd = write_fd_;
  if (fd < 0) return 0;
  return sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE) == 0 ? 0 : errno;
}

uint64_t Layer::AllocatedBytes() const {
  struct stat info;
  return fstat(fd_, &info) == 0 ? static_cast<uint64_t>(info.st_blocks) * 512 : 0;
}

std::string Layer::Describe(const char* what, int error) const {
  std::string why = error == kShortRead                   ? "the file has become shorter than it was"
                    : error == InflatedClusters::kDamaged ? "a compressed cluster is damaged"
                                                          : strerror(error);
  return spec_.path + ": " + what + ": " + why;
}

}  // namespace aurochs
