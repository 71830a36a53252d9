#pragma once
// The processes of the model checker (random_lives.h): an engine's catalog that never fails, a
// server with its service of maintenance and a worker, which have fates of their own. One thread.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/testing/test_env.h"
#include "moraine/catalog/catalog.h"
#include "moraine/catalog/lifecycle.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/maintenance/service.h"
#include "moraine/maintenance/testing/fateful.h"
#include "moraine/maintenance/testing/random_lives.h"
#include "moraine/optimizing/attempt_cleaner.h"
#include "moraine/optimizing/task_queue.h"
#include "moraine/optimizing/testing/optimizing_world.h"

namespace moraine::maintenance {

inline constexpr char kLivesWarehouse[] = "w";
inline constexpr Millis kLivesDropHold{2LL * 24 * 3'600'000};

class LivesWorld {
 public:
  LivesWorld(uint64_t seed, const PlantedBug& bug);

  Call call() { return Call(env_, std::chrono::hours(1)); }
  int64_t now_ms() { return ToMillis(clock_.Wall()); }
  void Advance(Millis by) { clock_.Advance(by); }
  io::MemoryFileSystem& disk() { return disk_; }
  WatchedFiles& files() { return files_; }
  catalog::Catalog& engine() { return *engine_; }
  Service& service() { return *service_; }
  store::Database& server_store() { return *server_store_; }
  Fate& server_fate() { return server_fate_; }
  Fate& worker_fate() { return worker_fate_; }

  /// The server anew, over the same store and files.
  void Restart();
  /// One round of the server; true when something was done.
  bool Tick();
  /// The worker takes a task and runs it; false where there is none. laid_by: it is kept instead.
  bool RunTask(bool laid_by, std::string* kind);
  /// One that was laid by is run now.
  bool RunLaidBy(size_t which);
  size_t laid_by() const { return laid_by_.size(); }
  /// No faults any more.
  void Calm();

  /// By table: a snapshot that must stay.
  std::map<int64_t, int64_t> holds;

 private:
  void Run(const tasks::HandedTask& handed);
  bool TakeToken();

  optimizing::JumpingClock clock_;
  testing::SeededRandom random_;
  testing::CapturingLogger log_;
  const Env env_{clock_, random_, log_};
  const PlantedBug bug_;
  io::MemoryFileSystem disk_;
  WatchedFiles files_{disk_};
  Fate server_fate_, worker_fate_;
  FatefulFiles server_files_{files_, server_fate_};
  FatefulFiles worker_files_{files_, worker_fate_};
  std::unique_ptr<store::Database> store_;
  std::unique_ptr<FatefulDatabase> server_store_;
  std::unique_ptr<catalog::Catalog> engine_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<store::Shards> shards_;
  std::unique_ptr<optimizing::AttemptCleaner> cleaner_;
  std::unique_ptr<optimizing::TaskQueue> queue_;
  std::unique_ptr<optimizing::TaskQueue> worker_queue_;
  std::unique_ptr<Service> service_;
  std::string token_;
  std::vector<tasks::HandedTask> laid_by_;
};

}  // namespace moraine::maintenance
