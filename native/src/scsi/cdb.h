// Data commands as their CDBs say them (SBC). Pure: bytes to a struct, no limits and no device known.
#pragma once

#include <cstdint>

namespace aurochs::scsi {

constexpr uint32_t kCdbBytes = 16;

enum class CommandKind : uint8_t {
  kOther,  // not a data command: JavaScript's
  kRead,
  kWrite,
  kWriteAndVerify,
  kVerify,
  kSynchronizeCache,
  kPreFetch,
  kUnmap,
  kWriteSame,
  kCompareAndWrite,
  kOrWrite,
};

struct Cdb {
  CommandKind kind = CommandKind::kOther;
  uint64_t lba = 0;
  /// Blocks; for UNMAP the bytes of the parameter list.
  uint32_t length = 0;
  bool fua = false;
  bool unmap = false;      // WRITE SAME
  bool anchor = false;     // WRITE SAME, UNMAP
  bool no_data = false;    // WRITE SAME(16): NDOB
  uint8_t byte_check = 0;  // BYTCHK of VERIFY and WRITE AND VERIFY
  uint8_t protect = 0;     // RDPROTECT, WRPROTECT, VRPROTECT or ORPROTECT
};

/// @param bytes kCdbBytes, zero-padded
Cdb ParseCdb(const uint8_t* bytes);

/// Whether the command changes the medium: forbidden by write protection.
bool ChangesMedium(CommandKind kind);
/// Whether it needs the nexus's permission to write (SPC, persistent reservations: also SYNCHRONIZE CACHE) or
/// read.
bool NeedsWriteAccess(CommandKind kind);
bool NeedsReadAccess(CommandKind kind);

}  // namespace aurochs::scsi
