#include "moraine/rewrite/sort_keys.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include <arrow/array.h>
#include <arrow/array/array_dict.h>
#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include "moraine/iceberg/data/column_values.h"
#include "moraine/iceberg/data/value_cast.h"
#include "moraine/io/arrow_status.h"

namespace moraine::rewrite {
namespace {

using iceberg::Int128;
using iceberg::SortField;
using iceberg::Transform;
using iceberg::Type;
using iceberg::TypeKind;
using iceberg::Value;
__extension__ typedef unsigned __int128 Unsigned128;

/// How a part stands in the order.
struct PartOrder {
  bool has_null_byte = true;
  bool descending = false;
  bool nulls_first = true;
  NaNs nans = NaNs::kByBits;

  uint8_t null_byte() const { return nulls_first ? 0 : 1; }
  uint8_t value_byte() const { return nulls_first ? 1 : 0; }
  int CompareNulls(bool a_is_null, bool b_is_null) const {
    if (a_is_null == b_is_null) return 0;
    return a_is_null == nulls_first ? -1 : 1;
  }
  int Directed(int order) const { return descending ? -order : order; }
};

// Unsigned numbers that compare as the values do.
uint32_t Ordered(int32_t value) { return static_cast<uint32_t>(value) ^ 0x80000000U; }
uint64_t Ordered(int64_t value) { return static_cast<uint64_t>(value) ^ (uint64_t{1} << 63); }
Unsigned128 Ordered(Int128 value) {
  return static_cast<Unsigned128>(value) ^ (Unsigned128{1} << 127);
}
uint32_t Ordered(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return bits >> 31 != 0 ? ~bits : bits | 0x80000000U;
}
uint64_t Ordered(double value) {
  const auto bits = std::bit_cast<uint64_t>(value);
  return bits >> 63 != 0 ? ~bits : bits | uint64_t{1} << 63;
}

uint8_t BigEndian(uint8_t value) { return value; }
uint32_t BigEndian(uint32_t value) { return __builtin_bswap32(value); }
uint64_t BigEndian(uint64_t value) { return __builtin_bswap64(value); }
Unsigned128 BigEndian(Unsigned128 value) {
  return Unsigned128{__builtin_bswap64(static_cast<uint64_t>(value))} << 64 |
         __builtin_bswap64(static_cast<uint64_t>(value >> 64));
}

/// Values that Get(array, row) gives as an unsigned number of their order. nullopt-like:
/// NullOf(row) says which are null (a transform may make nulls of values).
template <typename Number, typename Get>
class NumberPart final : public KeyPart {
 public:
  NumberPart(PartOrder order, Get get) : order_(order), get_(std::move(get)) {}

  int width() const override {
    return static_cast<int>(sizeof(Number)) + (order_.has_null_byte ? 1 : 0);
  }
  void Fill(const arrow::Array& values, uint8_t* out, size_t stride) const override {
    const int64_t rows = values.length();
    const bool has_nulls = values.null_count() > 0;
    for (int64_t row = 0; row < rows; ++row, out += stride) {
      Put(values, row, has_nulls && values.IsNull(row), out);
    }
  }
  bool Append(const arrow::Array& values, int64_t row, std::string* out) const override {
    const size_t at = out->size();
    out->resize(at + static_cast<size_t>(width()));
    Put(values, row, values.IsNull(row), reinterpret_cast<uint8_t*>(out->data()) + at);
    return true;
  }
  int Compare(const arrow::Array& a, int64_t i, const arrow::Array& b, int64_t j) const override {
    if (a.IsNull(i) || b.IsNull(j)) return order_.CompareNulls(a.IsNull(i), b.IsNull(j));
    const Number x = get_(a, i);
    const Number y = get_(b, j);
    return x == y ? 0 : order_.Directed(x < y ? -1 : 1);
  }

 private:
  void Put(const arrow::Array& values, int64_t row, bool is_null, uint8_t* out) const {
    if (order_.has_null_byte) *out++ = is_null ? order_.null_byte() : order_.value_byte();
    Number number = 0;
    if (!is_null) number = get_(values, row);
    if (!is_null && order_.descending) number = static_cast<Number>(~number);
    number = BigEndian(number);
    std::memcpy(out, &number, sizeof(number));
  }

