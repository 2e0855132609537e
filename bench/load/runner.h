// The closed loop: as soon as an operation is answered, the next one is sent in its place.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "device.h"
#include "histogram.h"
#include "options.h"

namespace aurochs {

struct ProcessCpu {
  std::string name;
  int pid;
  int64_t microseconds;  // within the measured time; -1: it was not there at both ends
};

struct Result {
  double seconds = 0;  // measured time
  uint64_t operations = 0;
  uint64_t bytes = 0;
  uint64_t errors = 0;  // of the whole run, warm-up and read-back included
  uint64_t retries = 0;
  uint64_t verified_bytes = 0;
  std::string first_error;
  Histogram latency;
  int64_t own_microseconds = 0;      // CPU of this program
  int64_t machine_microseconds = 0;  // CPU of everything
  std::vector<ProcessCpu> processes;
};

/// Runs what `options` say on `device`. Ends early after the first error; closes the device when it hangs.
Result RunLoad(const Options& options, Device* device);

}  // namespace aurochs
