#include "scsi/cdb.h"

#include "base/big_endian.h"

namespace aurochs::scsi {

namespace {

// Where LBA and length lie in the five shapes of CDB.
enum class Shape : uint8_t { k6, k10, k12, k16, kCompareAndWrite, kUnmap };

struct Row {
  uint8_t opcode;
  CommandKind kind;
  Shape shape;
};

constexpr Row kRows[] = {
    {0x08, CommandKind::kRead, Shape::k6},
    {0x28, CommandKind::kRead, Shape::k10},
    {0xa8, CommandKind::kRead, Shape::k12},
    {0x88, CommandKind::kRead, Shape::k16},
    {0x0a, CommandKind::kWrite, Shape::k6},
    {0x2a, CommandKind::kWrite, Shape::k10},
    {0xaa, CommandKind::kWrite, Shape::k12},
    {0x8a, CommandKind::kWrite, Shape::k16},
    {0x2e, CommandKind::kWriteAndVerify, Shape::k10},
    {0xae, CommandKind::kWriteAndVerify, Shape::k12},
    {0x8e, CommandKind::kWriteAndVerify, Shape::k16},
    {0x2f, CommandKind::kVerify, Shape::k10},
    {0xaf, CommandKind::kVerify, Shape::k12},
    {0x8f, CommandKind::kVerify, Shape::k16},
    {0x35, CommandKind::kSynchronizeCache, Shape::k10},
    {0x91, CommandKind::kSynchronizeCache, Shape::k16},
    {0x34, CommandKind::kPreFetch, Shape::k10},
    {0x90, CommandKind::kPreFetch, Shape::k16},
    {0x42, CommandKind::kUnmap, Shape::kUnmap},
    {0x41, CommandKind::kWriteSame, Shape::k10},
    {0x93, CommandKind::kWriteSame, Shape::k16},
    {0x89, CommandKind::kCompareAndWrite, Shape::kCompareAndWrite},
    {0x8b, CommandKind::kOrWrite, Shape::k16},
};

struct Index {
  const Row* rows[256] = {};
  constexpr Index() {
    for (const Row& row : kRows) rows[row.opcode] = &row;
  }
};
constexpr Index kIndex;

void ReadFlags(const uint8_t* bytes, Cdb* cdb) {
  uint8_t flags = bytes[1];
  switch (cdb->kind) {
    case CommandKind::kRead:
    case CommandKind::kWrite:
    case CommandKind::kOrWrite:
    case CommandKind::kCompareAndWrite:
      cdb->protect = flags >> 5;
      cdb->fua = (flags & 0x08) != 0;
      break;
    case CommandKind::kVerify:
    case CommandKind::kWriteAndVerify:
      cdb->protect = flags >> 5;
      cdb->byte_check = (flags >> 1) & 0x3;
      break;
    case CommandKind::kWriteSame:
      cdb->protect = flags >> 5;
      cdb->anchor = (flags & 0x10) != 0;
      cdb->unmap = (flags & 0x08) != 0;
      cdb->no_data = bytes[0] == 0x93 && (flags & 0x01) != 0;
      break;
    case CommandKind::kUnmap:
      cdb->anchor = (flags & 0x01) != 0;
      break;
    case CommandKind::kSynchronizeCache:
    case CommandKind::kPreFetch:
    case CommandKind::kOther:
      break;
  }
}

}  // namespace

Cdb ParseCdb(const uint8_t* bytes) {
  Cdb cdb;
  const Row* row = kIndex.rows[bytes[0]];
  if (row == nullptr) return cdb;
  cdb.kind = row->kind;
  switch (row->shape) {
    case Shape::k6:
      cdb.lba = GetBe24(bytes + 1) & 0x1fffff;
      cdb.length = bytes[4] == 0 ? 256 : bytes[4];
      return cdb;  // no flags
    case Shape::k10:
      cdb.lba = GetBe32(bytes + 2);
      cdb.length = GetBe16(bytes + 7);
      break;
    case Shape::k12:
      cdb.lba = GetBe32(bytes + 2);
      cdb.length = GetBe32(bytes + 6);
      break;
    case Shape::k16:
      cdb.lba = GetBe64(bytes + 2);
      cdb.length = GetBe32(bytes + 10);
      break;
    case Shape::kCompareAndWrite:
      cdb.lba = GetBe64(bytes + 2);
      cdb.length = bytes[13];
      break;
    case Shape::kUnmap:
      cdb.length = GetBe16(bytes + 7);
      break;
  }
  ReadFlags(bytes, &cdb);
  return cdb;
}

bool ChangesMedium(CommandKind kind) {
  switch (kind) {
    case CommandKind::kWrite:
    case CommandKind::kWriteAndVerify:
    case CommandKind::kUnmap:
    case CommandKind::kWriteSame:
    case CommandKind::kCompareAndWrite:
    case CommandKind::kOrWrite:
      return true;
    default:
      return false;
  }
}

bool NeedsWriteAccess(CommandKind kind) {
  return ChangesMedium(kind) || kind == CommandKind::kSynchronizeCache;
}

bool NeedsReadAccess(CommandKind kind) {
  return kind == CommandKind::kRead || kind == CommandKind::kVerify || kind == CommandKind::kPreFetch ||
         kind == CommandKind::kCompareAndWrite;
}

}  // namespace aurochs::scsi
