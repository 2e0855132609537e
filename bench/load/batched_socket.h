// Fewer system calls for libiscsi, which makes two per PDU: the socket functions that it imports are taken
// over for one descriptor, what it sends is collected until Flush, and what it receives is read ahead.
// Without this the generator uses more CPU per 4 KiB operation than a good target does, and every target
// looks alike. Where libiscsi imports none of these functions (linked statically), nothing changes.
#pragma once

namespace aurochs {

/// Takes over `fd` (at most one at a time), a non-blocking socket whose peer has nothing under way.
void StartBatching(int fd);

/// Gives it back, with everything collected forgotten. Without effect when nothing was taken over.
void StopBatching();

/// Sends what was collected, as far as the socket takes it.
/// @return false when something is left: call again when the socket is writable
bool FlushBatch();

}  // namespace aurochs
