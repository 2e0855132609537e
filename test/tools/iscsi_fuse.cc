// An iSCSI LUN as one file: a FUSE file system with the file `disk`, for a loop device where the kernel has
// no initiator. fsync is SYNCHRONIZE CACHE, punching a hole is UNMAP. Nothing is cached here. While the
// target is away I/O waits; what was not answered is sent again after the next login, as the kernel's
// initiator does. The file `status` counts what was done. SIGHUP has it look how large the disk is now.
//
// usage: iscsi_fuse MOUNTPOINT INITIATOR_NAME URL (in the foreground)

#define FUSE_USE_VERSION 35
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <linux/falloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

constexpr fuse_ino_t kDisk = 2, kStatus = 3;
constexpr double kAttributesSeconds = 3600;
constexpr uint64_t kRequestBytesMax = 1 << 20;
// The target takes no more by one UNMAP or WRITE SAME command.
constexpr uint64_t kUnmapBytesMax = 256 << 20, kZeroBytesMax = 16 << 20;
constexpr uint32_t kFileSystemBlock = 4096;
constexpr int kRetryMs = 50;
constexpr int kLoginMs = 3000;
// Any organizationally unique identifier: a session with the same ISID takes the place of the one before.
constexpr uint32_t kOui = 0xa0a0a0, kQualifier = 1;

enum class Kind { kRead, kWrite, kFlush, kUnmap, kZero };

struct Request {
  fuse_req_t fuse;
  Kind kind;
  uint64_t offset;
  uint64_t length;  // of unmap and zero: all that is left to do
  std::vector<unsigned char> data;
  bool sent = false;

  // What one command does of it.
  uint64_t Part() const {
    if (kind == Kind::kUnmap) return std::min(length, kUnmapBytesMax);
    if (kind == Kind::kZero) return std::min(length, kZeroBytesMax);
    return length;
  }
};

struct Counts {
  uint64_t reads, writes, flushes, unmaps, logins;
};

class Initiator {
 public:
  Initiator(const char* name, const char* url) : name_(name), url_(url) {}

  // Waits for the first login, to learn how large the disk is.
  bool Open() {
    Context context(iscsi_create_context(name_.c_str()));
    Url url(iscsi_parse_full_url(context.get(), url_.c_str()));
    if (url == nullptr) return Fail(context.get());
    Prepare(context.get(), url.get());
    if (iscsi_full_connect_sync(context.get(), url->portal, url->lun) != 0) return Fail(context.get());
    scsi_task* task = iscsi_readcapacity16_sync(context.get(), url->lun);
    if (task == nullptr || task->status != SCSI_STATUS_GOOD) return Fail(context.get());
    const auto* capacity = static_cast<scsi_readcapacity16*>(scsi_datain_unmarshall(task));
    if (capacity == nullptr) return Fail(context.get());
    block_ = capacity->block_length;
    size_ = (capacity->returned_lba + 1) * block_;
    scsi_free_scsi_task(task);
    iscsi_logout_sync(context.get());
    Connect();
    return true;
  }

  // Answered by a change of `size` some time later, where there is one.
  void AskSize() {
    if (!logged_in_) return;
    const auto answered = [](iscsi_context*, int status, void* data, void* private_data) {
      auto* task = static_cast<scsi_task*>(data);
      auto* self = static_cast<Initiator*>(private_data);
      if (status == SCSI_STATUS_GOOD) {
        const auto* capacity = static_cast<scsi_readcapacity16*>(scsi_datain_unmarshall(task));
        if (capacity != nullptr) self->size_ = (capacity->returned_lba + 1) * capacity->block_length;
      } else if (status == SCSI_STATUS_CHECK_CONDITION && task->sense.key == SCSI_SENSE_UNIT_ATTENTION) {
        self->AskSize();  // that it has changed is told to the first who asks for anything
      }
      if (task != nullptr) scsi_free_scsi_task(task);
    };
    if (iscsi_readcapacity16_task(context_.get(), parsed_->lun, answered, this) == nullptr) lost_ = true;
  }

  uint64_t size() const { return size_; }
  uint32_t block() const { return block_; }

  void Submit(Request request) {
    const uint64_t id = next_id_++;
    requests_.emplace(id, std::move(request));
    if (logged_in_) Send(id);
  }

  pollfd Poll() {
    if (context_ == nullptr) return {-1, 0, 0};
    return {iscsi_get_fd(context_.get()), static_cast<short>(iscsi_which_events(context_.get())), 0};
  }

