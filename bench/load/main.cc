// aurochs-load: a load generator and data checker for iSCSI LUNs, block devices and files.
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "file_device.h"
#include "iscsi_device.h"
#include "options.h"
#include "report.h"
#include "runner.h"

namespace {

std::string CheckGeometry(const aurochs::Options& options, const aurochs::Device& device) {
  if (options.block_bytes % device.block_bytes() != 0) {
    return "--block is not a multiple of the device's " + std::to_string(device.block_bytes()) + " bytes";
  }
  if (device.capacity() < options.block_bytes || options.range_bytes > device.capacity()) {
    return "the device has only " + std::to_string(device.capacity()) + " bytes";
  }
  return {};
}

int Failed(const std::string& text) {
  std::fprintf(stderr, "aurochs-load: %s\n", text.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  for (const std::string& argument : arguments) {
    if (argument != "--help") continue;
    std::fputs(aurochs::kUsage, stdout);
    return 0;
  }
  aurochs::Options options;
  if (auto wrong = aurochs::ParseOptions(arguments, &options)) {
    std::fprintf(stderr, "aurochs-load: %s (--help says more)\n", wrong->c_str());
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  std::string error;
  std::unique_ptr<aurochs::Device> device =
      options.file.empty() ? OpenIscsiDevice(options, &error) : OpenFileDevice(options, &error);
  if (device == nullptr) return Failed(error);
  if (error = CheckGeometry(options, *device); !error.empty()) return Failed(error);
  aurochs::Result result = aurochs::RunLoad(options, device.get());
  std::string report = options.json ? ReportJson(options, result) : ReportText(options, result);
  std::fputs(report.c_str(), stdout);
  if (result.errors > 0)
    return Failed(std::to_string(result.errors) + " errors; first: " + result.first_error);
  return 0;
}
