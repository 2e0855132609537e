#include "options.h"

#include <gtest/gtest.h>

namespace aurochs {
namespace {

std::vector<std::string> Split(const std::string& line) {
  std::vector<std::string> words;
  size_t from = 0;
  while (from < line.size()) {
    size_t to = std::min(line.find(' ', from), line.size());
    words.push_back(line.substr(from, to - from));
    from = to + 1;
  }
  return words;
}

TEST(Options, ReadsACompleteCommandLine) {
  Options options;
  auto wrong = ParseOptions(
      Split(
          "--target iscsi://127.0.0.1:3260/iqn.x:y/1 --pattern mixed --block 64KiB --depth 128 --seconds 2.5 "
          "--warmup 0 --range 1GiB --mix 90 --seed 7 --process engine=12 --process replica-1=13 --json"),
      &options);
  EXPECT_FALSE(wrong) << *wrong;
  EXPECT_EQ(options.iscsi_url, "iscsi://127.0.0.1:3260/iqn.x:y/1");
  EXPECT_EQ(options.pattern, Pattern::kMixed);
  EXPECT_EQ(options.block_bytes, 65536u);
  EXPECT_EQ(options.depth, 128);
  EXPECT_DOUBLE_EQ(options.seconds, 2.5);
  EXPECT_EQ(options.range_bytes, 1u << 30);
  EXPECT_EQ(options.read_percent, 90);
  ASSERT_EQ(options.processes.size(), 2u);
  EXPECT_EQ(options.processes[1].name, "replica-1");
  EXPECT_EQ(options.processes[1].pid, 13);
}

TEST(Options, RefusesWhatMakesNoSense) {
  struct Row {
    const char* line;
    const char* message;
  };
  const Row rows[] = {
      {"--pattern randread", "give either --target or --file"},
      {"--file a --target iscsi://h/i/1 --pattern randread", "give either --target or --file"},
      {"--file a", "--pattern is missing"},
      {"--file a --pattern randrea", "--pattern: bad value 'randrea'"},
      {"--target http://h/ --pattern randread", "--target: bad value 'http://h/'"},
      {"--file a --pattern randread --depth 0", "--depth: bad value '0'"},
      {"--file a --pattern randread --depth 4x", "--depth: bad value '4x'"},
      {"--file a --pattern randread --depth", "--depth needs a value"},
      {"--file a --pattern randread --block 1000", "--block: bad value '1000'"},
      {"--file a --pattern randread --block 0", "--block: bad value '0'"},
      {"--file a --pattern randread --block 16MiB --depth 32", "--block times --depth is more than 256 MiB"},
      {"--file a --pattern randread --block 1MiB --range 4096", "--range is not a multiple of --block"},
      {"--file a --pattern randread --seconds nan", "--seconds: bad value 'nan'"},
      {"--file a --pattern randread --seconds -1", "--seconds: bad value '-1'"},
      {"--file a --pattern randread --mix 101", "--mix: bad value '101'"},
      {"--file a --pattern randread --rate 0", "--rate: bad value '0'"},
      {"--file a --pattern seqread --once --rate 10", "--once has no --rate"},
      {"--file a --pattern randread --once", "--once needs a sequential pattern"},
      {"--file a --pattern randwrite --verify --block 512",
       "--verify needs a --block that is a multiple of 4096"},
      {"--file a --pattern writeflush --verify", "--verify has no writeflush"},
      {"--file a --pattern randread --reconnect", "--header-digest and --reconnect need --target"},
      {"--target iscsi://h/i/1 --pattern randread --buffered", "--buffered needs --file"},
      {"--file a --pattern randread --process x", "--process: bad value 'x'"},
      {"--file a --pattern randread --process a\"b=1", "--process: bad value 'a\"b=1'"},
      {"--file a --pattern randread --process x=0", "--process: bad value 'x=0'"},
      {"--file a --pattern randread --frobnicate", "unknown argument --frobnicate"},
  };
  for (const Row& row : rows) {
    Options options;
    EXPECT_EQ(ParseOptions(Split(row.line), &options), row.message) << row.line;
  }
}

TEST(ParseBytes, UnderstandsBinaryUnitsOnly) {
  EXPECT_EQ(ParseBytes("512"), 512u);
  EXPECT_EQ(ParseBytes("4KiB"), 4096u);
  EXPECT_EQ(ParseBytes("2TiB"), uint64_t{2} << 40);
  for (const char* text :
       {"", "KiB", "-1", "1KB", "1 KiB", "1.5GiB", "99999999999999999999", "9999999999TiB"}) {
    EXPECT_EQ(ParseBytes(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace aurochs
