#pragma once
// Goes on with runs: begins those that are due (run_starts.h), asks for the next steps of those
// that can take one (run_steps.h), and stores what comes of it. Whatever it knows is in rows: it
// may stop between any two lines and go on elsewhere.

#include <cstddef>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/maintenance/lanes.h"
#include "moraine/maintenance/metrics_internal.h"
#include "moraine/maintenance/run_starts.h"
#include "moraine/maintenance/run_steps.h"
#include "moraine/maintenance/run_store.h"
#include "moraine/maintenance/step_writes.h"

namespace moraine::maintenance {

/// Used by one thread, but for Hear.
class Runner {
 public:
  Runner(catalog::Catalog& catalog, io::FileSystem& files, store::Shards& shards,
         optimizing::TaskQueue& queue, const Actions& actions, const Seams& seams,
         const Options& options);

  /// Begins what is due, some at a time; returns how many rows are done with for now.
  Result<size_t> StartTick(Call& call);
  /// Takes the next step of runs that can take one; returns how many went on.
  Result<size_t> DriveTick(Call& call);
  /// A task of the run has ended. Cheap.
  void Hear(const std::string& run_id);

 private:
  Result<size_t> DoAll(Call& call, std::vector<Lanes::Piece> pieces);
  Result<std::vector<MaintenanceRun>> RunsToDrive(Call& call);
  void DriveOne(Call& call, MaintenanceRun run, Inherited& inherited);
  Status GoOn(Call& call, const TurnPtr& turn, Inherited& inherited);
  Status LoadTasks(Call& call, Turn* turn);

  const Options options_;
  MaintenanceMetrics metrics_;
  StepWrites writes_;
  const RunWorld world_;
  RunSteps steps_;
  RunStarts starts_;
  std::mutex mutex_;
  std::set<std::string> heard_;  // under mutex_
  MonoTime look_at_all_;         // by the loop's thread
  Lanes lanes_;                  // the last: it ends first
};

}  // namespace moraine::maintenance
