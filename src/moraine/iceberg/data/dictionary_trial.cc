#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <arrow/array.h>
#include <arrow/type.h>
#include <arrow/util/compression.h>
#include <parquet/encoding.h>

#include "moraine/iceberg/data/dictionary_trial_internal.h"
#include "moraine/iceberg/data/foreign_errors_internal.h"

namespace moraine::iceberg {
namespace {

constexpr char kColumn[] = "a column";

Result<int64_t> CompressedSize(const uint8_t* bytes, int64_t size, arrow::util::Codec* codec) {
  if (codec == nullptr) return size;
  std::vector<uint8_t> out(static_cast<size_t>(codec->MaxCompressedLen(size, bytes)));
  MORAINE_FILE_ASSIGN(kColumn, const int64_t compressed,
                      codec->Compress(size, bytes, static_cast<int64_t>(out.size()), out.data()));
  return compressed;
}

template <typename ParquetType, typename Value>
Result<bool> Try(const arrow::Array& values, arrow::util::Codec* codec, arrow::MemoryPool* pool) {
  const auto* data = values.data()->GetValues<Value>(1);
  std::vector<Value> plain;
  plain.reserve(static_cast<size_t>(values.length()));
  for (int64_t i = 0; i < values.length(); ++i) {
    if (values.IsValid(i)) plain.push_back(data[i]);
  }
  if (plain.size() < static_cast<size_t>(kTrialRows)) return false;
  const auto size = static_cast<int64_t>(plain.size() * sizeof(Value));
  MORAINE_ASSIGN(const int64_t without,
                 CompressedSize(reinterpret_cast<const uint8_t*>(plain.data()), size, codec));

  const auto base = parquet::MakeEncoder(ParquetType::type_num, parquet::Encoding::PLAIN,
                                         /*use_dictionary=*/true, /*descr=*/nullptr, pool);
  auto* encoder = dynamic_cast<parquet::DictEncoder<ParquetType>*>(base.get());
  encoder->Put(plain.data(), static_cast<int>(plain.size()));
  std::vector<uint8_t> dictionary(static_cast<size_t>(encoder->dict_encoded_size()));
  encoder->WriteDict(dictionary.data());
  MORAINE_ASSIGN(int64_t with,
                 CompressedSize(dictionary.data(), static_cast<int64_t>(dictionary.size()), codec));
  const auto indices = encoder->FlushValues();
  MORAINE_ASSIGN(const int64_t numbers, CompressedSize(indices->data(), indices->size(), codec));
  with += numbers;
  return without < with;
}

}  // namespace

Result<bool> IsSmallerPlain(const arrow::Array& values, arrow::util::Codec* codec,
                            arrow::MemoryPool* pool) {
  switch (values.type_id()) {
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
    case arrow::Type::FLOAT:
      return Try<parquet::Int32Type, int32_t>(values, codec, pool);
    case arrow::Type::INT64:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DOUBLE:
      return Try<parquet::Int64Type, int64_t>(values, codec, pool);
    default:
      return false;
  }
}

}  // namespace moraine::iceberg