  const PartOrder order_;
  const Get get_;
};

template <typename Number, typename Get>
std::unique_ptr<KeyPart> MakeNumbers(PartOrder order, Get get) {
  return std::make_unique<NumberPart<Number, Get>>(order, std::move(get));
}

/// Plain columns of numbers.
template <typename Number, typename ArrayType>
std::unique_ptr<KeyPart> MakePlain(PartOrder order) {
  return MakeNumbers<Number>(order, [](const arrow::Array& values, int64_t row) {
    return Ordered(static_cast<const ArrayType&>(values).Value(row));
  });
}

template <typename Number, typename ArrayType>
std::unique_ptr<KeyPart> MakeFloats(PartOrder order) {
  using Float = typename ArrayType::value_type;
  if (order.nans == NaNs::kByBits) return MakePlain<Number, ArrayType>(order);
  return MakeNumbers<Number>(order, [](const arrow::Array& values, int64_t row) {
    const Float value = static_cast<const ArrayType&>(values).Value(row);
    return Ordered(std::isnan(value) ? std::numeric_limits<Float>::quiet_NaN() : value);
  });
}

Int128 DecimalAt(const arrow::Array& values, int64_t row) {
  Int128 value;
  std::memcpy(&value, static_cast<const arrow::Decimal128Array&>(values).GetValue(row),
              sizeof(value));
  return value;
}

/// Decimals of few digits take fewer bytes.
template <typename Signed, typename Number, typename Get>
std::unique_ptr<KeyPart> MakeNarrow(PartOrder order, Get get) {
  return MakeNumbers<Number>(order, [get](const arrow::Array& values, int64_t row) {
    return Ordered(static_cast<Signed>(get(values, row)));
  });
}
template <typename Get>
std::unique_ptr<KeyPart> MakeDecimals(PartOrder order, int precision, Get get) {
  // Truncation may go one step of its width below what the digits hold.
  if (precision < 9) return MakeNarrow<int32_t, uint32_t>(order, get);
  if (precision < 18) return MakeNarrow<int64_t, uint64_t>(order, get);
  return MakeNarrow<Int128, Unsigned128>(order, get);
}

std::string_view BytesAt(const arrow::Array& values, int64_t row) {
  if (values.type_id() == arrow::Type::DICTIONARY) {
    const auto& encoded = static_cast<const arrow::DictionaryArray&>(values);
    return static_cast<const arrow::BinaryArray&>(*encoded.dictionary())
        .GetView(encoded.GetValueIndex(row));
  }
  if (values.type_id() == arrow::Type::FIXED_SIZE_BINARY) {
    return static_cast<const arrow::FixedSizeBinaryArray&>(values).GetView(row);
  }
  return static_cast<const arrow::BinaryArray&>(values).GetView(row);
}

/// Strings, binary, fixed and uuid: a zero byte becomes 00 FF, the end 00 00; where a value was
/// cut, the key ends with FF. So a longer value is above its prefixes, and no key is another's
/// prefix.
class BytesPart final : public KeyPart {
 public:
  BytesPart(PartOrder order, int32_t characters, int32_t bytes)
      : order_(order), characters_(characters), bytes_(bytes) {}

