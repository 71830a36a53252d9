// Scan planning by the server over a table of a million data files: the plan and every plan task,
// as a client fetches them one after the other. Counters: files, answers, bytes of JSON, CPU
// seconds, the memory before (mib_before) and at its peak.

#include <chrono>
#include <deque>
#include <memory>
#include <string>

#include "bench/machine_limits.h"
#include "bench/million_files.h"
#include <benchmark/benchmark.h>

#include "moraine/base/call.h"
#include "moraine/base/check.h"
#include "moraine/base/json.h"
#include "moraine/io/file_system.h"
#include "moraine/scanning/scans.h"
#include "moraine/store/database.h"

namespace moraine::bench {
namespace {

struct Bench {
  std::unique_ptr<io::FileSystem> files = io::MakeLocalFileSystem();
  Call call{SystemEnv(NullLogger()), std::chrono::hours(1)};
  std::unique_ptr<store::Database> database =
      store::OpenDatabase(call, "sqlite://:memory:", {}).value();
  catalog::LoadedTable table;

  Bench() {
    MillionFiles million = OpenMillionFiles(call, *files);
    auto metadata = std::make_shared<iceberg::TableMetadata>(million.table);
    metadata->snapshots = {std::make_shared<const iceberg::Snapshot>(million.snapshot)};
    metadata->current_snapshot_id = million.snapshot.snapshot_id;
    table.table_id = 1;
    table.metadata = metadata;
  }
  static Bench& Get() {
    static Bench bench;
    return bench;
  }
};

struct Sums {
  double files = 0;
  double answers = 0;
  double bytes = 0;
};

/// What a client does with an answer, in little memory: counts, and follows its plan tasks.
void Take(const std::string& answer, Sums* sums, std::deque<std::string>* open) {
  ++sums->answers;
  sums->bytes += static_cast<double>(answer.size());
  for (size_t at = answer.find("\"data-file\""); at != answer.npos;
       at = answer.find("\"data-file\"", at + 1)) {
    ++sums->files;
  }
  size_t begin = answer.find("\"plan-tasks\":");
  if (begin == answer.npos) return;
  begin += 13;
  auto tasks = Json::Parse(std::string_view(answer).substr(begin, answer.find(']') + 1 - begin));
  for (const Json& task : tasks.value().as_array()) open->push_back(task.as_string());
}

void Scan(benchmark::State& state, const char* request) {
  Bench& bench = Bench::Get();
  scanning::Scans scans(*bench.files, *bench.database, {});
  MORAINE_CHECK(scans.Open(bench.call).ok(), "the tables of plans");
  Json json = Json::Parse(request).value();
  auto asked = scanning::ScanRequestFromJson(JsonCursor(json)).value();
  ResetPeakMemory();
  const double before = PeakMebibytes();
  const double cpu = CpuSeconds();
  Sums sums;
  for (auto _ : state) {
    sums = {};
    std::deque<std::string> open;
    Take(scans.Plan(bench.call, bench.table, asked, "").value(), &sums, &open);
    for (; !open.empty(); open.pop_front()) {
      Take(scans.Tasks(bench.call, bench.table, open.front()).value(), &sums, &open);
    }
  }
  state.counters["cpu_s"] = (CpuSeconds() - cpu) / static_cast<double>(state.iterations());
  state.counters["mib_before"] = before;
  state.counters["peak_mib"] = PeakMebibytes();
  state.counters["files"] = sums.files;
  state.counters["answers"] = sums.answers;
  state.counters["json_mib"] = sums.bytes / (1 << 20);
}

void ScanFull(benchmark::State& state) { Scan(state, "{}"); }
void ScanFullWithStats(benchmark::State& state) {
  Scan(state, R"({"stats-fields":["id","day","user","price"]})");
}
void ScanPartition(benchmark::State& state) {
  Scan(state, R"({"filter":{"type":"eq","term":"day","value":"2022-10-10"}})");
}
void ScanColumn(benchmark::State& state) {
  Scan(state, R"({"filter":{"type":"and","left":{"type":"gt","term":"quantity","value":95},)"
              R"("right":{"type":"lt","term":"price","value":100000}}})");
}
void ScanFewRows(benchmark::State& state) { Scan(state, R"({"min-rows-requested":1000})"); }

BENCHMARK(ScanFull)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(ScanFullWithStats)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(ScanPartition)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(ScanColumn)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(ScanFewRows)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace moraine::bench
