#include "moraine/upkeep/manifest_overlap.h"

#include <algorithm>

namespace moraine::upkeep {
namespace {

constexpr size_t kMostPoints = 512;

int Compare(const iceberg::Value& a, const iceberg::Value& b) {
  if (a.index() != b.index()) return a.index() < b.index() ? -1 : 1;
  const auto order = iceberg::CompareValues(a, b);
  return order < 0 ? -1 : order > 0 ? 1 : 0;
}

iceberg::Value BoundOf(const std::optional<std::string>& bytes, const iceberg::TypePtr& type) {
  if (!bytes || type->kind() == iceberg::TypeKind::kUnknown) return {};
  auto value = iceberg::ValueFromBytes(*type, *bytes);
  return value.ok() ? *std::move(value) : iceberg::Value();
}

}  // namespace

bool TupleLess(const iceberg::PartitionTuple& a, const iceberg::PartitionTuple& b) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (const int order = Compare(a[i], b[i]); order != 0) return order < 0;
  }
  return a.size() < b.size();
}

bool ManifestOverlap::Side::MayHold(const iceberg::Value& value) const {
  if (!is_known) return true;
  if (iceberg::IsNull(value)) return has_null;
  if (iceberg::IsNull(lower) || iceberg::IsNull(upper)) return false;
  return Compare(lower, value) <= 0 && Compare(value, upper) <= 0;
}

bool ManifestOverlap::MayHold(const Box& box, const iceberg::PartitionTuple& point) {
  for (size_t i = 0; i < box.size(); ++i) {
    if (!box[i].MayHold(point[i])) return false;
  }
  return true;
}

ManifestOverlap::ManifestOverlap(const std::vector<const iceberg::ManifestFile*>& manifests,
                                 const std::vector<iceberg::TypePtr>& types) {
  for (const auto* manifest : manifests) {
    Box box(types.size());
    const bool has_summaries = manifest->partitions && manifest->partitions->size() == types.size();
    for (size_t i = 0; has_summaries && i < types.size(); ++i) {
      const auto& summary = (*manifest->partitions)[i];
      box[i].is_known = types[i]->kind() != iceberg::TypeKind::kUnknown;
      box[i].has_null = summary.contains_null;
      box[i].lower = BoundOf(summary.lower_bound, types[i]);
      box[i].upper = BoundOf(summary.upper_bound, types[i]);
    }
    boxes_.push_back(std::move(box));
  }
  const size_t step = std::max<size_t>(1, boxes_.size() * 2 / kMostPoints);
  for (size_t i = 0; i < boxes_.size(); i += step) {
    iceberg::PartitionTuple low, high;
    for (const Side& side : boxes_[i]) {
      low.push_back(side.lower);
      high.push_back(side.upper);
    }
    const bool is_point = low == high;
    sample_.push_back(std::move(low));
    if (!is_point) sample_.push_back(std::move(high));
  }
  for (const auto& point : sample_) {
    depths_.push_back(std::count_if(boxes_.begin(), boxes_.end(),
                                    [&](const Box& box) { return MayHold(box, point); }));
    sum_ += depths_.back();
  }
  points_ = static_cast<double>(sample_.size());
}

std::vector<bool> ManifestOverlap::Crowded(double limit) const {
  std::vector<bool> crowded(boxes_.size());
  for (size_t i = 0; i < sample_.size(); ++i) {
    if (static_cast<double>(depths_[i]) <= limit) continue;
    for (size_t k = 0; k < boxes_.size(); ++k) {
      if (!crowded[k] && MayHold(boxes_[k], sample_[i])) crowded[k] = true;
    }
  }
  return crowded;
}

}  // namespace moraine::upkeep
