#pragma once
// A service of maintenance over a catalog in memory, for tests: an action that goes through all
// kinds of steps, and a worker that makes results up. Moraine's part works through faulty doubles;
// the engine that makes tables, and the worker, do not.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/testing/faults.h"
#include "moraine/base/testing/test_env.h"
#include "moraine/catalog/catalog.h"
#include "moraine/io/testing/faulty_file_system.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/maintenance/service.h"
#include "moraine/optimizing/attempt_cleaner.h"
#include "moraine/optimizing/testing/optimizing_world.h"
#include "moraine/store/testing/faulty_database.h"

namespace moraine::maintenance {

/// What the action of a test does; shared by all services of a world, as code would be.
struct Script {
  upkeep::Action action = upkeep::Action::kExpireSnapshots;
  std::function<Result<Step>(const RunContext&)> start;
  std::function<Result<Step>(const RunContext&, const std::vector<TaskResult>&)> go_on;
};

/// Used by one thread.
class MaintenanceWorld {
 public:
  explicit MaintenanceWorld(testing::FaultInjector* faults = nullptr);

  Call call() { return Call(env_, std::chrono::hours(1)); }
  int64_t now_ms() { return ToMillis(clock_.Wall()); }
  void Advance(std::chrono::nanoseconds by) { clock_.Advance(by); }
  Script& script() { return *script_; }
  Options& options() { return options_; }  ///< of the next Restart
  Seams& seams() { return seams_; }        ///< of the next Restart
  store::Database& store() { return *store_; }
  catalog::Catalog& engine() { return *engine_; }
  io::MemoryFileSystem& disk() { return disk_; }
  Service& service() { return *service_; }
  optimizing::TaskQueue& queue() { return *queue_; }
  /// New objects over the same store, as after the process has died.
  void Restart();
  /// A second server beside the first: rows are all that they share.
  std::unique_ptr<Service> AnotherService();

  catalog::LoadedTablePtr MakeTable(const std::string& name, iceberg::StringMap properties = {});
  catalog::LoadedTablePtr Load(const std::string& name);
  Status SetProperty(const std::string& table, const std::string& key, const std::string& value);
  Status Drop(const std::string& table, catalog::Catalog::Purge purge);

  /// Ticks until there is nothing to be done just now.
  void Settle();
  /// Runs every task that waits, by answer (default: a result of "{}"); returns how many.
  size_t RunTasks(
      const std::function<Result<tasks::MaintenanceOutput>(const tasks::MaintenanceTask&)>& answer =
          nullptr);

  std::string Ask(const std::string& table, bool dry_run = false);
  std::optional<Schedule> ScheduleOf(int64_t table_id);
  std::vector<MaintenanceRun> Runs();
  std::vector<DeletionRow> Deletions();
  /// Rows of tasks, active runs, in all.
  int64_t Count(const std::string& table);

 private:
  std::unique_ptr<Service> MakeService(catalog::Catalog& catalog, store::Database& database,
                                       optimizing::TaskQueue& queue, io::FileSystem& files);

  optimizing::JumpingClock clock_;
  testing::SeededRandom random_{1};
  testing::CapturingLogger log_;
  const Env env_{clock_, random_, log_};
  io::MemoryFileSystem disk_;
  testing::FaultInjector own_faults_;
  testing::FaultInjector* faults_;
  std::shared_ptr<Script> script_ = std::make_shared<Script>();
  std::unique_ptr<store::Database> store_;
  std::unique_ptr<store::FaultyDatabase> faulty_store_;
  std::unique_ptr<io::FaultyFileSystem> faulty_files_;
  std::unique_ptr<catalog::Catalog> engine_;
  std::unique_ptr<catalog::Catalog> catalog_;
  Options options_;
  Seams seams_;
  std::unique_ptr<optimizing::TaskQueue> queue_;
  std::unique_ptr<Service> service_;
  std::string token_;
};

}  // namespace moraine::maintenance
