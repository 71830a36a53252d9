#include "moraine/maintenance/run_world.h"

#include <utility>

#include <fmt/format.h>

#include "moraine/maintenance/plain_rules.h"
#include "moraine/maintenance/rules.h"

namespace moraine::maintenance {

using store::Transaction;

Action* RunWorld::DriverOf(upkeep::Action action) const {
  for (const auto& driver : actions) {
    if (driver->action() == action) return driver.get();
  }
  return nullptr;
}

Result<TableFacts> LoadFacts(Call& call, const RunWorld& world, int64_t table_id,
                             upkeep::Action action, Inherited& inherited) {
  TableFacts facts;
  auto loaded = world.catalog.LoadById(call, table_id);
  if (action == upkeep::Action::kPurgeTable) {
    if (loaded.ok()) return Conflict("the table lives");
    if (loaded.status().code() != Code::kNotFound) return loaded.status();
    return facts;
  }
  MORAINE_TRY(loaded);
  facts.table = std::move(*loaded);
  MORAINE_ASSIGN(facts.policy, PolicyOf(call, world.seams, *facts.table, inherited));
  return facts;
}

void PutOff(Call& call, const RunWorld& world, Schedule schedule, const Status& why) {
  schedule.failures += 1;
  schedule.last_failure = why.ToString();
  schedule.reason = fmt::format("it can't begin: {}", why.ToString());
  schedule.due_ms = world.shards.NowMs(call) + BackOff(schedule.failures, world.options).count();
  LeaveSchedule(world, std::move(schedule));
}

void LeaveSchedule(const RunWorld& world, Schedule schedule) {
  const int64_t table_id = schedule.table_id;
  world.writes.Add({table_id,
                    [schedule = std::move(schedule)](Transaction& t) {
                      return SaveSchedule(t, schedule).status();
                    },
                    [](Call& after, const Status& stored) {
                      if (stored.ok() || stored.code() == Code::kCancelled) return;
                      after.log().Warn("what is due is not stored, it will be tried again",
                                       {{"error", stored.ToString()}});
                    }});
}

}  // namespace moraine::maintenance
