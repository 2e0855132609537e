#include "report.h"

#include <cstdarg>
#include <cstdio>

namespace aurochs {
namespace {

__attribute__((format(printf, 2, 3))) void Append(std::string* text, const char* format, ...) {
  char buffer[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(buffer, sizeof buffer, format, arguments);
  va_end(arguments);
  *text += buffer;
}

std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (char letter : text) {
    auto byte = static_cast<unsigned char>(letter);
    if (letter == '"' || letter == '\\') quoted += '\\';
    if (byte < 0x20 || byte >= 0x7f) {
      Append(&quoted, "\\u%04x", byte);
    } else {
      quoted += letter;
    }
  }
  return quoted + "\"";
}

double PerSecond(double amount, const Result& result) {
  return result.seconds > 0 ? amount / result.seconds : 0;
}

double PerOperation(int64_t microseconds, const Result& result) {
  return result.operations > 0 ? static_cast<double>(microseconds) / static_cast<double>(result.operations)
                               : 0;
}

}  // namespace

std::string ReportJson(const Options& options, const Result& result) {
  std::string json = "{";
  Append(&json, "\"pattern\":\"%s\",\"blockBytes\":%u,\"depth\":%d,\"seconds\":%.6f,",
         PatternName(options.pattern), options.block_bytes, options.depth, result.seconds);
  Append(&json, "\"operations\":%llu,\"bytes\":%llu,\"iops\":%.2f,\"megabytesPerSecond\":%.3f,",
         static_cast<unsigned long long>(result.operations), static_cast<unsigned long long>(result.bytes),
         PerSecond(static_cast<double>(result.operations), result),
         PerSecond(static_cast<double>(result.bytes), result) / 1e6);
  const Histogram& latency = result.latency;
  Append(&json, "\"latencyUs\":{\"mean\":%.2f,\"p50\":%.2f,\"p99\":%.2f,\"p999\":%.2f,\"max\":%.2f},",
         latency.Mean() / 1e3, latency.Quantile(0.5) / 1e3, latency.Quantile(0.99) / 1e3,
         latency.Quantile(0.999) / 1e3, latency.Largest() / 1e3);
  Append(&json, "\"errors\":%llu,\"retries\":%llu,\"verifiedBytes\":%llu,",
         static_cast<unsigned long long>(result.errors), static_cast<unsigned long long>(result.retries),
         static_cast<unsigned long long>(result.verified_bytes));
  json += "\"firstError\":" + (result.first_error.empty() ? "null" : Quoted(result.first_error)) + ",";
  Append(&json, "\"generatorCpuUs\":%lld,\"machineCpuUs\":%lld,\"processes\":[",
         static_cast<long long>(result.own_microseconds),
         static_cast<long long>(result.machine_microseconds));
  for (size_t i = 0; i < result.processes.size(); ++i) {
    const ProcessCpu& process = result.processes[i];
    Append(&json, "%s{\"name\":\"%s\",\"pid\":%d,\"cpuUs\":", i == 0 ? "" : ",", process.name.c_str(),
           process.pid);
    if (process.microseconds < 0) {
      json += "null}";
    } else {
      Append(&json, "%lld}", static_cast<long long>(process.microseconds));
    }
  }
  return json + "]}\n";
}

std::string ReportText(const Options& options, const Result& result) {
  std::string text;
  Append(&text, "%s, %u bytes, depth %d: %llu operations in %.2f s\n", PatternName(options.pattern),
         options.block_bytes, options.depth, static_cast<unsigned long long>(result.operations),
         result.seconds);
  Append(&text, "  %.0f IOPS, %.1f MB/s\n", PerSecond(static_cast<double>(result.operations), result),
         PerSecond(static_cast<double>(result.bytes), result) / 1e6);
  const Histogram& latency = result.latency;
  Append(&text, "  latency us: mean %.1f, p50 %.1f, p99 %.1f, p99.9 %.1f, max %.1f\n", latency.Mean() / 1e3,
         latency.Quantile(0.5) / 1e3, latency.Quantile(0.99) / 1e3, latency.Quantile(0.999) / 1e3,
         latency.Largest() / 1e3);
  Append(&text, "  CPU us per operation: this program %.2f", PerOperation(result.own_microseconds, result));
  for (const ProcessCpu& process : result.processes) {
    if (process.microseconds < 0) {
      Append(&text, ", %s gone", process.name.c_str());
    } else {
      Append(&text, ", %s %.2f", process.name.c_str(), PerOperation(process.microseconds, result));
    }
  }
  text += "\n";
  if (result.retries > 0) Append(&text, "  %llu retries\n", static_cast<unsigned long long>(result.retries));
  if (options.verify) {
    Append(&text, "  %llu bytes verified\n", static_cast<unsigned long long>(result.verified_bytes));
  }
  return text;
}

}  // namespace aurochs
