#include "stream/replica_client.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace aurochs {

static_assert((kStreamRequestsMax & (kStreamRequestsMax - 1)) == 0, "ids carry an index in their low bits");

void ReplicaClient::StartConnecting(std::vector<SocketAddress> addresses, int64_t timeout_ms,
                                    std::string late) {
  addresses_ = std::move(addresses);
  state_ = State::kConnecting;
  timer_ = loop_->StartTimer(timeout_ms, [this, late = std::move(late)] {
    timer_ = 0;
    End(Status::kDisconnected, late);
  });
  TryNextAddress();
}

void ReplicaClient::TryNextAddress() {
  while (next_address_ < addresses_.size()) {
    const SocketAddress& address = addresses_[next_address_++];
    peer_ = address.ToString();
    int fd = ConnectTo(address);
    if (fd < 0) {
      connect_error_ = peer_ + ": " + strerror(errno);
      continue;
    }
    connector_.fd = fd;
    loop_->Add(fd, EPOLLOUT, &connector_);
    return;
  }
  // Not from within Connect: its caller has not finished with the client.
  std::string reason = connect_error_.empty() ? "the address is unknown" : connect_error_;
  loop_->CancelTimer(timer_);
  timer_ = loop_->StartTimer(0, [this, reason] {
    timer_ = 0;
    End(Status::kDisconnected, reason);
  });
}

void ReplicaClient::SocketDecided() {
  int error = 0;
  socklen_t length = sizeof error;
  int fd = std::exchange(connector_.fd, -1);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  loop_->Remove(fd);
  if (error == 0) {
    state_ = State::kHandshake;
    return OnSocket(fd);
  }
  close(fd);
  connect_error_ = peer_ + ": " + strerror(error);
  TryNextAddress();
}

void ReplicaClient::Established(const HelloReply& reply) {
  loop_->CancelTimer(timer_);
  timer_ = 0;
  requests_max_ = std::min(reply.max_requests, kStreamRequestsMax);
  payload_bytes_max_ = std::min(reply.max_payload_in_flight, kStreamPayloadBytesMax);
  entries_.resize(kStreamRequestsMax);
  for (size_t i = entries_.size(); i-- > 0;) free_entries_.push_back(static_cast<uint16_t>(i));
  state_ = State::kConnected;
  owner_->OnConnected(this, reply);
}

void ReplicaClient::Send(StreamRequest* request) {
  if (queued_.empty() && FitsWindow(*request)) {
    SendNow(request);
  } else {
    queued_.PushBack(request);
  }
}

bool ReplicaClient::FitsWindow(const StreamRequest& request) const {
  return sent_.size() < requests_max_ && payload_bytes_ + WindowBytes(request) <= payload_bytes_max_;
}

void ReplicaClient::SendNow(StreamRequest* request) {
  uint16_t index = free_entries_.back();
  free_entries_.pop_back();
  Entry& entry = entries_[index];
  entry.request = request;
  request->id_ = ++entry.uses * kStreamRequestsMax + index;
  request->sent_ms_ = loop_->now_ms();
  payload_bytes_ += WindowBytes(*request);
  sent_.PushBack(request);
  Transmit(request);
}

void ReplicaClient::SendQueued() {
  while (!queued_.empty() && FitsWindow(*queued_.front())) SendNow(queued_.PopFront());
}

StreamRequest* ReplicaClient::Find(uint64_t id) const {
  if (entries_.empty()) return nullptr;
  StreamRequest* request = entries_[id % kStreamRequestsMax].request;
  return request && request->id_ == id ? request : nullptr;
}

void ReplicaClient::Finish(StreamRequest* request, Status status, const std::string& message) {
  uint16_t index = request->id_ % kStreamRequestsMax;
  entries_[index].request = nullptr;
  free_entries_.push_back(index);
  payload_bytes_ -= WindowBytes(*request);
  sent_.Remove(request);
  if (status == Status::kChecksumMismatch) ++crc_errors_;
  SendQueued();
  request->Answered(status, message);
}

void ReplicaClient::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  if (timer_ != 0) loop_->CancelTimer(timer_);
  timer_ = 0;
  if (connector_.fd >= 0) {
    loop_->Remove(connector_.fd);
    close(std::exchange(connector_.fd, -1));
  }
  StopSocket();
}

void ReplicaClient::End(Status status, const std::string& reason) {
  if (state_ == State::kClosed) return;
  Close();
  owner_->OnClosed(this, status, reason);
}

StreamRequest* ReplicaClient::TakeRequest() {
  StreamRequest* request = sent_.PopFront();
  return request ? request : queued_.PopFront();
}

}  // namespace aurochs
