#include "scsi/data_command.h"

#include <algorithm>
#include <cstring>

#include "base/big_endian.h"

namespace aurochs::scsi {

namespace {

// UNMAP parameter list (SBC): header of 8 bytes, then descriptors of 16: LBA, number of blocks.
constexpr uint32_t kUnmapHeaderBytes = 8;
constexpr uint32_t kUnmapDescriptorBytes = 16;

bool IsZero(const Slice& slice) {
  const uint8_t* bytes = slice.data();
  return slice.length == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, slice.length - 1) == 0);
}

/// `block` repeated to fill `bytes`, a multiple of its length.
Slice Repeat(const Slice& block, uint32_t bytes) {
  Slice pattern = Slice::Allocate(bytes);
  for (uint32_t at = 0; at < bytes; at += block.length)
    memcpy(pattern.data() + at, block.data(), block.length);
  return pattern;
}

bool IsWrite(OperationKind kind) { return kind != OperationKind::kRead; }

/// Data-out goes to operations as it comes.
bool Streams(const Cdb& cdb) {
  return cdb.kind == CommandKind::kWrite || cdb.kind == CommandKind::kWriteAndVerify ||
         cdb.kind == CommandKind::kOrWrite || (cdb.kind == CommandKind::kVerify && cdb.byte_check == 1);
}

/// The command asks for reads by itself, into memory that the host has to grant.
bool Reads(const Cdb& cdb) {
  return cdb.kind == CommandKind::kRead || (cdb.kind == CommandKind::kVerify && cdb.byte_check != 1);
}

}  // namespace

void Piece::Done(Status status) { command_->PieceDone(this, status); }

Piece* PiecePool::Take() {
  if (free_.empty()) {
    pieces_.push_back(std::make_unique<Piece>());
    return pieces_.back().get();
  }
  Piece* piece = free_.back();
  free_.pop_back();
  return piece;
}

void PiecePool::Give(Piece* piece) {
  piece->payload = Slice();
  piece->compare_ = Slice();
  free_.push_back(piece);
}

void DataCommand::Start(const Plan& plan, Backend* backend, PiecePool* pool, Host* host) {
  plan_ = plan;
  backend_ = backend;
  pool_ = pool;
  host_ = host;
  active_ = true;
  collecting_ = plan.collect;
  sense_ = kNoSense;
  information_.reset();
  next_offset_ = plan.offset;
  remaining_ = plan.length;
  data_in_left_ = plan.data_in_moved;
  reads_head_ = 0;
  unmaps_.clear();
  next_unmap_ = 0;

  pumping_ = true;
  if (plan.cdb.kind == CommandKind::kSynchronizeCache) {
    remaining_ = 0;
    // The whole volume: a superset of the range, and replicas know no smaller flush. IMMED may be answered
    // late.
    Submit(TakeNext(OperationKind::kFlush, 0));
  } else if (plan.cdb.kind == CommandKind::kPreFetch) {
    remaining_ = 0;  // a hint
  }
  pumping_ = false;
  Pump();
}

void DataCommand::DataOut(Slice data) {
  if (sense_ != kNoSense) {
    if (Streams(plan_.cdb)) host_->OnDataOutDone(data.length);
    return;
  }
  pumping_ = true;
  if (plan_.collect) {
    collecting_ = false;
    StartCollected(std::move(data));
  } else {
    bool verify = plan_.cdb.kind == CommandKind::kVerify;
    OperationKind kind = plan_.cdb.kind == CommandKind::kOrWrite ? OperationKind::kOrWrite
                         : verify                                ? OperationKind::kRead
                                                                 : OperationKind::kWrite;
    Piece* piece = TakeNext(kind, data.length);
    if (verify) {
      piece->payload = Slice::Allocate(data.length);
      piece->compare_ = std::move(data);
    } else {
      piece->payload = std::move(data);
    }
    Submit(piece);
  }
  pumping_ = false;
  Pump();
}

void DataCommand::Resume() {
  if (active_) Pump();
}

int DataCommand::Stop() {
  if (!active_) return 0;
  if (sense_ == kNoSense) sense_ = kInternalTargetFailure;
  if (in_flight_ == 0) {
    active_ = false;
    pattern_ = Slice();
  }
  return in_flight_;
}

void DataCommand::StartCollected(Slice data) {
  switch (plan_.cdb.kind) {
    case CommandKind::kUnmap:
      ParseUnmapList(data.data(), data.length);
      break;
    case CommandKind::kWriteSame:
      // Zeros need no pattern: they are unmapped or allocated as zeros.
      if (!IsZero(data)) pattern_ = Repeat(data, std::min<uint64_t>(kPieceBytes, remaining_));
      break;
    case CommandKind::kVerify:
      pattern_ = Repeat(data, std::min<uint64_t>(kPieceBytes, remaining_));
      break;
    case CommandKind::kCompareAndWrite: {
      Piece* piece = TakeNext(OperationKind::kCompareAndWrite, remaining_);
      piece->payload = std::move(data);
      Submit(piece);
      break;
    }
    default:
      break;
  }
}

void DataCommand::ParseUnmapList(const uint8_t* list, uint32_t length) {
  if (length < kUnmapHeaderBytes) return Fail(kParameterListLength);
  uint32_t descriptor_bytes = std::min(GetBe16(list + 2), length - kUnmapHeaderBytes);
  uint32_t count = descriptor_bytes / kUnmapDescriptorBytes;
  if (count > kUnmapDescriptorsMax) return Fail(kInvalidFieldInParameterList);
  uint64_t blocks = backend_->size() / plan_.block_size;
  uint64_t blocks_total = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const uint8_t* descriptor = list + kUnmapHeaderBytes + i * kUnmapDescriptorBytes;
    uint64_t lba = GetBe64(descriptor);
    uint64_t block_count = GetBe32(descriptor + 8);
    if (lba > blocks || block_count > blocks - lba) return Fail(kLbaOutOfRange);
    blocks_total += block_count;
    if (block_count > 0) unmaps_.emplace_back(lba * plan_.block_size, block_count * plan_.block_size);
  }
  if (blocks_total > kUnmapBytesMax / plan_.block_size) Fail(kInvalidFieldInParameterList);
}

