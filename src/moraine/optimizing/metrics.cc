#include "moraine/optimizing/metrics_internal.h"

namespace moraine::optimizing {

SharedWorkMetrics::SharedWorkMetrics(Metrics* metrics) {
  if (metrics == nullptr) return;
  shards_ = metrics
                ->Gauges({"moraine_optimizing_shards",
                          "Shards of the work of optimizing that this server does."})
                .With();
  servers_ = metrics
                 ->Gauges({"moraine_optimizing_servers",
                           "Servers that share the work of optimizing, as this one knows."})
                 .With();
}

void SharedWorkMetrics::Shares(size_t shards, size_t servers) {
  if (shards_) shards_->Set(static_cast<double>(shards));
  if (servers_) servers_->Set(static_cast<double>(servers));
}

OptimizingMetrics::OptimizingMetrics(Metrics* metrics)
    : own_(metrics == nullptr ? std::make_unique<Metrics>() : nullptr),
      refreshes_(Of(metrics).Counters({"moraine_optimizing_health_refreshes_total",
                                       "Looks at the health of a table by how they ended.",
                                       {"result"}})),
      refresh_duration_(Of(metrics)
                            .Histograms({"moraine_optimizing_health_refresh_duration_seconds",
                                         "Time of a look at the health of a table."},
                                        LatencyBounds())
                            .With()),
      processes_(Of(metrics).Counters({"moraine_optimizing_processes_total",
                                       "Processes that ended, by type and result.",
                                       {"type", "result"}})),
      process_duration_(Of(metrics).Histograms({"moraine_optimizing_process_duration_seconds",
                                                "Time of a process from its plan to its end.",
                                                {"type"}},
                                               {1, 5, 10, 30, 60, 300, 600, 1'800, 3'600, 21'600})),
      rewritten_files_(Of(metrics)
                           .Counters({"moraine_optimizing_rewritten_files_total",
                                      "Files that committed processes read and replaced."})
                           .With()),
      rewritten_bytes_(Of(metrics)
                           .Counters({"moraine_optimizing_rewritten_bytes_total",
                                      "Bytes of the files that committed processes replaced."})
                           .With()),
      written_files_(Of(metrics)
                         .Counters({"moraine_optimizing_written_files_total",
                                    "Files that committed processes put in their place."})
                         .With()),
      written_bytes_(Of(metrics)
                         .Counters({"moraine_optimizing_written_bytes_total",
                                    "Bytes of the files that committed processes wrote."})
                         .With()) {}

void OptimizingMetrics::Refreshed(const Status& status, std::chrono::nanoseconds duration) {
  refreshes_.With({status.ok() ? std::string_view("ok") : CodeName(status.code())}).Add();
  refresh_duration_.Observe(std::chrono::duration<double>(duration).count());
}

void OptimizingMetrics::Ended(const Process& process) {
  auto type = planning::OptimizingTypeName(process.type);
  processes_.With({type, ProcessStateName(process.state)}).Add();
  auto duration = Millis(process.finished_ms - process.created_ms);
  if (duration.count() >= 0) {
    process_duration_.With({type}).Observe(std::chrono::duration<double>(duration).count());
  }
  if (process.state != ProcessState::kSucceeded) return;
  rewritten_files_.Add(static_cast<double>(process.input_files));
  rewritten_bytes_.Add(static_cast<double>(process.input_bytes));
  written_files_.Add(static_cast<double>(process.output_files));
  written_bytes_.Add(static_cast<double>(process.output_bytes));
}

}  // namespace moraine::optimizing
