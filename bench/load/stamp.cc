#include "stamp.h"

#include <algorithm>
#include <cstring>

#include "random.h"

namespace aurochs {
namespace {

constexpr int kWords = kStampUnitBytes / sizeof(uint64_t);
constexpr int kHeaderWords = 3;

void Fill(const Stamp& stamp, uint64_t* words) {
  words[0] = stamp.run;
  words[1] = stamp.unit;
  words[2] = stamp.sequence;
  Random random(stamp.run ^ (stamp.unit << 32) ^ stamp.sequence);
  for (int i = kHeaderWords; i < kWords; ++i) words[i] = random.Next();
}

}  // namespace

void WriteStamp(const Stamp& stamp, uint8_t* data) {
  uint64_t words[kWords];
  Fill(stamp, words);
  std::memcpy(data, words, sizeof words);
}

std::string CheckStamp(const Stamp& expected, const uint8_t* data) {
  uint64_t words[kWords];
  Fill(expected, words);
  if (std::memcmp(words, data, sizeof words) == 0) return {};
  uint64_t found[kHeaderWords];
  std::memcpy(found, data, sizeof found);
  std::string where = "offset " + std::to_string(expected.unit * kStampUnitBytes) + ": ";
  if (std::all_of(data, data + kStampUnitBytes, [](uint8_t byte) { return byte == 0; })) {
    return where + "zeros instead of write " + std::to_string(expected.sequence);
  }
  if (found[0] != expected.run) return where + "not written by this run";
  if (found[1] != expected.unit) {
    return where + "holds the data of offset " + std::to_string(found[1] * kStampUnitBytes);
  }
  if (found[2] != expected.sequence) {
    return where + "holds write " + std::to_string(found[2]) + " instead of write " +
           std::to_string(expected.sequence);
  }
  const auto* wanted = reinterpret_cast<const uint8_t*>(words);
  size_t at = std::mismatch(wanted, wanted + kStampUnitBytes, data).first - wanted;
  return where + "differs from byte " + std::to_string(at) + " of the block on";
}

}  // namespace aurochs