  int width() const override { return -1; }
  bool takes_dictionaries() const override { return true; }
  void Fill(const arrow::Array& /*values*/, uint8_t* /*out*/, size_t /*stride*/) const override {}
  bool Append(const arrow::Array& values, int64_t row, std::string* out) const override {
    const bool is_null = values.IsNull(row);
    if (order_.has_null_byte) {
      out->push_back(static_cast<char>(is_null ? order_.null_byte() : order_.value_byte()));
    }
    // Without a null byte none should be null; a file that lies is found by the writer.
    const std::string_view value = is_null ? std::string_view() : Transformed(values, row);
    const size_t begin = out->size();
    const bool whole = value.size() <= kStringKeyBytes;
    for (const char c : value.substr(0, kStringKeyBytes)) {
      out->push_back(c);
      if (c == 0) out->push_back('\xFF');
    }
    if (!is_null || !order_.has_null_byte) {
      if (whole) out->append(2, '\0');
      if (!whole) out->push_back('\xFF');
    }
    if (order_.descending) {
      for (size_t i = begin; i < out->size(); ++i) (*out)[i] = static_cast<char>(~(*out)[i]);
    }
    return whole;
  }
  int Compare(const arrow::Array& a, int64_t i, const arrow::Array& b, int64_t j) const override {
    if (a.IsNull(i) || b.IsNull(j)) return order_.CompareNulls(a.IsNull(i), b.IsNull(j));
    const int order = Transformed(a, i).compare(Transformed(b, j));
    return order_.Directed(order < 0 ? -1 : order > 0 ? 1 : 0);
  }

 private:
  std::string_view Transformed(const arrow::Array& values, int64_t row) const {
    std::string_view value = BytesAt(values, row);
    if (bytes_ > 0) return value.substr(0, static_cast<size_t>(bytes_));
    if (characters_ <= 0) return value;
    int32_t left = characters_;
    size_t at = 0;
    for (; at < value.size(); ++at) {
      const bool starts = (static_cast<unsigned char>(value[at]) & 0xC0) != 0x80;
      if (starts && left-- == 0) break;
    }
    return value.substr(0, at);
  }

  const PartOrder order_;
  const int32_t characters_;  // of a string that is truncated; 0: it is not
  const int32_t bytes_;       // of a binary value that is
};

/// uuid and short fixed.
class FixedBytesPart final : public KeyPart {
 public:
  FixedBytesPart(PartOrder order, int length) : order_(order), length_(length) {}

  int width() const override { return length_ + (order_.has_null_byte ? 1 : 0); }
  void Fill(const arrow::Array& values, uint8_t* out, size_t stride) const override {
    for (int64_t row = 0; row < values.length(); ++row) Put(values, row, out + stride * row);
  }
  bool Append(const arrow::Array& values, int64_t row, std::string* out) const override {
    const size_t at = out->size();
    out->resize(at + static_cast<size_t>(width()));
    Put(values, row, reinterpret_cast<uint8_t*>(out->data()) + at);
    return true;
  }
  int Compare(const arrow::Array& a, int64_t i, const arrow::Array& b, int64_t j) const override {
    if (a.IsNull(i) || b.IsNull(j)) return order_.CompareNulls(a.IsNull(i), b.IsNull(j));
    return order_.Directed(
        std::memcmp(BytesAt(a, i).data(), BytesAt(b, j).data(), static_cast<size_t>(length_)));
  }

 private:
  void Put(const arrow::Array& values, int64_t row, uint8_t* out) const {
    const bool is_null = values.IsNull(row);
    if (order_.has_null_byte) *out++ = is_null ? order_.null_byte() : order_.value_byte();
    std::memset(out, 0, static_cast<size_t>(length_));
    if (is_null) return;
    std::memcpy(out, BytesAt(values, row).data(), static_cast<size_t>(length_));
    for (int i = 0; order_.descending && i < length_; ++i) out[i] = static_cast<uint8_t>(~out[i]);
  }

