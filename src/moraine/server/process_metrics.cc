#include "moraine/server/process_metrics.h"

#include <filesystem>
#include <fstream>

#include <sys/resource.h>
#include <unistd.h>

namespace moraine::server {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

/// Pages of /proc/self/statm: all, then those in memory. 0 where there is no such file.
double ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  double all = 0;
  double resident = 0;
  file >> all >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double OpenFiles() {
  std::error_code error;
  double files = 0;
  for (std::filesystem::directory_iterator item("/proc/self/fd", error), end; !error && item != end;
       item.increment(error)) {
    ++files;
  }
  // The folder that was listed was one of them.
  return files > 0 ? files - 1 : 0;
}

}  // namespace

void AddProcessMetrics(Metrics& metrics) {
  Gauge resident =
      metrics.Gauges({"process_resident_memory_bytes", "Memory of this process."}).With();
  Gauge files = metrics.Gauges({"process_open_fds", "Open files and sockets."}).With();
  Gauge most_files = metrics.Gauges({"process_max_fds", "Most that may be open."}).With();
  Counter cpu =
      metrics.Counters({"process_cpu_seconds_total", "Time of the processor that was used."})
          .With();
  metrics.OnCollect([=]() mutable {
    resident.Set(ResidentBytes());
    files.Set(OpenFiles());
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
      most_files.Set(static_cast<double>(limit.rlim_cur));
    }
    rusage usage{};
    if (getrusage(RUSAGE_SELF, &usage) != 0) return;
    double used = Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
    if (used > cpu.value()) cpu.Add(used - cpu.value());
  });
}

void AddStreamMetric(Metrics& metrics, std::function<size_t()> streams) {
  metrics.OnCollect(
      [gauge = metrics.Gauges({"moraine_events_streams", "Open streams of events."}).With(),
       streams = std::move(streams)]() mutable { gauge.Set(static_cast<double>(streams())); });
}

}  // namespace moraine::server
