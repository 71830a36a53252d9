#include "moraine/base/metrics.h"

#include <map>
#include <mutex>
#include <type_traits>

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "moraine/base/check.h"

namespace moraine {
namespace {

struct FamilyBase {
  virtual ~FamilyBase() = default;
  std::vector<std::string> labels;
};

/// The series of one metric by their label values.
template <typename Handle, typename Inner>
class Family final : public FamilyBase, public MetricFamily<Handle> {
 public:
  Family(prometheus::Family<Inner>& inner, const MetricSpec& spec, std::vector<double> bounds)
      : inner_(inner), name_(spec.name), max_series_(spec.max_series), bounds_(std::move(bounds)) {
    labels = spec.labels;
    // A metric without labels shows its zero from the start.
    if (labels.empty()) (void)With({});
  }

  Handle With(std::initializer_list<std::string_view> values) override {
    MORAINE_CHECK(values.size() == labels.size(),
                  fmt::format("{} has {} labels, got {}", name_, labels.size(), values.size()));
    std::vector<std::string> key(values.begin(), values.end());
    std::lock_guard lock(mutex_);
    auto it = series_.find(key);
    if (it != series_.end()) return Handle(it->second);
    if (series_.size() >= max_series_) {
      key.assign(labels.size(), "other");
      it = series_.find(key);
      if (it != series_.end()) return Handle(it->second);
    }
    prometheus::Labels pairs;
    for (size_t i = 0; i < key.size(); ++i) pairs.emplace(labels[i], key[i]);
    Inner* made = &Make(pairs);
    series_.emplace(std::move(key), made);
    return Handle(made);
  }

 private:
  Inner& Make(const prometheus::Labels& pairs) {
    if constexpr (std::is_same_v<Inner, prometheus::Histogram>) {
      return inner_.Add(pairs, bounds_);
    } else {
      return inner_.Add(pairs);
    }
  }

  prometheus::Family<Inner>& inner_;
  const std::string name_;
  const size_t max_series_;
  const std::vector<double> bounds_;
  std::mutex mutex_;
  std::map<std::vector<std::string>, Inner*> series_;
};

}  // namespace

struct Metrics::State {
  prometheus::Registry registry;
  std::mutex mutex;
  std::map<std::string, std::unique_ptr<FamilyBase>> families;
  std::vector<std::function<void()>> updates;

  template <typename Handle, typename Inner, typename Builder>
  MetricFamily<Handle>& Declare(Builder builder, const MetricSpec& spec,
                                std::vector<double> bounds) {
    using Kind = Family<Handle, Inner>;
    std::lock_guard lock(mutex);
    std::unique_ptr<FamilyBase>& slot = families[spec.name];
    if (slot == nullptr) {
      auto& inner = builder.Name(spec.name).Help(spec.help).Register(registry);
      slot = std::make_unique<Kind>(inner, spec, std::move(bounds));
    }
    auto* family = dynamic_cast<Kind*>(slot.get());
    MORAINE_CHECK(family != nullptr && family->labels == spec.labels,
                  fmt::format("{} was declared before in another way", spec.name));
    return *family;
  }
};

void Counter::Add(double amount) { inner_->Increment(amount); }
double Counter::value() const { return inner_->Value(); }
void Gauge::Set(double value) { inner_->Set(value); }
void Gauge::Add(double amount) { inner_->Increment(amount); }
double Gauge::value() const { return inner_->Value(); }
void Histogram::Observe(double value) { inner_->Observe(value); }

const std::vector<double>& LatencyBounds() {
  static const std::vector<double> bounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                             0.1,    0.25,  0.5,    1,     2.5,  10,    30};
  return bounds;
}

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

CounterFamily& Metrics::Counters(const MetricSpec& spec) {
  return state_->Declare<Counter, prometheus::Counter>(prometheus::BuildCounter(), spec, {});
}

GaugeFamily& Metrics::Gauges(const MetricSpec& spec) {
  return state_->Declare<Gauge, prometheus::Gauge>(prometheus::BuildGauge(), spec, {});
}

HistogramFamily& Metrics::Histograms(const MetricSpec& spec, const std::vector<double>& bounds) {
  return state_->Declare<Histogram, prometheus::Histogram>(prometheus::BuildHistogram(), spec,
                                                           bounds);
}

void Metrics::OnCollect(std::function<void()> update) {
  std::lock_guard lock(state_->mutex);
  state_->updates.push_back(std::move(update));
}

std::string Metrics::Text() {
  std::vector<std::function<void()>> updates;
  {
    std::lock_guard lock(state_->mutex);
    updates = state_->updates;
  }
  for (const auto& update : updates) update();
  return prometheus::TextSerializer().Serialize(state_->registry.Collect());
}

}  // namespace moraine
