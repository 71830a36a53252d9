#include "moraine/rewrite/shared_dictionary.h"

#include <utility>

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/builder.h>
#include <arrow/type.h>

#include "moraine/io/arrow_status.h"
#include "moraine/rewrite/gather_rows.h"

namespace moraine::rewrite {
namespace {

// Batches of one row group have one dictionary; a few row groups are read at a time.
constexpr size_t kKnown = 8;
// What a value costs beside its bytes.
constexpr int64_t kBytesBeside = 128;

}  // namespace

SharedDictionary::Mapping SharedDictionary::Find(const ArrayPtr& dictionary) const {
  for (const Known& known : known_) {
    if (known.dictionary->data() == dictionary->data()) return known.mapping;
  }
  return nullptr;
}

bool SharedDictionary::Add(std::string_view value, int32_t* index) {
  const auto found = index_.find(value);
  if (found != index_.end()) {
    *index = found->second;
    return true;
  }
  const int64_t size = static_cast<int64_t>(value.size()) + kBytesBeside;
  const auto count = static_cast<int64_t>(values_.size());
  if (count >= kMaxDictionaryValues || size > most_bytes_ - bytes_) return false;
  bytes_ += size;
  *index = static_cast<int32_t>(count);
  values_.emplace_back(value);
  index_.emplace(values_.back(), *index);
  return true;
}

SharedDictionary::Mapping SharedDictionary::MapFrom(const ArrayPtr& dictionary) {
  const std::lock_guard lock(mutex_);
  if (Mapping known = Find(dictionary)) return known;
  if (is_full_ || dictionary->null_count() > 0 || dictionary->length() > kMaxDictionaryValues) {
    is_full_ = true;
    return nullptr;
  }
  const auto& strings = static_cast<const arrow::BinaryArray&>(*dictionary);
  auto mapping = std::make_shared<std::vector<int32_t>>(static_cast<size_t>(strings.length()));
  for (int64_t i = 0; i < strings.length(); ++i) {
    if (Add(strings.GetView(i), &(*mapping)[static_cast<size_t>(i)])) continue;
    is_full_ = true;
    return nullptr;
  }
  if (known_.size() < kKnown) known_.emplace_back();
  known_[next_known_++ % kKnown] = {dictionary, mapping};
  return mapping;
}

Result<SharedDictionary::ArrayPtr> SharedDictionary::Get(
    const std::shared_ptr<arrow::DataType>& type, arrow::MemoryPool* pool) {
  const std::lock_guard lock(mutex_);
  if (array_ != nullptr && array_->length() == static_cast<int64_t>(values_.size())) return array_;
  arrow::BinaryBuilder builder(pool);
  MORAINE_TRY(builder.Reserve(static_cast<int64_t>(values_.size())));
  for (const std::string& value : values_) MORAINE_TRY(builder.Append(value));
  std::shared_ptr<arrow::Array> built;
  MORAINE_TRY(builder.Finish(&built));
  array_ =
      arrow::MakeArray(arrow::ArrayData::Make(type, built->length(), built->data()->buffers, 0));
  return array_;
}

}  // namespace moraine::rewrite
