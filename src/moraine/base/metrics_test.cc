#include "moraine/base/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace moraine {
namespace {

using ::testing::HasSubstr;

TEST(Metrics, PrintsWhatWasCounted) {
  Metrics metrics;
  metrics.Counters({"moraine_x_commits_total", "Commits.", {"outcome"}}).With({"ok"}).Add(3);
  metrics.Counters({"moraine_x_commits_total", "Commits.", {"outcome"}}).With({"a\"b\n"}).Add();
  GaugeFamily& depth = metrics.Gauges({"moraine_x_queue_depth", "Waiting."});
  metrics.OnCollect([&] { depth.With().Set(7); });
  metrics.Histograms({"moraine_x_seconds", "Time."}, {0.1, 1}).With().Observe(0.5);
  std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("# HELP moraine_x_commits_total Commits.\n"
                              "# TYPE moraine_x_commits_total counter\n"));
  EXPECT_THAT(text, HasSubstr("moraine_x_commits_total{outcome=\"ok\"} 3"));
  EXPECT_THAT(text, HasSubstr("moraine_x_commits_total{outcome=\"a\\\"b\\n\"} 1"));
  EXPECT_THAT(text, HasSubstr("moraine_x_queue_depth 7"));
  EXPECT_THAT(text, HasSubstr("moraine_x_seconds_bucket{le=\"1\"} 1"));
  EXPECT_THAT(text, HasSubstr("moraine_x_seconds_bucket{le=\"0.1\"} 0"));
}

TEST(Metrics, ShowsZerosOfMetricsWithoutLabels) {
  Metrics metrics;
  metrics.Counters({"moraine_x_total", "X."});
  EXPECT_THAT(metrics.Text(), HasSubstr("moraine_x_total 0"));
}

TEST(Metrics, BoundsItsSeries) {
  Metrics metrics;
  CounterFamily& family =
      metrics.Counters({.name = "moraine_x_total", .help = "X.", .labels = {"t"}, .max_series = 3});
  for (int i = 0; i < 1000; ++i) family.With({std::to_string(i)}).Add();
  family.With({"1"}).Add();
  EXPECT_EQ(family.With({"1"}).value(), 2);
  EXPECT_EQ(family.With({"other"}).value(), 997);
}

TEST(MetricsDeathTest, RefusesTwoMeaningsOfAName) {
  Metrics metrics;
  metrics.Counters({"moraine_x_total", "X.", {"a"}});
  EXPECT_DEATH(metrics.Counters({"moraine_x_total", "X.", {"b"}}), "declared before");
  EXPECT_DEATH(metrics.Gauges({"moraine_x_total", "X.", {"a"}}), "declared before");
}

}  // namespace
}  // namespace moraine
