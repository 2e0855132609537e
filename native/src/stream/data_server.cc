#include "stream/data_server.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace aurochs {

namespace {
// How often idle connections are looked for, and how long accepting rests when descriptors are out, ms.
constexpr int64_t kIdleCheckMs = 10'000;
constexpr int64_t kAcceptRestMs = 1000;
}  // namespace

void ServerRequest::Done(Status status, const char* message) {
  bool of_ended = stream->state() == ServerStream::State::kClosed;
  stream->Answer(this, status, message ? message : "");
  server->RequestEnded(this, of_ended);
}

DataServer::DataServer(EventLoop* loop, StoreBackend* store, const Options& options, Listener* listener)
    : loop_(loop), store_(store), options_(options), listener_(listener) {}

DataServer::~DataServer() {
  Close([] {});
  loop_->Forget(this);
}

int DataServer::Listen(const SocketAddress& address, SocketAddress* bound) {
  if (closed_ || listen_fd_ >= 0) return EALREADY;
  listen_fd_ = ListenTcp(address);
  if (listen_fd_ < 0) return errno;
  *bound = LocalAddress(listen_fd_);
  loop_->Add(listen_fd_, EPOLLIN, this);
  idle_timer_ = loop_->StartTimer(kIdleCheckMs, [this] { CloseIdleConnections(); });
  return 0;
}

void DataServer::OnReady(uint32_t) {
  for (;;) {
    int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      // Out of descriptors or memory: the connection stays in the backlog, so level-triggered events would
      // spin.
      loop_->Modify(listen_fd_, 0);
      loop_->StartTimer(kAcceptRestMs, [this, listening = listen_fd_] {
        if (listen_fd_ == listening) loop_->Modify(listen_fd_, EPOLLIN);
      });
      return;
    }
    SocketAddress remote = RemoteAddress(fd);
    if (connections_.size() >= options_.connections_max) {
      close(fd);
      listener_->OnStreamClosed(0, remote.ToString() + ": too many connections");
      continue;
    }
    TuneTcp(fd);
    connections_.push_back(std::make_unique<ServerConnection>(this, fd, remote.ToString()));
  }
}

ServerStream* DataServer::AddStream(ServerConnection* connection, int32_t http2_id) {
  uint64_t id = next_stream_++;
  return (streams_[id] = std::make_unique<ServerStream>(this, connection, id, http2_id)).get();
}

ServerStream* DataServer::Find(uint64_t stream) {
  auto found = streams_.find(stream);
  return found == streams_.end() || found->second->state() == ServerStream::State::kClosed
             ? nullptr
             : found->second.get();
}

HelloReply DataServer::Reply() const {
  HelloReply reply;
  reply.size = store_->size();
  reply.max_requests = options_.max_requests;
  reply.max_payload = options_.max_payload;
  reply.max_payload_in_flight = options_.max_payload_in_flight;
  return reply;
}

void DataServer::Accept(uint64_t id) {
  ServerStream* accepted = Find(id);
  if (!accepted || accepted->state() != ServerStream::State::kAwaitsDecision) return;
  accepted->Accept();
  for (auto& [other_id, stream] : streams_) {
    using State = ServerStream::State;
    bool was_accepted = stream->state() == State::kOpen || stream->state() == State::kDraining;
    if (other_id != id && was_accepted && stream->engine_id() == accepted->engine_id()) {
      stream->End(GrpcStatus::kAborted, "the engine has connected anew");
    }
  }
  WhenDrained([this, id] {
    ServerStream* stream = Find(id);
    if (stream && stream->state() == ServerStream::State::kDraining) stream->Open(Reply());
  });
}

void DataServer::Reject(uint64_t id, Status status, const std::string& message) {
  ServerStream* stream = Find(id);
  if (stream && stream->state() == ServerStream::State::kAwaitsDecision) stream->Reject(status, message);
}

void DataServer::Fence(const std::string* engine_id, std::function<void()> done) {
  for (auto& [id, stream] : streams_) {
    using State = ServerStream::State;
    bool said_hello = stream->state() == State::kAwaitsDecision || stream->state() == State::kDraining ||
                      stream->state() == State::kOpen;
    if (said_hello && (!engine_id || stream->engine_id() != *engine_id)) {
      stream->End(GrpcStatus::kFailedPrecondition, "fenced: another engine owns the replica");
    }
  }
  WhenDrained(std::move(done));
}

void DataServer::Close(std::function<void()> done) {
  closed_ = true;
  if (listen_fd_ >= 0) {
    loop_->CancelTimer(idle_timer_);
    loop_->Remove(listen_fd_);
    close(std::exchange(listen_fd_, -1));
  }
  for (auto& connection : connections_) connection->Abandon("the replica is closing");
  WhenDrained(std::move(done));
}

void DataServer::WhenDrained(std::function<void()> then) {
  if (with_store_of_ended_ == 0) {
    then();
  } else {
    drained_.push_back(std::move(then));
  }
}

ServerRequest* DataServer::TakeRequest() {
  if (free_requests_.empty()) {
    requests_.push_back(std::make_unique<ServerRequest>());
    requests_.back()->server = this;
    return requests_.back().get();
  }
  ServerRequest* request = free_requests_.back();
  free_requests_.pop_back();
  return request;
}

void DataServer::GiveRequest(ServerRequest* request) {
  request->payload = Slice();
  request->extents.clear();
  request->stream = nullptr;
  free_requests_.push_back(request);
}

void DataServer::RequestEnded(ServerRequest* request, bool of_ended) {
  ServerStream* stream = request->stream;
  GiveRequest(request);
  stream->SubmitDeferred();
  if (!of_ended) return;
  if (stream->idle()) ScheduleSweep();
  if (--with_store_of_ended_ > 0) return;
  auto waiting = std::exchange(drained_, {});
  for (auto& then : waiting) then();
}

void DataServer::ScheduleSweep() { loop_->RunAtEndOfCycle(this); }

void DataServer::AtEndOfCycle() {
  std::erase_if(streams_, [](auto& item) {
    return item.second->state() == ServerStream::State::kClosed && item.second->idle() &&
           !item.second->attached();
  });
  std::erase_if(connections_, [](auto& connection) { return connection->broken(); });
}

void DataServer::CloseIdleConnections() {
  for (auto& connection : connections_) {
    if (connection->IdleMs() > kStreamHandshakeMsMax) connection->Abandon("no stream was opened in time");
  }
  idle_timer_ = loop_->StartTimer(kIdleCheckMs, [this] { CloseIdleConnections(); });
}

}  // namespace aurochs
