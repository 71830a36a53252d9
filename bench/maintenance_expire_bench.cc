// Snapshot expiry: 1,000 of the 2,000 snapshots of a table that has taken in 200,000 files, its
// metadata on the local disk. Every commit adds 100 files; each tenth one also replaces 400 older
// ones, so that data files die and not only metadata. Manifests are merged as the table format's
// reference implementation does by default.
//
// Plan: which snapshots go, from metadata in memory. Find: the files that only they reached, as the
// worker task does it (with the new metadata file parsed, the list file written). lists, manifests,
// entries: read by it; files: found; peak_mib: memory above what it began with. "FewOfMany": the
// next 20 snapshots of the same table, what an hourly run has to do.

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/machine_limits.h"
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "moraine/base/check.h"
#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/testing/test_table.h"
#include "moraine/upkeep/find_expired_files.h"
#include "moraine/upkeep/snapshot_expiry.h"

namespace moraine::bench {
namespace {

using iceberg::RemovedFile;
using iceberg::SnapshotChanges;
using iceberg::SnapshotOperation;

constexpr int kSnapshots = 2'000;
constexpr int kFilesACommit = 100;

void MustBeOk(const Status& status) { MORAINE_CHECK(status.ok(), status.ToString()); }

class World {
 public:
  World() {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    table_ = std::make_unique<iceberg::TestTable>(
        *files_, iceberg::TestTableOptions{
                     .properties = {{"write.metadata.path", "file://" + folder_.string()}}});
    for (int i = 0; i < kSnapshots; ++i) Commit(i);
  }
  ~World() { std::filesystem::remove_all(folder_); }

  upkeep::ExpiryPlan Plan(int64_t keep) {
    upkeep::ExpiryContext context;
    context.now_ms = ToMillis(env_.clock().Wall()) + 3'600'000;
    return upkeep::PlanSnapshotExpiry(
        *table_->metadata(),
        upkeep::MaintenanceConfigOf({{"snapshot.keep.duration", "1min"},
                                     {"snapshot.keep.min-count", std::to_string(keep)}}),
        context);
  }
  void Apply(const upkeep::ExpiryPlan& plan) {
    MustBeOk(table_->Apply(plan.request));
    metadata_location_ = fmt::format("file://{}/{}.metadata.json", folder_.string(), ++files_made_);
    MustBeOk(io::WriteFile(call_, *files_, metadata_location_,
                           iceberg::TableMetadataToJson(*table_->metadata())));
  }
  upkeep::ExpiredFilesResult Find(const upkeep::ExpiryPlan& plan) {
    tasks::MaintenanceTask task;
    task.kind = upkeep::kFindExpiredFilesKind;
    task.process_id = "bench";
    task.attempt = ++files_made_;
    task.table_uuid = table_->metadata()->table_uuid;
    task.output_folder = "file://" + folder_.string();
    task.body = upkeep::ExpiredFilesTaskToJson({metadata_location_, plan.expired, false});
    auto output = upkeep::RunMaintenanceTask(call_, *files_, task, {}, nullptr);
    MustBeOk(output.status());
    return upkeep::ExpiredFilesResultFromJson(output->result).value();
  }

 private:
  void Commit(int i) {
    env_.clock().Advance(std::chrono::minutes(1));
    SnapshotChanges changes;
    changes.operation = i % 10 == 9 ? SnapshotOperation::kOverwrite : SnapshotOperation::kAppend;
    for (int k = 0; k < kFilesACommit; ++k) {
      const int32_t day = i / 20;
      changes.added.push_back({table_->Data(fmt::format("{:05}-{:03}-c0ffee", i, k), day), {}});
    }
    // Four whole commits out of the ten before.
    for (int back = 9; i % 10 == 9 && back > 5; --back) {
      for (int k = 0; k < kFilesACommit; ++k) {
        const int old = i - back;
        changes.removed_data.push_back(
            RemovedFile::Of(table_->Data(fmt::format("{:05}-{:03}-c0ffee", old, k), old / 20)));
      }
    }
    MustBeOk(table_->Commit(call_, std::move(changes)).status());
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / "moraine-expire-bench";
  testing::TestEnv env_;
  Call call_{env_.env(), std::chrono::hours(100'000)};
  std::unique_ptr<io::FileSystem> files_ = io::MakeLocalFileSystem();
  std::unique_ptr<iceberg::TestTable> table_;
  std::string metadata_location_;
  int files_made_ = 0;
};

World& TheWorld() {
  static World world;
  return world;
}

void Report(benchmark::State& state, const upkeep::ExpiryPlan& plan,
            const upkeep::ExpiredFilesResult& found) {
  state.counters["snapshots"] = static_cast<double>(plan.expired.snapshots.size());
  state.counters["files"] = static_cast<double>(found.counts.all_files());
  state.counters["data_files"] = static_cast<double>(found.counts.files[0]);
  state.counters["lists"] = static_cast<double>(found.counts.lists_read);
  state.counters["manifests"] = static_cast<double>(found.counts.manifests_read);
  state.counters["entries"] = static_cast<double>(found.counts.entries_read);
}

void Plan(benchmark::State& state) {
  World& world = TheWorld();
  for (auto _ : state) benchmark::DoNotOptimize(world.Plan(kSnapshots / 2));
}

void Find(benchmark::State& state, int64_t keep) {
  World& world = TheWorld();
  const upkeep::ExpiryPlan plan = world.Plan(keep);
  world.Apply(plan);
  ResetPeakMemory();
  const double before = PeakMebibytes();
  upkeep::ExpiredFilesResult found;
  for (auto _ : state) found = world.Find(plan);
  Report(state, plan, found);
  state.counters["peak_mib"] = PeakMebibytes() - before;
}

// In this order: each takes from what the one before has left.
BENCHMARK(Plan)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(Find, HalfOfThem, kSnapshots / 2)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->Iterations(3);
BENCHMARK_CAPTURE(Find, FewOfMany, kSnapshots / 2 - 20)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->Iterations(3);

}  // namespace
}  // namespace moraine::bench