  const PartOrder order_;
  const int length_;
};

std::unique_ptr<KeyPart> MakeIdentity(const Type& type, PartOrder order) {
  switch (type.kind()) {
    case TypeKind::kBoolean:
      return MakeNumbers<uint8_t>(order, [](const arrow::Array& values, int64_t row) {
        return static_cast<uint8_t>(static_cast<const arrow::BooleanArray&>(values).Value(row));
      });
    case TypeKind::kInt:
      return MakePlain<uint32_t, arrow::Int32Array>(order);
    case TypeKind::kDate:
      return MakePlain<uint32_t, arrow::Date32Array>(order);
    case TypeKind::kLong:
      return MakePlain<uint64_t, arrow::Int64Array>(order);
    case TypeKind::kTime:
      return MakePlain<uint64_t, arrow::Time64Array>(order);
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return MakePlain<uint64_t, arrow::TimestampArray>(order);
    case TypeKind::kFloat:
      return MakeFloats<uint32_t, arrow::FloatArray>(order);
    case TypeKind::kDouble:
      return MakeFloats<uint64_t, arrow::DoubleArray>(order);
    case TypeKind::kDecimal:
      return MakeDecimals(order, type.precision(), DecimalAt);
    case TypeKind::kUuid:
      return std::make_unique<FixedBytesPart>(order, 16);
    case TypeKind::kFixed:
      if (type.length() <= static_cast<int64_t>(kStringKeyBytes)) {
        return std::make_unique<FixedBytesPart>(order, static_cast<int>(type.length()));
      }
      return std::make_unique<BytesPart>(order, 0, 0);
    case TypeKind::kString:
    case TypeKind::kBinary:
      return std::make_unique<BytesPart>(order, 0, 0);
    default:
      return nullptr;
  }
}

/// Transforms whose result is a number of one form.
template <typename Number, typename Form>
std::unique_ptr<KeyPart> MakeTransformed(const iceberg::TypePtr& type, const Transform& transform,
                                         PartOrder order) {
  return MakeNumbers<Number>(order, [type, transform](const arrow::Array& values, int64_t row) {
    return Ordered(std::get<Form>(transform.Apply(*type, iceberg::ValueAt(values, *type, row))));
  });
}

std::unique_ptr<KeyPart> MakeTruncated(const iceberg::TypePtr& type, const Transform& transform,
                                       PartOrder order) {
  switch (type->kind()) {
    case TypeKind::kInt:
      return MakeTransformed<uint32_t, int32_t>(type, transform, order);
    case TypeKind::kLong:
      return MakeTransformed<uint64_t, int64_t>(type, transform, order);
    case TypeKind::kDecimal:
      return MakeNumbers<Unsigned128>(
          order, [type, transform](const arrow::Array& values, int64_t row) {
            return Ordered(
                std::get<Int128>(transform.Apply(*type, iceberg::ValueAt(values, *type, row))));
          });
    case TypeKind::kString:
      return std::make_unique<BytesPart>(order, transform.width(), 0);
    case TypeKind::kBinary:
      return std::make_unique<BytesPart>(order, 0, transform.width());
    default:
      return nullptr;
  }
}

std::unique_ptr<KeyPart> MakePart(const iceberg::TypePtr& type, const SortField& field,
                                  PartOrder order) {
  if (!field.transform.Accepts(*type)) return nullptr;
  switch (field.transform.kind()) {
    case Transform::Kind::kIdentity:
      return MakeIdentity(*type, order);
    case Transform::Kind::kTruncate:
      return MakeTruncated(type, field.transform, order);
    case Transform::Kind::kBucket:
    case Transform::Kind::kYear:
    case Transform::Kind::kMonth:
    case Transform::Kind::kDay:
    case Transform::Kind::kHour:
      return MakeTransformed<uint32_t, int32_t>(type, field.transform, order);
    case Transform::Kind::kVoid:
    case Transform::Kind::kUnknown:
      return nullptr;
  }
  return nullptr;
}

/// The field and whether it, or a struct above it, may be null.
const iceberg::Field* Find(const std::vector<iceberg::Field>& fields, int32_t id, bool* nullable) {
  for (const iceberg::Field& field : fields) {
    bool below = !field.required;
    if (field.id == id) {
      *nullable = below;
      return &field;
    }
    if (field.type->kind() != TypeKind::kStruct) continue;
    if (const iceberg::Field* found = Find(field.type->fields(), id, nullable)) {
      *nullable = *nullable || below;
      return found;
    }
  }
  return nullptr;
}

Result<std::shared_ptr<arrow::Buffer>> Allocate(int64_t bytes, arrow::MemoryPool* pool) {
  MORAINE_ASSIGN(std::unique_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(bytes, pool));
  return std::shared_ptr<arrow::Buffer>(std::move(buffer));
}

}  // namespace

Result<SortKeys> SortKeys::Make(const std::vector<iceberg::Field>& fields,
                                const std::vector<SortField>& order, NaNs nans) {
  SortKeys keys;
  std::vector<int32_t> ids;
  for (const SortField& sort : order) {
    if (sort.transform.kind() == Transform::Kind::kVoid) continue;  // always null
    PartOrder part;
    part.nans = nans;
    const iceberg::Field* field = Find(fields, sort.source_id(), &part.has_null_byte);
    if (field == nullptr) {
      return InvalidArgument(fmt::format("no column to sort by has id {}", sort.source_id()));
    }
    part.descending = sort.direction == iceberg::SortDirection::kDescending;
    part.nulls_first = sort.null_order == iceberg::NullOrder::kNullsFirst;
    auto made = MakePart(field->type, sort, part);
    if (made == nullptr) {
      return InvalidArgument(fmt::format("column {} of type {} can't be sorted by {}", field->name,
                                         field->type->ToString(), sort.transform.ToString()));
    }
    const int width = made->width();
    keys.width_ = keys.width_ < 0 || width < 0 ? -1 : keys.width_ + width;
    keys.parts_.push_back(std::move(made));
    ids.push_back(sort.source_id());
  }
  MORAINE_ASSIGN(keys.columns_, iceberg::KeyColumns::Make(fields, ids));
  return keys;
}

Result<std::vector<ArrayPtr>> SortKeys::Extract(const arrow::RecordBatch& batch,
                                                arrow::MemoryPool* pool) const {
  MORAINE_ASSIGN(std::vector<ArrayPtr> columns, columns_->ExtractEncoded(batch, pool));
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i]->type_id() != arrow::Type::DICTIONARY || parts_[i]->takes_dictionaries())
      continue;
    const auto& type = static_cast<const arrow::DictionaryType&>(*columns[i]->type()).value_type();
    MORAINE_ASSIGN(columns[i], iceberg::CastValues(columns[i], type, pool));
  }
  return columns;
}

