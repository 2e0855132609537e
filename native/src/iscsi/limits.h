// Bounds of the target, with unit and reason.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/limits.h"

namespace aurochs::iscsi {

/// Data segment of one PDU in full feature phase, bytes: what we may declare as MaxRecvDataSegmentLength. A
/// whole PDU has to fit the receive buffer.
constexpr uint32_t kDataSegmentBytesMax = 256u << 10;

/// Data segment of one PDU in login phase, bytes: the default of RFC 7143 before anything is negotiated.
constexpr uint32_t kLoginSegmentBytesMax = 8192;

/// Additional header segments of one PDU, bytes: the length field counts up to 255 words.
constexpr uint32_t kAhsBytesMax = 255 * 4;

/// Data-out of a command that JavaScript serves, bytes: parameter lists are far shorter.
constexpr uint32_t kScriptDataOutBytesMax = 1u << 20;

/// Bytes asked for by one R2T. Longer than the usual MaxBurstLength of 256 KiB, so that fewer round trips are
/// needed where the initiator allows it.
constexpr uint32_t kR2tBytesMax = 1u << 20;

/// R2Ts outstanding per task. The negotiated maximum may be lower.
constexpr uint32_t kR2tsOutstandingMax = 8;

/// Memory for data under way per session (reads in flight, data-out asked for and not yet written), bytes.
/// Above it tasks wait for others.
constexpr uint64_t kSessionBytesMax = 32u << 20;

/// Memory of aborted tasks (of sessions that have ended, above all) that wait for the volume, bytes per
/// target: above it other commands wait in their sessions, whose end frees them. Twice what a session has
/// under way, so that whoever logs in again once is served at once.
constexpr uint64_t kDrainingBytesMax = 2 * kSessionBytesMax;

/// What one of them counts for at the least, bytes: the pattern of a WRITE SAME is as long. Short writes keep
/// their receive buffer, which they share with their neighbours.
constexpr uint64_t kDrainingTaskBytesMin = 256u << 10;

/// Immediate commands open at once per session; more are rejected. They do not count in the command window.
constexpr uint32_t kImmediateCommandsMax = 16;

/// Commands of one session that may be open at once, whatever window the options ask for.
constexpr uint32_t kCommandWindowMax = 1024;

/// PDUs kept because an earlier CmdSN is missing: bytes of data segments. One TCP connection keeps order, so
/// this only happens with an initiator that numbers oddly.
constexpr size_t kHeldBytesMax = 1u << 20;

/// Missing bytes of a data segment from which on it is read straight into the task's buffer.
constexpr uint32_t kDirectBytesMin = 16u << 10;

/// Bytes per socket read while a long data-out is expected: just the header, the payload follows without a
/// copy.
constexpr uint32_t kReadAheadOfDataOut = 8u << 10;

/// Reads of one socket per wake-up, so that other connections get their turn.
constexpr int kReadsPerCycle = 4;

/// How long a connection may take to close its end after we closed ours, milliseconds.
constexpr int64_t kLingerMs = 2000;

/// Pause of the listener when descriptors are out, milliseconds.
constexpr int64_t kAcceptPauseMs = 200;

static_assert(48 + kAhsBytesMax + 4 + kDataSegmentBytesMax + 4 <= kReceiveBufferBytes);
static_assert(kDataSegmentBytesMax + 4096 <= kPayloadBytesMax);

}  // namespace aurochs::iscsi
