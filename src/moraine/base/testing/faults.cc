#include "moraine/base/testing/faults.h"

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"

namespace moraine::testing {
namespace {

/// Whether the pieces of the pattern between "*" occur in this order.
bool Fits(std::string_view subject, std::string_view pattern) {
  size_t at = 0;
  while (!pattern.empty()) {
    size_t star = std::min(pattern.find('*'), pattern.size());
    size_t found = subject.find(pattern.substr(0, star), at);
    if (found == subject.npos) return false;
    at = found + star;
    pattern.remove_prefix(std::min(star + 1, pattern.size()));
  }
  return true;
}

struct Point {
  size_t call;
  FaultKind kind;
};

std::vector<Point> ChoosePoints(const std::vector<FaultInjector::Record>& calls,
                                const EveryFaultOptions& options) {
  std::vector<Point> points;
  for (size_t i = 0; i < calls.size(); ++i) {
    for (FaultKind kind : options.kinds) {
      bool plain = kind == FaultKind::kBefore || kind == FaultKind::kSlow;
      if (plain || calls[i].effect == Effect::kChanges) points.push_back({i, kind});
    }
  }
  if (calls.size() <= options.exhaustive_calls) return points;
  SeededRandom random(options.seed);
  for (size_t i = 0; i + 1 < points.size(); ++i) {
    std::swap(points[i], points[i + random.Below(points.size() - i)]);
  }
  points.resize(std::min(points.size(), options.samples));
  std::sort(points.begin(), points.end(),
            [](const Point& a, const Point& b) { return a.call < b.call; });
  return points;
}

}  // namespace

std::string_view FaultKindName(FaultKind kind) {
  constexpr std::string_view kNames[] = {"before", "after", "torn", "slow"};
  return kNames[static_cast<int>(kind)];
}

Status Fault::ToStatus() const {
  return Status(code, fmt::format("injected fault ({})", FaultKindName(kind)));
}

void FaultInjector::Arm(FaultRule rule) {
  std::lock_guard lock(mutex_);
  rules_.push_back({std::move(rule)});
}

void FaultInjector::ArmCall(size_t index, Fault fault) {
  std::lock_guard lock(mutex_);
  by_index_ = {index, fault};
}

void FaultInjector::Stop() {
  std::lock_guard lock(mutex_);
  stopped_ = true;
}

std::optional<Fault> FaultInjector::Next(std::string_view operation, std::string_view subject,
                                         Effect effect) {
  std::lock_guard lock(mutex_);
  if (stopped_) return std::nullopt;
  size_t index = calls_.size();
  calls_.push_back({std::string(operation), std::string(subject), effect});
  std::optional<Fault> hit;
  if (by_index_ && by_index_->first == index) hit = by_index_->second;
  for (Armed& armed : rules_) {
    if (armed.done || (!armed.rule.operation.empty() && armed.rule.operation != operation) ||
        !Fits(subject, armed.rule.pattern) || ++armed.seen != armed.rule.nth) {
      continue;
    }
    armed.done = true;
    hit = armed.rule.fault;
  }
  fired_ += hit.has_value();
  return hit;
}

std::vector<FaultInjector::Record> FaultInjector::calls() const {
  std::lock_guard lock(mutex_);
  return calls_;
}

size_t FaultInjector::count() const {
  std::lock_guard lock(mutex_);
  return calls_.size();
}

size_t FaultInjector::fired() const {
  std::lock_guard lock(mutex_);
  return fired_;
}

EveryFaultReport EveryFault(const std::function<void(FaultInjector&)>& scenario,
                            const EveryFaultOptions& options) {
  EveryFaultReport report;
  FaultInjector clean;
  {
    SCOPED_TRACE("without a fault");
    scenario(clean);
  }
  report.calls = clean.count();
  const std::vector<FaultInjector::Record> calls = clean.calls();
  for (const Point& point : ChoosePoints(calls, options)) {
    if (::testing::Test::HasFailure()) break;
    const FaultInjector::Record& record = calls[point.call];
    SCOPED_TRACE(fmt::format("fault {} at call {} of {}: {} {}", FaultKindName(point.kind),
                             point.call, calls.size(), record.operation, record.subject));
    FaultInjector faults;
    faults.ArmCall(point.call, {.kind = point.kind});
    scenario(faults);
    ++report.runs;
    report.fired += faults.fired();
  }
  return report;
}

}  // namespace moraine::testing
