#include <utility>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/type.h>
#include <arrow/util/bitmap_ops.h>

#include "moraine/iceberg/data/open_dictionary_internal.h"
#include "moraine/iceberg/data/value_cast.h"
#include "moraine/io/arrow_status.h"

namespace moraine::iceberg {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;

// Columns with more distinct values gain nothing: hashing their dictionaries costs as much.
constexpr int64_t kMaxValues = 16 * 1024;

// Batches that may bring new values before the column is given up for the row group.
constexpr int kMaxPlainBatches = 8;

bool CanBegin(const arrow::Array& dictionary) {
  return arrow::is_binary_like(dictionary.type_id()) && dictionary.null_count() == 0 &&
         dictionary.length() <= kMaxValues;
}

std::string_view ValueAt(const arrow::Array& strings, int64_t i) {
  return static_cast<const arrow::BinaryArray&>(strings).GetView(i);
}

// The indices through the mapping; nullptr when a value has none.
Result<ArrayPtr> MapIndices(const arrow::Int32Array& indices, const std::vector<int32_t>& mapping,
                            arrow::MemoryPool* pool) {
  const int64_t length = indices.length();
  MORAINE_ASSIGN(std::shared_ptr<arrow::Buffer> mapped,
                 arrow::AllocateBuffer(length * static_cast<int64_t>(sizeof(int32_t)), pool));
  auto* out = reinterpret_cast<int32_t*>(mapped->mutable_data());
  const int32_t* in = indices.raw_values();
  std::shared_ptr<arrow::Buffer> valid;
  int32_t all = 0;  // negative once an index has no place
  if (indices.null_count() == 0) {
    for (int64_t i = 0; i < length; ++i) all |= out[i] = mapping[static_cast<size_t>(in[i])];
  } else {
    for (int64_t i = 0; i < length; ++i) {
      all |= out[i] = indices.IsNull(i) ? 0 : mapping[static_cast<size_t>(in[i])];
    }
    MORAINE_ASSIGN(valid, arrow::internal::CopyBitmap(pool, indices.null_bitmap_data(),
                                                      indices.offset(), length));
  }
  if (all < 0) return ArrayPtr();
  return ArrayPtr(std::make_shared<arrow::Int32Array>(length, std::move(mapped), std::move(valid),
                                                      indices.null_count()));
}

}  // namespace

void OpenDictionary::Reset() { *this = OpenDictionary(); }

Result<ArrayPtr> OpenDictionary::MakePlain(const ArrayPtr& values, arrow::MemoryPool* pool) {
  is_plain_ = is_plain_ || ++plain_batches_ > kMaxPlainBatches;
  const auto& type = static_cast<const arrow::DictionaryType&>(*values->type());
  return CastValues(values, type.value_type(), pool);
}

void OpenDictionary::Begin(const ArrayPtr& dictionary) {
  has_begun_ = true;
  if (!CanBegin(*dictionary)) {
    is_plain_ = true;
    return;
  }
  for (int64_t i = 0; i < dictionary->length(); ++i) {
    const bool is_new = index_.emplace(ValueAt(*dictionary, i), static_cast<int32_t>(i)).second;
    // Parquet's writer would give a value that comes twice one index.
    if (!is_new) is_plain_ = true;
  }
  dictionary_ = dictionary;
}

void OpenDictionary::MapFrom(const ArrayPtr& dictionary) {
  mapped_ = dictionary;
  mapping_.assign(static_cast<size_t>(dictionary->length()), -1);
  for (int64_t i = 0; i < dictionary->length(); ++i) {
    if (dictionary->IsNull(i)) continue;
    const auto found = index_.find(ValueAt(*dictionary, i));
    if (found != index_.end()) mapping_[static_cast<size_t>(i)] = found->second;
  }
}

Result<ArrayPtr> OpenDictionary::Adapt(const ArrayPtr& values, arrow::MemoryPool* pool) {
  if (values->type_id() != arrow::Type::DICTIONARY) {
    // The encoder now holds values of its own: no dictionary can be given to it any more.
    if (!has_begun_) is_plain_ = has_begun_ = true;
    return values;
  }
  const auto& encoded = static_cast<const arrow::DictionaryArray&>(*values);
  const ArrayPtr& dictionary = encoded.dictionary();
  if (!has_begun_) Begin(dictionary);
  const bool is_usable = !is_plain_ && encoded.indices()->type_id() == arrow::Type::INT32 &&
                         dictionary->type()->Equals(*dictionary_->type()) &&
                         dictionary->length() <= kMaxValues;
  if (!is_usable) return MakePlain(values, pool);
  if (dictionary->data() == dictionary_->data()) return values;
  if (mapped_ == nullptr || dictionary->data() != mapped_->data()) MapFrom(dictionary);
  const auto& indices = static_cast<const arrow::Int32Array&>(*encoded.indices());
  MORAINE_ASSIGN(ArrayPtr mapped, MapIndices(indices, mapping_, pool));
  if (mapped == nullptr) return MakePlain(values, pool);
  return ArrayPtr(
      std::make_shared<arrow::DictionaryArray>(values->type(), std::move(mapped), dictionary_));
}

}  // namespace moraine::iceberg
