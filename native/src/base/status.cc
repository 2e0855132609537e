#include "base/status.h"

#include <cerrno>

namespace aurochs {

const char* StatusName(Status status) {
  switch (status) {
    case Status::kOk:
      return "OK";
    case Status::kIoError:
      return "IO_ERROR";
    case Status::kNoSpace:
      return "NO_SPACE";
    case Status::kOutOfRange:
      return "OUT_OF_RANGE";
    case Status::kChecksumMismatch:
      return "CHECKSUM_MISMATCH";
    case Status::kFenced:
      return "FENCED";
    case Status::kInvalid:
      return "INVALID";
    case Status::kNotOpen:
      return "NOT_OPEN";
    case Status::kMiscompare:
      return "MISCOMPARE";
    case Status::kAborted:
      return "ABORTED";
    case Status::kDisconnected:
      return "DISCONNECTED";
  }
  return "IO_ERROR";
}

Status StatusOfErrno(int error) {
  return error == ENOSPC || error == EDQUOT ? Status::kNoSpace : Status::kIoError;
}

}  // namespace aurochs