void DataCommand::Pump() {
  // Operations may end inside Submit; whoever pumps already goes on then.
  if (pumping_) return;
  pumping_ = true;
  while (sense_ == kNoSense && !collecting_ && PumpOne()) {
  }
  pumping_ = false;
  FinishIfDone();
}

bool DataCommand::PumpOne() {
  if (in_flight_ >= kPiecesInFlightMax) return false;
  const Cdb& cdb = plan_.cdb;
  if (cdb.kind == CommandKind::kUnmap) {
    if (next_unmap_ >= unmaps_.size()) return false;
    auto [offset, length] = unmaps_[next_unmap_++];
    next_offset_ = offset;
    remaining_ = length;
    Submit(TakeNext(OperationKind::kUnmap, length));
    return true;
  }
  if (remaining_ == 0) return false;
  uint32_t bytes = std::min<uint64_t>(remaining_, kPieceBytes);
  if (cdb.kind == CommandKind::kWriteSame) {
    Piece* piece;
    if (pattern_) {
      piece = TakeNext(OperationKind::kWrite, bytes);
      piece->payload = pattern_.Sub(0, bytes);
    } else {
      piece = TakeNext(cdb.unmap ? OperationKind::kUnmap : OperationKind::kWriteZeroes, remaining_);
    }
    Submit(piece);
    return true;
  }
  if (!Reads(cdb) || reads_count_ == kPiecesInFlightMax || !host_->Reserve(bytes)) return false;
  Piece* piece = TakeNext(OperationKind::kRead, bytes);
  piece->payload = Slice::Allocate(bytes);
  if (pattern_) piece->compare_ = pattern_.Sub(0, bytes);
  if (cdb.kind == CommandKind::kRead) {
    reads_[(reads_head_ + reads_count_++) % kPiecesInFlightMax] = piece;
  }
  Submit(piece);
  return true;
}

Piece* DataCommand::TakeNext(OperationKind kind, uint64_t length) {
  Piece* piece = pool_->Take();
  piece->command_ = this;
  piece->kind = kind;
  // A verified write has to be on the medium before it is read back.
  piece->fua = plan_.cdb.fua || plan_.cdb.kind == CommandKind::kWriteAndVerify;
  piece->for_zeros = plan_.cdb.kind == CommandKind::kWriteSame;
  piece->offset = next_offset_;
  piece->length = length;
  piece->done_ = false;
  next_offset_ += length;
  remaining_ -= length;
  return piece;
}

void DataCommand::Submit(Piece* piece) {
  ++in_flight_;
  backend_->Submit(piece);
}

void DataCommand::PieceDone(Piece* piece, Status status) {
  --in_flight_;
  if (status != Status::kOk) {
    if (status == Status::kMiscompare) information_ = static_cast<uint32_t>(piece->miscompare_offset);
    Fail(SenseOfStatus(status, IsWrite(piece->kind)));
  } else if (sense_ == kNoSense) {
    if (piece->kind == OperationKind::kWrite && plan_.cdb.kind == CommandKind::kWriteAndVerify) {
      return ReadBack(piece);
    }
    if (piece->kind == OperationKind::kRead && piece->compare_ &&
        memcmp(piece->payload.data(), piece->compare_.data(), piece->compare_.length) != 0) {
      Fail(kMiscompare);
    }
  }
  piece->done_ = true;
  if (plan_.cdb.kind == CommandKind::kRead) {
    DeliverReads();
  } else {
    Release(piece);
  }
  Pump();
}

void DataCommand::ReadBack(Piece* piece) {
  // Without BYTCHK only that the blocks can be read is verified; data may have been changed by others
  // meanwhile.
  if (plan_.cdb.byte_check == 1) piece->compare_ = std::move(piece->payload);
  piece->kind = OperationKind::kRead;
  piece->payload = Slice::Allocate(static_cast<uint32_t>(piece->length));
  Submit(piece);
}

void DataCommand::DeliverReads() {
  while (reads_count_ > 0 && reads_[reads_head_]->done_) {
    Piece* piece = reads_[reads_head_];
    reads_head_ = (reads_head_ + 1) % kPiecesInFlightMax;
    --reads_count_;
    if (sense_ == kNoSense) {
      uint32_t bytes = std::min(data_in_left_, piece->payload.length);
      data_in_left_ -= bytes;
      host_->OnDataIn(piece->payload.Sub(0, bytes));
    }
    Release(piece);
  }
}

void DataCommand::Release(Piece* piece) {
  auto bytes = static_cast<uint32_t>(piece->length);
  pool_->Give(piece);
  if (Reads(plan_.cdb)) host_->Release(bytes);
  if (Streams(plan_.cdb)) host_->OnDataOutDone(bytes);
}

void DataCommand::Fail(Sense sense) {
  if (sense_ == kNoSense) sense_ = sense;
}

void DataCommand::FinishIfDone() {
  if (!active_ || pumping_ || in_flight_ > 0) return;
  bool unmaps_left = plan_.cdb.kind == CommandKind::kUnmap && next_unmap_ < unmaps_.size();
  if (sense_ == kNoSense && (collecting_ || remaining_ > 0 || unmaps_left)) return;
  active_ = false;
  pattern_ = Slice();
  host_->OnFinished();
}

}  // namespace aurochs::scsi