Result<ArrayPtr> SortKeys::Encode(const std::vector<ArrayPtr>& columns, int64_t rows,
                                  arrow::MemoryPool* pool) const {
  if (width_ >= 0) {
    MORAINE_ASSIGN(auto bytes, Allocate(rows * width_, pool));
    uint8_t* out = bytes->mutable_data();
    for (size_t i = 0; i < parts_.size(); ++i) {
      parts_[i]->Fill(*columns[i], out, static_cast<size_t>(width_));
      out += parts_[i]->width();
    }
    return ArrayPtr(std::make_shared<arrow::FixedSizeBinaryArray>(arrow::fixed_size_binary(width_),
                                                                  rows, std::move(bytes)));
  }
  std::string keys;
  MORAINE_ASSIGN(auto offsets, Allocate((rows + 1) * 4, pool));
  auto* ends = reinterpret_cast<int32_t*>(offsets->mutable_data());
  *ends++ = 0;
  for (int64_t row = 0; row < rows; ++row) {
    bool is_whole = true;
    for (size_t i = 0; i < parts_.size() && is_whole; ++i)
      is_whole = parts_[i]->Append(*columns[i], row, &keys);
    keys.push_back(is_whole ? '\0' : '\1');  // IsCutKey
    *ends++ = static_cast<int32_t>(keys.size());
  }
  MORAINE_ASSIGN(auto bytes, Allocate(static_cast<int64_t>(keys.size()), pool));
  std::memcpy(bytes->mutable_data(), keys.data(), keys.size());
  return ArrayPtr(std::make_shared<arrow::BinaryArray>(rows, std::move(offsets), std::move(bytes)));
}

int SortKeys::Compare(const std::vector<ArrayPtr>& a, int64_t i, const std::vector<ArrayPtr>& b,
                      int64_t j) const {
  for (size_t part = 0; part < parts_.size(); ++part) {
    const int order = parts_[part]->Compare(*a[part], i, *b[part], j);
    if (order != 0) return order;
  }
  return 0;
}

std::vector<SortField> AscendingBy(const std::vector<int32_t>& ids) {
  std::vector<SortField> order;
  for (int32_t id : ids) {
    SortField field;
    field.source_ids = {id};
    order.push_back(std::move(field));
  }
  return order;
}

}  // namespace moraine::rewrite
