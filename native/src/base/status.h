// How an operation ended. Numbers 0 to 7 are those of proto/dataplane.proto; names are those of
// native/index.ts.
#pragma once

#include <cstdint>

namespace aurochs {

enum class Status : uint8_t {
  kOk = 0,
  kIoError = 1,
  kNoSpace = 2,
  kOutOfRange = 3,
  kChecksumMismatch = 4,
  kFenced = 5,
  kInvalid = 6,
  kNotOpen = 7,
  kMiscompare = 8,
  kAborted = 9,
  kDisconnected = 10,
};

/// The name in native/index.ts, e.g. "IO_ERROR".
const char* StatusName(Status status);

/// What a failed system call means for the operation: ENOSPC and EDQUOT are kNoSpace, the rest kIoError.
Status StatusOfErrno(int error);

}  // namespace aurochs
