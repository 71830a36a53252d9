#pragma once
// Metrics: each declared once with name, help and label names, counted lock-free, printed in
// Prometheus' text form. Names: moraine_MODULE_NOUN_UNIT[_total]. Label values are bounded: beyond
// max_series all further ones are counted together under "other", so that no client can fill our
// memory or the scraper's. The only door to prometheus-cpp.
//
//   CounterFamily& commits = metrics.Counters({"moraine_catalog_commits_total", "Commits.",
//   {"outcome"}}); commits.With({"conflict"}).Add();

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace moraine {

struct MetricSpec {
  std::string name;
  std::string help;
  std::vector<std::string> labels = {};
  size_t max_series = 100;
};

/// One series of a metric: a cheap handle, valid as long as its Metrics. Thread-safe.
class Counter {
 public:
  explicit Counter(prometheus::Counter* inner) : inner_(inner) {}
  void Add(double amount = 1);  ///< never negative
  double value() const;

 private:
  prometheus::Counter* inner_;
};

class Gauge {
 public:
  explicit Gauge(prometheus::Gauge* inner) : inner_(inner) {}
  void Set(double value);
  void Add(double amount);
  double value() const;

 private:
  prometheus::Gauge* inner_;
};

class Histogram {
 public:
  explicit Histogram(prometheus::Histogram* inner) : inner_(inner) {}
  void Observe(double value);

 private:
  prometheus::Histogram* inner_;
};

/// A metric with its labels. With takes one value per label, in order; keep the handle where it is
/// hot.
template <typename Metric>
class MetricFamily {
 public:
  virtual ~MetricFamily() = default;
  virtual Metric With(std::initializer_list<std::string_view> values = {}) = 0;
};
using CounterFamily = MetricFamily<Counter>;
using GaugeFamily = MetricFamily<Gauge>;
using HistogramFamily = MetricFamily<Histogram>;

/// Bounds in seconds that fit requests and store calls: 0.5 ms to 30 s.
const std::vector<double>& LatencyBounds();

/// The registry of a process or a test. Thread-safe.
class Metrics {
 public:
  Metrics();
  ~Metrics();

  /// Each name once: declaring it again gives the same family if kind and labels agree, else it is
  /// a bug.
  CounterFamily& Counters(const MetricSpec& spec);
  GaugeFamily& Gauges(const MetricSpec& spec);
  HistogramFamily& Histograms(const MetricSpec& spec, const std::vector<double>& bounds);
  /// Runs before each printing: sets the gauges whose values are kept elsewhere.
  void OnCollect(std::function<void()> update);

  /// The text of /metrics.
  std::string Text();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace moraine
