#include "stream/data_server.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace aurochs {

namespace {
// How often idle connections are looked for, and how long accepting rests when descriptors are out, ms.
constexpr int64_t kIdleCheckMs = 10'000;
constexpr int64_t kAcceptRestMs = 1000;
}  // namespace

void ServerRequest::Done(Status status, const char* message) {
  bool of_ended = source->ended();
  source->Answer(this, status, message ? message : "");
  server->RequestEnded(this, of_ended);
}

Arrival::Arrival(DataServer* server, EventLoop* loop, int fd, std::string remote)
    : server_(server), loop_(loop), fd_(fd), remote_(std::move(remote)), since_ms_(loop->now_ms()) {
  loop_->Add(fd_, EPOLLIN, this);
}

Arrival::~Arrival() {
  if (fd_ < 0) return;
  loop_->Remove(fd_);
  close(fd_);
}

void Arrival::Abandon(const std::string& reason) {
  if (fd_ < 0) return;
  loop_->Remove(fd_);
  close(std::exchange(fd_, -1));
  server_->listener_->OnStreamClosed(0, remote_ + ": " + reason);
  server_->ScheduleSweep();
}

void Arrival::OnReady(uint32_t) {
  uint8_t first;
  ssize_t got = recv(fd_, &first, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got == 0) return Abandon("the peer closed the connection");
  if (got < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return;
    return Abandon(strerror(errno));
  }
  loop_->Remove(fd_);
  server_->Identified(std::exchange(fd_, -1), first, remote_);
  server_->ScheduleSweep();
}

DataServer::DataServer(EventLoop* loop, StoreBackend* store, const Options& options, Listener* listener)
    : loop_(loop), store_(store), options_(options), listener_(listener) {}

DataServer::~DataServer() {
  Close([] {});
  loop_->Forget(this);
}

void DataServer::Listen(int fd) {
  if (closed_) {
    close(fd);
    return;
  }
  listen_fd_ = fd;
  loop_->Add(listen_fd_, EPOLLIN, this);
  idle_timer_ = loop_->StartTimer(kIdleCheckMs, [this] { CloseIdleConnections(); });
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
      rest_timer_ = loop_->StartTimer(kAcceptRestMs, [this] { loop_->Modify(listen_fd_, EPOLLIN); });
      return;
    }
    SocketAddress remote = RemoteAddress(fd);
    if (connection_count() >= options_.connections_max) {
      close(fd);
      listener_->OnStreamClosed(0, remote.ToString() + ": too many connections");
      continue;
    }
    if (!remote.is_unix()) TuneTcp(fd);
    arrivals_.push_back(std::make_unique<Arrival>(this, loop_, fd, remote.ToString()));
  }
}

void DataServer::Identified(int fd, uint8_t first_byte, const std::string& remote) {
  if (first_byte != kDataconnFirstByte) {
    connections_.push_back(std::make_unique<ServerConnection>(this, fd, remote));
    return;
  }
  uint64_t id = next_stream_++;
  dataconns_[id] = std::make_unique<ReplicaDataconn>(this, loop_, id, fd);
  listener_->OnDataconn(id, remote);
}

void DataServer::SourceEnded(uint64_t stream, uint32_t requests, const std::string& reason) {
  with_store_of_ended_ += requests;
  listener_->OnStreamClosed(stream, reason);
  ScheduleSweep();
}

ReplicaDataconn* DataServer::FindDataconn(uint64_t stream) {
  auto found = dataconns_.find(stream);
  return found == dataconns_.end() || found->second->ended() ? nullptr : found->second.get();
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
  if (FindDataconn(id)) {
    return WhenDrained([this, id] {
      if (ReplicaDataconn* connection = FindDataconn(id)) connection->Accept();
    });
  }
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
  if (ReplicaDataconn* connection = FindDataconn(id)) return connection->End(message);
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
  for (auto& [id, connection] : dataconns_) connection->End("fenced: another engine owns the replica");
  WhenDrained(std::move(done));
}

int DataServer::KeepRevision(const std::string& path, uint64_t revision, uint64_t changes) {
  int error = revision_.Open(path, revision, changes);
  return error != 0 ? error : revision_.Write(store_->changes());
}

void DataServer::Close(std::function<void()> done) {
  closed_ = true;
  if (listen_fd_ >= 0) {
    loop_->CancelTimer(idle_timer_);
    loop_->CancelTimer(rest_timer_);
    loop_->Remove(listen_fd_);
    close(std::exchange(listen_fd_, -1));
  }
  for (auto& arrival : arrivals_) arrival->Abandon("the replica is closing");
  for (auto& connection : connections_) connection->Abandon("the replica is closing");
  for (auto& [id, connection] : dataconns_) connection->End("the replica is closing");
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
  request->source = nullptr;
  free_requests_.push_back(request);
}

void DataServer::RequestEnded(ServerRequest* request, bool of_ended) {
  RequestSource* source = request->source;
  GiveRequest(request);
  source->SubmitDeferred();
  if (!of_ended) return;
  if (source->idle()) ScheduleSweep();
  if (--with_store_of_ended_ > 0) return;
  auto waiting = std::exchange(drained_, {});
  for (auto& then : waiting) then();
}

void DataServer::ScheduleSweep() { loop_->RunAtEndOfCycle(this); }

void DataServer::CountChanges() {
  bool any = std::any_of(dataconns_.begin(), dataconns_.end(),
                         [](auto& item) { return item.second->has_uncounted(); });
  if (!any) return;
  // They are durable: of two copies after a power cut the higher one seems to have all.
  int error = revision_.Write(store_->changes());
  for (auto& [id, connection] : dataconns_) connection->AnswerCounted(error);
}

void DataServer::AtEndOfCycle() {
  CountChanges();
  std::erase_if(streams_, [](auto& item) {
    return item.second->state() == ServerStream::State::kClosed && item.second->idle() &&
           !item.second->attached();
  });
  std::erase_if(connections_, [](auto& connection) { return connection->broken(); });
  std::erase_if(dataconns_, [](auto& item) { return item.second->ended() && item.second->idle(); });
  std::erase_if(arrivals_, [](auto& arrival) { return arrival->over(); });
}

void DataServer::CloseIdleConnections() {
  for (auto& arrival : arrivals_) {
    if (loop_->now_ms() - arrival->since_ms() > kStreamHandshakeMsMax)
      arrival->Abandon("nothing was said in time");
  }
  for (auto& connection : connections_) {
    if (connection->IdleMs() > kStreamHandshakeMsMax) connection->Abandon("no stream was opened in time");
  }
  idle_timer_ = loop_->StartTimer(kIdleCheckMs, [this] { CloseIdleConnections(); });
}

}  // namespace aurochs
