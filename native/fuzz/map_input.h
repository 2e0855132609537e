// What the fuzz targets of the maps' files make of their input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "base/crc32c.h"

inline void Require(bool condition) {
  if (!condition) abort();
}

/// The input, at least one byte, is laid over a good file (or stands alone), at a place that it names itself.
/// Random bytes hardly ever bring a right CRC: half of the inputs get one in the header, so that what lies
/// behind is reached.
/// @param good makes a good file
/// @param fields_end of the header, which its CRC covers
template <class Good>
std::vector<uint8_t> MapFileOf(const uint8_t* data, size_t size, Good good, size_t fields_end) {
  std::vector<uint8_t> file;
  if (data[0] & 1) {
    file = good();
    size_t at = size > 2 ? (data[1] | data[2] << 8) % file.size() : 0;
    for (size_t i = 3; i < size && at + i - 3 < file.size(); ++i) file[at + i - 3] = data[i];
  } else {
    file.assign(data + 1, data + size);
  }
  if (data[0] & 2 && file.size() >= fields_end) {
    uint32_t crc = aurochs::Crc32c(file.data() + 16, fields_end - 16, aurochs::Crc32c(file.data(), 12));
    for (int i = 0; i < 4; ++i) file[12 + i] = static_cast<uint8_t>(crc >> (8 * i));
  }
  return file;
}
