#pragma once
// A service of optimizing over a catalog in memory, for tests: an engine that commits files which
// are only named, and a worker that makes files up. What a file holds is a list of names: each
// appended file holds its own, an output those of its inputs, so that a test can ask whether a
// table holds each name once. Moraine's part works through faulty doubles, engine and worker do
// not.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/testing/faults.h"
#include "moraine/base/testing/test_env.h"
#include "moraine/catalog/catalog.h"
#include "moraine/iceberg/commit/snapshot_changes.h"
#include "moraine/io/testing/faulty_file_system.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/optimizing/service.h"
#include "moraine/store/testing/faulty_database.h"

namespace moraine::optimizing {

/// A simulated clock on which nobody waits: it is then already the time waited for. For one thread.
class JumpingClock final : public Clock {
 public:
  WallTime Wall() override { return clock_.Wall(); }
  MonoTime Mono() override { return clock_.Mono(); }
  void WaitUntil(std::unique_lock<std::mutex>&, std::condition_variable_any&, MonoTime until,
                 std::stop_token) override {
    if (until > Mono()) Advance(until - Mono());
  }
  void Advance(std::chrono::nanoseconds by) { clock_.Advance(by); }

 private:
  testing::SimClock clock_;
};

/// The parts of a service, each to be called by itself.
struct Parts {
  Parts(catalog::Catalog& catalog, io::FileSystem& files, store::Database& database,
        const Options& options)
      : shards(database, {}),
        queue(database, options),
        monitor(catalog, files, shards, options),
        planner(catalog, files, shards, monitor, queue, options),
        committer(catalog, files, shards, monitor, options) {}
  store::Shards shards;
  TaskQueue queue;
  HealthMonitor monitor;
  ProcessPlanner planner;
  Committer committer;
};

/// Used by one thread.
class OptimizingWorld {
 public:
  explicit OptimizingWorld(testing::FaultInjector* faults = nullptr);

  Call call() { return Call(env_, std::chrono::hours(1)); }
  void Advance(std::chrono::nanoseconds by) { clock_.Advance(by); }
  io::MemoryFileSystem& disk() { return disk_; }
  store::Database& store() { return *store_; }
  catalog::Catalog& engine() { return *engine_; }
  testing::FaultInjector& faults() { return *faults_; }
  Parts& parts() { return *parts_; }
  Options& options() { return options_; }  ///< of the next Restart
  /// New objects over the same store and files, as after the process has died.
  void Restart();

  /// A table (id long, data string), partitioned by identity of id, that is optimized at two small
  /// files a partition and at once; properties are added.
  int64_t MakeTable(const std::string& name, iceberg::StringMap properties = {});
  catalog::LoadedTablePtr Load(const std::string& name);
  /// A data file of 10 rows in this partition; it is on disk.
  iceberg::DataFile DataFile(const std::string& table, const std::string& name, int64_t partition);
  /// Position deletes of one row of a data file, or equality deletes of the partition.
  iceberg::DataFile PositionDeletes(const std::string& table, const std::string& name,
                                    const iceberg::DataFile& about);
  iceberg::DataFile EqualityDeletes(const std::string& table, const std::string& name,
                                    int64_t partition);
  Status Commit(const std::string& table, iceberg::SnapshotChanges changes);
  Status Append(const std::string& table, const std::vector<std::string>& names,
                int64_t partition = 1);
  Status Remove(const std::string& table, const iceberg::DataFile& file);
  /// main becomes this snapshot.
  Status RollBack(const std::string& table, int64_t snapshot_id);

  /// These snapshots leave the table's history; their files stay.
  Status Expire(const std::string& table, const std::vector<int64_t>& snapshots);

  /// feed, commit, refresh and plan, once each; the first error is given.
  Status Tick();
  /// Registers an optimizer and runs every task that waits; returns how many.
  size_t RunTasks();
  /// One task: polled, acknowledged and run, but not reported.
  std::optional<tasks::TaskReport> RunOneTask();
  const std::string& token();
  /// The optimizer is gone; who asks for one next registers anew.
  void LoseOptimizer() { token_.clear(); }

  /// Live files of the table's current snapshot.
  std::vector<iceberg::DataFile> LiveFiles(const std::string& table);
  /// The names that the live data files hold, sorted; fails the test for a file that is not there.
  std::vector<std::string> Names(const std::string& table);
  /// Locations under data/ that no live file names, sorted.
  std::vector<std::string> Leftovers(const std::string& table);
  std::optional<Process> LastProcess();
  std::optional<TableState> State(int64_t table_id);

 private:
  JumpingClock clock_;
  testing::SeededRandom random_{1};
  testing::CapturingLogger log_;
  const Env env_{clock_, random_, log_};
  io::MemoryFileSystem disk_;
  testing::FaultInjector own_faults_;
  testing::FaultInjector* faults_;
  std::unique_ptr<store::Database> store_;
  std::unique_ptr<store::FaultyDatabase> faulty_store_;
  std::unique_ptr<io::FaultyFileSystem> faulty_files_;
  std::unique_ptr<catalog::Catalog> engine_;
  std::unique_ptr<catalog::Catalog> catalog_;
  Options options_;
  std::unique_ptr<Parts> parts_;
  std::string token_;
};

}  // namespace moraine::optimizing
