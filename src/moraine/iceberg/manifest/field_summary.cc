#include "moraine/iceberg/manifest/field_summary.h"

namespace moraine::iceberg {
namespace {

/// The value, a zero with this sign.
Value WithSignOfZero(const Value& value, double zero) {
  if (const auto* f = std::get_if<float>(&value); f != nullptr && *f == 0) {
    return static_cast<float>(zero);
  }
  if (const auto* d = std::get_if<double>(&value); d != nullptr && *d == 0) return zero;
  return value;
}

}  // namespace

void FieldSummaryBuilder::Add(const Value& value) {
  if (IsNull(value)) {
    contains_null_ = true;
  } else if (IsNaN(value)) {
    contains_nan_ = true;
  } else if (IsNull(lower_)) {
    lower_ = value;
    upper_ = value;
  } else if (CompareValues(value, lower_) < 0) {
    lower_ = value;
  } else if (CompareValues(value, upper_) > 0) {
    upper_ = value;
  }
}

FieldSummary FieldSummaryBuilder::Finish(const Type& type) const {
  FieldSummary summary{.contains_null = contains_null_, .contains_nan = contains_nan_};
  if (!IsNull(lower_)) {
    summary.lower_bound = ValueToBytes(type, WithSignOfZero(lower_, -0.0));
    summary.upper_bound = ValueToBytes(type, WithSignOfZero(upper_, 0.0));
  }
  return summary;
}

}  // namespace moraine::iceberg
