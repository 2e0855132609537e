// The basic header segment (RFC 7143, iSCSI PDU formats): opcodes, flags, field positions.
#pragma once

#include <cstdint>

#include "base/big_endian.h"

namespace aurochs::iscsi {

constexpr uint32_t kBhsBytes = 48;
constexpr uint32_t kDigestBytes = 4;
constexpr uint32_t kNoTag = 0xffffffff;

enum class Opcode : uint8_t {
  kNopOut = 0x00,
  kScsiCommand = 0x01,
  kTaskManagement = 0x02,
  kLoginRequest = 0x03,
  kTextRequest = 0x04,
  kDataOut = 0x05,
  kLogoutRequest = 0x06,
  kSnack = 0x10,
  kNopIn = 0x20,
  kScsiResponse = 0x21,
  kTaskManagementResponse = 0x22,
  kLoginResponse = 0x23,
  kTextResponse = 0x24,
  kDataIn = 0x25,
  kLogoutResponse = 0x26,
  kR2t = 0x31,
  kAsyncMessage = 0x32,
  kReject = 0x3f,
};

inline Opcode OpcodeOf(const uint8_t* bhs) { return static_cast<Opcode>(bhs[0] & 0x3f); }
inline bool IsImmediate(const uint8_t* bhs) { return (bhs[0] & 0x40) != 0; }
inline bool IsFinal(const uint8_t* bhs) { return (bhs[1] & 0x80) != 0; }
inline uint32_t AhsBytesOf(const uint8_t* bhs) { return bhs[4] * 4u; }
inline uint32_t DataLengthOf(const uint8_t* bhs) { return GetBe24(bhs + 5); }
inline uint64_t LunOf(const uint8_t* bhs) { return GetBe64(bhs + 8); }
inline uint32_t IttOf(const uint8_t* bhs) { return GetBe32(bhs + 16); }
inline uint32_t TttOf(const uint8_t* bhs) { return GetBe32(bhs + 20); }
inline uint32_t CmdSnOf(const uint8_t* bhs) { return GetBe32(bhs + 24); }

/// Data segments are padded to words.
inline uint32_t Padded(uint32_t bytes) { return (bytes + 3) & ~3u; }

// Byte 1 of SCSI Command.
constexpr uint8_t kReadBit = 0x40;
constexpr uint8_t kWriteBit = 0x20;
// Byte 1 of SCSI Response and Data-In.
constexpr uint8_t kFinalBit = 0x80;
constexpr uint8_t kOverflowBit = 0x04;
constexpr uint8_t kUnderflowBit = 0x02;
constexpr uint8_t kStatusBit = 0x01;

/// Reasons of Reject.
enum class RejectReason : uint8_t {
  kDataDigest = 0x02,
  kSnack = 0x03,
  kProtocolError = 0x04,
  kCommandNotSupported = 0x05,
  kImmediateCommand = 0x06,
  kTaskInProgress = 0x07,
  kInvalidPduField = 0x09,
};

/// The logical unit number in SAM's 8 bytes: peripheral device addressing (0 to 255, bus 0) or flat space.
/// Anything else is -1.
inline int64_t LunNumber(uint64_t lun) {
  uint32_t first = static_cast<uint32_t>(lun >> 48);
  if ((lun & 0xffffffffffffull) != 0) return -1;
  if ((first & 0xff00) == 0) return first;
  if ((first & 0xc000) == 0x4000) return first & 0x3fff;
  return -1;
}

}  // namespace aurochs::iscsi
