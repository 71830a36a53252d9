#pragma once
// Commits what a finished process made: on the table as it is now, with what is still true of the
// work, in the same store transaction that ends the process. May die between any two lines: the
// next look finds the process committing and goes on; a commit that has landed is recognised by its
// mark in the summary.

#include <string>

#include "moraine/catalog/catalog.h"
#include "moraine/optimizing/health_monitor.h"
#include "moraine/optimizing/metrics_internal.h"
#include "moraine/optimizing/options.h"
#include "moraine/optimizing/process_store.h"
#include "moraine/optimizing/table_files.h"
#include "moraine/optimizing/task_queue.h"

namespace moraine::optimizing {

/// Keys of the snapshot summary of an optimizing commit.
inline constexpr char kProducerKey[] = "snapshot.producer";
inline constexpr char kProducerValue[] = "OPTIMIZE";
inline constexpr char kProcessKey[] = "optimizing.process-id";

class Committer {
 public:
  Committer(catalog::Catalog& catalog, io::FileSystem& files, store::Database& database,
            HealthMonitor& monitor, TaskQueue& queue, Options options);

  /// Ends every process whose tasks have all ended. Returns how many ended.
  Result<size_t> CommitTick(Call& call);
  /// Ends a process by a person's wish. Errors: NotFound; Conflict if it is being committed or has
  /// ended.
  Status Cancel(Call& call, const std::string& process_id);
  /// Removes the files of refused attempts that were reported since the last call.
  Status CleanRefused(Call& call);

 private:
  struct Outcome;
  Status Finish(Call& call, Process process);
  Result<LoadedTableFiles> LoadCurrent(Call& call, int64_t table_id,
                                       const iceberg::TableMetadata& metadata,
                                       const std::vector<FinishedTask>& finished);
  Status CommitWork(Call& call, Process* process, Outcome* outcome);
  Result<bool> HasLanded(const iceberg::TableMetadata& metadata, Process* process) const;
  Status End(Call& call, const Process& process);
  Status EndRows(store::Transaction& t, const Process& process, int64_t now_ms) const;
  void RemoveAttempts(Call& call, const std::vector<std::string>& prefixes);

  catalog::Catalog& catalog_;
  io::FileSystem& files_;
  store::Database& database_;
  HealthMonitor& monitor_;
  TaskQueue& queue_;
  const Options options_;
  OptimizingMetrics metrics_;
};

/// Pure: when a table may be planned again after its nth failure in a row; -1: a person has to
/// look.
int64_t DecideRetry(int64_t failures, bool same_failure, const Options& options, int64_t now_ms);

}  // namespace moraine::optimizing
