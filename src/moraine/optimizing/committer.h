#pragma once
// Commits what a finished process made: on the table as it is now, with what is still true of the
// work, in the same store transaction that ends the process. May die between any two lines: the
// next look finds the process committing and goes on; a commit that has landed is recognised by its
// mark in the summary.

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "moraine/catalog/catalog.h"
#include "moraine/optimizing/attempt_cleaner.h"
#include "moraine/optimizing/health_monitor.h"
#include "moraine/optimizing/metrics_internal.h"
#include "moraine/optimizing/options.h"
#include "moraine/optimizing/process_end.h"
#include "moraine/optimizing/process_store.h"
#include "moraine/planning/landing.h"
#include "moraine/planning/replaced_deletes.h"

namespace moraine::optimizing {

class Committer {
 public:
  Committer(catalog::Catalog& catalog, io::FileSystem& files, store::Shards& shards,
            HealthMonitor& monitor, Options options);

  /// Ends every process of this server's tables whose tasks have all ended. Returns how many ended.
  Result<size_t> CommitTick(Call& call);
  /// Ends a process by a person's wish. Errors: NotFound; Conflict if it is being committed or has
  /// ended.
  Status Cancel(Call& call, const std::string& process_id);
  /// Removes the files of attempts that can't be committed any more, as far as they are due.
  Status CleanTick(Call& call) { return cleaner_.Tick(call); }

 private:
  /// At committing one process.
  struct Tries {
    int lost_races = 0;
    Status last;
  };
  Status Finish(Call& call, Process process);
  Status CommitWork(Call& call, Process process, const ProcessWork& work);
  /// On the table as it is now. True: the process has ended; false: to be tried again.
  Result<bool> TryCommit(Call& call, Call& attempt_call, Process* process, const ProcessWork& work,
                         const catalog::TableTurns::Turn* turn, Tries* tries);
  /// What is known of the reports of a process, which no longer change.
  struct CheckedReports {
    bool looked = false;                                         ///< for their files
    std::map<std::pair<int32_t, int32_t>, std::string> refused;  ///< by task and attempt
    planning::CheckedDeletes deletes;
  };
  /// Takes out what can't be believed. For a while only: what is left goes on at the next tick.
  Status CheckReports(Call& call, ProcessWork* work, CheckedReports* checked);
  /// A table that can't be found: it was dropped, or only its metadata file is out of sight.
  Result<bool> WithoutTable(Call& call, Process* process, const ProcessWork& work,
                            const Status& why);
  Result<planning::Landing> Decide(Call& call, const Process& process,
                                   const iceberg::TableMetadata& metadata, const ProcessWork& work);
  Status Land(Call& call, const catalog::LoadedTable& table, Process process,
              const ProcessWork& work, planning::Landing landing,
              const catalog::TableTurns::Turn* turn, int* lost_races);
  Status Fail(Call& call, Process process, const ProcessWork& work, std::string why);
  Status End(Call& call, const Process& process, const std::vector<DeadAttempt>& dead);
  Millis TurnLimit(const Process& process, Call& call) const;

  catalog::Catalog& catalog_;
  io::FileSystem& files_;
  store::Shards& shards_;
  store::Database& database_;
  HealthMonitor& monitor_;
  AttemptCleaner cleaner_;
  const Options options_;
  OptimizingMetrics metrics_;
  std::map<std::string, CheckedReports> checked_;  // by id of an open process; of CommitTick alone
};

}  // namespace moraine::optimizing
