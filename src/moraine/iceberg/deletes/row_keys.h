#pragma once
// Key columns of a batch as one byte string a row: equal strings mean equal keys as equality
// deletes compare them (null equals null; floats by bits with one NaN). Column-wise, without a copy
// of the columns.

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/types/type.h"

namespace arrow {
class Array;
}

namespace moraine::iceberg {

class RowKeys {
 public:
  /// Primitive types only (else Unsupported): the types are fixed for all batches.
  static Result<RowKeys> Make(const std::vector<TypePtr>& types);

  /// Encodes rows first .. first + count - 1 of the columns, which have ToArrowType of the types
  /// and are not dictionary-encoded. The result lasts until the next call.
  void Encode(const std::vector<std::shared_ptr<arrow::Array>>& columns, int64_t first,
              int64_t count);
  std::string_view key(int64_t row) const {
    return {bytes_.data() + starts_[row], starts_[row + 1] - starts_[row]};
  }

 private:
  std::vector<int> widths_;  // bytes of a value; -1: variable
  std::vector<TypeKind> kinds_;
  int64_t fixed_bytes_ = 0;  // of a key, without its variable parts
  bool has_variable_ = false;
  std::vector<char> bytes_;
  std::vector<size_t> starts_;
  std::vector<size_t> ends_;  // while a key is being put together
};

}  // namespace moraine::iceberg
