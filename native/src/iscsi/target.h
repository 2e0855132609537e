// The iSCSI target of one volume: listeners, connections, tasks. Everything on the loop's thread; events go
// to whoever decides (JavaScript), data commands to the backend.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "iscsi/connection.h"
#include "iscsi/listener.h"
#include "iscsi/task.h"
#include "iscsi/types.h"
#include "scsi/data_command.h"
#include "volume/backend.h"

namespace aurochs::iscsi {

struct AbortWaiter {
  explicit AbortWaiter(std::function<void(size_t)> work) : done(std::move(work)) {}
  AbortWaiter(const AbortWaiter&) = delete;
  AbortWaiter& operator=(const AbortWaiter&) = delete;
  ~AbortWaiter() { done(count); }

  size_t count = 0;
  std::function<void(size_t)> done;
};

class Target final : public Listener::Owner, public EventLoop::CycleTask {
 public:
  Target(EventLoop* loop, Backend* backend, const TargetOptions& options, TargetEvents* events);
  /// After Close has called back.
  ~Target();

  struct Bound {
    int error;  // an errno; EINVAL: `host` is not a numeric address
    std::string host;
    uint16_t port;
  };
  Bound Listen(const std::string& host, uint16_t port);
  void StopListening() { listeners_.clear(); }

  void Send(uint64_t connection, const uint8_t* bhs, Slice data, AfterSend then,
            const SessionParameters* session);
  void Complete(uint64_t task, uint8_t status, const uint8_t* sense, uint32_t sense_length, Slice data_in);
  void Execute(uint64_t task);
  /// Of a nexus whose session has begun.
  void SetAccess(uint64_t nexus, const NexusAccess& access);
  void SetWriteProtected(bool on) { write_protected_ = on; }
  /// `done` gets the number of tasks aborted, when none of those that match (now or aborted before) is in
  /// flight.
  void Abort(const TaskFilter& filter, std::function<void(size_t)> done);
  void CloseConnection(uint64_t connection, const std::string& reason, std::function<void()> done);
  std::vector<SessionStats> Sessions() const;
  /// Ends everything; `done` when no operation is in flight. Once.
  void Close(std::function<void()> done);

  // ---- for connections, sessions, tasks
  EventLoop* loop() const { return loop_; }
  Backend* backend() const { return backend_; }
  TargetEvents* events() const { return events_; }
  const TargetOptions& options() const { return options_; }
  scsi::PiecePool* pieces() { return &pieces_; }
  scsi::Geometry geometry() const {
    return {options_.logical_block_size, backend_->size() / options_.logical_block_size};
  }
  uint32_t window() const { return options_.command_window; }
  bool write_protected() const { return write_protected_; }
  /// Null when kIndexMax tasks are open.
  Task* TakeTask();
  void GiveTask(Task* task) { free_tasks_.push_back(task); }
  Task* TaskAt(uint32_t index) const { return index < tasks_.size() ? tasks_[index].get() : nullptr; }
  void AddDraining(Task* task);
  /// Aborted tasks hold so much memory that other commands have to wait.
  bool draining_high() const { return draining_bytes_ >= kDrainingBytesMax; }
  void OnDrained(Task* task);
  void OnClosed(Connection* connection, const std::string& reason);

  void OnAccepted(int fd) override;
  void AtEndOfCycle() override { closed_connections_.clear(); }

 private:
  Task* TaskOfId(uint64_t id) const;

  EventLoop* const loop_;
  Backend* const backend_;
  TargetOptions options_;
  TargetEvents* const events_;
  bool write_protected_ = false;

  std::vector<std::unique_ptr<Listener>> listeners_;
  std::map<uint64_t, std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Connection>> closed_connections_;  // may still be on the stack
  uint64_t next_connection_ = 1;

  scsi::PiecePool pieces_;
  std::vector<std::unique_ptr<Task>> tasks_;
  std::vector<Task*> free_tasks_;
  std::vector<Task*> draining_;
  uint64_t draining_bytes_ = 0;
};

}  // namespace aurochs::iscsi
