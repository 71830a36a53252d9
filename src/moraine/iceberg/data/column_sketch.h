#pragma once
// Distinct values of a column of Arrow arrays, as Spark and Trino count them: each value by the
// bytes of its single-value form. Nulls do not count, nor do empty strings (their libraries pass
// over no bytes). Of a dictionary each value that occurs is hashed once. Used by upkeep.

#include <cstdint>
#include <memory>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/sketches/theta_sketch.h"
#include "moraine/iceberg/types/type.h"

namespace arrow {
class Array;
class DictionaryArray;
}  // namespace arrow

namespace moraine::iceberg {

/// Whether values of the type can be counted: primitive ones, but for geometry and geography.
bool HasSketch(const Type& type);

/// Used by one thread.
class ColumnSketch {
 public:
  /// Of a type that HasSketch.
  explicit ColumnSketch(TypePtr type) : type_(std::move(type)) {}

  /// values: of ToArrowType(type), or a dictionary of it. Errors: Internal for others.
  Status Add(const arrow::Array& values);
  void Merge(const CompactSketch& other) { sketch_.Merge(other); }
  CompactSketch Compact() const { return sketch_.Compact(); }

 private:
  Status AddDictionary(const arrow::DictionaryArray& values);
  Status AddPlain(const arrow::Array& values);

  TypePtr type_;
  ThetaSketch sketch_;
  std::shared_ptr<arrow::Array> dictionary_;  // the last one
  std::vector<bool> seen_;                    // of its values
};

}  // namespace moraine::iceberg
