#include "options.h"

#include <charconv>
#include <cmath>
#include <functional>
#include <map>

namespace aurochs {
namespace {

struct PatternRow {
  Pattern pattern;
  const char* name;
  bool reads;
  bool writes;
  bool sequential;
};

constexpr PatternRow kPatterns[] = {
    {Pattern::kRandomWrite, "randwrite", false, true, false},
    {Pattern::kRandomRead, "randread", true, false, false},
    {Pattern::kSequentialWrite, "seqwrite", false, true, true},
    {Pattern::kSequentialRead, "seqread", true, false, true},
    {Pattern::kMixed, "mixed", true, true, false},
    {Pattern::kWriteFlush, "writeflush", false, true, false},
};

// Larger than any device serves in one command, and what bounds this program's memory with kDepthMax.
constexpr uint64_t kBlockBytesMax = 16u << 20;
constexpr uint64_t kInFlightBytesMax = 256u << 20;
constexpr int kDepthMax = 1024;
constexpr double kSecondsMax = 7 * 24 * 3600;
constexpr uint32_t kSectorBytes = 512;
constexpr uint32_t kStampUnitBytes = 4096;

const PatternRow& RowOf(Pattern pattern) {
  for (const PatternRow& row : kPatterns) {
    if (row.pattern == pattern) return row;
  }
  __builtin_unreachable();
}

template <typename Number>
bool ParseWhole(const std::string& text, Number* value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

template <typename Number>
bool ParseWithin(const std::string& text, Number low, Number high, Number* value) {
  Number parsed;
  // Written so that a NaN fails.
  if (!ParseWhole(text, &parsed) || !(parsed >= low && parsed <= high)) return false;
  *value = parsed;
  return true;
}

bool ParseProcess(const std::string& text, std::vector<ProcessArgument>* processes) {
  size_t equals = text.find('=');
  int pid;
  if (equals == std::string::npos || equals == 0 || !ParseWithin(text.substr(equals + 1), 1, 1 << 22, &pid)) {
    return false;
  }
  for (char letter : text.substr(0, equals)) {
    if (!std::isalnum(static_cast<unsigned char>(letter)) && letter != '-' && letter != '_') return false;
  }
  processes->push_back({text.substr(0, equals), pid});
  return true;
}

std::optional<std::string> CheckTogether(const Options& options) {
  if (options.iscsi_url.empty() == options.file.empty()) return "give either --target or --file";
  if (options.block_bytes * static_cast<uint64_t>(options.depth) > kInFlightBytesMax) {
    return "--block times --depth is more than 256 MiB";
  }
  if (options.range_bytes % options.block_bytes != 0) return "--range is not a multiple of --block";
  if (options.once && !IsSequential(options.pattern)) return "--once needs a sequential pattern";
  if (options.once && options.rate > 0) return "--once has no --rate";
  if (options.verify && options.block_bytes % kStampUnitBytes != 0) {
    return "--verify needs a --block that is a multiple of 4096";
  }
  if (options.verify && options.pattern == Pattern::kWriteFlush) return "--verify has no writeflush";
  bool iscsi_only = options.header_digest || options.reconnect;
  if (iscsi_only && options.iscsi_url.empty()) return "--header-digest and --reconnect need --target";
  if (options.buffered && options.file.empty()) return "--buffered needs --file";
  return std::nullopt;
}

}  // namespace

const char kUsage[] =
    R"(Usage: aurochs-load (--target iscsi://HOST[:PORT]/IQN/LUN | --file PATH) --pattern PATTERN [options]

Keeps a fixed number of operations in flight on an iSCSI LUN, a block device or a file, and reports rate and
latency. Writing patterns destroy what is there.