  // To be called after each poll.
  void Service(short events) {
    if (context_ != nullptr && events != 0 && iscsi_service(context_.get(), events) != 0) lost_ = true;
    if (lost_) Disconnect();
    const uint64_t now = NowMs();
    if (context_ != nullptr && !logged_in_ && now - since_ms_ > kLoginMs) Disconnect();
    if (context_ == nullptr && now - since_ms_ >= kRetryMs) Connect();
    if (logged_in_) SendRest();
  }

  std::string Status() const {
    char text[256];
    snprintf(text, sizeof text,
             "reads %lu\nwrites %lu\nflushes %lu\nunmaps %lu\nlogins %lu\nwaiting %zu\nbytes %lu\n",
             counts_.reads, counts_.writes, counts_.flushes, counts_.unmaps, counts_.logins, requests_.size(),
             size_);
    return text;
  }

  void Logout() {
    if (logged_in_ && !lost_) iscsi_logout_sync(context_.get());
  }

 private:
  struct Destroy {
    void operator()(iscsi_context* context) const { iscsi_destroy_context(context); }
    void operator()(iscsi_url* url) const { iscsi_destroy_url(url); }
  };
  using Context = std::unique_ptr<iscsi_context, Destroy>;
  using Url = std::unique_ptr<iscsi_url, Destroy>;

  struct Sent {
    Initiator* initiator;
    uint64_t id;
    unmap_list range;
  };

  static uint64_t NowMs() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
  }

  static bool Fail(iscsi_context* context) {
    fprintf(stderr, "iscsi_fuse: %s\n", iscsi_get_error(context));
    return false;
  }

  static void Prepare(iscsi_context* context, const iscsi_url* url) {
    iscsi_set_session_type(context, ISCSI_SESSION_NORMAL);
    iscsi_set_targetname(context, url->target);
    iscsi_set_isid_oui(context, kOui, kQualifier);
    iscsi_set_noautoreconnect(context, 1);
  }

  void Connect() {
    since_ms_ = NowMs();
    context_.reset(iscsi_create_context(name_.c_str()));
    parsed_.reset(iscsi_parse_full_url(context_.get(), url_.c_str()));
    Prepare(context_.get(), parsed_.get());
    const auto done = [](iscsi_context*, int status, void*, void* self) {
      if (status == SCSI_STATUS_GOOD) {
        static_cast<Initiator*>(self)->logged_in_ = true;
        ++static_cast<Initiator*>(self)->counts_.logins;
      } else {
        static_cast<Initiator*>(self)->lost_ = true;
      }
    };
    if (iscsi_full_connect_async(context_.get(), parsed_->portal, parsed_->lun, done, this) != 0)
      lost_ = true;
  }

  void Disconnect() {
    logged_in_ = false;
    since_ms_ = NowMs();
    context_.reset();  // answers what is under way as cancelled
    lost_ = false;
    for (auto& [id, request] : requests_) request.sent = false;
  }

  // Requests have no order among each other: who wants one waits for the answer.
  void SendRest() {
    for (auto& [id, request] : requests_)
      if (!request.sent && !lost_) Send(id);
  }

  void Send(uint64_t id) {
    Request& request = requests_.at(id);
    auto* sent = new Sent{this, id, {}};
    iscsi_context* iscsi = context_.get();
    const uint64_t lba = request.offset / block_, part = request.Part();
    const int lun = parsed_->lun;
    scsi_task* task = nullptr;
    switch (request.kind) {
      case Kind::kRead:
        task = iscsi_read16_task(iscsi, lun, lba, part, block_, 0, 0, 0, 0, 0, OnAnswer, sent);
        break;
      case Kind::kWrite:
        task = iscsi_write16_task(iscsi, lun, lba, request.data.data(), part, block_, 0, 0, 0, 0, 0, OnAnswer,
                                  sent);
        break;
      case Kind::kFlush:
        task = iscsi_synchronizecache16_task(iscsi, lun, 0, 0, 0, 0, OnAnswer, sent);
        break;
      case Kind::kUnmap:
        sent->range = {lba, static_cast<uint32_t>(part / block_)};
        task = iscsi_unmap_task(iscsi, lun, 0, 0, &sent->range, 1, OnAnswer, sent);
        break;
      case Kind::kZero:
        request.data.assign(block_, 0);
        task = iscsi_writesame16_task(iscsi, lun, lba, request.data.data(), block_, part / block_, 0, 1, 0, 0,
                                      OnAnswer, sent);
        break;
    }
    request.sent = task != nullptr;
    if (task != nullptr) return;
    delete sent;
    lost_ = true;
  }

  static void OnAnswer(iscsi_context*, int status, void* data, void* private_data) {
    const std::unique_ptr<Sent> sent(static_cast<Sent*>(private_data));
    auto* task = static_cast<scsi_task*>(data);
    sent->initiator->Answered(sent->id, status, task);
    if (task != nullptr) scsi_free_scsi_task(task);
  }

  void Answered(uint64_t id, int status, scsi_task* task) {
    Request& request = requests_.at(id);
    switch (status) {
      case SCSI_STATUS_GOOD:
        break;
      case SCSI_STATUS_CHECK_CONDITION:
        if (task->sense.key != SCSI_SENSE_UNIT_ATTENTION) {
          fprintf(stderr, "iscsi_fuse: %s\n", iscsi_get_error(context_.get()));
          fuse_reply_err(request.fuse, EIO);
          requests_.erase(id);
          return;
        }
        [[fallthrough]];
      case SCSI_STATUS_BUSY:
      case SCSI_STATUS_TASK_SET_FULL:
        request.sent = false;
        return;
      default:  // the connection is gone
        lost_ = true;
        return;
    }
    if (request.kind == Kind::kUnmap || request.kind == Kind::kZero) {
      ++counts_.unmaps;
      const uint64_t part = request.Part();
      request.offset += part;
      request.length -= part;
      request.sent = false;
      if (request.length > 0) return;
    }
    switch (request.kind) {
      case Kind::kRead:
        ++counts_.reads;
        fuse_reply_buf(request.fuse, reinterpret_cast<char*>(task->datain.data), task->datain.size);
        break;
      case Kind::kWrite:
        ++counts_.writes;
        fuse_reply_write(request.fuse, request.length);
        break;
      case Kind::kFlush:
        ++counts_.flushes;
        [[fallthrough]];
      case Kind::kUnmap:
      case Kind::kZero:
        fuse_reply_err(request.fuse, 0);
        break;
    }
    requests_.erase(id);
  }

  const std::string name_, url_;
  uint64_t size_ = 0;
  uint32_t block_ = 0;
  Context context_;
  Url parsed_;
  bool logged_in_ = false;
  bool lost_ = false;
  uint64_t since_ms_ = 0;  // of the last login or loss
  uint64_t next_id_ = 1;
  std::unordered_map<uint64_t, Request> requests_;
  Counts counts_ = {};
};

