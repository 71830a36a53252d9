#pragma once
// Keeps the schedules' rows in step with the tables: hears of changes from the feed, looks at
// tables that are new or whose properties may have changed, and says when each action is due. Also
// makes the purge of a dropped table due, once nobody can bring the table back.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/catalog/catalog.h"
#include "moraine/maintenance/action.h"
#include "moraine/maintenance/options.h"
#include "moraine/maintenance/policies.h"
#include "moraine/maintenance/schedule.h"
#include "moraine/maintenance/seams.h"
#include "moraine/maintenance/step_writes.h"
#include "moraine/store/shards.h"

namespace moraine::maintenance {

/// Used by one thread.
class Watcher {
 public:
  Watcher(catalog::Catalog& catalog, store::Shards& shards, const Seams& seams,
          const Options& options)
      : catalog_(catalog),
        shards_(shards),
        database_(shards.database()),
        seams_(seams),
        options_(options) {}

  /// Reads the feed, for all servers. True: there is more.
  Result<bool> FeedTick(Call& call);
  /// Looks at tables of this server that are due for it; returns how many there were.
  Result<size_t> LookTick(Call& call);

 private:
  Status Reconcile(Call& call);
  Status ReconcilePurges(Call& call);
  Status Forget(Call& call, int64_t table_id);
  /// Whether a dropped table can't come back any more.
  Result<bool> IsGone(Call& call, int64_t table_id);
  Status LookAt(Call& call, TableLook look, int64_t begun_ms, Inherited& inherited,
                StepWrites* writes);

  catalog::Catalog& catalog_;
  store::Shards& shards_;
  store::Database& database_;
  const Seams& seams_;
  const Options options_;
  bool knows_purges_ = false;
};

/// What a look does to the table's rows: those that change. Pure.
std::vector<Schedule> DecideSchedules(const std::vector<Schedule>& rows,
                                      const catalog::LoadedTable& table, const TablePolicy& policy,
                                      const Subject& subject, int64_t now_ms);
/// What a look does to one row: switched on or off, due. before: nullopt where there is none. Pure;
/// nullopt: nothing changes.
std::optional<Schedule> DecideSchedule(const std::optional<Schedule>& before,
                                       const Subject& subject, upkeep::Action action,
                                       const std::string& why_off, std::optional<int64_t> next_ms,
                                       int64_t now_ms);

}  // namespace moraine::maintenance
