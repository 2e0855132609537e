#include "process_usage.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>

namespace aurochs {
namespace {

// The scheduler's own count, in nanoseconds: clock ticks are too coarse for a second's run. Threads that have
// ended are missing from it; the processes measured here keep theirs.
int64_t ThreadNanoseconds(const std::string& task) {
  FILE* file = std::fopen((task + "/schedstat").c_str(), "re");
  if (file == nullptr) return 0;
  int64_t nanoseconds = 0;
  if (std::fscanf(file, "%" SCNd64, &nanoseconds) != 1) nanoseconds = 0;
  std::fclose(file);
  return nanoseconds;
}

// proc(5), /proc/PID/stat: fields 14 and 15 are utime and stime in ticks, ended threads included.
int64_t TickMicroseconds(const std::string& process) {
  FILE* file = std::fopen((process + "/stat").c_str(), "re");
  if (file == nullptr) return -1;
  char text[1024];
  size_t length = std::fread(text, 1, sizeof text - 1, file);
  std::fclose(file);
  text[length] = 0;
  std::string line = text;
  // The name (field 2) may hold anything, but nothing after it holds a parenthesis.
  size_t name_end = line.rfind(')');
  uint64_t user, system;
  if (name_end == std::string::npos ||
      std::sscanf(line.c_str() + name_end + 1,
                  " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64, &user, &system) != 2) {
    return -1;
  }
  return static_cast<int64_t>((user + system) * 1'000'000 / sysconf(_SC_CLK_TCK));
}

int64_t ProcessMicroseconds(int pid) {
  std::string process = "/proc/" + std::to_string(pid);
  int64_t ticks = TickMicroseconds(process);
  DIR* tasks = ticks < 0 ? nullptr : opendir((process + "/task").c_str());
  if (tasks == nullptr) return ticks;
  int64_t nanoseconds = 0;
  while (const dirent* entry = readdir(tasks)) {
    if (entry->d_name[0] != '.') nanoseconds += ThreadNanoseconds(process + "/task/" + entry->d_name);
  }
  closedir(tasks);
  // Zero on a kernel without scheduler statistics.
  return nanoseconds > 0 ? nanoseconds / 1000 : ticks;
}

int64_t MachineMicroseconds() {
  FILE* file = std::fopen("/proc/stat", "re");
  if (file == nullptr) return 0;
  // proc(5): user nice system idle iowait irq softirq steal
  int64_t t[8] = {};
  int fields = std::fscanf(file,
                           "cpu %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64
                           " %" SCNd64 " %" SCNd64,
                           &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]);
  std::fclose(file);
  if (fields < 7) return 0;
  return (t[0] + t[1] + t[2] + t[5] + t[6] + t[7]) * (1'000'000 / sysconf(_SC_CLK_TCK));
}

}  // namespace

CpuSample SampleCpu(const std::vector<ProcessArgument>& processes) {
  CpuSample sample;
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  auto microseconds = [](const timeval& time) { return time.tv_sec * 1'000'000 + time.tv_usec; };
  sample.own = microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
  sample.machine = MachineMicroseconds();
  for (const ProcessArgument& process : processes)
    sample.processes.push_back(ProcessMicroseconds(process.pid));
  return sample;
}

}  // namespace aurochs
