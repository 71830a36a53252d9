#include "moraine/maintenance/asked_run.h"

#include "moraine/maintenance/plain_rules.h"
#include "moraine/maintenance/schedule.h"
#include "moraine/maintenance/subject_json.h"

namespace moraine::maintenance {

Result<std::string> AskForRunNow(Call& call, store::Database& database,
                                 const catalog::LoadedTable& table,
                                 const upkeep::MaintenanceConfig& config, upkeep::Action action,
                                 const RunWish& wish) {
  const std::string broken = WhyBroken(config, action);
  if (!broken.empty()) return Conflict(broken);
  const std::string forbidden = WhyForbidden(config, action);
  if (!forbidden.empty() && !wish.dry_run) return Conflict(forbidden);
  AskedRun asked;
  asked.run_id = MakeOrderedUuid(call.random(), call.clock().Wall());
  asked.dry_run = wish.dry_run;
  asked.by = wish.by.empty() ? "person" : wish.by;
  asked.options = wish.options;
  asked.waits = wish.waits;
  const Subject subject = SubjectOf(table);
  MORAINE_TRY(database.Run(call, store::Access::kWrite, [&](store::Transaction& t) -> Status {
    MORAINE_ASSIGN(const int64_t now_ms, t.NowMs());
    return AskForRun(t, subject, action, asked, now_ms);
  }));
  return asked.run_id;
}

}  // namespace moraine::maintenance
