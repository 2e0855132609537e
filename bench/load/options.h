// The command line of aurochs-load.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace aurochs {

enum class Pattern { kRandomWrite, kRandomRead, kSequentialWrite, kSequentialRead, kMixed, kWriteFlush };

struct ProcessArgument {
  std::string name;
  int pid;
};

struct Options {
  std::string iscsi_url;  // exactly one of these two is set
  std::string file;
  Pattern pattern = Pattern::kRandomRead;
  uint32_t block_bytes = 4096;
  int depth = 32;
  double seconds = 5;
  double warmup_seconds = 1;
  uint64_t range_bytes = 0;  // 0: the whole device
  int read_percent = 70;     // of kMixed
  uint64_t seed = 1;
  double rate = 0;  // operations per second; 0: as many as get answered
  bool once = false;
  bool verify = false;
  bool buffered = false;
  bool header_digest = false;
  bool reconnect = false;
  bool json = false;
  double timeout_seconds = 30;
  std::vector<ProcessArgument> processes;
};

bool Reads(Pattern pattern);
bool Writes(Pattern pattern);
bool IsSequential(Pattern pattern);
const char* PatternName(Pattern pattern);

/// Bytes of "4096", "64KiB", "1MiB", "2GiB"; none when it is not such a number.
std::optional<uint64_t> ParseBytes(const std::string& text);

/// Returns what is wrong, or nothing after having filled `options`.
std::optional<std::string> ParseOptions(const std::vector<std::string>& arguments, Options* options);

extern const char kUsage[];

}  // namespace aurochs
