// The checksum of a snapshot's file, against a bitwise CRC-64 and known values.
#include <random>
#include <string>

#include "base/crc64.h"
#include "store/file_hash.h"
#include "store_harness.h"

namespace aurochs {
namespace {

uint64_t Bitwise(const Bytes& bytes) {
  uint64_t crc = ~uint64_t{0};
  for (uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xd800000000000000 : 0);
  }
  return ~crc;
}

TEST(Crc64Iso, KnownValuesAndAnySplit) {
  Crc64Iso check;
  check.Update(reinterpret_cast<const uint8_t*>("123456789"), 9);
  EXPECT_EQ(check.value(), 0xb90956c775a41001);  // CRC-64/GO-ISO in the catalogue of parametrised CRCs
  Crc64Iso hole;
  hole.UpdateZeros(8 << 20);
  EXPECT_EQ(hole.value(), 0xc0551c7f2227c9f8);  // Longhorn's checksum of an empty snapshot of 8 MiB
  Bytes bytes = Pattern(10000, 5);
  std::fill_n(bytes.begin() + 3001, 4000, 0);
  std::mt19937 random(1);
  for (int round = 0; round < 50; ++round) {
    Crc64Iso crc;
    size_t first = random() % 3001;
    crc.Update(bytes.data(), first);
    crc.Update(bytes.data() + first, 3001 - first);
    size_t zeros = random() % 4001;
    crc.UpdateZeros(zeros);
    crc.Update(bytes.data() + 3001 + zeros, bytes.size() - 3001 - zeros);
    ASSERT_EQ(crc.value(), Bitwise(bytes));
  }
}

TEST(StoreFileHash, CountsHolesAndEveryByteOfOddFiles) {
  TestDirectory directory;
  for (uint64_t size :
       {uint64_t{0}, uint64_t{1}, uint64_t{4096}, uint64_t{100'003}, uint64_t{3 << 20} + 512}) {
    std::string path = directory.At("file");
    MakeSparseFile(path, size);
    Bytes content(size);
    for (uint64_t at = 5000; at + 70'000 < size; at += 1'000'000) {
      Bytes data = Pattern(70'000, static_cast<uint32_t>(at));
      WriteFileAt(path, at, data);
      std::copy(data.begin(), data.end(), content.begin() + static_cast<ptrdiff_t>(at));
    }
    if (size > 0) {
      WriteFileAt(path, size - 1, Bytes{77});
      content.back() = 77;
    }
    FileHash hash(path);
    hash.Run();
    EXPECT_EQ(hash.error(), "");
    EXPECT_EQ(hash.crc64(), Bitwise(content)) << size;
  }
}

TEST(StoreFileHash, SaysWhyItFailedAndStopsWhenCancelled) {
  TestDirectory directory;
  FileHash absent(directory.At("absent"));
  absent.Run();
  EXPECT_EQ(absent.error(), directory.At("absent") + ": open: No such file or directory");
  MakeSparseFile(directory.At("file"), 1 << 20);
  FileHash cancelled(directory.At("file"));
  cancelled.Cancel();
  cancelled.Run();
  EXPECT_EQ(cancelled.system_errno(), ECANCELED);
}

}  // namespace
}  // namespace aurochs
