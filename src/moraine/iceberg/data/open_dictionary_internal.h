#pragma once
// Dictionary-encoded string columns on their way into a row group. Parquet's writer takes indices
// without hashing a value, but only into the one dictionary that the row group began with; files
// that are read one after the other each bring their own. Internal to the Parquet writer.

#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "moraine/base/status.h"

namespace arrow {
class Array;
class MemoryPool;
}  // namespace arrow

namespace moraine::iceberg {

/// Of one column of the open row group. Used by one thread at a time.
class OpenDictionary {
 public:
  /// The same values as they are to be written next: indices into the row group's dictionary, or
  /// plain where they hold a value that it lacks. What is not a dictionary of strings passes.
  Result<std::shared_ptr<arrow::Array>> Adapt(const std::shared_ptr<arrow::Array>& values,
                                              arrow::MemoryPool* pool);
  /// The row group has ended.
  void Reset();

 private:
  using ArrayPtr = std::shared_ptr<arrow::Array>;

  Result<ArrayPtr> MakePlain(const ArrayPtr& values, arrow::MemoryPool* pool);
  void Begin(const ArrayPtr& dictionary);
  void MapFrom(const ArrayPtr& dictionary);

  bool has_begun_ = false;
  bool is_plain_ = false;  // for the rest of the row group
  int plain_batches_ = 0;
  ArrayPtr dictionary_;  // the row group's
  std::unordered_map<std::string_view, int32_t> index_;
  ArrayPtr mapped_;               // the dictionary that mapping_ is for
  std::vector<int32_t> mapping_;  // from its indices to the row group's, or -1
};

}  // namespace moraine::iceberg