Initiator* initiator;

bool Attributes(fuse_ino_t inode, struct stat* st) {
  *st = {};
  st->st_ino = inode;
  st->st_nlink = 1;
  st->st_blksize = kFileSystemBlock;
  if (inode == FUSE_ROOT_ID) {
    st->st_mode = S_IFDIR | 0700;
  } else if (inode == kDisk) {
    st->st_mode = S_IFREG | 0600;
    st->st_size = static_cast<off_t>(initiator->size());
  } else if (inode == kStatus) {
    st->st_mode = S_IFREG | 0400;
  } else {
    return false;
  }
  return true;
}

void Lookup(fuse_req_t fuse, fuse_ino_t parent, const char* name) {
  fuse_entry_param entry = {};
  entry.ino = strcmp(name, "disk") == 0 ? kDisk : strcmp(name, "status") == 0 ? kStatus : 0;
  if (parent != FUSE_ROOT_ID || !Attributes(entry.ino, &entry.attr)) {
    fuse_reply_err(fuse, ENOENT);
    return;
  }
  entry.attr_timeout = entry.entry_timeout = kAttributesSeconds;
  fuse_reply_entry(fuse, &entry);
}

void GetAttr(fuse_req_t fuse, fuse_ino_t inode, fuse_file_info*) {
  struct stat st;
  if (Attributes(inode, &st)) {
    fuse_reply_attr(fuse, &st, kAttributesSeconds);
  } else {
    fuse_reply_err(fuse, ENOENT);
  }
}

void StatFs(fuse_req_t fuse, fuse_ino_t) {
  struct statvfs st = {};
  st.f_bsize = st.f_frsize = kFileSystemBlock;
  fuse_reply_statfs(fuse, &st);
}

void Open(fuse_req_t fuse, fuse_ino_t, fuse_file_info* info) {
  info->direct_io = 1;
  fuse_reply_open(fuse, info);
}

bool IsWholeBlocks(uint64_t offset, uint64_t length) {
  return offset % initiator->block() == 0 && length % initiator->block() == 0;
}

