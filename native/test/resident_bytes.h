// How much memory this process has, for tests of what is given back. Not under sanitizers: their malloc keeps
// what is freed.
#pragma once

#include <cstddef>
#include <fstream>
#include <string>

namespace aurochs {

/// proc(5): VmRSS of status, KiB. Not statm's: that counts pages, which are the machine's, also where larger
/// ones are emulated.
inline size_t ResidentBytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  size_t kib = 0;
  while (status >> word && word != "VmRSS:") {
  }
  status >> kib;
  return kib << 10;
}

}  // namespace aurochs
