#include "volume/volume_socket.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/limits.h"
#include "stream/dataconn_connection.h"

namespace aurochs {

namespace {

// How long accepting rests when descriptors are out, ms.
constexpr int64_t kAcceptRestMs = 1000;

}  // namespace

/// One client. Owned by the VolumeSocket, which keeps it until no operation refers to it.
class VolumeDataconn final : public DataconnConnection {
 public:
  VolumeDataconn(VolumeSocket* socket, EventLoop* loop, int fd)
      : DataconnConnection(loop, fd, {kSocketRequestsMax, kSocketPayloadBytesMax}, &socket->locks_),
        socket_(socket) {
    Accept();
  }

 private:
  /// What one message asks for: an operation, or several when it is longer than one payload.
  struct Request {
    struct Part final : Operation {
      void Done(Status status) override { connection->PartDone(request, status); }
      VolumeDataconn* connection = nullptr;
      Request* request = nullptr;
    };

    DataconnAsk ask;
    uint64_t length = 0;
    Slice read;  // where it is read to
    std::vector<Part> parts;
    size_t left = 0;
    Status status = Status::kOk;
  };

  uint64_t served_size() const override { return socket_->backend_->size(); }

  std::string PastTheEnd(Kind kind, int64_t offset, uint32_t length) const override {
    const char* what = kind == Kind::kRead ? "Read" : kind == Kind::kWrite ? "Write" : "unmap";
    return std::string("EOF: ") + what + " of " + std::to_string(length) + " bytes at offset " +
           std::to_string(offset) + " is beyond volume size " + std::to_string(served_size());
  }

  void Submit(Kind kind, const DataconnAsk& ask, uint64_t offset, uint64_t length, Slice payload) override {
    auto* request = new Request;
    request->ask = ask;
    request->length = length;
    if (kind == Kind::kRead) request->read = payload;
    uint64_t part_max = kind == Kind::kUnmap ? length : kPayloadBytesMax;
    request->parts.resize((length + part_max - 1) / part_max);
    request->left = request->parts.size();
    uint64_t done = 0;
    for (Request::Part& part : request->parts) {
      part.connection = this;
      part.request = request;
      part.kind = kind == Kind::kRead    ? OperationKind::kRead
                  : kind == Kind::kWrite ? OperationKind::kWrite
                                         : OperationKind::kUnmap;
      part.fua = kind != Kind::kRead;
      part.offset = offset + done;
      part.length = std::min(length - done, part_max);
      if (payload)
        part.payload = payload.Sub(static_cast<uint32_t>(done), static_cast<uint32_t>(part.length));
      done += part.length;
    }
    // The last part's end deletes the request.
    Request::Part* part = request->parts.data();
    for (size_t count = request->parts.size(); count > 0; --count) socket_->backend_->Submit(part++);
  }

  void PartDone(Request* ended, Status status) {
    if (status != Status::kOk && ended->status == Status::kOk) ended->status = status;
    if (--ended->left > 0) return;
    std::unique_ptr<Request> request(ended);
    if (request->status == Status::kOk) {
      Answer(request->ask, request->length, std::move(request->read));
    } else {
      bool full = request->status == Status::kNoSpace;
      AnswerError(request->ask, full ? DataconnType::kNoSpace : DataconnType::kError,
                  DataconnErrorText(request->status, nullptr));
    }
    if (DataconnConnection::ended() && idle()) socket_->ScheduleSweep();
  }

  void Ended(const std::string& reason) override { socket_->ConnectionEnded(reason); }
  void Emptied() override { socket_->ScheduleSweep(); }

  VolumeSocket* socket_;
};

VolumeSocket::VolumeSocket(EventLoop* loop, Backend* backend, int fd, Listener* listener)
    : loop_(loop), backend_(backend), fd_(fd), listener_(listener) {
  loop_->Add(fd_, EPOLLIN, this);
}

VolumeSocket::~VolumeSocket() {
  StopListening();
  loop_->Forget(this);
}

void VolumeSocket::StopListening() {
  if (fd_ < 0) return;
  if (rest_timer_ != 0) loop_->CancelTimer(rest_timer_);
  loop_->Remove(fd_);
  close(std::exchange(fd_, -1));
}

void VolumeSocket::Close(std::function<void()> done) {
  closed_ = std::move(done);
  StopListening();
  for (auto& connection : connections_) connection->End("the frontend is shut down");
  ScheduleSweep();
}

void VolumeSocket::OnReady(uint32_t) {
  for (;;) {
    int fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      // Out of descriptors or memory: the connection stays in the backlog, so level-triggered events would
      // spin.
      loop_->Modify(fd_, 0);
      rest_timer_ = loop_->StartTimer(kAcceptRestMs, [this] {
        rest_timer_ = 0;
        loop_->Modify(fd_, EPOLLIN);
      });
      return;
    }
    if (connections_.size() >= kSocketConnectionsMax) {
      close(fd);
      listener_->OnConnectionEnded("too many connections");
      continue;
    }
    connections_.push_back(std::make_unique<VolumeDataconn>(this, loop_, fd));
  }
}

void VolumeSocket::ConnectionEnded(const std::string& reason) {
  listener_->OnConnectionEnded(reason);
  ScheduleSweep();
}

void VolumeSocket::AtEndOfCycle() {
  std::erase_if(connections_, [](auto& connection) { return connection->ended() && connection->idle(); });
  if (connections_.empty() && closed_) std::exchange(closed_, nullptr)();
}

}  // namespace aurochs
