#include "moraine/server/metrics_page.h"

namespace moraine::server {
namespace {

Gauge One(Metrics& metrics, const char* name, const char* help) {
  return metrics.Gauges({name, help}).With();
}

GaugeFamily& By(Metrics& metrics, const char* label, const char* name, const char* help) {
  return metrics.Gauges({name, help, {label}});
}

void SetEach(GaugeFamily& family, const std::map<std::string, int64_t>& values) {
  for (const auto& [label, value] : values) family.With({label}).Set(static_cast<double>(value));
}

}  // namespace

MetricsPage::MetricsPage(Metrics& metrics)
    : metrics_(metrics),
      connections_(One(metrics, "moraine_http_connections", "Open connections.")),
      parked_(One(metrics, "moraine_http_parked_requests", "Requests that wait for an event.")),
      running_(One(metrics, "moraine_http_running_requests", "Requests queued or at work.")),
      body_bytes_(One(metrics, "moraine_http_held_body_bytes",
                      "Bytes of request bodies that are in memory now.")),
      tables_(By(metrics, "state", "moraine_optimizing_tables", "Tables by state of optimizing.")),
      open_processes_(By(metrics, "state", "moraine_optimizing_open_processes",
                         "Processes that have not ended, by state.")),
      tasks_(By(metrics, "state", "moraine_optimizing_tasks",
                "Tasks of processes that have not ended, by state.")),
      optimizers_(By(metrics, "group", "moraine_optimizer_processes", "Optimizers by group.")),
      threads_(By(metrics, "group", "moraine_optimizer_threads", "Threads of optimizers.")),
      busy_threads_(By(metrics, "group", "moraine_optimizer_busy_threads",
                       "Threads of optimizers that hold a task.")),
      utilization_(By(metrics, "group", "moraine_optimizer_utilization_ratio",
                      "Busy threads of all threads, 0 to 1.")),
      due_tables_(One(metrics, "moraine_optimizing_due_tables",
                      "Tables whose health waits to be looked at.")),
      feed_lag_changes_(One(metrics, "moraine_optimizing_feed_lag_changes",
                            "Changes of tables that optimizing has not read yet.")),
      feed_lag_seconds_(One(metrics, "moraine_optimizing_feed_lag_seconds",
                            "Age of the oldest change that optimizing has not read yet.")),
      failures_(metrics
                    .Counters({"moraine_metrics_failures_total",
                               "Pages whose gauges are old, since the store gave no answer."})
                    .With()) {
  metrics
      .Gauges({"moraine_build_info", "Always 1; the label says which build this is.", {"version"}})
      .With({MORAINE_VERSION})
      .Set(1);
}

std::string MetricsPage::Text(const Result<optimizing::Counts>& counts,
                              const net::ServerStats& stats) {
  {
    std::lock_guard lock(mutex_);
    connections_.Set(static_cast<double>(stats.connections));
    parked_.Set(static_cast<double>(stats.parked));
    running_.Set(static_cast<double>(stats.running));
    body_bytes_.Set(static_cast<double>(stats.body_bytes));
    if (counts.ok()) {
      SetCounts(*counts);
    } else {
      failures_.Add();
    }
  }
  return metrics_.Text();
}

void MetricsPage::SetCounts(const optimizing::Counts& counts) {
  SetEach(tables_, counts.tables);
  SetEach(open_processes_, counts.open_processes);
  SetEach(tasks_, counts.tasks);
  SetGroups(counts);
  due_tables_.Set(static_cast<double>(counts.due_tables));
  feed_lag_changes_.Set(static_cast<double>(counts.feed_lag));
  feed_lag_seconds_.Set(std::chrono::duration<double>(counts.feed_lag_time).count());
}

void MetricsPage::SetGroups(const optimizing::Counts& counts) {
  for (const auto& [group, _] : counts.groups) groups_.insert(group);
  for (const auto& name : groups_) {
    auto found = counts.groups.find(name);
    optimizing::GroupCounts group =
        found == counts.groups.end() ? optimizing::GroupCounts() : found->second;
    auto threads = static_cast<double>(group.threads);
    auto busy = static_cast<double>(group.busy_threads);
    optimizers_.With({name}).Set(static_cast<double>(group.optimizers));
    threads_.With({name}).Set(threads);
    busy_threads_.With({name}).Set(busy);
    utilization_.With({name}).Set(threads > 0 ? busy / threads : 0);
  }
}

}  // namespace moraine::server
