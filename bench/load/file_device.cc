#include "file_device.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace aurochs {
namespace {

std::string Failure(const std::string& what) { return what + ": " + std::strerror(errno); }

class FileDevice final : public Device {
 public:
  explicit FileDevice(const Options& options) : blocks_(options.depth), events_(options.depth) {
    queue_.reserve(options.depth);
  }

  ~FileDevice() override { Close(); }

  void Close() override {
    // Waits for what is in flight: the kernel would write to its memory.
    if (context_ != 0) syscall(SYS_io_destroy, context_);
    if (fd_ >= 0) close(fd_);
    context_ = 0;
    fd_ = -1;
  }

  std::string Open(const Options& options) {
    struct stat status;
    if (stat(options.file.c_str(), &status) != 0) return Failure(options.file);
    bool is_block_device = S_ISBLK(status.st_mode);
    if (!is_block_device && !S_ISREG(status.st_mode))
      return options.file + ": neither a file nor a block device";
    int flags = (Writes(options.pattern) ? O_RDWR : O_RDONLY) | O_CLOEXEC;
    if (!options.buffered) flags |= O_DIRECT;
    // On a block device O_EXCL fails while it is mounted or part of a volume group.
    if (is_block_device && Writes(options.pattern)) flags |= O_EXCL;
    fd_ = open(options.file.c_str(), flags);
    if (fd_ < 0) {
      std::string error = Failure(options.file);
      if (errno == EINVAL && !options.buffered) error += " (no O_DIRECT here? --buffered does without)";
      return error;
    }
    uint64_t bytes = status.st_size;
    if (is_block_device && ioctl(fd_, BLKGETSIZE64, &bytes) != 0) return Failure(options.file);
    capacity_ = bytes;
    if (syscall(SYS_io_setup, options.depth, &context_) != 0) return Failure("io_setup");
    return {};
  }

  uint64_t capacity() const override { return capacity_; }
  uint32_t block_bytes() const override { return 512; }

  void Queue(Request* request) override {
    iocb& block = blocks_[request->slot];
    block = {};
    block.aio_data = reinterpret_cast<uintptr_t>(request);
    block.aio_fildes = fd_;
    block.aio_buf = reinterpret_cast<uintptr_t>(request->data);
    block.aio_nbytes = request->length;
    block.aio_offset = static_cast<int64_t>(request->offset);
    switch (request->kind) {
      case Request::Kind::kRead:
        block.aio_lio_opcode = IOCB_CMD_PREAD;
        break;
      case Request::Kind::kWrite:
        block.aio_lio_opcode = IOCB_CMD_PWRITE;
        break;
      case Request::Kind::kFlush:
        block.aio_lio_opcode = IOCB_CMD_FDSYNC;
        block.aio_buf = 0;
        block.aio_offset = 0;
        break;
    }
    queue_.push_back(&block);
  }

  std::string Wait(int timeout_ms, std::vector<Request*>* done) override {
    size_t sent = 0;
    while (sent < queue_.size()) {
      long taken = syscall(SYS_io_submit, context_, queue_.size() - sent, queue_.data() + sent);
      if (taken < 0 && errno == EINTR) continue;
      if (taken < 0) return Failure("io_submit");
      sent += taken;
    }
    queue_.clear();
    timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1'000'000L};
    long count = syscall(SYS_io_getevents, context_, 1, events_.size(), events_.data(), &timeout);
    if (count < 0 && errno != EINTR) return Failure("io_getevents");
    for (long i = 0; i < count; ++i) {
      auto* request = reinterpret_cast<Request*>(static_cast<uintptr_t>(events_[i].data));
      request->error.clear();
      if (events_[i].res < 0) {
        request->error = std::strerror(static_cast<int>(-events_[i].res));
      } else if (events_[i].res != request->length) {
        request->error = "short by " + std::to_string(request->length - events_[i].res) + " bytes";
      }
      done->push_back(request);
    }
    return {};
  }

 private:
  int fd_ = -1;
  uint64_t capacity_ = 0;
  aio_context_t context_ = 0;
  std::vector<iocb> blocks_;  // by Request::slot
  std::vector<iocb*> queue_;
  std::vector<io_event> events_;
};

}  // namespace

std::unique_ptr<Device> OpenFileDevice(const Options& options, std::string* error) {
  auto device = std::make_unique<FileDevice>(options);
  *error = device->Open(options);
  if (!error->empty()) return nullptr;
  return device;
}

}  // namespace aurochs
