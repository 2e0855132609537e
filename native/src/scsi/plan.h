// What a data command will do, decided before anything moves: checks, byte range, how much data goes which
// way.
#pragma once

#include <cstdint>

#include "scsi/cdb.h"
#include "scsi/sense.h"

namespace aurochs::scsi {

struct Geometry {
  uint32_t block_size;  // bytes, 512 or 4096
  uint64_t blocks;
};

/// What the transport said about the command's data (iSCSI: the R and W bits, Expected Data Transfer Length).
struct ExpectedTransfer {
  bool reads;
  bool writes;
  uint32_t length;  // bytes
};

struct Plan {
  Cdb cdb;
  uint32_t block_size = 512;
  /// Other than kNoSense: answer CHECK CONDITION at once.
  Sense check;
  /// Bytes on the medium, a multiple of the block size; what is left of the CDB's range after cutting it to
  /// the expected transfer length.
  uint64_t offset = 0;
  uint64_t length = 0;
  /// What the CDB asks to move, bytes; residuals are counted from these.
  uint64_t data_in = 0;
  uint64_t data_out = 0;
  /// What really moves: at most the expected transfer length.
  uint32_t data_in_moved = 0;
  uint32_t data_out_moved = 0;
  /// The data-out has to be complete (and contiguous) before the command starts.
  bool collect = false;
};

Plan PlanCommand(const Cdb& cdb, const Geometry& geometry, const ExpectedTransfer& expected);

}  // namespace aurochs::scsi
