#include "iscsi_device.h"

#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "batched_socket.h"

namespace aurochs {
namespace {

// Answers that ask for a repetition are normal after a reconnect and under a full task set; more than this
// many in a row for one operation is a fault.
constexpr int kRetriesMax = 100;

// Login, READ CAPACITY and logout.
constexpr int kSyncTimeoutSeconds = 10;

// Larger operations are bound by copies, which batching would add to.
constexpr uint32_t kBatchedBlockBytesMax = 16u << 10;

std::string SenseText(const scsi_task& task) {
  char codes[64];
  std::snprintf(codes, sizeof codes, "status 0x%02x, sense key 0x%x, asc/ascq 0x%04x", task.status,
                task.sense.key, task.sense.ascq);
  std::string text = codes;
  if (task.status == SCSI_STATUS_CHECK_CONDITION) {
    text += std::string(" (") + scsi_sense_key_str(task.sense.key) + ", " +
            scsi_sense_ascq_str(task.sense.ascq) + ")";
  }
  return text;
}

bool AsksForRepetition(const scsi_task& task, int status) {
  return status == SCSI_STATUS_BUSY || status == SCSI_STATUS_TASK_SET_FULL ||
         (status == SCSI_STATUS_CHECK_CONDITION && task.sense.key == SCSI_SENSE_UNIT_ATTENTION);
}

class IscsiDevice final : public Device {
 public:
  explicit IscsiDevice(const Options& options) : pending_(options.depth) {
    for (Pending& pending : pending_) pending.device = this;
  }

  ~IscsiDevice() override { Close(); }

  void Close() override {
    if (context_ == nullptr) return;
    StopBatching();
    iscsi_set_timeout(context_, kSyncTimeoutSeconds);
    if (in_flight_ == 0 && broken_.empty() && iscsi_is_logged_in(context_)) iscsi_logout_sync(context_);
    done_ = nullptr;
    iscsi_destroy_context(context_);
    context_ = nullptr;
  }

  std::string Open(const Options& options) {
    // Two generators on one target are two initiators.
    std::string name = "iqn.2025-01.io.aurochs:load-" + std::to_string(getpid());
    context_ = iscsi_create_context(name.c_str());
    if (context_ == nullptr) return "out of memory";
    iscsi_url* url = iscsi_parse_full_url(context_, options.iscsi_url.c_str());
    if (url == nullptr) return iscsi_get_error(context_);
    std::string error = Login(options, *url);
    iscsi_destroy_url(url);
    if (error.empty()) error = ReadCapacity();
    if (!error.empty()) return error;
    iscsi_set_timeout(context_, 0);  // from here on the caller of Wait looks after time
    // A reconnect would have to know what was collected for the old connection.
    if (options.block_bytes <= kBatchedBlockBytesMax && !options.reconnect)
      StartBatching(iscsi_get_fd(context_));
    return {};
  }

  uint64_t capacity() const override { return block_count_ * block_bytes_; }
  uint32_t block_bytes() const override { return block_bytes_; }
  uint64_t retries() const override { return retries_; }

  void Queue(Request* request) override {
    Pending& pending = pending_[request->slot];
    pending.request = request;
    pending.retries = 0;
    ++in_flight_;
    Send(&pending);
  }

  std::string Wait(int timeout_ms, std::vector<Request*>* done) override {
    done_ = done;
    while (done->empty() && broken_.empty()) {
      if ((iscsi_which_events(context_) & POLLOUT) != 0 && iscsi_service(context_, POLLOUT) != 0) {
        return Broken();
      }
      bool all_sent = FlushBatch() && (iscsi_which_events(context_) & POLLOUT) == 0;
      pollfd descriptor = {iscsi_get_fd(context_), static_cast<short>(all_sent ? POLLIN : POLLIN | POLLOUT),
                           0};
      int ready = poll(&descriptor, 1, timeout_ms);
      if (ready < 0 && errno != EINTR) return std::string("poll: ") + std::strerror(errno);
      if (ready <= 0) break;
      int received = descriptor.revents & ~POLLOUT;
      if (received != 0 && iscsi_service(context_, received) != 0) return Broken();
    }
    return broken_;
  }

 private:
  std::string Broken() { return broken_ = iscsi_get_error(context_); }

  struct Pending {
    IscsiDevice* device = nullptr;
    Request* request = nullptr;
    int retries = 0;
    scsi_iovec piece{};
  };

