#include "moraine/rewrite/row_packer.h"

#include <algorithm>
#include <utility>

#include <arrow/array.h>
#include <arrow/array/array_dict.h>
#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>

#include "moraine/io/arrow_status.h"
#include "moraine/rewrite/narrow_numbers.h"

namespace moraine::rewrite {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;
using TypePtr = std::shared_ptr<arrow::DataType>;

TypePtr ValueType(const TypePtr& type) {
  if (type->id() != arrow::Type::DICTIONARY) return type;
  return static_cast<const arrow::DictionaryType&>(*type).value_type();
}

bool IsIndex(const arrow::DataType& type) {
  return type.id() == arrow::Type::INT8 || type.id() == arrow::Type::INT16 ||
         type.id() == arrow::Type::INT32;
}

int BitWidth(const arrow::DataType& type) {
  return static_cast<const arrow::FixedWidthType&>(type).bit_width();
}

template <typename T>
void MapIndices(const arrow::Int32Array& indices, const std::vector<int32_t>& mapping, T* out) {
  const bool has_nulls = indices.null_count() > 0;
  for (int64_t i = 0; i < indices.length(); ++i) {
    // What lies at a null's place may be no index.
    out[i] = has_nulls && indices.IsNull(i)
                 ? T{0}
                 : static_cast<T>(mapping[static_cast<size_t>(indices.Value(i))]);
  }
}

/// Columns changed by body(column) where it gives another array.
template <typename Body>
Result<BatchPtr> Changed(const BatchPtr& rows, Body body) {
  std::vector<ArrayPtr> columns = rows->columns();
  auto fields = rows->schema()->fields();
  bool has_changed = false;
  for (size_t i = 0; i < columns.size(); ++i) {
    MORAINE_ASSIGN(ArrayPtr made, body(i, columns[i]));
    if (made == columns[i]) continue;
    has_changed = true;
    if (!made->type()->Equals(*fields[i]->type())) fields[i] = fields[i]->WithType(made->type());
    columns[i] = std::move(made);
  }
  if (!has_changed) return rows;
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields), rows->schema()->metadata()),
                                  rows->num_rows(), std::move(columns));
}

}  // namespace

void RowPacker::Begin(const arrow::RecordBatch& first) {
  const int64_t bytes = options_.dictionary_bytes / std::max(1, first.num_columns());
  for (int i = 0; i < first.num_columns(); ++i) {
    Column column;
    column.type = ValueType(first.column(i)->type());
    const auto id = column.type->id();
    const bool is_kept =
        std::find(options_.kept.begin(), options_.kept.end(), i) != options_.kept.end();
    if (id == arrow::Type::STRING || id == arrow::Type::BINARY) {
      column.kind = Kind::kStrings;
      column.dictionary = std::make_unique<SharedDictionary>(bytes);
    } else if (!is_kept && HasNarrowForm(*first.column(i)->type())) {
      column.kind = Kind::kNumbers;
      column.base = BaseOf(*first.column(i));
    }
    columns_.push_back(std::move(column));
  }
}

Result<BatchPtr> RowPacker::Pack(const BatchPtr& rows) {
  std::call_once(once_, [&] { Begin(*rows); });
  return Changed(rows, [&](size_t i, const ArrayPtr& values) -> Result<ArrayPtr> {
    const Column& column = columns_[i];
    if (column.kind == Kind::kNumbers) return Narrow(values, column.base, options_.pool);
    if (column.kind == Kind::kStrings && values->type_id() == arrow::Type::DICTIONARY)
      return PackStrings(column, values);
    return values;
  });
}

Result<ArrayPtr> RowPacker::PackStrings(const Column& column, const ArrayPtr& values) const {
  const auto& encoded = static_cast<const arrow::DictionaryArray&>(*values);
  if (encoded.indices()->type_id() != arrow::Type::INT32) return values;
  const auto mapping = column.dictionary->MapFrom(encoded.dictionary());
  if (mapping == nullptr) return values;
  const int32_t highest =
      mapping->empty() ? 0 : *std::max_element(mapping->begin(), mapping->end());
  const TypePtr type = IndexType(highest);
  const auto& indices = static_cast<const arrow::Int32Array&>(*encoded.indices());
  MORAINE_ASSIGN(std::shared_ptr<arrow::Buffer> mapped,
                 arrow::AllocateBuffer(indices.length() * BitWidth(*type) / 8, options_.pool));
  uint8_t* out = mapped->mutable_data();
  if (type->id() == arrow::Type::INT8) {
    MapIndices(indices, *mapping, reinterpret_cast<int8_t*>(out));
  } else if (type->id() == arrow::Type::INT16) {
    MapIndices(indices, *mapping, reinterpret_cast<int16_t*>(out));
  } else {
    MapIndices(indices, *mapping, reinterpret_cast<int32_t*>(out));
  }
  MORAINE_ASSIGN(auto bitmap, BitmapFrom(indices, options_.pool));
  return arrow::MakeArray(arrow::ArrayData::Make(
      type, indices.length(), {std::move(bitmap), std::move(mapped)}, indices.null_count()));
}

