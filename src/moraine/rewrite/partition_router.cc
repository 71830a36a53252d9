#include "moraine/rewrite/partition_router.h"

#include <memory>
#include <utility>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "moraine/iceberg/data/column_values.h"

namespace moraine::rewrite {

using iceberg::PartitionTuple;
using Kind = iceberg::Transform::Kind;

Result<std::unique_ptr<PartitionRouter>> PartitionRouter::Make(
    const std::vector<iceberg::Field>& fields, iceberg::PartitionSpecPtr spec) {
  std::vector<int32_t> ids;
  for (const iceberg::PartitionField& field : spec->fields) {
    if (field.transform.kind() == Kind::kUnknown || field.source_ids.size() != 1) {
      return InvalidArgument(fmt::format("partition field {} has a transform that is not known: {}",
                                         field.name, field.transform.ToString()));
    }
    if (field.transform.kind() != Kind::kVoid) ids.push_back(field.source_id());
  }
  MORAINE_ASSIGN(auto columns, iceberg::KeyColumns::Make(fields, ids));
  return std::unique_ptr<PartitionRouter>(new PartitionRouter(std::move(spec), std::move(columns)));
}

Result<uint32_t> PartitionRouter::NumberOf(const PartitionTuple& tuple) {
  const auto found = numbers_.find(tuple);
  if (found != numbers_.end()) return found->second;
  if (tuples_.size() >= kMaxPartitionsOfTask) {
    return Exhausted(fmt::format("the rows of one task belong to more than {} partitions",
                                 kMaxPartitionsOfTask));
  }
  const auto number = static_cast<uint32_t>(tuples_.size());
  tuples_.push_back(tuple);
  numbers_.emplace(tuple, number);
  return number;
}

Result<std::vector<uint32_t>> PartitionRouter::Route(const arrow::RecordBatch& batch,
                                                     arrow::MemoryPool* pool) {
  MORAINE_ASSIGN(const auto columns, columns_.Extract(batch, pool));
  const auto rows = static_cast<size_t>(batch.num_rows());
  std::vector<uint32_t> numbers(rows);
  PartitionTuple tuple(spec_->fields.size());
  PartitionTuple last;
  const std::lock_guard lock(mutex_);
  for (size_t row = 0; row < rows; ++row) {
    size_t column = 0;
    for (size_t i = 0; i < tuple.size(); ++i) {
      const iceberg::Transform& transform = spec_->fields[i].transform;
      if (transform.kind() == Kind::kVoid) continue;
      const iceberg::Type& type = *types_[column];
      tuple[i] = transform.Apply(
          type, iceberg::ValueAt(*columns[column], type, static_cast<int64_t>(row)));
      ++column;
    }
    if (row > 0 && iceberg::SameTuple(tuple, last)) {
      numbers[row] = numbers[row - 1];
      continue;
    }
    MORAINE_ASSIGN(numbers[row], NumberOf(tuple));
    last = tuple;
  }
  return numbers;
}

PartitionTuple PartitionRouter::partition(uint32_t number) const {
  const std::lock_guard lock(mutex_);
  return tuples_[number];
}

}  // namespace moraine::rewrite