  std::string Login(const Options& options, const iscsi_url& url) {
    lun_ = url.lun;
    iscsi_set_timeout(context_, kSyncTimeoutSeconds);
    iscsi_set_targetname(context_, url.target);
    iscsi_set_session_type(context_, ISCSI_SESSION_NORMAL);
    iscsi_set_header_digest(context_,
                            options.header_digest ? ISCSI_HEADER_DIGEST_CRC32C : ISCSI_HEADER_DIGEST_NONE);
    iscsi_set_noautoreconnect(context_, options.reconnect ? 0 : 1);
    if (url.user[0] != 0) iscsi_set_initiator_username_pwd(context_, url.user, url.passwd);
    if (iscsi_full_connect_sync(context_, url.portal, lun_) != 0) return iscsi_get_error(context_);
    return {};
  }

  std::string ReadCapacity() {
    scsi_task* task = iscsi_readcapacity16_sync(context_, lun_);
    if (task == nullptr) return iscsi_get_error(context_);
    std::string error;
    auto* capacity = task->status == SCSI_STATUS_GOOD
                         ? static_cast<scsi_readcapacity16*>(scsi_datain_unmarshall(task))
                         : nullptr;
    if (capacity == nullptr) {
      error = "READ CAPACITY(16): " + SenseText(*task);
    } else {
      block_bytes_ = capacity->block_length;
      block_count_ = capacity->returned_lba + 1;
      if (block_bytes_ < 512 || block_bytes_ > 4096) error = "block length " + std::to_string(block_bytes_);
    }
    scsi_free_scsi_task(task);
    return error;
  }

  void Send(Pending* pending) {
    const Request& request = *pending->request;
    pending->piece = {request.data, request.length};
    uint64_t lba = request.offset / block_bytes_;
    scsi_task* task = nullptr;
    switch (request.kind) {
      case Request::Kind::kRead:
        task = iscsi_read16_iov_task(context_, lun_, lba, request.length, block_bytes_, 0, 0, 0, 0, 0,
                                     OnAnswer, pending, &pending->piece, 1);
        break;
      case Request::Kind::kWrite:
        task = iscsi_write16_iov_task(context_, lun_, lba, nullptr, request.length, block_bytes_, 0, 0, 0, 0,
                                      0, OnAnswer, pending, &pending->piece, 1);
        break;
      case Request::Kind::kFlush:
        task = iscsi_synchronizecache10_task(context_, lun_, 0, 0, 0, 0, OnAnswer, pending);
        break;
    }
    if (task == nullptr) broken_ = iscsi_get_error(context_);
  }

  static void OnAnswer(iscsi_context* context, int status, void* command_data, void* private_data) {
    auto* pending = static_cast<Pending*>(private_data);
    auto* task = static_cast<scsi_task*>(command_data);
    pending->device->Answered(context, status, task, pending);
    if (task != nullptr) scsi_free_scsi_task(task);
  }

  void Answered(iscsi_context* context, int status, scsi_task* task, Pending* pending) {
    if (done_ == nullptr) return;  // cancelled by Close
    Request* request = pending->request;
    if (task != nullptr && AsksForRepetition(*task, status) && pending->retries < kRetriesMax) {
      ++pending->retries;
      ++retries_;
      Send(pending);
      return;
    }
    request->error.clear();
    if (status != SCSI_STATUS_GOOD) {
      request->error = status == SCSI_STATUS_CANCELLED || status == SCSI_STATUS_ERROR || task == nullptr
                           ? std::string("connection lost: ") + iscsi_get_error(context)
                           : SenseText(*task);
    } else if (task->residual_status != SCSI_RESIDUAL_NO_RESIDUAL) {
      request->error = "residual of " + std::to_string(task->residual) + " bytes";
    }
    --in_flight_;
    done_->push_back(request);
  }

  iscsi_context* context_ = nullptr;
  int lun_ = 0;
  uint32_t block_bytes_ = 0;
  uint64_t block_count_ = 0;
  uint64_t retries_ = 0;
  int in_flight_ = 0;
  std::vector<Pending> pending_;  // by Request::slot
  std::vector<Request*>* done_ = nullptr;
  std::string broken_;
};

}  // namespace

std::unique_ptr<Device> OpenIscsiDevice(const Options& options, std::string* error) {
  auto device = std::make_unique<IscsiDevice>(options);
  *error = device->Open(options);
  if (!error->empty()) return nullptr;
  return device;
}

}  // namespace aurochs
