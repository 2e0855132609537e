// Sense data: why a command failed.
#pragma once

#include <cstdint>
#include <optional>

#include "base/status.h"

namespace aurochs::scsi {

// Status codes (SAM).
constexpr uint8_t kGood = 0x00;
constexpr uint8_t kCheckCondition = 0x02;

/// Sense key, additional sense code, qualifier (SPC). Key 0 is "no error".
struct Sense {
  uint8_t key = 0;
  uint8_t asc = 0;
  uint8_t ascq = 0;
  bool operator==(const Sense&) const = default;
};

constexpr Sense kNoSense{};
constexpr Sense kReadFailed{0x3, 0x11, 0x00};
constexpr Sense kWriteFailed{0x3, 0x0c, 0x00};
constexpr Sense kNotReady{0x2, 0x04, 0x00};
constexpr Sense kParameterListLength{0x5, 0x1a, 0x00};
constexpr Sense kLbaOutOfRange{0x5, 0x21, 0x00};
constexpr Sense kInvalidFieldInCdb{0x5, 0x24, 0x00};
constexpr Sense kInvalidFieldInParameterList{0x5, 0x26, 0x00};
/// The expected data transfer length does not fit the CDB.
constexpr Sense kInvalidFieldInInformationUnit{0x5, 0x0e, 0x03};
constexpr Sense kNoSpace{0x7, 0x27, 0x07};
constexpr Sense kMiscompare{0xe, 0x1d, 0x00};
constexpr Sense kInternalTargetFailure{0xb, 0x44, 0x00};

// Conditions of the transport (RFC 7143, SCSI Response, sense data).
constexpr Sense kUnexpectedUnsolicitedData{0xb, 0x0c, 0x0c};
constexpr Sense kIncorrectAmountOfData{0xb, 0x0c, 0x0d};
constexpr Sense kProtocolServiceCrcError{0xb, 0x47, 0x05};

/// What an operation's failure means to the initiator.
Sense SenseOfStatus(Status status, bool is_write);

/// Bytes of fixed-format sense data (SPC: response code 70h).
constexpr uint32_t kSenseBytes = 18;
/// Writes kSenseBytes to `out`. `information` sets the INFORMATION field and its VALID bit.
void EncodeSense(Sense sense, std::optional<uint32_t> information, uint8_t* out);

}  // namespace aurochs::scsi
