#include "bench/machine_limits.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "moraine/base/check.h"
#include "moraine/iceberg/avro/avro_file.h"

namespace moraine::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

}  // namespace

double SecondsOfOneSync(const std::filesystem::path& folder) {
  constexpr int kSyncs = 300;
  std::filesystem::create_directories(folder);
  const std::filesystem::path path = folder / "sync";
  const int file = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  MORAINE_CHECK(file >= 0, "cannot write " + path.string());
  const std::string page(4096, 'x');
  const auto begin = SteadyClock::now();
  for (int i = 0; i < kSyncs; ++i) {
    MORAINE_CHECK(write(file, page.data(), page.size()) == static_cast<ssize_t>(page.size()),
                  "the disk is full");
    MORAINE_CHECK(fdatasync(file) == 0, "cannot sync");
  }
  const std::chrono::duration<double> seconds = SteadyClock::now() - begin;
  close(file);
  std::filesystem::remove(path);
  return seconds.count() / kSyncs;
}

double CpuSecondsToInflate(Call& call, io::FileSystem& files,
                           const std::vector<iceberg::ManifestFile>& manifests) {
  constexpr int64_t kMaxBytes = int64_t{1} << 30;
  double best = 0;
  for (int run = 0; run < 3; ++run) {
    const double begin = CpuSeconds();
    for (const iceberg::ManifestFile& manifest : manifests) {
      const std::string bytes =
          io::ReadFile(call, files, manifest.manifest_path, kMaxBytes).value();
      auto blocks = iceberg::AvroFileReader::Open(bytes).value();
      while (blocks.NextBlock(kMaxBytes).value()) {
      }
    }
    const double seconds = CpuSeconds() - begin;
    best = run == 0 ? seconds : std::min(best, seconds);
  }
  return best;
}

void ResetPeakMemory() { std::ofstream("/proc/self/clear_refs") << "5"; }

double PeakMebibytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::strtod(line.c_str() + 6, nullptr) / 1024;
  }
  return 0;
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

}  // namespace moraine::bench
