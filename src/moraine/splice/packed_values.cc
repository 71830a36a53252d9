#include "moraine/splice/packed_values.h"

#include <algorithm>
#include <memory>
#include <vector>

#include <parquet/encoding.h>
#include <parquet/exception.h>
#include <parquet/schema.h>
#include <parquet/types.h>

namespace moraine::splice {
namespace {

constexpr size_t kStep = 1024;
constexpr size_t kMostBytes = size_t{256} << 20;

void Append(const ValueType& type, const parquet::FixedLenByteArray& value, std::string* out) {
  out->append(reinterpret_cast<const char*>(value.ptr), static_cast<size_t>(type.length));
}

void Append(const ValueType& /*type*/, const parquet::ByteArray& value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value.len), sizeof(value.len));
  out->append(reinterpret_cast<const char*>(value.ptr), value.len);
}

template <typename T>
void Append(const ValueType& /*type*/, const T& value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(T));
}

template <typename ParquetType>
Result<std::string> Unpack(const ValueType& type, parquet::Encoding::type encoding, size_t count,
                           std::string_view bytes) {
  const auto node = parquet::schema::PrimitiveNode::Make(
      "values", parquet::Repetition::REQUIRED, parquet::LogicalType::None(), ParquetType::type_num,
      type.length > 0 ? type.length : -1);
  const parquet::ColumnDescriptor column(node, 0, 0);
  const auto decoder = parquet::MakeTypedDecoder<ParquetType>(encoding, &column);
  decoder->SetData(static_cast<int>(count), reinterpret_cast<const uint8_t*>(bytes.data()),
                   static_cast<int>(bytes.size()));
  std::string plain;
  std::vector<typename ParquetType::c_type> values(std::min(count, kStep));
  size_t done = 0;
  while (done < count) {
    const int wanted = static_cast<int>(std::min(values.size(), count - done));
    const int got = decoder->Decode(values.data(), wanted);
    if (got <= 0) return Corruption("a page has too few values");
    for (int i = 0; i < got; ++i) Append(type, values[static_cast<size_t>(i)], &plain);
    if (plain.size() > kMostBytes) return Unsupported("a page whose values are too large");
    done += static_cast<size_t>(got);
  }
  return plain;
}

Result<std::string> UnpackUnguarded(const ValueType& type, Encoding encoding, size_t count,
                                    std::string_view bytes) {
  const auto as = static_cast<parquet::Encoding::type>(static_cast<int32_t>(encoding));
  switch (type.physical) {
    case Physical::kInt32:
      return Unpack<parquet::Int32Type>(type, as, count, bytes);
    case Physical::kInt64:
      return Unpack<parquet::Int64Type>(type, as, count, bytes);
    case Physical::kFloat:
      return Unpack<parquet::FloatType>(type, as, count, bytes);
    case Physical::kDouble:
      return Unpack<parquet::DoubleType>(type, as, count, bytes);
    case Physical::kByteArray:
      return Unpack<parquet::ByteArrayType>(type, as, count, bytes);
    case Physical::kFixed:
      return Unpack<parquet::FLBAType>(type, as, count, bytes);
    default:
      return Unsupported("values in an encoding that their type can't have");
  }
}

bool IsKnown(Encoding encoding) {
  return encoding == Encoding::kDeltaBinaryPacked || encoding == Encoding::kDeltaLengthByteArray ||
         encoding == Encoding::kDeltaByteArray || encoding == Encoding::kByteStreamSplit;
}

}  // namespace

Result<std::string> UnpackValues(const ValueType& type, Encoding encoding, size_t count,
                                 std::string_view bytes) {
  if (!IsKnown(encoding)) return Unsupported("values in an unknown encoding");
  if (count > INT32_MAX || bytes.size() > INT32_MAX) return Unsupported("a page over 2 GiB");
  try {
    return UnpackUnguarded(type, encoding, count, bytes);
  } catch (const parquet::ParquetException& error) {
    return Corruption(std::string("a page can't be decoded: ") + error.what());
  }
}

}  // namespace moraine::splice
