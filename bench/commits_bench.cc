// Commits and loads a second of the catalog over a SQLite store and local files, both on disk: each
// commit appends a snapshot as an engine would (add-snapshot, set-snapshot-ref, requirement on
// main), writes its metadata file durable and swaps the row. Clients have a table each, or share
// one. A commit waits for the disk three times: the metadata file, its folder, the row.
// syncs_per_s: how often that disk can be waited for, one after the other; x_syncs: commits as a
// share of a third of it.

#include <atomic>
#include <chrono>
#include <filesystem>

#include "bench/machine_limits.h"
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "moraine/base/call.h"
#include "moraine/base/executor.h"
#include "moraine/base/log.h"
#include "moraine/catalog/catalog.h"

namespace moraine::catalog {
namespace {

constexpr char kWarehouse[] = "default";
constexpr int64_t kSnapshotsKept = 100;
constexpr int kSyncsACommit = 3;

TableName NameOf(size_t table) { return {{"ns"}, fmt::format("t{}", table)}; }

/// A catalog on disk with some tables; its folder goes with it.
class World {
 public:
  World(const std::string& name, size_t tables) {
    folder_ = std::filesystem::temp_directory_path() / ("moraine-catalog-bench-" + name);
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    Call call(env_, std::chrono::minutes(1));
    database_ =
        store::OpenDatabase(call, "sqlite://" + (folder_ / "store.db").string(), {}).value();
    files_ = io::MakeLocalFileSystem();
    catalog_ = std::make_unique<Catalog>(*database_, *files_, CatalogOptions());
    Check(catalog_->Open(call));
    Warehouse warehouse;
    warehouse.name = kWarehouse;
    warehouse.root = "file://" + (folder_ / "wh").string();
    Check(catalog_->PutWarehouse(call, warehouse));
    Check(catalog_->CreateNamespace(call, kWarehouse, {"ns"}, {}));
    for (size_t i = 0; i < tables; ++i) {
      CreateTable create;
      create.name = NameOf(i);
      create.schema = iceberg::Schema(
          0, {{.id = 1, .name = "id", .type = iceberg::Type::Primitive(iceberg::TypeKind::kLong)}});
      Check(catalog_->Create(call, kWarehouse, create).status());
    }
  }
  ~World() {
    catalog_.reset();
    database_.reset();
    std::filesystem::remove_all(folder_);
  }
  Catalog& catalog() { return *catalog_; }
  const Env& env() const { return env_; }
  const std::filesystem::path& folder() const { return folder_; }

 private:
  static void Check(const Status& status) { MORAINE_CHECK(status.ok(), status.ToString()); }

  const Env env_ = SystemEnv(NullLogger());
  std::filesystem::path folder_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<io::FileSystem> files_;
  std::unique_ptr<Catalog> catalog_;
};

iceberg::CommitRequest Append(const LoadedTable& base, int64_t snapshot_id) {
  const auto& metadata = *base.metadata;
  iceberg::Snapshot snapshot;
  snapshot.snapshot_id = snapshot_id;
  snapshot.sequence_number = metadata.last_sequence_number + 1;
  snapshot.timestamp_ms = metadata.last_updated_ms;
  snapshot.manifest_list =
      fmt::format("{}/metadata/snap-{}-1-0123456789abcdef.avro", metadata.location, snapshot_id);
  snapshot.summary = {
      {"operation", "append"}, {"added-data-files", "1"}, {"added-records", "1000"}};
  snapshot.schema_id = 0;
  iceberg::CommitRequest request;
  std::optional<int64_t> head;
  if (const auto* main = metadata.FindRef(iceberg::kMainBranch)) head = main->snapshot_id;
  snapshot.parent_snapshot_id = head;
  request.requirements = {iceberg::requirement::AssertTableUuid{metadata.table_uuid},
                          iceberg::requirement::AssertRefSnapshotId{iceberg::kMainBranch, head}};
  request.updates = {
      iceberg::update::AddSnapshot{std::move(snapshot)},
      iceberg::update::SetSnapshotRef{iceberg::kMainBranch, {.snapshot_id = snapshot_id}}};
  if (metadata.snapshots.size() >= kSnapshotsKept) {
    request.updates.push_back(
        iceberg::update::RemoveSnapshots{{metadata.snapshots.front()->snapshot_id}});
  }
  return request;
}

/// Loads and commits until it is in; the number of commits that lost and were tried again.
int CommitOnce(World& world, const TableName& name, int64_t snapshot_id) {
  for (int lost = 0;; ++lost) {
    Call call(world.env(), std::chrono::minutes(1));
    auto base = world.catalog().Load(call, kWarehouse, name).value();
    auto committed = world.catalog().Commit(call, kWarehouse, name, Append(*base, snapshot_id), {});
    if (committed.ok()) return lost;
    MORAINE_CHECK(committed.status().code() == Code::kConflict, committed.status().ToString());
  }
}

void Commits(benchmark::State& state, bool one_table) {
  const auto clients = static_cast<size_t>(state.range(0));
  World world(fmt::format("{}-{}", clients, one_table), one_table ? 1 : clients);
  ThreadPool pool({.name = "clients", .threads = clients});
  const size_t count = 200 * clients;
  std::atomic<int64_t> next_snapshot = 1;
  std::atomic<int64_t> lost = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (auto _ : state) {
    Status status = ForEach(pool, clients, clients - 1, [&](size_t client) {
      for (size_t i = 0; i < count / clients; ++i) {
        lost += CommitOnce(world, NameOf(one_table ? 0 : client), next_snapshot++);
      }
      return Status();
    });
    if (!status.ok()) state.SkipWithError(status.ToString().c_str());
  }
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;
  const auto commits = static_cast<int64_t>(count) * state.iterations();
  state.SetItemsProcessed(commits);
  const double sync_seconds = bench::SecondsOfOneSync(world.folder());
  state.counters["syncs_per_s"] = 1 / sync_seconds;
  state.counters["x_syncs"] =
      static_cast<double>(commits) / wall.count() * sync_seconds * kSyncsACommit;
  state.counters["refused"] = static_cast<double>(lost.load());
}

void BM_CommitsToOwnTables(benchmark::State& state) { Commits(state, false); }
void BM_CommitsToOneTable(benchmark::State& state) { Commits(state, true); }

void BM_Loads(benchmark::State& state) {
  World world("loads", 1);
  for (int64_t i = 1; i <= kSnapshotsKept; ++i) CommitOnce(world, NameOf(0), i);
  for (auto _ : state) {
    Call call(world.env(), std::chrono::minutes(1));
    benchmark::DoNotOptimize(world.catalog().Load(call, kWarehouse, NameOf(0)).value());
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(BM_CommitsToOwnTables)->Arg(1)->Arg(16)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(BM_CommitsToOneTable)->Arg(1)->Arg(16)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Loads)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace moraine::catalog
