#include "scsi/sense.h"

#include <cstring>

#include "base/big_endian.h"

namespace aurochs::scsi {

Sense SenseOfStatus(Status status, bool is_write) {
  switch (status) {
    case Status::kOk:
      return kNoSense;
    case Status::kIoError:
    case Status::kChecksumMismatch:
      return is_write ? kWriteFailed : kReadFailed;
    case Status::kNoSpace:
      return kNoSpace;
    case Status::kOutOfRange:
      return kLbaOutOfRange;
    case Status::kMiscompare:
      return kMiscompare;
    case Status::kFenced:
    case Status::kNotOpen:
    case Status::kDisconnected:
      return kNotReady;
    case Status::kInvalid:
    case Status::kAborted:
      return kInternalTargetFailure;
  }
  return kInternalTargetFailure;
}

void EncodeSense(Sense sense, std::optional<uint32_t> information, uint8_t* out) {
  memset(out, 0, kSenseBytes);
  out[0] = information ? 0xf0 : 0x70;
  out[2] = sense.key;
  if (information) PutBe32(out + 3, *information);
  out[7] = kSenseBytes - 8;
  out[12] = sense.asc;
  out[13] = sense.ascq;
}

}  // namespace aurochs::scsi
