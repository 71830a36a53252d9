#include "moraine/iceberg/data/column_sketch.h"

#include <cstring>
#include <string_view>

#include <arrow/array.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include "moraine/iceberg/sketches/theta_hash.h"

namespace moraine::iceberg {
namespace {

/// Calls visit with the places of all values that are not null.
template <typename Visit>
void ForValues(const arrow::Array& values, const Visit& visit) {
  const int64_t length = values.length();
  if (values.null_count() == 0) {
    for (int64_t i = 0; i < length; ++i) visit(i);
    return;
  }
  for (int64_t i = 0; i < length; ++i) {
    if (values.IsValid(i)) visit(i);
  }
}

/// Numbers of one size; rows of one value, as sorted files have them, are hashed once.
template <typename Number>
void AddNumbers(const arrow::Array& values, ThetaSketch* sketch) {
  const Number* numbers = values.data()->GetValues<Number>(1);
  uint64_t last = 0;
  bool is_first = true;
  ForValues(values, [&](int64_t i) {
    const auto number = static_cast<uint64_t>(numbers[i]);
    if (number == last && !is_first) return;
    is_first = false;
    last = number;
    sketch->Add(ThetaHash(number, sizeof(Number)));
  });
}

void AddString(std::string_view bytes, ThetaSketch* sketch) {
  if (!bytes.empty()) sketch->Add(ThetaHash(bytes));
}

template <typename Strings>
void AddStrings(const arrow::Array& values, ThetaSketch* sketch) {
  const auto& strings = static_cast<const Strings&>(values);
  ForValues(values, [&](int64_t i) { AddString(strings.GetView(i), sketch); });
}

void AddBooleans(const arrow::Array& values, ThetaSketch* sketch) {
  const auto& booleans = static_cast<const arrow::BooleanArray&>(values);
  const int64_t trues = booleans.true_count();
  if (trues > 0) sketch->Add(ThetaHash(1, 1));
  if (trues < values.length() - values.null_count()) sketch->Add(ThetaHash(0, 1));
}

/// The fewest bytes of a two's complement, the highest first.
void AddDecimals(const arrow::Array& values, ThetaSketch* sketch) {
  const auto& decimals = static_cast<const arrow::Decimal128Array&>(values);
  ForValues(values, [&](int64_t i) {
    const uint8_t* little = decimals.GetValue(i);
    char big[16];
    for (size_t k = 0; k < 16; ++k) big[k] = static_cast<char>(little[15 - k]);
    const char sign = (big[0] & 0x80) != 0 ? '\xFF' : '\0';
    size_t first = 0;
    while (first < 15 && big[first] == sign && ((big[first + 1] ^ sign) & 0x80) == 0) ++first;
    sketch->Add(ThetaHash(std::string_view(big + first, 16 - first)));
  });
}

template <typename Index>
void SeeDictionary(const arrow::Array& indices, std::vector<bool>* seen,
                   std::vector<int64_t>* fresh) {
  const Index* places = indices.data()->GetValues<Index>(1);
  ForValues(indices, [&](int64_t i) {
    const auto place = static_cast<size_t>(places[i]);
    if (place >= seen->size() || (*seen)[place]) return;
    (*seen)[place] = true;
    fresh->push_back(static_cast<int64_t>(place));
  });
}

}  // namespace

bool HasSketch(const Type& type) {
  return type.is_primitive() && type.kind() != TypeKind::kUnknown &&
         type.kind() != TypeKind::kGeometry && type.kind() != TypeKind::kGeography;
}

Status ColumnSketch::Add(const arrow::Array& values) {
  if (values.type_id() == arrow::Type::DICTIONARY)
    return AddDictionary(static_cast<const arrow::DictionaryArray&>(values));
  return AddPlain(values);
}

Status ColumnSketch::AddPlain(const arrow::Array& values) {
  switch (values.type_id()) {
    case arrow::Type::NA:
      return {};
    case arrow::Type::BOOL:
      AddBooleans(values, &sketch_);
      return {};
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
    case arrow::Type::FLOAT:
      AddNumbers<uint32_t>(values, &sketch_);
      return {};
    case arrow::Type::INT64:
    case arrow::Type::DOUBLE:
    case arrow::Type::TIME64:
    case arrow::Type::TIMESTAMP:
      AddNumbers<uint64_t>(values, &sketch_);
      return {};
    case arrow::Type::DECIMAL128:
      AddDecimals(values, &sketch_);
      return {};
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      AddStrings<arrow::BinaryArray>(values, &sketch_);
      return {};
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      AddStrings<arrow::LargeBinaryArray>(values, &sketch_);
      return {};
    case arrow::Type::FIXED_SIZE_BINARY:
      AddStrings<arrow::FixedSizeBinaryArray>(values, &sketch_);
      return {};
    default:
      return Internal(
          fmt::format("{} can't be counted as {}", values.type()->ToString(), type_->ToString()));
  }
}

Status ColumnSketch::AddDictionary(const arrow::DictionaryArray& values) {
  if (dictionary_ != values.dictionary()) {
    dictionary_ = values.dictionary();
    seen_.assign(static_cast<size_t>(dictionary_->length()), false);
  }
  std::vector<int64_t> fresh;
  const arrow::Array& indices = *values.indices();
  switch (indices.type_id()) {
    case arrow::Type::INT8:
      SeeDictionary<int8_t>(indices, &seen_, &fresh);
      break;
    case arrow::Type::INT16:
      SeeDictionary<int16_t>(indices, &seen_, &fresh);
      break;
    case arrow::Type::INT32:
      SeeDictionary<int32_t>(indices, &seen_, &fresh);
      break;
    case arrow::Type::INT64:
      SeeDictionary<int64_t>(indices, &seen_, &fresh);
      break;
    default:
      return Internal("a dictionary with other places than whole numbers");
  }
  const arrow::Array& dictionary = *dictionary_;
  if (dictionary.type_id() != arrow::Type::STRING && dictionary.type_id() != arrow::Type::BINARY)
    return Internal(fmt::format("a dictionary of {}", dictionary.type()->ToString()));
  const auto& strings = static_cast<const arrow::BinaryArray&>(dictionary);
  for (const int64_t place : fresh) {
    if (strings.IsValid(place)) AddString(strings.GetView(place), &sketch_);
  }
  return {};
}

}  // namespace moraine::iceberg
