#pragma once
// One dictionary for a column of strings that comes from many files, as long as it has few values:
// rows then hold a small number each, wherever they go. Used by the sorter (row_packer.h).

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <arrow/type_fwd.h>

#include "moraine/base/status.h"

namespace moraine::rewrite {

/// Thread-safe.
class SharedDictionary {
 public:
  using ArrayPtr = std::shared_ptr<arrow::Array>;
  /// From the indices of a dictionary to those of the shared one.
  using Mapping = std::shared_ptr<const std::vector<int32_t>>;

  /// Of memory.
  explicit SharedDictionary(int64_t most_bytes) : most_bytes_(most_bytes) {}

  /// nullptr: there would be too many values. Then the dictionary has all it will ever have, and
  /// what was mapped stays good.
  Mapping MapFrom(const ArrayPtr& dictionary);
  /// All values so far; of this type.
  Result<ArrayPtr> Get(const std::shared_ptr<arrow::DataType>& type, arrow::MemoryPool* pool);

 private:
  struct Known {
    ArrayPtr dictionary;
    Mapping mapping;
  };
  Mapping Find(const ArrayPtr& dictionary) const;
  bool Add(std::string_view value, int32_t* index);

  const int64_t most_bytes_;
  std::mutex mutex_;
  bool is_full_ = false;
  int64_t bytes_ = 0;
  std::deque<std::string> values_;
  std::unordered_map<std::string_view, int32_t> index_;
  std::vector<Known> known_;  // the last ones
  size_t next_known_ = 0;
  ArrayPtr array_;
};

}  // namespace moraine::rewrite