void Read(fuse_req_t fuse, fuse_ino_t inode, size_t length, off_t at, fuse_file_info*) {
  const auto offset = static_cast<uint64_t>(at);
  if (inode == kStatus) {
    const std::string status = initiator->Status();
    const size_t from = std::min<size_t>(offset, status.size());
    fuse_reply_buf(fuse, status.data() + from, std::min(length, status.size() - from));
    return;
  }
  length = std::min<uint64_t>(length, initiator->size() - std::min(offset, initiator->size()));
  if (length == 0) {
    fuse_reply_buf(fuse, nullptr, 0);
  } else if (!IsWholeBlocks(offset, length)) {
    fuse_reply_err(fuse, EINVAL);
  } else {
    initiator->Submit({fuse, Kind::kRead, offset, length, {}});
  }
}

void Write(fuse_req_t fuse, fuse_ino_t inode, const char* data, size_t length, off_t at, fuse_file_info*) {
  const auto offset = static_cast<uint64_t>(at);
  if (inode != kDisk || !IsWholeBlocks(offset, length) || offset + length > initiator->size()) {
    fuse_reply_err(fuse, EINVAL);
  } else {
    initiator->Submit({fuse, Kind::kWrite, offset, length, {data, data + length}});
  }
}

void Sync(fuse_req_t fuse, fuse_ino_t inode, int, fuse_file_info*) {
  if (inode == kDisk) {
    initiator->Submit({fuse, Kind::kFlush, 0, 0, {}});
  } else {
    fuse_reply_err(fuse, 0);
  }
}

void Allocate(fuse_req_t fuse, fuse_ino_t inode, int mode, off_t at, off_t length, fuse_file_info*) {
  const auto offset = static_cast<uint64_t>(at);
  const bool punch = (mode & FALLOC_FL_PUNCH_HOLE) != 0;
  if (inode != kDisk || !IsWholeBlocks(offset, length) || offset + length > initiator->size()) {
    fuse_reply_err(fuse, EINVAL);
  } else if (!punch && (mode & FALLOC_FL_ZERO_RANGE) == 0) {
    fuse_reply_err(fuse, EOPNOTSUPP);
  } else {
    initiator->Submit({fuse, punch ? Kind::kUnmap : Kind::kZero, offset, static_cast<uint64_t>(length), {}});
  }
}

volatile sig_atomic_t grown = 0;

void Init(void*, fuse_conn_info* connection) { connection->max_write = kRequestBytesMax; }

int Serve(fuse_session* session) {
  fcntl(fuse_session_fd(session), F_SETFL, O_NONBLOCK);
  fuse_buf buffer = {};
  uint64_t size = initiator->size();
  while (!fuse_session_exited(session)) {
    if (grown) {
      grown = 0;
      initiator->AskSize();
    }
    if (size != initiator->size()) {
      size = initiator->size();
      fuse_lowlevel_notify_inval_inode(session, kDisk, -1, 0);
    }
    pollfd ready[2] = {{fuse_session_fd(session), POLLIN, 0}, initiator->Poll()};
    if (poll(ready, 2, kRetryMs) < 0 && errno != EINTR) return 1;
    if (ready[0].revents != 0) {
      const int length = fuse_session_receive_buf(session, &buffer);
      if (length > 0) fuse_session_process_buf(session, &buffer);
      if (length == 0 || (length < 0 && length != -EINTR && length != -EAGAIN)) break;
    }
    initiator->Service(ready[1].revents);
  }
  free(buffer.mem);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: iscsi_fuse MOUNTPOINT INITIATOR_NAME URL\n");
    return 2;
  }
  Initiator it(argv[2], argv[3]);
  initiator = &it;
  if (!it.Open()) return 1;

  fuse_lowlevel_ops operations = {};
  operations.init = Init;
  operations.lookup = Lookup;
  operations.getattr = GetAttr;
  operations.statfs = StatFs;
  operations.open = Open;
  operations.read = Read;
  operations.write = Write;
  operations.fsync = Sync;
  operations.fallocate = Allocate;
  char* arguments[] = {argv[0], nullptr};
  fuse_args args = FUSE_ARGS_INIT(1, arguments);
  fuse_session* session = fuse_session_new(&args, &operations, sizeof operations, nullptr);
  if (session == nullptr || fuse_set_signal_handlers(session) != 0) return 1;
  struct sigaction action = {};
  action.sa_handler = [](int) { grown = 1; };
  sigaction(SIGHUP, &action, nullptr);
  if (fuse_session_mount(session, argv[1]) != 0) return 1;
  const int result = Serve(session);
  fuse_session_unmount(session);
  fuse_remove_signal_handlers(session);
  fuse_session_destroy(session);
  it.Logout();
  return result;
}
