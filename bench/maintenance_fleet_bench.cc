// Maintenance of a fleet: small tables in a real catalog, their files on the local disk, the
// service's loop on one thread and an optimizer in the same process with another. MixedFleet has
// 20,000 tables (MORAINE_BENCH_TABLES), ExpiringFleet a tenth of that, of which each has snapshots
// to expire. The store is SQLite on the same disk, or what MORAINE_TEST_STORE names.
//
// FirstLook: tables that the catalog has just been told of are looked at, on one thread. DueAtOnce:
// every action of every table becomes due in the same moment; ends when all runs have. DueAgain:
// the same once more, when there is nothing to do.
//
// tables_s, actions_s, runs_s: done in a second. late_s: how long the last action waited for its
// start, p99_late_s all but one of a hundred; late_of_interval: the longest wait in parts of the
// action's interval. statements, writes (transactions), cpu_ms: for each table. peak_mib: memory of
// the process. sync_ms: one wait for the disk.

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/counting_database.h"
#include "bench/machine_limits.h"
#include "bench/small_tables.h"
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "moraine/base/check.h"
#include "moraine/base/executor.h"
#include "moraine/base/metrics.h"
#include "moraine/catalog/catalog.h"
#include "moraine/maintenance/controls.h"
#include "moraine/maintenance/policy.h"
#include "moraine/maintenance/service.h"
#include "moraine/maintenance/watcher.h"
#include "moraine/optimizing/schema.h"
#include "moraine/optimizing/task_queue.h"
#include "moraine/store/database.h"
#include "moraine/store/shards.h"
#include "moraine/worker/optimizer.h"

namespace moraine::bench {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;

constexpr char kWarehouse[] = "default";
constexpr size_t kMakers = 16;  // they wait for the disk together

void MustBeOk(const Status& status) { MORAINE_CHECK(status.ok(), status.ToString()); }

int TablesWanted() {
  const char* wanted = ::getenv("MORAINE_BENCH_TABLES");
  return wanted == nullptr ? 20'000 : std::max(20, std::atoi(wanted));
}

class Fleet {
 public:
  Fleet(std::string name, int tables, bool all_expire) : tables_(tables), all_expire_(all_expire) {
    folder_ = std::filesystem::temp_directory_path() / ("moraine-fleet-bench-" + name);
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    Call call = this->call();
    store::StoreOptions store_options;
    const char* url = ::getenv("MORAINE_TEST_STORE");
    auto opened = store::OpenDatabase(
        call, url != nullptr ? url : "sqlite://" + (folder_ / "store.db").string(), store_options);
    MustBeOk(opened.status());
    database_ = MakeCountingDatabase(std::move(*opened), &counts_);
    catalog_ = std::make_unique<catalog::Catalog>(*database_, *files_, catalog::CatalogOptions());
    MustBeOk(catalog_->Open(call));
    MustBeOk(store::Migrate(call, *database_, "optimizing", optimizing::Migrations()));
    catalog::Warehouse warehouse;
    warehouse.name = kWarehouse;
    warehouse.root = "file://" + (folder_ / "wh").string();
    MustBeOk(catalog_->PutWarehouse(call, warehouse));
    ns_ = {"fleet_" + name};
    if (url != nullptr) ns_.push_back(std::to_string(ToMillis(call.clock().Wall())));
    for (size_t i = 1; i <= ns_.size(); ++i) {
      (void)catalog_->CreateNamespace(call, kWarehouse, {ns_.begin(), ns_.begin() + i}, {});
    }
    MakeTables();
    controls_ = std::make_unique<maintenance::Controls>(*catalog_, *database_,
                                                        maintenance::ControlOptions());
    seams_ = controls_->MakeSeams();
    optimizing::Options queue_options;
    queue_ = std::make_unique<optimizing::TaskQueue>(*database_, queue_options);
    maintenance::Options options;
    options.server = MakeUuid(env_.random);
    service_ =
        std::make_unique<maintenance::Service>(*catalog_, *files_, *database_, *queue_, options,
                                               controls_->MakeSeams(), maintenance::MakeActions());
    MustBeOk(service_->Open(call));
  }
  ~Fleet() {
    service_.reset();
    controls_.reset();
    catalog_.reset();
    database_.reset();
    std::filesystem::remove_all(folder_);
  }

  int tables() const { return tables_; }
  const std::filesystem::path& folder() const { return folder_; }
  StoreCounts& counts() { return counts_; }