Result<std::vector<TypePtr>> RowPacker::CommonTypes(
    const std::vector<std::shared_ptr<arrow::Schema>>& schemas) const {
  std::vector<TypePtr> types;
  for (int i = 0; i < schemas[0]->num_fields(); ++i) {
    const Column& column = columns_[static_cast<size_t>(i)];
    TypePtr common = schemas[0]->field(i)->type();
    for (const auto& schema : schemas) {
      const TypePtr& type = schema->field(i)->type();
      if (column.kind == Kind::kAsItIs || type->Equals(*common)) continue;
      if (column.kind == Kind::kStrings && !(IsIndex(*type) && IsIndex(*common))) {
        common = column.type;
      } else if (column.kind == Kind::kNumbers && type->Equals(*column.type)) {
        common = type;
      } else if (!common->Equals(*column.type) && BitWidth(*type) > BitWidth(*common)) {
        common = type;
      }
    }
    types.push_back(std::move(common));
  }
  return types;
}

Result<ArrayPtr> RowPacker::AlignColumn(const Column& column, const ArrayPtr& values,
                                        const TypePtr& type) const {
  if (values->type()->Equals(*type)) return values;
  if (column.kind == Kind::kStrings && !IsIndex(*type)) {
    if (!IsIndex(*values->type())) return values;
    return AsDictionary(column, values);
  }
  if (column.kind == Kind::kAsItIs) return values;
  const bool is_whole = column.kind == Kind::kNumbers && type->Equals(*column.type);
  return Widen(values, type, is_whole ? column.base : 0, options_.pool);
}

Result<BatchPtr> RowPacker::Align(const BatchPtr& rows, const std::vector<TypePtr>& types) const {
  return Changed(rows, [&](size_t i, const ArrayPtr& values) {
    return AlignColumn(columns_[i], values, types[i]);
  });
}

Result<ArrayPtr> RowPacker::AsDictionary(const Column& column, const ArrayPtr& indices) const {
  MORAINE_ASSIGN(ArrayPtr dictionary, column.dictionary->Get(column.type, options_.pool));
  ArrayPtr wide = indices;
  if (indices->type_id() != arrow::Type::INT32) {
    MORAINE_ASSIGN(wide, Widen(indices, arrow::int32(), 0, options_.pool));
  }
  return ArrayPtr(std::make_shared<arrow::DictionaryArray>(
      arrow::dictionary(arrow::int32(), column.type), std::move(wide), std::move(dictionary)));
}

Result<ArrayPtr> RowPacker::UnpackColumn(const ArrayPtr& values, int number) const {
  const Column& column = columns_[static_cast<size_t>(number)];
  if (column.kind == Kind::kAsItIs || values->type()->Equals(*column.type)) return values;
  if (column.kind == Kind::kNumbers) return Widen(values, column.type, column.base, options_.pool);
  if (values->type_id() == arrow::Type::DICTIONARY) return values;
  return AsDictionary(column, values);
}

Result<BatchPtr> RowPacker::Unpack(const BatchPtr& rows) const {
  return Changed(rows, [&](size_t i, const ArrayPtr& values) {
    return UnpackColumn(values, static_cast<int>(i));
  });
}

Result<BatchPtr> RowPacker::UnpackSome(const BatchPtr& rows,
                                       const std::vector<int>& columns) const {
  return Changed(rows, [&](size_t i, const ArrayPtr& values) -> Result<ArrayPtr> {
    const auto number = static_cast<int>(i);
    if (std::find(columns.begin(), columns.end(), number) == columns.end()) return values;
    return UnpackColumn(values, number);
  });
}

}  // namespace moraine::rewrite
