#include <algorithm>
#include <chrono>

#include "moraine/maintenance/metrics_internal.h"

namespace moraine::maintenance {

MaintenanceMetrics::MaintenanceMetrics(Metrics* metrics)
    : own_(metrics == nullptr ? std::make_unique<Metrics>() : nullptr),
      runs_(Of(metrics).Counters({"moraine_maintenance_runs_total",
                                  "Runs of maintenance that ended, by action and result; those"
                                  " that found nothing to do among them.",
                                  {"action", "result"}})),
      duration_(Of(metrics).Histograms({"moraine_maintenance_run_duration_seconds",
                                        "Time of a run that had something to do, from its start to"
                                        " its end.",
                                        {"action"}},
                                       {1, 5, 10, 30, 60, 300, 600, 1'800, 3'600, 21'600})),
      lateness_(Of(metrics).Histograms({"moraine_maintenance_lateness_seconds",
                                        "How long what was due has waited until the table was"
                                        " looked at for it.",
                                        {"action"}},
                                       {1, 5, 10, 30, 60, 300, 600, 1'800, 3'600, 21'600, 86'400})),
      files_(Of(metrics).Counters({"moraine_maintenance_removed_files_total",
                                   "Files that runs have removed.",
                                   {"action"}})),
      bytes_(Of(metrics).Counters({"moraine_maintenance_removed_bytes_total",
                                   "Bytes of the files that runs have removed, where known.",
                                   {"action"}})),
      due_(Of(metrics)
               .Gauges({"moraine_maintenance_due",
                        "Tables and actions that the last look found due, at most as many as it"
                        " takes at once."})
               .With()),
      lag_(Of(metrics)
               .Gauges({"moraine_maintenance_due_lag_seconds",
                        "How long the first of those that are due has waited."})
               .With()),
      shards_(Of(metrics)
                  .Gauges({"moraine_maintenance_shards",
                           "Shards of the work of maintenance that this server does."})
                  .With()) {}

void MaintenanceMetrics::Ended(const MaintenanceRun& run) {
  const auto action = upkeep::ActionName(run.action);
  runs_.With({action, RunStateName(run.state)}).Add();
  if (run.state == RunState::kNothing) return;
  const Millis duration(std::max<int64_t>(0, run.finished_ms - run.created_ms));
  duration_.With({action}).Observe(std::chrono::duration<double>(duration).count());
  if (run.dry_run) return;
  files_.With({action}).Add(static_cast<double>(run.files_removed));
  bytes_.With({action}).Add(static_cast<double>(run.bytes_removed));
}

void MaintenanceMetrics::Begun(upkeep::Action action, Millis lateness) {
  const Millis late = std::max(lateness, Millis(0));
  lateness_.With({upkeep::ActionName(action)}).Observe(std::chrono::duration<double>(late).count());
}

void MaintenanceMetrics::Due(size_t due, Millis lag) {
  due_.Set(static_cast<double>(due));
  lag_.Set(std::chrono::duration<double>(lag).count());
}

void MaintenanceMetrics::Shares(size_t shards) { shards_.Set(static_cast<double>(shards)); }

}  // namespace moraine::maintenance
