// Refreshing the health of a table of a million data files in a thousand manifests after one more
// commit of 10 files, as the server does it: the feed is read, the table's metadata and manifest
// list, the one new manifest, and rows are written to the SQLite store on disk. "AfterRestart": the
// sums in memory are gone and the digests come from the store. first_look_ms: every manifest is
// read. floor_ms: to read and inflate the manifest list and the new manifest and to wait for the
// disk once; x_floor: wall time as a multiple of it.

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "bench/machine_limits.h"
#include "bench/million_files.h"
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "moraine/base/check.h"
#include "moraine/catalog/catalog.h"
#include "moraine/iceberg/commit/snapshot_producer.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/optimizing/health_monitor.h"
#include "moraine/optimizing/schema.h"
#include "moraine/store/database.h"

namespace moraine::bench {
namespace {

constexpr char kWarehouse[] = "default";
constexpr int kFilesACommit = 10;

void MustBeOk(const Status& status) { MORAINE_CHECK(status.ok(), status.ToString()); }

/// A server's parts over a store on disk, and the table in its catalog.
class World {
 public:
  World() {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    Call call = this->call();
    million_ = OpenMillionFiles(call, *files_);
    database_ =
        store::OpenDatabase(call, "sqlite://" + (folder_ / "store.db").string(), {}).value();
    catalog_ = std::make_unique<catalog::Catalog>(*database_, *files_, catalog::CatalogOptions());
    MustBeOk(catalog_->Open(call));
    MustBeOk(store::Migrate(call, *database_, "optimizing", optimizing::Migrations()));
    catalog::Warehouse warehouse;
    warehouse.name = kWarehouse;
    warehouse.root = "file://" + (folder_ / "wh").string();
    warehouse.allowed_locations = {warehouse.root, million_.table.location};
    MustBeOk(catalog_->PutWarehouse(call, warehouse));
    MustBeOk(catalog_->CreateNamespace(call, kWarehouse, name_.ns, {}));
    catalog::CreateTable create;
    create.name = name_;
    create.schema = million_.table.CurrentSchema();
    create.spec = million_.table.DefaultSpec();
    table_ = catalog_->Create(call, kWarehouse, create).value();
    Restart();
    AddFirstSnapshot();
  }
  ~World() {
    monitor_.reset();
    catalog_.reset();
    database_.reset();
    std::filesystem::remove_all(folder_);
  }

  Call call() const { return Call(env_, std::chrono::hours(1)); }

  void Restart() {
    optimizing::Options options;
    options.refresh_interval = Millis(0);
    monitor_ = std::make_unique<optimizing::HealthMonitor>(*catalog_, *files_, *database_, options);
  }

  void CommitTenFiles() {
    iceberg::SnapshotChanges changes;
    changes.operation = iceberg::SnapshotOperation::kFastAppend;
    for (int i = 0; i < kFilesACommit; ++i) {
      const auto number = static_cast<uint64_t>(files_added_++);
      changes.added.push_back({MakeDataFile(table_->metadata->CurrentSchema(),
                                            kFirstDay + static_cast<int32_t>(number * 97 % 1000),
                                            static_cast<int64_t>(number), number * 2654435761u),
                               std::nullopt});
    }
    Call call = this->call();
    iceberg::SnapshotProducer producer(*files_, std::move(changes));
    const auto prepared = producer.Prepare(call, table_->metadata).value();
    table_ = catalog_->Commit(call, kWarehouse, name_, prepared.request, nullptr).value();
  }

  /// What the server's loop does when the catalog told it of a change.
  void Refresh() {
    Call call = this->call();
    MustBeOk(monitor_->FeedTick(call).status());
    const size_t looked_at = monitor_->RefreshTick(call, 100).value();
    MORAINE_CHECK(looked_at == 1, "the table was due");
  }

  void CheckTotal() {
    Call call = this->call();
    const auto sum = monitor_->SumOf(call, table_->table_id, *table_->metadata).value();
    MORAINE_CHECK(sum->total().data_files == kFiles + files_added_, "a file was not counted");
  }

  double FloorSeconds() {
    Call call = this->call();
    const std::string& list = table_->metadata->CurrentSnapshot()->manifest_list;
    iceberg::ManifestFile list_itself;
    list_itself.manifest_path = list;
    iceberg::ManifestFile newest;
    for (iceberg::ManifestFile& manifest : iceberg::ReadManifestList(call, *files_, list).value()) {
      if (manifest.sequence_number >= newest.sequence_number) newest = std::move(manifest);
    }
    return CpuSecondsToInflate(call, *files_, {list_itself, newest}) + SecondsOfOneSync(folder_);
  }

 private:
  void AddFirstSnapshot() {
    iceberg::Snapshot snapshot = million_.snapshot;
    snapshot.timestamp_ms = table_->metadata->last_updated_ms;
    snapshot.summary = {{"operation", "append"}};
    snapshot.schema_id = 0;
    iceberg::CommitRequest request;
    request.updates = {iceberg::update::AddSnapshot{snapshot},
                       iceberg::update::SetSnapshotRef{iceberg::kMainBranch,
                                                       {.snapshot_id = snapshot.snapshot_id}}};
    Call call = this->call();
    table_ = catalog_->Commit(call, kWarehouse, name_, request, nullptr).value();
  }

  const Env env_ = SystemEnv(NullLogger());
  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / "moraine-health-bench";
  const catalog::TableName name_{{"ns"}, "events"};
  std::unique_ptr<io::FileSystem> files_ = io::MakeLocalFileSystem();
  MillionFiles million_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<optimizing::HealthMonitor> monitor_;
  catalog::LoadedTablePtr table_;
  int64_t files_added_ = 0;
};

enum class Memory { kKept, kGone };

void Refresh(benchmark::State& state, Memory memory) {
  World world;
  ResetPeakMemory();
  const auto first = std::chrono::steady_clock::now();
  world.Refresh();
  const std::chrono::duration<double> first_look = std::chrono::steady_clock::now() - first;
  double total = 0;
  double cpu_total = 0;
  double slowest = 0;
  for (auto _ : state) {
    world.CommitTenFiles();
    if (memory == Memory::kGone) world.Restart();
    const double cpu = CpuSeconds();
    const auto begin = std::chrono::steady_clock::now();
    world.Refresh();
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;
    state.SetIterationTime(wall.count());
    total += wall.count();
    cpu_total += CpuSeconds() - cpu;
    slowest = std::max(slowest, wall.count());
  }
  world.CheckTotal();
  const double floor = world.FloorSeconds();
  state.counters["first_look_ms"] = first_look.count() * 1e3;
  state.counters["cpu_ms"] = cpu_total / static_cast<double>(state.iterations()) * 1e3;
  state.counters["slowest_ms"] = slowest * 1e3;
  state.counters["floor_ms"] = floor * 1e3;
  state.counters["x_floor"] = total / static_cast<double>(state.iterations()) / floor;
  state.counters["peak_mib"] = PeakMebibytes();
}

void RefreshAfterACommit(benchmark::State& state) { Refresh(state, Memory::kKept); }
void RefreshAfterRestart(benchmark::State& state) { Refresh(state, Memory::kGone); }

BENCHMARK(RefreshAfterACommit)->Iterations(50)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK(RefreshAfterRestart)->Iterations(10)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace moraine::bench
