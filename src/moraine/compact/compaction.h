#pragma once
// One table, rewritten and committed by this process alone: load -> plan -> rewrite -> commit, with
// the same rules as the server's optimizing (planning/). Knows no catalog: it is given a door to
// one. What it writes and does not commit it removes, unless the outcome of a commit is unknown:
// then nothing is deleted. Called by `moraine compact`.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/compact/progress.h"
#include "moraine/iceberg/commit/commit_loop.h"
#include "moraine/io/file_system.h"
#include "moraine/planning/table_plan.h"

namespace moraine::compact {

struct CompactionOptions {
  std::string table;  ///< for people
  planning::Wish wish = planning::Wish::kWorthwhile;
  /// Over the table's self-optimizing.target-size.
  std::optional<int64_t> target_size_bytes;
  /// Over the table's self-optimizing.filter: files that can't match are left alone.
  std::optional<std::string> filter;
  /// Over the table's self-optimizing.layout, as planning::LayoutOf takes it.
  std::optional<std::string> layout;
  /// Local, for sorts that do not fit in memory; "": the system's for such files.
  std::string spill_folder;
  std::optional<int64_t> arranged_task_bytes;  ///< as planning::PlanLimits has it
  int threads = 2;
  int64_t memory_bytes = int64_t{1} << 30;  ///< for all tasks together
  int commit_retries = 100;                 ///< the work of a long run is worth some minutes
  Millis commit_timeout{300'000};
  enum class Run { kYes, kPlanOnly };
  Run run = Run::kYes;
};

/// Live files of a table.
struct TableTotals {
  int64_t data_files = 0;
  int64_t data_bytes = 0;
  int64_t delete_files = 0;
  int64_t delete_bytes = 0;
  int64_t records = 0;  ///< in the data files, deleted ones among them
};

struct CompactionReport {
  /// Why this was done, or why there was nothing to do: one sentence.
  std::string reason;
  planning::OptimizingType type = planning::OptimizingType::kNone;  ///< kNone: nothing to do
  std::string layout;  ///< of the rows that are put in order, "zorder(a,b)"; empty: none are
  int64_t tasks = 0;
  int64_t partitions = 0;
  int64_t partitions_left = 0;  ///< too many files for one run: run again
  int64_t input_files = 0;
  int64_t input_bytes = 0;
  int64_t output_files = 0;  ///< data files and delete files
  int64_t output_delete_files = 0;
  int64_t output_bytes = 0;
  int64_t removed_delete_files = 0;
  int64_t deleted_rows = 0;  ///< that were still in the inputs
  TableTotals before;
  std::optional<TableTotals> after;  ///< set when it was committed
  int64_t snapshot_id = 0;           ///< of the commit
  int commit_attempts = 0;
  std::vector<std::string> left_out;  ///< tasks that others' commits made void, one sentence each
  std::vector<std::string> notes;     ///< properties that can't be read, files that stay
};

/// Errors: Unsupported or InvalidArgument for a table or property that can't be worked on;
/// Cancelled when the call was stopped, Conflict when others were quicker each time, as RunRewrite
/// and the door: nothing was committed and what was written has been removed. CommitUnknown: the
/// outcome is not known and nothing was removed; the message names the snapshot. A stop that comes
/// when the commit has been sent is too late: it ends as the commit does. Blocks; uses
/// options.threads threads with the calling one.
Result<CompactionReport> RunCompaction(Call& call, io::FileSystem& files,
                                       const iceberg::CommitDoor& door,
                                       const CompactionOptions& options, Progress* progress);

}  // namespace moraine::compact
