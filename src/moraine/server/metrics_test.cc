// The counting of requests, the page of metrics, and that the guide names every metric there is.

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/text.h"
#include "moraine/server/metrics_page.h"
#include "moraine/server/process_metrics.h"
#include "moraine/server/request_metrics.h"

namespace moraine::server {
namespace {

using testing::HasSubstr;
using testing::Not;

/// Every text that begins like a metric's name.
void CollectNames(const std::string& file, std::set<std::string>* names) {
  std::ifstream stream(file);
  ASSERT_TRUE(stream.good()) << file;
  std::ostringstream text;
  text << stream.rdbuf();
  std::string all = text.str();
  const std::regex name("[`\"]((moraine|process)_[a-z_]+_[a-z_]+)[`\"]");
  for (std::sregex_iterator it(all.begin(), all.end(), name), end; it != end; ++it) {
    names->insert((*it)[1]);
  }
}

TEST(Metrics, TheGuideNamesEachThatIsDeclared) {
  const std::string root = MORAINE_TEST_DATA_DIR "/..";
  std::set<std::string> declared, described;
  for (const auto& item : std::filesystem::recursive_directory_iterator(root + "/src/moraine")) {
    std::string file = item.path().filename().string();
    if (file == "metrics.cc" || file.ends_with("_metrics.cc") || file == "metrics_page.cc") {
      CollectNames(item.path().string(), &declared);
    }
  }
  CollectNames(root + "/docs/guide/metrics.md", &described);
  EXPECT_GT(declared.size(), 30u);
  EXPECT_EQ(described, declared);
}

TEST(RequestMetrics, CountByRouteMethodAndStatus) {
  Metrics metrics;
  RequestMetrics requests(metrics);
  auto count = [&](net::Method method, int status, const std::string& route) {
    requests.Count({method, status, route, std::chrono::milliseconds(3), 10, 20});
  };
  count(net::Method::kGet, 200, "/a/{b}");
  count(net::Method::kGet, 200, "/a/{b}");
  count(net::Method::kGet, 404, "/a/{b}");
  count(net::Method::kPost, 200, "/a/{b}");
  count(net::Method::kGet, 401, "");
  std::string text = metrics.Text();
  for (
      const char* line :
      {R"(moraine_http_requests_total{method="GET",route="/a/{b}",status="200"} 2)",
       R"(moraine_http_requests_total{method="GET",route="/a/{b}",status="404"} 1)",
       R"(moraine_http_requests_total{method="POST",route="/a/{b}",status="200"} 1)",
       R"(moraine_http_requests_total{method="GET",route="none",status="401"} 1)",
       R"(moraine_http_request_duration_seconds_count{method="GET",route="/a/{b}"} 3)",
       R"(moraine_http_request_duration_seconds_bucket{method="GET",route="/a/{b}",le="0.0025"} 0)",
       R"(moraine_http_request_duration_seconds_bucket{method="GET",route="/a/{b}",le="0.005"} 3)",
       "moraine_http_request_bytes_total 50", "moraine_http_response_bytes_total 100"}) {
    EXPECT_THAT(text, HasSubstr(std::string(line) + "\n"));
  }
}

TEST(MetricsPage, ShowsCountsAndKeepsTheLastWhenTheStoreIsSilent) {
  Metrics metrics;
  MetricsPage page(metrics);
  optimizing::Counts counts;
  counts.tables = {{"idle", 7}, {"pending", 0}};
  counts.tasks = {{"planned", 3}};
  counts.groups["default"] = {2, 4, 1};
  counts.feed_lag = 5;
  counts.feed_lag_time = Millis(1500);
  net::ServerStats stats{.connections = 3, .parked = 2, .running = 1, .body_bytes = 9};
  std::string text = page.Text(counts, stats);
  for (const char* line : {R"(moraine_optimizing_tables{state="idle"} 7)",
                           R"(moraine_optimizing_tables{state="pending"} 0)",
                           R"(moraine_optimizing_tasks{state="planned"} 3)",
                           R"(moraine_optimizer_processes{group="default"} 2)",
                           R"(moraine_optimizer_threads{group="default"} 4)",
                           R"(moraine_optimizer_busy_threads{group="default"} 1)",
                           R"(moraine_optimizer_utilization_ratio{group="default"} 0.25)",
                           "moraine_optimizing_feed_lag_changes 5",
                           "moraine_optimizing_feed_lag_seconds 1.5", "moraine_http_connections 3",
                           "moraine_http_parked_requests 2", "moraine_metrics_failures_total 0"}) {
    EXPECT_THAT(text, HasSubstr(std::string(line) + "\n"));
  }
  text = page.Text(Unavailable("no store"), stats);
  EXPECT_THAT(text, HasSubstr("moraine_optimizing_tables{state=\"idle\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("moraine_metrics_failures_total 1\n"));
  counts.groups.clear();
  text = page.Text(counts, stats);
  EXPECT_THAT(text, HasSubstr("moraine_optimizer_threads{group=\"default\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("moraine_optimizer_utilization_ratio{group=\"default\"} 0\n"));
}

TEST(ProcessMetrics, SayWhatTheSystemKnows) {
  Metrics metrics;
  AddProcessMetrics(metrics);
  std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("\nprocess_resident_memory_bytes "));
  EXPECT_THAT(text, Not(HasSubstr("\nprocess_resident_memory_bytes 0\n")));
  EXPECT_THAT(text, Not(HasSubstr("\nprocess_open_fds 0\n")));
  EXPECT_THAT(text, Not(HasSubstr("\nprocess_cpu_seconds_total 0\n")));
}

}  // namespace
}  // namespace moraine::server