  /// Every action that is on is due from now on. Returns how many, and when that is.
  std::pair<int64_t, int64_t> MakeAllDue() {
    due_ms_ = ToMillis(env_.clock.Wall());
    Call call = this->call();
    int64_t actions = 0;
    MustBeOk(database_->Run(call, Access::kWrite, [&](Transaction& t) -> Status {
      MORAINE_ASSIGN(actions, t.Execute("UPDATE maintenance_schedule SET due_ms = ?,"
                                        " row_version = row_version + 1 WHERE due_ms IS NOT NULL",
                                        {due_ms_}));
      return {};
    }));
    return {actions, due_ms_};
  }

  /// The loop and the optimizer, until the rows say that it is done.
  void RunUntil(const std::function<bool()>& done) {
    std::stop_source stop;
    Thread loop("maintenance", [&](std::stop_token) { service_->Run(env_, stop.get_token()); });
    Thread optimizer("optimizer", [&](std::stop_token) {
      worker::RunOptimizer(env_, stop.get_token(), *queue_, *files_, {.embedded = true});
    });
    while (!done()) env_.clock.SleepFor(Millis(50), {});
    stop.request_stop();
    service_->Wake();
    loop.Join();
    optimizer.Join();
  }
  /// Alone: what is due already waits.
  void LookAtAll() {
    store::Shards shards(*database_, {});
    maintenance::Watcher watcher(*catalog_, shards, seams_, {});
    Call call = this->call();
    for (bool busy = true; busy;) {
      busy = watcher.FeedTick(call).value();
      busy |= watcher.LookTick(call).value() > 0;
    }
    MORAINE_CHECK(Number("SELECT COUNT(*) FROM maintenance_table WHERE looked_ms > 0") >= tables_,
                  "a table was not looked at");
  }
  bool NothingIsDue() {
    return Number(fmt::format("SELECT COUNT(*) FROM maintenance_schedule WHERE due_ms <= {}",
                              due_ms_)) == 0 &&
           Number("SELECT COUNT(*) FROM maintenance_active") == 0;
  }
  int64_t Runs() { return Number("SELECT COUNT(*) FROM maintenance_run"); }
  int64_t Failed() { return Number("SELECT COUNT(*) FROM maintenance_run WHERE state = 'failed'"); }

  /// Seconds between due and begun, sorted; and the longest in parts of its interval.
  std::pair<std::vector<double>, double> Lateness() {
    std::vector<double> all;
    double of_interval = 0;
    TimeZones zones;
    const auto policy = maintenance::PolicyOf(maintenance::EffectiveProperties(), zones);
    Call call = this->call();
    MustBeOk(database_->Run(call, Access::kRead, [&](Transaction& t) -> Status {
      MORAINE_ASSIGN(const auto rows,
                     t.Query("SELECT action, last_run_ms FROM maintenance_schedule", {}, 1 << 20));
      for (const auto& row : rows) {
        MORAINE_ASSIGN(const std::string name, row.Text(0));
        MORAINE_ASSIGN(const int64_t begun_ms, row.Int(1));
        MORAINE_ASSIGN(const auto action, upkeep::ActionFromName(name));
        const double late = static_cast<double>(std::max<int64_t>(0, begun_ms - due_ms_)) / 1e3;
        all.push_back(late);
        of_interval = std::max(
            of_interval,
            late * 1e3 / static_cast<double>(policy.Of(action).schedule.interval().count()));
      }
      return {};
    }));
    std::sort(all.begin(), all.end());
    return {std::move(all), of_interval};
  }

 private:
  Call call() const { return Call(env_, std::chrono::hours(1)); }

  void MakeTables() {
    ThreadPool pool({.name = "makers", .threads = kMakers, .queue_limit = kMakers});
    const auto root = folder_ / "wh" / ns_[0];
    MustBeOk(ForEach(pool, static_cast<size_t>(tables_), kMakers, [&](size_t i) -> Status {
      const int number = static_cast<int>(i);
      const std::string metadata =
          MakeSmallTable(root, number, all_expire_ ? Chore::kSnapshots : MixedChore(number));
      Call call = this->call();
      return catalog_->Register(call, kWarehouse, {ns_, fmt::format("t{:06}", number)}, metadata)
          .status();
    }));
    // Those that others made are left alone unless asked for.
    Call call = this->call();
    MustBeOk(database_->Run(call, Access::kWrite, [&](Transaction& t) {
      return t.Execute("UPDATE tabular SET origin = 'created'", {}).status();
    }));
  }

  int64_t Number(const std::string& sql) {
    Call call = this->call();
    auto number = RunFor(call, *database_, Access::kRead, [&](Transaction& t) -> Result<int64_t> {
      MORAINE_ASSIGN(const auto rows, t.Query(sql, {}));
      return rows.at(0).Int(0);
    });
    MustBeOk(number.status());
    return *number;
  }

