#include "iscsi/data_out.h"

#include "iscsi/bhs.h"

namespace aurochs::iscsi {

void DataOut::Reset(uint32_t unsolicited_max, bool unsolicited_follows) {
  *this = DataOut();
  unsolicited_max_ = unsolicited_max;
  unsolicited_open_ = unsolicited_follows;
}

DataOut::Verdict DataOut::Check(uint32_t ttt, uint32_t data_sn, uint32_t offset, uint32_t length,
                                bool final) const {
  uint32_t end = 0;
  uint32_t next_data_sn = 0;
  if (ttt == kNoTag) {
    if (!unsolicited_open_) return Verdict::kUnexpected;
    end = unsolicited_max_;
    next_data_sn = unsolicited_data_sn_;
  } else {
    if (r2ts_ == 0 || sequences_[first_].ttt != ttt) return Verdict::kUnexpected;
    end = sequences_[first_].end;
    next_data_sn = sequences_[first_].next_data_sn;
  }
  if (data_sn != next_data_sn || offset != received_) return Verdict::kSequenceError;
  if (length > end - received_) return Verdict::kWrongAmount;
  // An R2T is answered in full, and its last PDU says so; unsolicited data may end early.
  if (ttt != kNoTag && final != (received_ + length == end)) return Verdict::kWrongAmount;
  return Verdict::kAccepted;
}

DataOut::Verdict DataOut::Receive(uint32_t ttt, uint32_t data_sn, uint32_t offset, uint32_t length,
                                  bool final) {
  Verdict verdict = failed_ ? Verdict::kAccepted : Check(ttt, data_sn, offset, length, final);
  if (verdict != Verdict::kAccepted) failed_ = true;
  if (!failed_) {
    received_ += length;
    ++(ttt == kNoTag ? unsolicited_data_sn_ : sequences_[first_].next_data_sn);
  }
  if (final) Finish(ttt);
  return verdict;
}

void DataOut::Finish(uint32_t ttt) {
  if (ttt == kNoTag) {
    unsolicited_open_ = false;
    return;
  }
  for (uint32_t i = 0; i < r2ts_; ++i) {
    if (sequences_[(first_ + i) % kR2tsOutstandingMax].ttt != ttt) continue;
    // Sequences before it have lost their end; they are not waited for.
    first_ = (first_ + i + 1) % kR2tsOutstandingMax;
    r2ts_ -= i + 1;
    return;
  }
}

DataOut::R2t DataOut::Request(uint32_t length, uint32_t task_index) {
  uint32_t offset = requested();
  uint32_t r2t_sn = next_r2t_sn_++;
  uint32_t ttt = (task_index << 8) | (r2t_sn & 0xff);
  sequences_[(first_ + r2ts_) % kR2tsOutstandingMax] = Sequence{ttt, offset + length, 0};
  ++r2ts_;
  return R2t{ttt, r2t_sn, offset, length};
}

}  // namespace aurochs::iscsi
