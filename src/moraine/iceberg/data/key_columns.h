#pragma once
// Where the key columns of equality deletes are in a schema, and their values in batches of it.
// Keys may be fields of structs (null when the struct is); never inside lists or maps.

#include <cstdint>
#include <memory>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/types/type.h"

namespace arrow {
class Array;
class MemoryPool;
class RecordBatch;
}  // namespace arrow

namespace moraine::iceberg {

class KeyColumns {
 public:
  /// Errors: InvalidArgument for an id that the fields lack or that lies in a list or map.
  static Result<KeyColumns> Make(const std::vector<Field>& fields, const std::vector<int32_t>& ids);

  std::vector<TypePtr> types() const;
  /// One array for each id, of ToArrowType(type), dictionaries decoded.
  Result<std::vector<std::shared_ptr<arrow::Array>>> Extract(const arrow::RecordBatch& batch,
                                                             arrow::MemoryPool* pool) const;
  /// The same; strings that are dictionaries in the batch stay such.
  Result<std::vector<std::shared_ptr<arrow::Array>>> ExtractEncoded(const arrow::RecordBatch& batch,
                                                                    arrow::MemoryPool* pool) const;
  /// Places in the batch of the columns that hold them.
  std::vector<int> sources() const;

 private:
  struct Key {
    TypePtr type;
    std::vector<int> path;  // child indices from the top
  };
  std::vector<Key> keys_;
};

/// The fields cut down to these ids and the structs above them, in their order.
std::vector<Field> SelectFields(const std::vector<Field>& fields, const std::vector<int32_t>& ids);

}  // namespace moraine::iceberg