  const Env env_ = SystemEnv(NullLogger());
  const int tables_;
  const bool all_expire_;
  std::filesystem::path folder_;
  catalog::NamespaceName ns_;
  std::unique_ptr<io::FileSystem> files_ = io::MakeLocalFileSystem();
  StoreCounts counts_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<maintenance::Controls> controls_;
  maintenance::Seams seams_;
  std::unique_ptr<optimizing::TaskQueue> queue_;
  std::unique_ptr<maintenance::Service> service_;
  int64_t due_ms_ = 0;
};

/// Counts from its begin to Report.
class Measured {
 public:
  explicit Measured(Fleet& fleet)
      : fleet_(fleet),
        statements_(fleet.counts().statements),
        writes_(fleet.counts().writes),
        runs_(fleet.Runs()),
        cpu_(CpuSeconds()),
        begun_(SystemClock().Mono()) {
    ResetPeakMemory();
  }
  void Report(benchmark::State& state, int64_t actions) {
    const double seconds = std::chrono::duration<double>(SystemClock().Mono() - begun_).count();
    const auto tables = static_cast<double>(fleet_.tables());
    state.SetIterationTime(seconds);
    state.counters["tables"] = tables;
    state.counters["tables_s"] = tables / seconds;
    state.counters["cpu_ms"] = (CpuSeconds() - cpu_) * 1e3 / tables;
    state.counters["statements"] =
        static_cast<double>(fleet_.counts().statements - statements_) / tables;
    state.counters["writes"] = static_cast<double>(fleet_.counts().writes - writes_) / tables;
    state.counters["peak_mib"] = PeakMebibytes();
    state.counters["sync_ms"] = SecondsOfOneSync(fleet_.folder()) * 1e3;
    if (actions == 0) return;
    const auto runs = static_cast<double>(fleet_.Runs() - runs_);
    state.counters["actions_s"] = static_cast<double>(actions) / seconds;
    state.counters["runs_s"] = runs / seconds;
    state.counters["runs"] = runs;
    state.counters["failed"] = static_cast<double>(fleet_.Failed());
    const auto [late, of_interval] = fleet_.Lateness();
    if (late.empty()) return;
    state.counters["late_s"] = late.back();
    state.counters["p99_late_s"] = late[late.size() * 99 / 100];
    state.counters["late_of_interval"] = of_interval;
  }

 private:
  Fleet& fleet_;
  const int64_t statements_, writes_, runs_;
  const double cpu_;
  const MonoTime begun_;
};

/// One at a time.
Fleet& TheFleet(bool all_expire) {
  static std::unique_ptr<Fleet> fleet;
  static bool is_all_expire = false;
  if (!fleet || is_all_expire != all_expire) {
    fleet.reset();
    is_all_expire = all_expire;
    fleet = all_expire ? std::make_unique<Fleet>("expiring", TablesWanted() / 10, true)
                       : std::make_unique<Fleet>("mixed", TablesWanted(), false);
  }
  return *fleet;
}

void FirstLook(benchmark::State& state, bool all_expire) {
  Fleet& fleet = TheFleet(all_expire);
  for (auto _ : state) {
    Measured measured(fleet);
    fleet.LookAtAll();
    measured.Report(state, 0);
  }
}

void Due(benchmark::State& state, bool all_expire) {
  Fleet& fleet = TheFleet(all_expire);
  for (auto _ : state) {
    const int64_t actions = fleet.MakeAllDue().first;
    Measured measured(fleet);
    fleet.RunUntil([&] { return fleet.NothingIsDue(); });
    measured.Report(state, actions);
  }
}

// In this order: each goes on from the one before.
BENCHMARK_CAPTURE(FirstLook, MixedFleet, false)->Iterations(1)->UseManualTime();
BENCHMARK_CAPTURE(Due, MixedFleetAtOnce, false)->Iterations(1)->UseManualTime();
BENCHMARK_CAPTURE(Due, MixedFleetAgain, false)->Iterations(1)->UseManualTime();
BENCHMARK_CAPTURE(FirstLook, ExpiringFleet, true)->Iterations(1)->UseManualTime();
BENCHMARK_CAPTURE(Due, ExpiringFleetAtOnce, true)->Iterations(1)->UseManualTime();
BENCHMARK_CAPTURE(Due, ExpiringFleetAgain, true)->Iterations(1)->UseManualTime();

}  // namespace
}  // namespace moraine::bench
