// The data-out of one task as a stream: immediate data, unsolicited Data-Out, then the sequences asked for by
// R2T, in order (we agree on DataPDUInOrder and DataSequenceInOrder). Only numbers: bytes are the task's.
#pragma once

#include <cstdint>

#include "iscsi/limits.h"

namespace aurochs::iscsi {

class DataOut {
 public:
  enum class Verdict : uint8_t {
    kAccepted,
    kUnexpected,     // unsolicited data that was not announced, or an unknown transfer tag
    kSequenceError,  // a wrong DataSN or offset: data are missing
    kWrongAmount,    // more or less than agreed
  };

  struct R2t {
    uint32_t ttt;
    uint32_t r2t_sn;
    uint32_t offset;
    uint32_t length;
  };

  /// @param unsolicited_max bytes that may come without R2T, immediate data included
  /// @param unsolicited_follows the command was not final: Data-Out comes by itself until one is final
  void Reset(uint32_t unsolicited_max, bool unsolicited_follows);

  void Immediate(uint32_t length) { received_ = length; }
  /// After the first verdict other than kAccepted, only the ends of sequences are followed.
  Verdict Receive(uint32_t ttt, uint32_t data_sn, uint32_t offset, uint32_t length, bool final);
  void Abandon() { failed_ = true; }

  /// Asks for the `length` bytes after what was asked for so far. Not while unsolicited data are open.
  R2t Request(uint32_t length, uint32_t task_index);
  /// First byte not yet asked for or received.
  uint32_t requested() const { return r2ts_ > 0 ? Back().end : received_; }
  uint32_t r2ts_outstanding() const { return r2ts_; }
  bool solicited() const { return next_r2t_sn_ > 0; }
  bool unsolicited_open() const { return unsolicited_open_; }
  /// The initiator still has to send a final Data-Out.
  bool open() const { return unsolicited_open_ || r2ts_ > 0; }
  uint32_t received() const { return received_; }
  bool failed() const { return failed_; }

  static uint32_t TaskIndexOf(uint32_t ttt) { return ttt >> 8; }

 private:
  struct Sequence {
    uint32_t ttt;
    uint32_t end;
    uint32_t next_data_sn;
  };
  const Sequence& Back() const { return sequences_[(first_ + r2ts_ - 1) % kR2tsOutstandingMax]; }
  Verdict Check(uint32_t ttt, uint32_t data_sn, uint32_t offset, uint32_t length, bool final) const;
  void Finish(uint32_t ttt);

  bool failed_ = false;
  bool unsolicited_open_ = false;
  uint32_t unsolicited_max_ = 0;
  uint32_t unsolicited_data_sn_ = 0;
  uint32_t received_ = 0;
  uint32_t next_r2t_sn_ = 0;
  Sequence sequences_[kR2tsOutstandingMax];  // a ring
  uint32_t first_ = 0;
  uint32_t r2ts_ = 0;
};

}  // namespace aurochs::iscsi
