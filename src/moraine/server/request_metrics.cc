#include "moraine/server/request_metrics.h"

#include <functional>

namespace moraine::server {
namespace {

/// Every route with every status it is likely to have: only a bound, since neither is the client's
/// to choose.
constexpr size_t kMaxSeries = 1'000;

/// Refused before a route was found, or a path that has none.
constexpr std::string_view kNoRoute = "none";

}  // namespace

size_t RequestMetrics::Hash::operator()(const Key& key) const {
  size_t hash = std::hash<std::string_view>()(key.route);
  return hash * 31 + static_cast<size_t>(key.method) * 1'000 + static_cast<size_t>(key.status);
}

RequestMetrics::RequestMetrics(Metrics& metrics)
    : requests_(metrics.Counters({"moraine_http_requests_total",
                                  "Finished requests by route, method and status; 499: the client "
                                  "went away.",
                                  {"route", "method", "status"},
                                  kMaxSeries})),
      duration_(metrics.Histograms(
          {"moraine_http_request_duration_seconds",
           "Time of requests, from their whole header to the last byte of the answer.",
           {"route", "method"},
           kMaxSeries},
          LatencyBounds())),
      refusals_(metrics.Counters({"moraine_http_refusals_total",
                                  "Requests and connections that were turned away before any "
                                  "handler saw them, by the limit "
                                  "or rule that did it.",
                                  {"reason"}})),
      request_bytes_(
          metrics.Counters({"moraine_http_request_bytes_total", "Bytes of request bodies."})
              .With()),
      response_bytes_(
          metrics.Counters({"moraine_http_response_bytes_total", "Bytes of response bodies."})
              .With()) {
  for (std::string_view reason : net::kRefusalReasons) refusals_.With({reason});
}

RequestMetrics::Series& RequestMetrics::Find(const net::RequestRecord& record) {
  std::string_view route = record.route.empty() ? kNoRoute : std::string_view(record.route);
  auto found = series_.find({route, record.method, record.status});
  if (found != series_.end()) return found->second;
  auto kept = std::make_unique<const std::string>(route);
  std::string_view method = net::MethodName(record.method);
  Series series{nullptr, requests_.With({route, method, std::to_string(record.status)}),
                duration_.With({route, method})};
  Key key{*kept, record.method, record.status};
  series.route = std::move(kept);
  return series_.emplace(key, std::move(series)).first->second;
}

void RequestMetrics::Count(const net::RequestRecord& record) {
  {
    std::lock_guard lock(mutex_);
    Series& series = Find(record);
    series.count.Add();
    series.duration.Observe(std::chrono::duration<double>(record.duration).count());
  }
  if (record.request_bytes > 0) request_bytes_.Add(static_cast<double>(record.request_bytes));
  if (record.response_bytes > 0) response_bytes_.Add(static_cast<double>(record.response_bytes));
}

}  // namespace moraine::server