  --target URL       iSCSI URL as of libiscsi (iscsi://[USER[%PASSWORD]@]HOST[:PORT]/IQN/LUN)
  --file PATH        an existing file or an unused block device, opened with O_DIRECT
  --pattern NAME     randwrite, randread, seqwrite, seqread, mixed, or writeflush (one operation: a random
                     write and, once it is answered, a flush)
  --block BYTES      bytes of one operation, a multiple of 512 (default 4096; KiB, MiB, GiB are understood)
  --depth N          operations in flight (default 32)
  --seconds S        how long to measure (default 5)
  --warmup S         how long to run before that (default 1)
  --range BYTES      use the first BYTES only (default: all)
  --mix PERCENT      share of reads in mixed (default 70)
  --rate N           send no more than N operations per second (default: as many as are answered)
  --once             pass over the range once, sequentially, without warm-up; --seconds does not apply
  --verify           stamp what is written, check every read of it, and read everything back at the end;
                     operations on the same blocks never overlap
  --seed N           where random offsets start (default 1)
  --process NAME=PID report the CPU time of this process per operation (may be repeated)
  --header-digest    ask for CRC32C (libiscsi has no data digest)
  --reconnect        let a broken connection be made anew instead of failing
  --buffered         with --file: use the page cache
  --timeout S        fail when nothing completes for so long (default 30)
  --json             one JSON object on standard output instead of text
  --help

Exit status: 0; 1 after an I/O error or wrong data; 2 when the command line is wrong.
)";

bool Reads(Pattern pattern) { return RowOf(pattern).reads; }
bool Writes(Pattern pattern) { return RowOf(pattern).writes; }
bool IsSequential(Pattern pattern) { return RowOf(pattern).sequential; }
const char* PatternName(Pattern pattern) { return RowOf(pattern).name; }

std::optional<uint64_t> ParseBytes(const std::string& text) {
  size_t digits = text.find_first_not_of("0123456789");
  uint64_t number;
  if (digits == 0 || !ParseWhole(text.substr(0, digits), &number)) return std::nullopt;
  int shift = 0;
  if (digits != std::string::npos) {
    static const std::map<std::string, int> shifts = {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
    auto found = shifts.find(text.substr(digits));
    if (found == shifts.end()) return std::nullopt;
    shift = found->second;
  }
  if (number > (UINT64_MAX >> 1) >> shift) return std::nullopt;
  return number << shift;
}

std::optional<std::string> ParseOptions(const std::vector<std::string>& arguments, Options* options) {
  using Value = const std::string&;
  auto bytes_within = [](Value text, uint64_t low, uint64_t high, auto* value) {
    auto bytes = ParseBytes(text);
    if (!bytes || *bytes < low || *bytes > high || *bytes % kSectorBytes != 0) return false;
    *value = *bytes;
    return true;
  };
  bool pattern_given = false;
  const std::map<std::string, std::function<bool(Value)>> valued = {
      {"--target", [&](Value v) { return (options->iscsi_url = v).starts_with("iscsi://"); }},
      {"--file", [&](Value v) { return !(options->file = v).empty(); }},
      {"--pattern",
       [&](Value v) {
         for (const PatternRow& row : kPatterns) {
           if (v != row.name) continue;
           options->pattern = row.pattern;
           pattern_given = true;
           return true;
         }
         return false;
       }},
      {"--block",
       [&](Value v) { return bytes_within(v, kSectorBytes, kBlockBytesMax, &options->block_bytes); }},
      {"--depth", [&](Value v) { return ParseWithin(v, 1, kDepthMax, &options->depth); }},
      {"--seconds", [&](Value v) { return ParseWithin(v, 0.01, kSecondsMax, &options->seconds); }},
      {"--warmup", [&](Value v) { return ParseWithin(v, 0.0, kSecondsMax, &options->warmup_seconds); }},
      {"--range", [&](Value v) { return bytes_within(v, kSectorBytes, INT64_MAX, &options->range_bytes); }},
      {"--mix", [&](Value v) { return ParseWithin(v, 0, 100, &options->read_percent); }},
      {"--rate", [&](Value v) { return ParseWithin(v, 0.1, 1e7, &options->rate); }},
      {"--seed", [&](Value v) { return ParseWhole(v, &options->seed); }},
      {"--process", [&](Value v) { return ParseProcess(v, &options->processes); }},
      {"--timeout", [&](Value v) { return ParseWithin(v, 0.1, 3600.0, &options->timeout_seconds); }},
  };
  const std::map<std::string, bool*> switches = {
      {"--once", &options->once},           {"--verify", &options->verify},
      {"--buffered", &options->buffered},   {"--header-digest", &options->header_digest},
      {"--reconnect", &options->reconnect}, {"--json", &options->json},
  };
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& name = arguments[i];
    if (auto flag = switches.find(name); flag != switches.end()) {
      *flag->second = true;
      continue;
    }
    auto option = valued.find(name);
    if (option == valued.end()) return "unknown argument " + name;
    if (i + 1 == arguments.size()) return name + " needs a value";
    if (!option->second(arguments[++i])) return name + ": bad value '" + arguments[i] + "'";
  }
  if (!pattern_given) return "--pattern is missing";
  return CheckTogether(*options);
}

}  // namespace aurochs
