#include "scsi/plan.h"

#include <algorithm>

#include "scsi/limits.h"

namespace aurochs::scsi {

namespace {

bool IsReservedByteCheck(const Cdb& cdb) {
  if (cdb.kind == CommandKind::kVerify) return cdb.byte_check == 2;
  if (cdb.kind == CommandKind::kWriteAndVerify) return cdb.byte_check >= 2;
  return false;
}

/// The most blocks one command may name; 0 is no limit.
uint64_t BlocksMax(const Cdb& cdb, uint32_t block_size) {
  switch (cdb.kind) {
    case CommandKind::kRead:
    case CommandKind::kWrite:
    case CommandKind::kWriteAndVerify:
    case CommandKind::kOrWrite:
      return kTransferBytesMax / block_size;
    case CommandKind::kVerify:
      return cdb.byte_check == 0 ? 0 : kTransferBytesMax / block_size;
    case CommandKind::kWriteSame:
      return kWriteSameBytesMax / block_size;
    default:
      return 0;
  }
}

Sense CheckCdb(const Cdb& cdb, const Geometry& geometry) {
  if (cdb.protect != 0 || cdb.anchor)
    return kInvalidFieldInCdb;  // neither protection information nor anchors
  if (IsReservedByteCheck(cdb)) return kInvalidFieldInCdb;
  if (cdb.kind == CommandKind::kUnmap) return kNoSense;
  if (cdb.kind == CommandKind::kWriteSame && cdb.length == 0) return kInvalidFieldInCdb;  // WSNZ
  if (cdb.lba > geometry.blocks || cdb.length > geometry.blocks - cdb.lba) return kLbaOutOfRange;
  // A transfer of nothing at the very end is still at an LBA that does not exist.
  if (cdb.lba == geometry.blocks) return kLbaOutOfRange;
  uint64_t blocks_max = BlocksMax(cdb, geometry.block_size);
  if (blocks_max != 0 && cdb.length > blocks_max) return kInvalidFieldInCdb;
  return kNoSense;
}

void PlanData(Plan* plan) {
  const Cdb& cdb = plan->cdb;
  uint64_t range = uint64_t{cdb.length} * plan->block_size;
  switch (cdb.kind) {
    case CommandKind::kRead:
      plan->data_in = range;
      break;
    case CommandKind::kWrite:
    case CommandKind::kWriteAndVerify:
    case CommandKind::kOrWrite:
      plan->data_out = range;
      break;
    case CommandKind::kVerify:
      if (cdb.byte_check == 1) plan->data_out = range;
      if (cdb.byte_check == 3 && cdb.length > 0) {
        plan->data_out = plan->block_size;
        plan->collect = true;
      }
      break;
    case CommandKind::kWriteSame:
      plan->data_out = cdb.no_data ? 0 : plan->block_size;
      plan->collect = !cdb.no_data;
      break;
    case CommandKind::kCompareAndWrite:
      plan->data_out = 2 * range;
      plan->collect = range > 0;
      break;
    case CommandKind::kUnmap:
      plan->data_out = cdb.length;  // already bytes
      plan->collect = cdb.length > 0;
      break;
    case CommandKind::kSynchronizeCache:
    case CommandKind::kPreFetch:
    case CommandKind::kOther:
      break;
  }
}

}  // namespace

Plan PlanCommand(const Cdb& cdb, const Geometry& geometry, const ExpectedTransfer& expected) {
  Plan plan;
  plan.cdb = cdb;
  plan.block_size = geometry.block_size;
  PlanData(&plan);
  plan.check = CheckCdb(cdb, geometry);
  // Its number of blocks has one byte: who sends data for 256 says 0, and must not hear that they were
  // written.
  if (plan.check == kNoSense && cdb.kind == CommandKind::kCompareAndWrite && cdb.length == 0 &&
      expected.length > 0) {
    plan.check = kInvalidFieldInCdb;
  }
  if (plan.check != kNoSense) return plan;

  if (cdb.kind != CommandKind::kUnmap) {
    plan.offset = cdb.lba * geometry.block_size;
    plan.length = uint64_t{cdb.length} * geometry.block_size;
  }
  if (plan.data_in > 0) {
    plan.data_in_moved = expected.reads ? std::min<uint64_t>(plan.data_in, expected.length) : 0;
    // Only the blocks of which something is sent are read.
    uint64_t blocks = (uint64_t{plan.data_in_moved} + geometry.block_size - 1) / geometry.block_size;
    plan.length = blocks * geometry.block_size;
  }
  if (plan.data_out > 0) {
    plan.data_out_moved = expected.writes ? std::min<uint64_t>(plan.data_out, expected.length) : 0;
    if (!expected.writes && expected.length > 0) {
      plan.check = kInvalidFieldInInformationUnit;  // the initiator waits for data that a write does not have
    } else if (plan.collect) {
      // A block or a list that does not fit the transfer cannot be used in part. More than a block of UNMAP's
      // list is only padding; for the others the initiator means something else than the CDB says.
      bool exact = cdb.kind != CommandKind::kUnmap;
      uint32_t length = expected.writes ? expected.length : 0;
      if (length < plan.data_out || (exact && length != plan.data_out)) {
        plan.check = kInvalidFieldInInformationUnit;
      }
    } else if (plan.data_out_moved % geometry.block_size != 0) {
      plan.check = kInvalidFieldInInformationUnit;
    } else {
      plan.length = plan.data_out_moved;
    }
  }
  return plan;
}

}  // namespace aurochs::scsi
