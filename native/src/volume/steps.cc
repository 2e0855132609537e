// What each kind of operation consists of.
#include <algorithm>
#include <cstring>
#include <utility>

#include "volume/volume.h"

namespace aurochs {

namespace {

constexpr uint32_t kCopyBlockBytes = 4096;

/// Index of the first byte that differs, or `length`.
size_t FirstDifference(const uint8_t* a, const uint8_t* b, size_t length) {
  return std::mismatch(a, a + length, b).first - a;
}

}  // namespace

void Volume::Start(Flight* flight) {
  Operation* operation = flight->operation;
  if (flight->settlement) return StartSettlement(flight);
  switch (flight->kind) {
    case OperationKind::kRead:
      return StartRead(flight, operation->offset, operation->length, operation->payload);
    case OperationKind::kWrite:
      return StartWrite(flight, StreamOp::kWrite, operation->payload);
    case OperationKind::kFlush:
      return StartWrite(flight, StreamOp::kFlush, Slice());
    case OperationKind::kUnmap:
      if (WaitsAsUnmap(flight)) return;
      return StartWrite(flight, StreamOp::kUnmap, Slice());
    case OperationKind::kWriteZeroes:
      return StartWrite(flight, StreamOp::kWriteZeroes, Slice());
    case OperationKind::kCompareAndWrite:
    case OperationKind::kOrWrite:
      flight->scratch[0] = Slice::Allocate(static_cast<uint32_t>(operation->length));
      return StartRead(flight, operation->offset, operation->length, flight->scratch[0]);
    case OperationKind::kCopy:
      flight->chunk = operation->offset;
      return ReadCopyChunk(flight);
    case OperationKind::kExtents:
      flight->chunk = operation->offset;
      operation->extents.clear();
      return NextExtents(flight);
  }
}

bool Volume::WaitsAsUnmap(Flight* flight) {
  if (!watching_unmaps_ || quiesced_ > 0 || flight->named != 0) return false;
  if (flight->operation->for_zeros) return false;
  waiting_unmaps_.push_back(flight);
  if (waiting_unmaps_.size() == 1) listener_->OnUnmapsWaiting();
  return true;
}

void Volume::StartWaitingUnmaps() {
  for (Flight* flight : std::exchange(waiting_unmaps_, {})) Start(flight);
}

void Volume::StepDone(Flight* flight) {
  if (flight->settlement) return SettlementStepDone(flight);
  switch (flight->kind) {
    case OperationKind::kRead:
    case OperationKind::kWrite:
    case OperationKind::kFlush:
    case OperationKind::kUnmap:
    case OperationKind::kWriteZeroes:
      return Finish(flight, Status::kOk);
    case OperationKind::kCompareAndWrite:
    case OperationKind::kOrWrite:
      if (flight->op == StreamOp::kRead) return CompareThenWrite(flight);
      return Finish(flight, Status::kOk);
    case OperationKind::kCopy:
      return CopyNextRun(flight);
    case OperationKind::kExtents:
      return NextExtents(flight);
  }
}

void Volume::StartRead(Flight* flight, uint64_t offset, uint64_t length, Slice into) {
  Begin(flight, Flight::Audience::kReader, flight->named, {StreamOp::kRead, offset, length, std::move(into)});
}

void Volume::StartWrite(Flight* flight, StreamOp op, Slice data) {
  Operation* operation = flight->operation;
  bool whole = op == StreamOp::kFlush;
  Begin(flight, Flight::Audience::kWriters, flight->named,
        {op, whole ? 0 : operation->offset, whole ? 0 : operation->length, std::move(data)});
}

void Volume::CompareThenWrite(Flight* flight) {
  Operation* operation = flight->operation;
  auto length = static_cast<uint32_t>(operation->length);
  uint8_t* read = flight->scratch[0].data();
  if (flight->kind == OperationKind::kOrWrite) {
    const uint8_t* data = operation->payload.data();
    for (uint32_t i = 0; i < length; ++i) read[i] |= data[i];
    return StartWrite(flight, StreamOp::kWrite, flight->scratch[0]);
  }
  size_t difference = FirstDifference(operation->payload.data(), read, length);
  if (difference < length) {
    operation->miscompare_offset = difference;
    return Finish(flight, Status::kMiscompare);
  }
  StartWrite(flight, StreamOp::kWrite, operation->payload.Sub(length, length));
}

void Volume::ReadCopyChunk(Flight* flight) {
  auto* operation = static_cast<CopyOperation*>(flight->operation);
  uint64_t left = operation->offset + operation->length - flight->chunk;
  if (left == 0) return Finish(flight, Status::kOk);
  auto length = static_cast<uint32_t>(std::min<uint64_t>(left, kPayloadBytesMax));
  for (Slice& buffer : flight->scratch) {
    if (!buffer || buffer.buffer->capacity() < length) buffer = Slice::Allocate(length);
    buffer.length = length;
  }
  flight->cursor = 0;
  Begin(flight, Flight::Audience::kNamed, Bit(operation->from) | Bit(operation->to),
        {StreamOp::kRead, flight->chunk, length, flight->scratch[0]});
}

/// Writes the next run of blocks that differ in the chunk that was read.
void Volume::CopyNextRun(Flight* flight) {
  auto* operation = static_cast<CopyOperation*>(flight->operation);
  const Slice& source = flight->scratch[0];
  const uint8_t* destination = flight->scratch[1].data();
  auto differs = [&](uint64_t at) {
    size_t bytes = std::min<uint64_t>(kCopyBlockBytes, source.length - at);
    return memcmp(source.data() + at, destination + at, bytes) != 0;
  };
  uint64_t from = flight->cursor;
  while (from < source.length && !differs(from)) from += kCopyBlockBytes;
  if (from >= source.length) {
    flight->chunk += source.length;
    return ReadCopyChunk(flight);
  }
  uint64_t to = from;
  while (to < source.length && differs(to)) to += kCopyBlockBytes;
  flight->cursor = to;
  auto length = static_cast<uint32_t>(std::min<uint64_t>(to, source.length) - from);
  operation->copied_bytes += length;
  Begin(flight, Flight::Audience::kNamed, Bit(operation->to),
        {StreamOp::kWrite, flight->chunk + from, length, source.Sub(static_cast<uint32_t>(from), length)});
}

/// Takes in what the present part has brought, if any, and asks for the next one.
void Volume::NextExtents(Flight* flight) {
  Operation* operation = flight->operation;
  if (flight->answered != 0) {
    for (auto [offset, length] : flight->extents) {
      bool touches = !operation->extents.empty() &&
                     operation->extents.back().first + operation->extents.back().second == offset;
      if (touches) {
        operation->extents.back().second += length;
      } else {
        operation->extents.emplace_back(offset, length);
      }
    }
    flight->extents.clear();
    flight->chunk += flight->length;
  }
  uint64_t left = operation->offset + operation->length - flight->chunk;
  if (left == 0) return Finish(flight, Status::kOk);
  Begin(flight, Flight::Audience::kReader, flight->named,
        {StreamOp::kExtents, flight->chunk, std::min(left, kExtentsRangeBytesMax), Slice()});
}

}  // namespace aurochs
