// Planning a table of a million data files in a thousand manifests: full, with filters, on two
// threads. Counters: files planned, manifests read, CPU seconds and peak memory of one plan, the
// CPU seconds that reading and inflating the manifests it read takes (inflate_s), and the plan's as
// a multiple of it (x_inflate).

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "bench/machine_limits.h"
#include "bench/million_files.h"
#include <benchmark/benchmark.h>

#include "moraine/base/call.h"
#include "moraine/base/executor.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/scan/plan_files.h"
#include "moraine/io/file_system.h"

namespace moraine::bench {
namespace {

using namespace iceberg;  // NOLINT: a program, not a library

struct Bench {
  std::unique_ptr<io::FileSystem> files = io::MakeLocalFileSystem();
  Call call{SystemEnv(NullLogger()), std::chrono::hours(1)};
  MillionFiles million = OpenMillionFiles(call, *files);
  double inflate_seconds = CpuSecondsToInflate(
      call, *files, ReadManifestList(call, *files, million.snapshot.manifest_list).value());

  static Bench& Get() {
    static Bench bench;
    return bench;
  }
};

void Plan(benchmark::State& state, const char* filter, const ScanOptions& options) {
  Bench& bench = Bench::Get();
  ExpressionPtr expression;
  if (*filter != '\0') expression = ParseFilter(filter).value();
  ScanCounts counts;
  ResetPeakMemory();
  const double cpu = CpuSeconds();
  for (auto _ : state) {
    int64_t bytes = 0;
    counts = PlanFiles(bench.call, *bench.files, bench.million.table, bench.million.snapshot,
                       expression, options,
                       [&](FileTask& task) -> Status {
                         bytes += task.file().file_size_in_bytes;
                         return {};
                       })
                 .value();
    benchmark::DoNotOptimize(bytes);
  }
  const double cpu_seconds = (CpuSeconds() - cpu) / static_cast<double>(state.iterations());
  state.counters["files"] = static_cast<double>(counts.data_files);
  state.counters["manifests_read"] = static_cast<double>(counts.data_manifests_read);
  state.counters["cpu_s"] = cpu_seconds;
  state.counters["peak_mib"] = PeakMebibytes();
  const double inflate_seconds =
      bench.inflate_seconds * static_cast<double>(counts.data_manifests_read) / kManifests;
  state.counters["inflate_s"] = inflate_seconds;
  state.counters["x_inflate"] = cpu_seconds / inflate_seconds;
}

void PlanFull(benchmark::State& state) { Plan(state, "", {}); }
void PlanPartition(benchmark::State& state) { Plan(state, "day = date '2022-10-10'", {}); }
void PlanColumn(benchmark::State& state) { Plan(state, "quantity > 95 and price < 100000", {}); }
void PlanFullWithMetrics(benchmark::State& state) {
  ScanOptions options;
  options.metrics = ScanOptions::Metrics::kAll;
  Plan(state, "", options);
}
void PlanFullOnTwoThreads(benchmark::State& state) {
  ThreadPool pool({"plan", 1, 64});
  ScanOptions options;
  options.executor = &pool;
  options.helpers = 1;
  Plan(state, "", options);
}

BENCHMARK(PlanFull)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(PlanPartition)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(PlanColumn)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(PlanFullWithMetrics)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(PlanFullOnTwoThreads)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace moraine::bench
