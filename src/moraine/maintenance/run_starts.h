#pragma once
// What becomes of a schedule's row that is due: a run begins, or the row says why none does and
// when it is looked at again. All that is due of a table is looked at together, so that the table
// is loaded once. Most of a fleet finds nothing to do, and is asked again when there may be
// something.

#include <vector>

#include "moraine/base/call.h"
#include "moraine/maintenance/policies.h"
#include "moraine/maintenance/run_steps.h"
#include "moraine/maintenance/schedule.h"

namespace moraine::maintenance {

/// Thread-safe, but for two calls about one table.
class RunStarts {
 public:
  RunStarts(const RunWorld& world, RunSteps& steps) : world_(world), steps_(steps) {}

  /// due: rows of one table. What is to be stored waits in the world's writes.
  void Start(Call& call, std::vector<Schedule> due, Inherited& inherited);

 private:
  struct Look;

  Status StartOne(Call& call, Look* look, Schedule schedule, Inherited& inherited);
  Status StartPurge(Call& call, Schedule schedule, Inherited& inherited);
  Result<bool> MayStart(Call& call, Look* look, Schedule* schedule);
  /// The run that there may be, and the row as it is from then on.
  TurnPtr NewTurn(Call& call, const TableFacts& facts, Schedule schedule, int64_t now_ms);
  void NothingToDo(const TurnPtr& turn, Nothing nothing);

  const RunWorld& world_;
  RunSteps& steps_;
};

}  // namespace moraine::maintenance
