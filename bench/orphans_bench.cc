// Finding the orphans of a table: ten million files that a synthetic store lists, and a million
// real ones in local folders; one in a hundred is an orphan. The task may hold 512 MiB. Counters:
// files a second, CPU seconds, peak memory of the process, and what was written to the worker's own
// disk.

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/machine_limits.h"
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "moraine/base/call.h"
#include "moraine/base/check.h"
#include "moraine/base/text.h"
#include "moraine/iceberg/manifest/manifest_writer.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"
#include "moraine/io/location.h"
#include "moraine/upkeep/orphan_task.h"

namespace moraine::bench {
namespace {

using namespace iceberg;  // NOLINT: a program, not a library

constexpr int64_t kPerManifest = 10'000;
constexpr int64_t kOrphanEvery = 100;
constexpr int64_t kOldMs = 1'700'000'000'000;

uint64_t Mixed(int64_t i) { return static_cast<uint64_t>(i + 1) * 0x9E3779B97F4A7C15u; }

/// Sorted by i.
std::string NameOf(const std::string& root, int64_t i) {
  return fmt::format("{}/data/day={:05}/{:08}-{:016x}{:016x}-00001.parquet", root,
                     19'000 + i / kPerManifest, i, Mixed(i), Mixed(i) * 31);
}

/// A store that lists data files that are not there; all else is local.
class SyntheticFiles final : public io::FileSystem {
 public:
  SyntheticFiles(io::FileSystem& inner, std::string root, int64_t count)
      : inner_(inner), root_(std::move(root)), count_(count) {}

  Result<io::FileListing> List(Call& call, const std::string& prefix, const std::string& after,
                               size_t limit) override {
    const std::string data = root_ + "/data/";
    if (after > data && !after.starts_with(data)) return inner_.List(call, prefix, after, limit);
    int64_t i = 0;
    if (after.starts_with(data)) {
      const std::string_view name = io::BaseName(after);
      MORAINE_ASSIGN(i, ParseInt64(name.substr(0, 8)));
      ++i;
    }
    io::FileListing listing;
    for (; i < count_ && listing.files.size() < limit; ++i) {
      listing.files.push_back({NameOf(root_, i), 1 << 20, kOldMs});
    }
    if (i < count_ || listing.files.size() == limit) {
      listing.complete = false;
      return listing;
    }
    MORAINE_ASSIGN(auto rest, inner_.List(call, prefix, "", limit - listing.files.size()));
    std::move(rest.files.begin(), rest.files.end(), std::back_inserter(listing.files));
    listing.complete = rest.complete;
    return listing;
  }
  Result<std::unique_ptr<io::RandomReader>> Open(Call& call, const std::string& location,
                                                 std::optional<int64_t> size) override {
    return inner_.Open(call, location, size);
  }
  Result<std::unique_ptr<io::Writer>> Create(Call& call, const std::string& location) override {
    return inner_.Create(call, location);
  }
  Result<io::FileInfo> Stat(Call& call, const std::string& location) override {
    return inner_.Stat(call, location);
  }
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override {
    return inner_.DeleteMany(call, locations);
  }

 private:
  io::FileSystem& inner_;
  const std::string root_;
  const int64_t count_;
};

Result<TableMetadata> MakeTable(Call& call, io::FileSystem& files, const std::string& root,
                                int64_t count) {
  TableCreation creation;
  creation.table_uuid = "5f8b14d8-0a14-4e6a-8b04-4ed0b5bd7d4c";
  creation.location = root;
  creation.schema = Schema(0, {{1, "id", true, *Type::FromString("long")},
                               {2, "day", false, *Type::FromString("date")}});
  creation.spec.fields.push_back({{2}, 1000, "day", Transform::Identity()});
  creation.now_ms = kOldMs;
  MORAINE_ASSIGN(TableMetadata table, MakeTableMetadata(creation));
  std::vector<ManifestFile> manifests;
  for (int64_t begin = 0; begin < count; begin += kPerManifest) {
    ManifestWriterOptions options;
    options.snapshot_id = 1;
    ManifestWriter writer(table.FindSchema(0), table.FindSpec(0), options);
    for (int64_t i = begin; i < std::min(begin + kPerManifest, count); ++i) {
      if (i % kOrphanEvery == 0) continue;
      ManifestEntry entry;
      entry.snapshot_id = 1;
      entry.file.file_path = NameOf(root, i);
      entry.file.partition = {Value(static_cast<int32_t>(19'000 + i / kPerManifest))};
      entry.file.record_count = 1000;
      entry.file.file_size_in_bytes = 1 << 20;
      MORAINE_TRY(writer.Add(entry));
    }
    MORAINE_ASSIGN(auto manifest,
                   writer.Finish(call, files,
                                 fmt::format("{}/metadata/m{}.avro", root, begin / kPerManifest)));
    manifests.push_back(std::move(manifest));
  }
  ManifestListOptions options;
  options.snapshot_id = 1;
  options.sequence_number = 1;
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->snapshot_id = 1;
  snapshot->sequence_number = 1;
  snapshot->timestamp_ms = kOldMs;
  snapshot->manifest_list = root + "/metadata/snap-1.avro";
  snapshot->summary = {{"operation", "append"}};
  MORAINE_TRY(WriteManifestList(call, files, snapshot->manifest_list, manifests, options).status());
  table.snapshots.push_back(std::move(snapshot));
  table.current_snapshot_id = 1;
  table.last_sequence_number = 1;
  return table;
}

/// A folder that all runs share.
std::string FolderOf(std::string_view kind, int64_t count) {
  return (std::filesystem::temp_directory_path() /
          fmt::format("moraine-bench-{}-orphans-{}", kind, count))
      .string();
}

/// The metadata, and the data files if they are to be real. Once.
std::string Make(Call& call, io::FileSystem& files, const std::string& root, int64_t count,
                 bool real) {
  const std::string location = root + "/metadata/v1.metadata.json";
  if (files.Stat(call, location).ok()) return location;
  std::filesystem::remove_all(root.substr(std::string("file://").size()));
  auto table = MakeTable(call, files, root, count);
  MORAINE_CHECK(table.ok(), table.status().ToString());
  for (int64_t i = 0; real && i < count; ++i) {
    const std::filesystem::path path = NameOf(root, i).substr(std::string("file://").size());
    if (i % kPerManifest == 0) std::filesystem::create_directories(path.parent_path());
    std::ofstream(path).flush();
  }
  const Status written = io::WriteFile(call, files, location, TableMetadataToJson(*table));
  MORAINE_CHECK(written.ok(), written.ToString());
  return location;
}

void FindOrphans(benchmark::State& state, bool real) {
  Call call(SystemEnv(NullLogger()), std::chrono::hours(1));
  auto local = io::MakeLocalFileSystem();
  const int64_t count = state.range(0);
  const std::string root = "file://" + FolderOf(real ? "local" : "synthetic", count);
  SyntheticFiles synthetic(*local, root, count);
  io::FileSystem& files = real ? *local : static_cast<io::FileSystem&>(synthetic);
  const upkeep::OrphanBody body{.metadata_location = Make(call, *local, root, count, real),
                                .roots = {root},
                                .older_than_ms = ToMillis(call.clock().Wall()) + 1000};
  upkeep::OrphanResult result;
  ResetPeakMemory();
  const double cpu = CpuSeconds();
  int32_t run = 0;
  for (auto _ : state) {
    tasks::MaintenanceTask task;
    task.kind = upkeep::kFindOrphansKind;
    task.process_id = fmt::format("{}", ToMillis(call.clock().Wall()));
    task.task_id = run++;
    task.attempt = 1;
    task.table_uuid = "5f8b14d8-0a14-4e6a-8b04-4ed0b5bd7d4c";
    task.output_folder = "file://" + FolderOf("lists", count);
    task.body = upkeep::OrphanBodyToJson(body);
    auto output = upkeep::RunMaintenanceTask(call, files, task, {}, nullptr);
    MORAINE_CHECK(output.ok(), output.status().ToString());
    result = upkeep::OrphanResultFromJson(output->result).value();
  }
  MORAINE_CHECK(result.orphans == count / kOrphanEvery, fmt::format("{}", result.orphans));
  const auto runs = static_cast<double>(state.iterations());
  state.counters["files"] = static_cast<double>(result.listed);
  state.counters["orphans"] = static_cast<double>(result.orphans);
  state.counters["cpu_s"] = (CpuSeconds() - cpu) / runs;
  state.counters["peak_mib"] = PeakMebibytes();
  state.counters["spilled_mib"] = static_cast<double>(result.spilled_bytes) / (1 << 20);
  state.counters["files_per_s"] =
      benchmark::Counter(static_cast<double>(result.listed) * runs, benchmark::Counter::kIsRate);
  std::filesystem::remove_all(FolderOf("lists", count));
}

void SyntheticStore(benchmark::State& state) { FindOrphans(state, false); }
void LocalFolders(benchmark::State& state) { FindOrphans(state, true); }

BENCHMARK(SyntheticStore)->Arg(10'000'000)->Unit(benchmark::kSecond)->UseRealTime()->Iterations(1);
BENCHMARK(LocalFolders)->Arg(1'000'000)->Unit(benchmark::kSecond)->UseRealTime()->Iterations(1);

}  // namespace
}  // namespace moraine::bench
