#pragma once
// A driver of maintenance (action.h) followed to its end as the runner does it, for the tests of
// single drivers: one table without a catalog, commits applied and worker tasks run on the spot. A
// test derives from it, and overrides what it wants otherwise.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/testing/test_table.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/maintenance/action.h"

namespace moraine::maintenance {

/// What a run has done and where it has ended: nothing is set, or done is.
struct RunEnd {
  std::string nothing;  ///< the reason, or ""
  Done done;
  Status error;                    ///< of the step that failed; OK with the others
  std::vector<std::string> tasks;  ///< their kinds, in the order that they were run
  int rounds = 0;                  ///< how often tasks were asked for
  int commits = 0;
};

class DriverFixture : public ::testing::Test {
 protected:
  using MakeContext = std::function<RunContext(const std::string& state)>;

  /// Of the next step: the table as it is now, in a metadata file of its own, and the members
  /// below.
  virtual RunContext Context(const std::string& state);
  /// What a worker answers.
  virtual Result<tasks::MaintenanceOutput> Work(const tasks::MaintenanceTask& task);

  /// A run that must not fail. meanwhile: what others do once the first tasks have ended.
  RunEnd Run(Action& action, const std::function<void()>& meanwhile = nullptr);
  /// A run that may. context is asked before each step.
  RunEnd Follow(Action& action, const MakeContext& context,
                const std::function<void()>& meanwhile = nullptr);
  RunEnd Follow(Action& action, const std::function<void()>& meanwhile = nullptr);

  testing::TestEnv env_;
  Call call_ = env_.call(std::chrono::hours(10'000));
  io::MemoryFileSystem files_;
  iceberg::TestTable table_{files_, {}};
  upkeep::MaintenanceConfig config_;
  std::string origin_ = "created";
  std::string options_ = "{}";
  std::string memory_ = "{}";  ///< as the runs leave it to each other
  bool dry_run_ = false;

 private:
  std::vector<TaskResult> RunTasksOf(const RunTasks& step, const RunContext& context, RunEnd* end);

  int runs_ = 0;
};

}  // namespace moraine::maintenance
