// The port of one file that is being received: senders of ours, and of Longhorn's protocol, whose connections
// are given away.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "sync/file_receiver.h"
#include "sync/wire.h"

namespace aurochs {

/// One thread: it accepts, and while our sender is there it receives. Connections that were given away go on
/// then; new ones wait.
class ReceiverPort {
 public:
  class Listener {
   public:
    /// A connection that is not ours; takes the descriptor, of which nothing was read.
    virtual void OnForeign(int fd) = 0;
    /// What Receive was told has ended.
    virtual void OnEnded(std::unique_ptr<FileReceiver> file) = 0;
    /// The thread's last words, after Stop.
    virtual void OnStopped() = 0;

   protected:
    ~Listener() = default;
  };

  /// @param fd a listening socket, taken
  ReceiverPort(int fd, Listener* listener);
  ~ReceiverPort();
  ReceiverPort(const ReceiverPort&) = delete;
  ReceiverPort& operator=(const ReceiverPort&) = delete;

  void Start();
  /// Any thread. From now on one connection of our sender is taken; OnEnded follows in any case. Not while
  /// there is another.
  void Receive(std::unique_ptr<FileReceiver> file);
  /// Any thread: that ends soon.
  void CancelReceive();
  /// Any thread, idempotent.
  void Stop();

 private:
  struct Unspoken {
    int fd;
    int64_t since_ms;
  };

  void Run();
  void Wake();
  void Accept();
  void Hear();
  void Serve(int fd);
  void EndCancelled();

  int fd_;
  int wake_fd_;
  Listener* listener_;
  std::vector<Unspoken> unspoken_;

  std::mutex mutex_;
  std::unique_ptr<FileReceiver> file_;  // guarded by mutex_; null while it is served
  Wire* wire_ = nullptr;                // guarded by mutex_; while it is served
  bool cancelled_ = false;              // guarded by mutex_
  bool stopped_ = false;                // guarded by mutex_
  std::thread thread_;
};

}  // namespace aurochs
