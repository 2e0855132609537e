// CPU time of processes, from /proc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "options.h"

namespace aurochs {

/// CPU time so far, microseconds.
struct CpuSample {
  int64_t own = 0;
  int64_t machine = 0;             // everything but idle, all processors
  std::vector<int64_t> processes;  // in the order of the arguments; -1: there is no such process
};

CpuSample SampleCpu(const std::vector<ProcessArgument>& processes);

}  // namespace aurochs
