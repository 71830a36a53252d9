#pragma once
// Arrow columns as Parquet leaves: definition and repetition levels and the values, for every leaf
// of a column (Dremel shredding). Internal to the Parquet writer.

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/types/type.h"

namespace arrow {
class Array;
class MemoryPool;
}  // namespace arrow

namespace moraine::iceberg {

/// One leaf of the Parquet schema, in its order.
struct LeafColumn {
  int32_t id = 0;            ///< of the primitive field; of the variant for its two leaves
  TypePtr type;              ///< binary for the leaves of a variant
  std::string name;          ///< full, for messages
  bool is_required = false;  ///< the leaf itself, not its parents
  bool is_repeated = false;  ///< inside a list or map: has no metrics but its size
  bool is_variant = false;
  int16_t max_definition = 0;
};

/// All leaves of the fields, those of unknown type left out.
std::vector<LeafColumn> ListLeaves(const std::vector<Field>& fields);

/// What one leaf of one batch holds. definition is nullptr when max_definition is 0, repetition
/// when the leaf is not repeated.
struct LeafValues {
  const int16_t* definition = nullptr;
  const int16_t* repetition = nullptr;
  int64_t num_levels = 0;
  std::shared_ptr<arrow::Array> values;
};

/// Calls emit for each leaf of the column in the order of ListLeaves. Errors: Corruption for a null
/// in a required column, and what emit returns.
Status ShredColumn(const Field& field, const std::shared_ptr<arrow::Array>& column,
                   arrow::MemoryPool* pool, const std::function<Status(const LeafValues&)>& emit);

/// What statistics of a footer do not tell, or not for every type.
struct LeafCounts {
  int64_t nulls = 0;  ///< of the leaf or of a struct above it
  int64_t nans = 0;   ///< of a float or double leaf
};
/// Adds those of a batch. Leaves in lists and maps have none.
void AddCounts(const LeafColumn& leaf, const LeafValues& values, LeafCounts* counts);

}  // namespace moraine::iceberg
