#pragma once
// The summary of one partition field over all entries of a manifest (table spec, "field_summary"):
// nulls, NaNs and exact bounds. NaN is never a bound; a zero is written as -0.0 below and +0.0
// above, so that readers of either opinion on signed zeros find both. Called by ManifestWriter.

#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/iceberg/types/value.h"

namespace moraine::iceberg {

class FieldSummaryBuilder {
 public:
  /// value must be null or have the physical form of the values before.
  void Add(const Value& value);
  /// type is that of the values (used for the binary form of the bounds).
  FieldSummary Finish(const Type& type) const;

 private:
  bool contains_null_ = false;
  bool contains_nan_ = false;
  Value lower_;
  Value upper_;
};

}  // namespace moraine::iceberg
