#pragma once
// To which partition of a spec each row belongs. Used when files of an older spec are rewritten to
// the current one.

#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/data/key_columns.h"
#include "moraine/iceberg/types/partition_spec.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/iceberg/types/value.h"

namespace arrow {
class MemoryPool;
class RecordBatch;
}  // namespace arrow

namespace moraine::rewrite {

/// Partitions that one task may write to.
inline constexpr size_t kMaxPartitionsOfTask = 100'000;

class PartitionRouter {
 public:
  /// fields: of the batches. Errors: InvalidArgument for a column that is gone, a transform that is
  /// not known.
  static Result<std::unique_ptr<PartitionRouter>> Make(const std::vector<iceberg::Field>& fields,
                                                       iceberg::PartitionSpecPtr spec);

  /// A number for each row, from 0 in the order in which partitions are met. Thread-safe. Errors:
  /// Exhausted for too many partitions.
  Result<std::vector<uint32_t>> Route(const arrow::RecordBatch& batch, arrow::MemoryPool* pool);
  /// Of that number. Thread-safe.
  iceberg::PartitionTuple partition(uint32_t number) const;

 private:
  struct Hash {
    size_t operator()(const iceberg::PartitionTuple& tuple) const {
      return iceberg::HashTuple(tuple);
    }
  };
  struct Same {
    bool operator()(const iceberg::PartitionTuple& a, const iceberg::PartitionTuple& b) const {
      return iceberg::SameTuple(a, b);
    }
  };
  PartitionRouter(iceberg::PartitionSpecPtr spec, iceberg::KeyColumns columns)
      : spec_(std::move(spec)), columns_(std::move(columns)), types_(columns_.types()) {}
  Result<uint32_t> NumberOf(const iceberg::PartitionTuple& tuple);

  const iceberg::PartitionSpecPtr spec_;
  const iceberg::KeyColumns columns_;  // sources of the fields that are not void
  const std::vector<iceberg::TypePtr> types_;
  mutable std::mutex mutex_;
  std::unordered_map<iceberg::PartitionTuple, uint32_t, Hash, Same> numbers_;
  std::vector<iceberg::PartitionTuple> tuples_;
};

}  // namespace moraine::rewrite
