#include "moraine/server/metrics_page.h"

#include <map>

#include <fmt/format.h>

namespace moraine::server {
namespace {

constexpr size_t kMaxTables = 1'000'000;
constexpr size_t kRecentProcesses = 1'000;

/// One metric: its help, its type and its samples.
class Exposition {
 public:
  void Begin(std::string_view name, std::string_view type, std::string_view help) {
    text_ += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
  }
  template <typename T>
  void Sample(std::string_view name, std::string_view labels, T value) {
    text_ += labels.empty() ? fmt::format("{} {}\n", name, value)
                            : fmt::format("{}{{{}}} {}\n", name, labels, value);
  }
  template <typename T>
  void Gauge(std::string_view name, std::string_view help, T value) {
    Begin(name, "gauge", help);
    Sample(name, "", value);
  }
  template <typename T>
  void Counter(std::string_view name, std::string_view help, T value) {
    Begin(name, "counter", help);
    Sample(name, "", value);
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace

void MetricsPage::Count(const net::RequestRecord& record) {
  auto digit = static_cast<size_t>(record.status / 100);
  by_class_[digit < by_class_.size() ? digit : 0].fetch_add(1, std::memory_order_relaxed);
  double seconds = std::chrono::duration<double>(record.duration).count();
  size_t bucket = 0;
  while (bucket < kBounds.size() && seconds > kBounds[bucket]) ++bucket;
  durations_[bucket].fetch_add(1, std::memory_order_relaxed);
  duration_us_.fetch_add(static_cast<int64_t>(seconds * 1e6), std::memory_order_relaxed);
  request_bytes_.fetch_add(static_cast<int64_t>(record.request_bytes), std::memory_order_relaxed);
  response_bytes_.fetch_add(static_cast<int64_t>(record.response_bytes), std::memory_order_relaxed);
}

Result<std::string> MetricsPage::Text(Call& call, optimizing::Service& optimizing,
                                      const net::ServerStats& stats) const {
  Exposition out;
  out.Begin("moraine_http_requests_total", "counter", "Finished requests by class of status.");
  for (size_t digit = 1; digit < by_class_.size(); ++digit) {
    out.Sample("moraine_http_requests_total", fmt::format("status=\"{}xx\"", digit),
               by_class_[digit].load());
  }
  out.Begin("moraine_http_request_duration_seconds", "histogram",
            "Time of requests, header to last byte.");
  int64_t count = 0;
  for (size_t i = 0; i < kBounds.size(); ++i) {
    count += durations_[i].load();
    out.Sample("moraine_http_request_duration_seconds_bucket", fmt::format("le=\"{}\"", kBounds[i]),
               count);
  }
  count += durations_.back().load();
  out.Sample("moraine_http_request_duration_seconds_bucket", "le=\"+Inf\"", count);
  out.Sample("moraine_http_request_duration_seconds_sum", "",
             static_cast<double>(duration_us_.load()) / 1e6);
  out.Sample("moraine_http_request_duration_seconds_count", "", count);
  out.Counter("moraine_http_request_bytes_total", "Bytes of request bodies.",
              request_bytes_.load());
  out.Counter("moraine_http_response_bytes_total", "Bytes of response bodies.",
              response_bytes_.load());
  out.Gauge("moraine_http_connections", "Open connections.", stats.connections);
  out.Gauge("moraine_http_parked_requests", "Requests that wait for an event.", stats.parked);
  out.Gauge("moraine_http_running_requests", "Requests queued or at work.", stats.running);

  MORAINE_ASSIGN(auto tables, optimizing.Tables(call, 0, kMaxTables));
  std::map<std::string_view, int64_t> by_status;
  for (int i = 0; i <= static_cast<int>(optimizing::TableStatus::kFailed); ++i) {
    by_status[TableStatusName(static_cast<optimizing::TableStatus>(i))] = 0;
  }
  for (const auto& table : tables) ++by_status[TableStatusName(table.status)];
  out.Begin("moraine_optimizing_tables", "gauge", "Tables by state of optimizing.");
  for (const auto& [status, tables_in_it] : by_status) {
    out.Sample("moraine_optimizing_tables", fmt::format("state=\"{}\"", status), tables_in_it);
  }
  MORAINE_ASSIGN(auto processes, optimizing.Processes(call, 0, kRecentProcesses));
  std::map<std::string_view, int64_t> by_state;
  for (int i = 0; i <= static_cast<int>(optimizing::ProcessState::kCancelled); ++i) {
    by_state[ProcessStateName(static_cast<optimizing::ProcessState>(i))] = 0;
  }
  for (const auto& process : processes) ++by_state[ProcessStateName(process.state)];
  out.Begin("moraine_optimizing_recent_processes", "gauge", "The newest 1000 processes by state.");
  for (const auto& [state, processes_in_it] : by_state) {
    out.Sample("moraine_optimizing_recent_processes", fmt::format("state=\"{}\"", state),
               processes_in_it);
  }
  MORAINE_ASSIGN(auto optimizers, optimizing.queue().Optimizers(call));
  int64_t threads = 0;
  int64_t running = 0;
  for (const auto& optimizer : optimizers) {
    threads += optimizer.threads;
    running += optimizer.running_tasks;
  }
  out.Gauge("moraine_optimizer_threads", "Threads of live optimizers.", threads);
  out.Gauge("moraine_optimizer_running_tasks", "Tasks that optimizers hold.", running);
  return out.Take();
}

}  // namespace moraine::server
