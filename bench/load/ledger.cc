#include "ledger.h"

#include "stamp.h"

namespace aurochs {

Ledger::Ledger(uint64_t run, uint64_t range_bytes)
    : run_(run), sequences_(range_bytes / kStampUnitBytes), in_use_(range_bytes / kStampUnitBytes) {}

bool Ledger::Acquire(uint64_t offset, uint32_t length) {
  uint64_t first = offset / kStampUnitBytes;
  uint64_t end = (offset + length) / kStampUnitBytes;
  for (uint64_t unit = first; unit < end; ++unit) {
    if (in_use_[unit]) return false;
  }
  for (uint64_t unit = first; unit < end; ++unit) in_use_[unit] = true;
  return true;
}

void Ledger::StampWrite(const Request& request) {
  for (uint32_t at = 0; at < request.length; at += kStampUnitBytes) {
    uint64_t unit = (request.offset + at) / kStampUnitBytes;
    WriteStamp({run_, unit, sequences_[unit] + 1u}, request.data + at);
  }
}

std::string Ledger::Complete(const Request& request) {
  std::string wrong;
  for (uint32_t at = 0; at < request.length; at += kStampUnitBytes) {
    uint64_t unit = (request.offset + at) / kStampUnitBytes;
    in_use_[unit] = false;
    if (request.kind == Request::Kind::kWrite) {
      sequences_[unit] = request.error.empty() ? sequences_[unit] + 1 : 0;
    } else if (request.error.empty() && sequences_[unit] != 0 && wrong.empty()) {
      wrong = CheckStamp({run_, unit, sequences_[unit]}, request.data + at);
    }
  }
  return wrong;
}

bool Ledger::Knows(uint64_t offset, uint32_t length) const {
  for (uint64_t at = offset; at < offset + length; at += kStampUnitBytes) {
    if (sequences_[at / kStampUnitBytes] != 0) return true;
  }
  return false;
}

}  // namespace aurochs
