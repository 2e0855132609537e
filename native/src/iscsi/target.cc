#include "iscsi/target.h"

#include <unistd.h>

#include <algorithm>

#include "iscsi/session.h"

namespace aurochs::iscsi {

Target::Target(EventLoop* loop, Backend* backend, const TargetOptions& options, TargetEvents* events)
    : loop_(loop), backend_(backend), options_(options), events_(events) {
  options_.command_window = std::clamp(options_.command_window, 1u, kCommandWindowMax);
}

Target::~Target() {
  closed_connections_.clear();
  loop_->Forget(this);
}

Target::Bound Target::Listen(const std::string& host, uint16_t port) {
  auto listener = std::make_unique<Listener>(loop_, this);
  int error = listener->Open(host, port);
  Bound bound{error, listener->host(), listener->port()};
  if (error == 0) listeners_.push_back(std::move(listener));
  return bound;
}

void Target::OnAccepted(int fd) {
  if (connections_.size() >= options_.connections_max) {
    close(fd);
    return;
  }
  uint64_t id = next_connection_++;
  std::string remote = SocketAddress(fd, true);
  std::string local = SocketAddress(fd, false);
  connections_.emplace(id, std::make_unique<Connection>(this, id, fd, remote));
  events_->OnConnected(id, remote, local);
}

void Target::OnClosed(Connection* connection, const std::string& reason) {
  auto found = connections_.find(connection->id());
  if (found == connections_.end()) return;
  closed_connections_.push_back(std::move(found->second));
  connections_.erase(found);
  loop_->RunAtEndOfCycle(this);
  events_->OnDisconnected(connection->id(), connection->nexus(), reason);
}

void Target::Send(uint64_t connection, const uint8_t* bhs, Slice data, AfterSend then,
                  const SessionParameters* session) {
  auto found = connections_.find(connection);
  if (found != connections_.end()) found->second->SendScripted(bhs, std::move(data), then, session);
}

Task* Target::TaskOfId(uint64_t id) const {
  Task* task = TaskAt(static_cast<uint32_t>(id & Task::kIndexMax));
  return task != nullptr && task->id() == id ? task : nullptr;
}

void Target::Complete(uint64_t id, uint8_t status, const uint8_t* sense, uint32_t sense_length,
                      Slice data_in) {
  if (Task* task = TaskOfId(id)) task->Complete(status, sense, sense_length, std::move(data_in));
}

void Target::Execute(uint64_t id) {
  if (Task* task = TaskOfId(id)) task->Execute();
}

void Target::SetAccess(uint64_t nexus, const NexusAccess& access) {
  for (auto& [id, connection] : connections_) {
    if (connection->session() != nullptr && connection->nexus() == nexus)
      connection->session()->set_access(access);
  }
}

Task* Target::TakeTask() {
  if (free_tasks_.empty()) {
    if (tasks_.size() > Task::kIndexMax) return nullptr;
    tasks_.push_back(std::make_unique<Task>(this, static_cast<uint32_t>(tasks_.size())));
    return tasks_.back().get();
  }
  Task* task = free_tasks_.back();
  free_tasks_.pop_back();
  return task;
}

void Target::AddDraining(Task* task) {
  task->position_ = static_cast<uint32_t>(draining_.size());
  draining_.push_back(task);
  draining_bytes_ += task->draining_bytes();
}

void Target::OnDrained(Task* task) {
  draining_[task->position_] = draining_.back();
  draining_[task->position_]->position_ = task->position_;
  draining_.pop_back();
  bool was_high = draining_high();
  draining_bytes_ -= task->draining_bytes();
  if (was_high && !draining_high()) {
    for (auto& [id, connection] : connections_) connection->ScheduleFlush();
  }
  std::vector<std::shared_ptr<AbortWaiter>> waiters = std::move(task->waiters_);
  task->Reset();
  // The last owner of a waiter calls back here.
}

void Target::Abort(const TaskFilter& filter, std::function<void(size_t)> done) {
  auto waiter = std::make_shared<AbortWaiter>(std::move(done));
  for (auto& [id, connection] : connections_) {
    if (connection->session() != nullptr) waiter->count += connection->session()->Abort(filter);
  }
  for (Task* task : draining_) {
    if (filter.Matches(task->nexus(), task->itt())) task->waiters_.push_back(waiter);
  }
}

void Target::CloseConnection(uint64_t connection, const std::string& reason, std::function<void()> done) {
  auto found = connections_.find(connection);
  if (found != connections_.end()) found->second->Close(reason);
  auto waiter = std::make_shared<AbortWaiter>([done = std::move(done)](size_t) { done(); });
  for (Task* task : draining_) {
    if (task->connection() == connection) task->waiters_.push_back(waiter);
  }
}

std::vector<SessionStats> Target::Sessions() const {
  std::vector<SessionStats> all;
  for (const auto& [id, connection] : connections_) {
    const Session* session = connection->session();
    if (session == nullptr) continue;
    all.push_back(
        {id, connection->nexus(), connection->remote(), session->commands(), session->open_tasks()});
  }
  return all;
}

void Target::Close(std::function<void()> done) {
  StopListening();
  while (!connections_.empty()) connections_.begin()->second->Close("the target is closing");
  Abort(TaskFilter{}, [done = std::move(done)](size_t) { done(); });
}

}  // namespace aurochs::iscsi
