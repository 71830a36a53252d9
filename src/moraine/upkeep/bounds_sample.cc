#include "moraine/upkeep/bounds_sample.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <variant>

namespace moraine::upkeep {
namespace {

using iceberg::CompareValues;
using iceberg::Value;

constexpr size_t kMostPoints = 400;

bool Less(const Value& a, const Value& b) { return CompareValues(a, b) < 0; }

struct Counts {
  int64_t same = 0, same_pairs = 0;    // files of the point's manifest
  int64_t other = 0, other_pairs = 0;  // of other manifests
};

/// Values as numbers in their order, so that there is a middle between two of them. Texts by what
/// follows the beginning that all have in common.
class Scale {
 public:
  Scale(const Value& least, const Value& greatest) {
    const auto* low = std::get_if<std::string>(&least);
    const auto* high = std::get_if<std::string>(&greatest);
    if (low == nullptr || high == nullptr) return;
    while (prefix_ < low->size() && prefix_ < high->size() && (*low)[prefix_] == (*high)[prefix_])
      ++prefix_;
  }
  double operator()(const Value& value) const {
    constexpr double kBeyond = std::numeric_limits<double>::max() / 4;
    const double number =
        std::visit([this](const auto& form) { return this->NumberOf(form); }, value);
    return std::isnan(number) ? kBeyond : std::clamp(number, -kBeyond, kBeyond);
  }

 private:
  static double NumberOf(std::monostate) { return 0; }
  template <typename T>
  static double NumberOf(const T& number) {
    return static_cast<double>(number);
  }
  double NumberOf(const std::string& text) const {
    constexpr size_t kBytes = 6;
    constexpr double kBase = 256;
    double number = 0;
    for (size_t i = prefix_; i < prefix_ + kBytes; ++i) {
      const double byte = i < text.size() ? static_cast<unsigned char>(text[i]) + 1 : 0;
      number = number * (kBase + 1) + byte;
    }
    return number;
  }

  size_t prefix_ = 0;
};

struct Range {
  size_t file = 0;  // in the sample
  double low = 0, high = 0;
};

class Estimate {
 public:
  explicit Estimate(const std::vector<SampledBounds>& sample) : sample_(sample) {
    for (const auto& bounds : sample) {
      if (bounds.state != SampledBounds::State::kBounds) continue;
      if (least_ == nullptr || Less(bounds.lower, *least_)) least_ = &bounds.lower;
      if (greatest_ == nullptr || Less(*greatest_, bounds.upper)) greatest_ = &bounds.upper;
    }
    if (least_ == nullptr) return;
    const Scale scale(*least_, *greatest_);
    for (size_t i = 0; i < sample.size(); ++i) {
      if (sample[i].state == SampledBounds::State::kBounds)
        ranges_.push_back({i, scale(sample[i].lower), scale(sample[i].upper)});
    }
  }

  bool empty() const { return ranges_.empty(); }
  const Value& least() const { return *least_; }
  const Value& greatest() const { return *greatest_; }

  Counts Count() const {
    Counts counts;
    const size_t step = std::max<size_t>(1, ranges_.size() / kMostPoints);
    for (size_t i = 0; i < ranges_.size(); i += step) CountPoint(ranges_[i], &counts);
    return counts;
  }

  int64_t Distinct() const {
    std::vector<const Value*> lowers;
    for (const auto& range : ranges_) lowers.push_back(&sample_[range.file].lower);
    std::sort(lowers.begin(), lowers.end(),
              [](const Value* a, const Value* b) { return Less(*a, *b); });
    auto end = std::unique(lowers.begin(), lowers.end(), [](const Value* a, const Value* b) {
      return CompareValues(*a, *b) == 0;
    });
    return end - lowers.begin();
  }

 private:
  /// The value in the middle of a file: which others may hold it?
  void CountPoint(const Range& range, Counts* counts) const {
    const double point = range.low + (range.high - range.low) / 2;
    const uint32_t manifest = sample_[range.file].manifest;
    size_t next = 0;  // of ranges_, which are in the order of the sample
    for (size_t i = 0; i < sample_.size(); ++i) {
      const SampledBounds& other = sample_[i];
      bool holds = other.state == SampledBounds::State::kUnknown;
      if (other.state == SampledBounds::State::kBounds) {
        holds = ranges_[next].low <= point && point <= ranges_[next].high;
        ++next;
      }
      if (i == range.file) continue;
      const bool is_same = other.manifest == manifest;
      ++(is_same ? counts->same_pairs : counts->other_pairs);
      if (holds) ++(is_same ? counts->same : counts->other);
    }
  }

  const std::vector<SampledBounds>& sample_;
  const Value* least_ = nullptr;
  const Value* greatest_ = nullptr;
  std::vector<Range> ranges_;
};

double Ratio(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

Overlap EstimateOverlap(const std::vector<SampledBounds>& sample, int64_t manifests_read,
                        int64_t manifests) {
  Overlap overlap;
  const Estimate estimate(sample);
  if (estimate.empty()) {
    overlap.fraction = sample.empty() ? 0 : 1;
    return overlap;
  }
  overlap.least = estimate.least();
  overlap.greatest = estimate.greatest();
  overlap.distinct = estimate.Distinct();
  const Counts counts = estimate.Count();
  if (manifests_read >= manifests || counts.other_pairs == 0) {
    overlap.fraction = Ratio(counts.same + counts.other, counts.same_pairs + counts.other_pairs);
  } else {
    const double same_share = 1 / static_cast<double>(manifests);
    overlap.fraction = same_share * Ratio(counts.same, counts.same_pairs) +
                       (1 - same_share) * Ratio(counts.other, counts.other_pairs);
  }
  return overlap;
}

}  // namespace moraine::upkeep
