// Planning a table of a million data files in a thousand manifests: full, with filters, on two
// threads. The table is made once in a folder of the temporary directory: 8 columns with counts and
// bounds, deflate, about 320 bytes an entry. Counters: files planned, manifests read, peak memory.

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "moraine/base/call.h"
#include "moraine/base/check.h"
#include "moraine/base/executor.h"
#include "moraine/iceberg/manifest/manifest_writer.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/scan/plan_files.h"
#include "moraine/io/file_system.h"
#include "moraine/io/location.h"

namespace moraine {
namespace {

using namespace iceberg;  // NOLINT: a program, not a library

constexpr int64_t kFirstDay = 19000;

constexpr int64_t kFiles = 1'000'000;
constexpr int64_t kManifests = 1000;

TableMetadata MakeTable(const std::string& folder) {
  TableCreation creation;
  creation.table_uuid = "5f8b14d8-0a14-4e6a-8b04-4ed0b5bd7d4b";
  creation.location = "file://" + folder;
  auto type = [](const char* text) { return *Type::FromString(text); };
  creation.schema = Schema(0, {{1, "id", true, type("long")},
                               {2, "day", false, type("date")},
                               {3, "user", false, type("string")},
                               {4, "price", false, type("double")},
                               {5, "quantity", false, type("int")},
                               {6, "at", false, type("timestamptz")},
                               {7, "name", false, type("string")},
                               {8, "note", false, type("string")}});
  creation.spec.fields.push_back({{2}, 1000, "day", Transform::Identity()});
  creation.now_ms = 1'767'225'600'000;
  return *MakeTableMetadata(creation);
}

/// File i of manifest m: one day a manifest, values that do not compress to nothing.
DataFile MakeFile(const Schema& schema, int64_t m, int64_t i, uint64_t noise) {
  DataFile file;
  const auto day = static_cast<int32_t>(kFirstDay + m);
  file.file_path =
      fmt::format("s3://warehouse/db/events/data/day={}/{:05}-{}-{:016x}{:016x}-00001.parquet", day,
                  i, m, noise, noise * 0x9E3779B97F4A7C15u);
  file.partition = {Value(day)};
  file.record_count = 100'000 + static_cast<int64_t>(noise % 50'000);
  file.file_size_in_bytes = 10'000'000 + static_cast<int64_t>(noise % 20'000'000);
  for (int64_t group = 0; group < 8; ++group) {
    file.split_offsets.push_back(4 + group * 1'000'000 +
                                 static_cast<int64_t>((noise >> (8 * group)) % 900'000));
  }
  file.sort_order_id = 0;
  auto random = [state = noise]() mutable {
    state += 0x9E3779B97F4A7C15u;
    uint64_t z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  };
  for (int32_t id = 1; id <= 8; ++id) {
    file.column_sizes.emplace_back(id, 100'000 + static_cast<int64_t>(random() % 8'000'000));
    file.value_counts.emplace_back(id, file.record_count);
    file.null_value_counts.emplace_back(id, static_cast<int64_t>(random() % 50'000));
  }
  file.nan_value_counts = {{4, 0}};
  auto bound = [&](int32_t id, Value low, Value high) {
    const Type& type = *schema.FindField(id)->type;
    file.lower_bounds.emplace_back(id, ValueToBytes(type, low));
    file.upper_bounds.emplace_back(id, ValueToBytes(type, high));
  };
  auto whole = [&] { return static_cast<int64_t>(random() >> 2); };
  auto real = [&] { return static_cast<double>(random()) / 1e12; };
  auto text = [&] {
    std::string result;
    for (uint64_t bits = random(); result.size() < 16; bits = bits * 31 + random()) {
      result += static_cast<char>('!' + (bits >> 40) % 90);
    }
    return result;
  };
  bound(1, whole(), whole());
  bound(2, day, day);
  bound(3, text(), text());
  bound(4, real(), real());
  bound(5, int32_t{1}, static_cast<int32_t>(50 + random() % 50));
  bound(6, int64_t{day} * 86'400'000'000 + whole() % 86'400'000'000,
        int64_t{day} * 86'400'000'000 + whole() % 86'400'000'000);
  bound(7, text(), text());
  bound(8, text(), text());
  return file;
}

Status MakeSnapshot(Call& call, io::FileSystem& files, const TableMetadata& table,
                    const std::string& list) {
  std::vector<ManifestFile> manifests;
  std::string folder = io::JoinLocation(table.location, "metadata");
  uint64_t noise = 42;
  for (int64_t m = 0; m < kManifests; ++m) {
    ManifestWriterOptions options;
    options.snapshot_id = 1;
    ManifestWriter writer(table.FindSchema(0), table.FindSpec(0), options);
    for (int64_t i = 0; i < kFiles / kManifests; ++i) {
      noise = noise * 6364136223846793005u + 1442695040888963407u;
      ManifestEntry entry;
      entry.snapshot_id = 1;
      entry.file = MakeFile(table.CurrentSchema(), m, i, noise);
      MORAINE_TRY(writer.Add(entry));
    }
    MORAINE_ASSIGN(
        ManifestFile manifest,
        writer.Finish(call, files, io::JoinLocation(folder, fmt::format("m{}.avro", m))));
    manifests.push_back(std::move(manifest));
  }
  ManifestListOptions options;
  options.snapshot_id = 1;
  options.sequence_number = 1;
  return WriteManifestList(call, files, list, manifests, options).status();
}

void ResetPeakMemory() { std::ofstream("/proc/self/clear_refs") << "5"; }

double PeakMegabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::strtod(line.c_str() + 6, nullptr) / 1024;
  }
  return 0;
}

/// The table, made if it is not there yet.
struct Bench {
  std::unique_ptr<io::FileSystem> files = io::MakeLocalFileSystem();
  Call call{SystemEnv(NullLogger()), std::chrono::hours(1)};
  TableMetadata table;
  Snapshot snapshot;

  Bench() {
    auto folder =
        std::filesystem::temp_directory_path() / fmt::format("moraine-plan-bench-{}", kFiles);
    table = MakeTable(folder.string());
    snapshot.snapshot_id = 1;
    snapshot.sequence_number = 1;
    snapshot.manifest_list = io::JoinLocation(table.location, "metadata/list.avro");
    if (files->Stat(call, snapshot.manifest_list).ok()) return;
    fmt::print(stderr, "making {} files in {}\n", kFiles, folder.string());
    std::filesystem::remove_all(folder);
    Status status = MakeSnapshot(call, *files, table, snapshot.manifest_list);
    MORAINE_CHECK(status.ok(), status.ToString());
  }
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
  for (auto _ : state) {
    int64_t bytes = 0;
    counts = PlanFiles(bench.call, *bench.files, bench.table, bench.snapshot, expression, options,
                       [&](FileTask& task) -> Status {
                         bytes += task.file().file_size_in_bytes;
                         return {};
                       })
                 .value();
    benchmark::DoNotOptimize(bytes);
  }
  state.counters["files"] = static_cast<double>(counts.data_files);
  state.counters["manifests_read"] = static_cast<double>(counts.data_manifests_read);
  state.counters["peak_mib"] = PeakMegabytes();
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

BENCHMARK(PlanFull)->Unit(benchmark::kMillisecond);
BENCHMARK(PlanPartition)->Unit(benchmark::kMillisecond);
BENCHMARK(PlanColumn)->Unit(benchmark::kMillisecond);
BENCHMARK(PlanFullWithMetrics)->Unit(benchmark::kMillisecond);
BENCHMARK(PlanFullOnTwoThreads)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace moraine
