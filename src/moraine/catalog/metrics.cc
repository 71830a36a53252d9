#include "moraine/catalog/metrics_internal.h"

namespace moraine::catalog {
namespace {

CounterFamily& Conflicts(Metrics& metrics) {
  return metrics.Counters(
      {"moraine_catalog_commit_conflicts_total",
       "Commits that met another: race, the swap lost and was tried again or given up; "
       "requirement, what the client had seen is not so any more.",
       {"cause"}});
}

CounterFamily& CacheLookups(Metrics& metrics) {
  return metrics.Counters({"moraine_catalog_metadata_cache_lookups_total",
                           "Looks for table metadata in memory; a miss reads and parses the file.",
                           {"result"}});
}

}  // namespace

CatalogMetrics::CatalogMetrics(Metrics* metrics)
    : own_(metrics == nullptr ? std::make_unique<Metrics>() : nullptr),
      commits_(Of(metrics).Counters(
          {"moraine_catalog_commits_total", "Commits of tables by how they ended.", {"result"}})),
      succeeded_(commits_.With({"ok"})),
      duration_(Of(metrics)
                    .Histograms({"moraine_catalog_commit_duration_seconds",
                                 "Time of commits, their retries included."},
                                LatencyBounds())
                    .With()),
      lost_races_(Conflicts(Of(metrics)).With({"race"})),
      failed_requirements_(Conflicts(Of(metrics)).With({"requirement"})),
      cache_hits_(CacheLookups(Of(metrics)).With({"hit"})),
      cache_misses_(CacheLookups(Of(metrics)).With({"miss"})) {}

void CatalogMetrics::Committed(const Status& status, std::chrono::nanoseconds duration) {
  if (status.ok()) {
    succeeded_.Add();
  } else {
    commits_.With({CodeName(status.code())}).Add();
  }
  constexpr std::string_view kRequirement = "Requirement failed";
  if (status.code() == Code::kConflict && status.message().starts_with(kRequirement)) {
    failed_requirements_.Add();
  }
  duration_.Observe(std::chrono::duration<double>(duration).count());
}

}  // namespace moraine::catalog
