// The target's options and events, as native/index.ts declares them, without JavaScript.
#pragma once

#include <cstdint>
#include <string>

#include "base/buffer.h"

namespace aurochs::iscsi {

struct TargetOptions {
  uint32_t logical_block_size = 512;
  uint32_t command_window = 128;
  int64_t nop_interval_ms = 0;
  int64_t nop_timeout_ms = 0;
  int64_t login_timeout_ms = 15'000;
  uint32_t connections_max = 16;
};

struct SessionParameters {
  uint64_t nexus = 0;
  bool header_digest = false;
  bool data_digest = false;
  uint32_t max_send_data_segment_length = 8192;
  uint32_t max_recv_data_segment_length = 8192;
  uint32_t max_burst_length = 262'144;
  uint32_t first_burst_length = 65'536;
  bool initial_r2t = true;
  bool immediate_data = true;
  uint32_t max_outstanding_r2t = 1;
  uint32_t exp_cmd_sn = 0;
  uint32_t stat_sn = 0;
  int64_t lun = 0;
};

struct NexusAccess {
  bool read = false;
  bool write = false;
  bool attention = true;  // until told otherwise, every command is JavaScript's
};

struct TaskFilter {
  bool has_nexus = false;
  uint64_t nexus = 0;
  bool has_except = false;
  uint64_t except_nexus = 0;
  bool has_itt = false;
  uint32_t itt = 0;
  /// Of this nexus only what came before its request with this CmdSN.
  bool has_before = false;
  uint64_t before_nexus = 0;
  uint32_t before_cmd_sn = 0;

  bool Matches(uint64_t task_nexus, uint32_t task_itt) const {
    return (!has_nexus || task_nexus == nexus) && (!has_except || task_nexus != except_nexus) &&
           (!has_itt || task_itt == itt);
  }
};

struct SessionStats {
  uint64_t connection;
  uint64_t nexus;
  std::string remote;
  uint64_t commands;
  uint64_t open_tasks;
};

enum class AfterSend : uint8_t { kContinue, kFullFeature, kClose };

/// Told on the loop's thread. Slices and pointers may be kept only by copying or by holding the buffer.
class TargetEvents {
 public:
  virtual void OnConnected(uint64_t connection, const std::string& remote, const std::string& local) = 0;
  virtual void OnPdu(uint64_t connection, uint64_t nexus, const uint8_t* bhs, const Slice& data) = 0;
  /// `lun` is -1 for an address that is no simple number. `data_out` is empty when there is none.
  virtual void OnCommand(uint64_t connection, uint64_t nexus, uint64_t task, int64_t lun, const uint8_t* cdb,
                         const Slice& data_out) = 0;
  virtual void OnDisconnected(uint64_t connection, uint64_t nexus, const std::string& reason) = 0;

 protected:
  ~TargetEvents() = default;
};

}  // namespace aurochs::iscsi
