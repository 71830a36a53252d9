#pragma once
// Rows in few bytes while they are sorted: whole numbers as narrow as their values, strings of
// dictionaries as numbers of one dictionary for all files. Rows go through Pack once, in whatever
// batches they come; what is gathered from packed batches is packed, too. Used by the sorter.

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include <arrow/type_fwd.h>

#include "moraine/base/status.h"
#include "moraine/rewrite/shared_dictionary.h"

namespace moraine::rewrite {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

struct RowPackerOptions {
  std::vector<int> kept;               ///< columns whose numbers stay as they are
  int64_t dictionary_bytes = 1 << 20;  ///< of dictionaries, at most
  arrow::MemoryPool* pool = nullptr;
};

/// Thread-safe.
class RowPacker {
 public:
  explicit RowPacker(RowPackerOptions options) : options_(std::move(options)) {}

  /// All batches have the same columns; those of strings may be dictionaries or not. Errors:
  /// Exhausted (the pool).
  Result<BatchPtr> Pack(const BatchPtr& rows);
  /// Types that all columns of such batches can have without losing anything.
  Result<std::vector<std::shared_ptr<arrow::DataType>>> CommonTypes(
      const std::vector<std::shared_ptr<arrow::Schema>>& schemas) const;
  /// Packed rows with these types. Where a column has the type of strings, some stay dictionaries.
  Result<BatchPtr> Align(const BatchPtr& rows,
                         const std::vector<std::shared_ptr<arrow::DataType>>& types) const;
  /// The rows as they were, except that strings may be dictionaries or not. The columns may be the
  /// first ones of those that were packed.
  Result<BatchPtr> Unpack(const BatchPtr& rows) const;
  Result<BatchPtr> UnpackSome(const BatchPtr& rows, const std::vector<int>& columns) const;
  Result<std::shared_ptr<arrow::Array>> UnpackColumn(const std::shared_ptr<arrow::Array>& values,
                                                     int column) const;

 private:
  using ArrayPtr = std::shared_ptr<arrow::Array>;
  using TypePtr = std::shared_ptr<arrow::DataType>;
  enum class Kind : uint8_t { kAsItIs, kNumbers, kStrings };
  struct Column {
    Kind kind = Kind::kAsItIs;
    TypePtr type;  // of the values
    int64_t base = 0;
    std::unique_ptr<SharedDictionary> dictionary;
  };

  void Begin(const arrow::RecordBatch& first);
  Result<ArrayPtr> PackStrings(const Column& column, const ArrayPtr& values) const;
  Result<ArrayPtr> AlignColumn(const Column& column, const ArrayPtr& values,
                               const TypePtr& type) const;
  Result<ArrayPtr> AsDictionary(const Column& column, const ArrayPtr& indices) const;

  const RowPackerOptions options_;
  std::once_flag once_;
  std::vector<Column> columns_;
};

}  // namespace moraine::rewrite
