#include <algorithm>
#include <string>
#include <utility>

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/data/orc_columns_internal.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/io/arrow_status.h"

namespace moraine::iceberg {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;
using DataPtr = std::shared_ptr<arrow::ArrayData>;

std::string Attribute(const arrow::Field& field, const std::string& key) {
  if (field.metadata() == nullptr) return {};
  return field.metadata()->Get(key).ValueOr("");
}

std::optional<int32_t> IntAttribute(const arrow::Field& field, const std::string& key) {
  const Result<int64_t> value = ParseInt64(Attribute(field, key));
  if (!value.ok() || *value < 0 || *value > INT32_MAX) return std::nullopt;
  return static_cast<int32_t>(*value);
}

std::shared_ptr<arrow::DataType> LeafType(const arrow::Field& field) {
  const arrow::Type::type id = field.type()->id();
  if (id == arrow::Type::INT64 && Attribute(field, "iceberg.long-type") == "TIME") {
    return arrow::time64(arrow::TimeUnit::MICRO);
  }
  if (id == arrow::Type::BINARY) {
    const std::string kind = Attribute(field, "iceberg.binary-type");
    if (kind == "UUID") return arrow::fixed_size_binary(16);
    const std::optional<int32_t> length = IntAttribute(field, "iceberg.length");
    if (kind == "FIXED" && length) return arrow::fixed_size_binary(*length);
  }
  return arrow::is_union(id) ? arrow::null() : field.type();
}

FileColumn ToColumn(const arrow::Field& field, std::string name, int place) {
  FileColumn column;
  column.name = std::move(name);
  column.id = IntAttribute(field, "iceberg.id");
  const arrow::DataType& type = *field.type();
  switch (type.id()) {
    case arrow::Type::STRUCT: {
      arrow::FieldVector fields;
      for (const auto& child : type.fields()) {
        column.children.push_back(ToColumn(*child, child->name(), place));
        fields.push_back(arrow::field(child->name(), column.children.back().type));
      }
      column.type = arrow::struct_(std::move(fields));
      break;
    }
    case arrow::Type::LIST:
      column.children.push_back(ToColumn(*type.field(0), "element", place));
      column.type = arrow::list(column.children[0].type);
      break;
    case arrow::Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(type);
      column.children.push_back(ToColumn(*map.key_field(), "key", place));
      column.children.push_back(ToColumn(*map.item_field(), "value", place));
      column.type = arrow::map(column.children[0].type, column.children[1].type);
      break;
    }
    default:
      column.type = LeafType(field);
  }
  if (column.children.empty()) column.leaf_index = place;
  return column;
}

Result<DataPtr> ToFixed(const FileColumn& column, const DataPtr& data, arrow::MemoryPool* pool) {
  const arrow::BinaryArray values(data);
  const int32_t width = static_cast<const arrow::FixedSizeBinaryType&>(*column.type).byte_width();
  arrow::FixedSizeBinaryBuilder builder(column.type, pool);
  MORAINE_TRY(builder.Reserve(values.length()));
  for (int64_t i = 0; i < values.length(); ++i) {
    if (values.IsNull(i)) {
      builder.UnsafeAppendNull();
      continue;
    }
    const std::string_view value = values.GetView(i);
    if (value.size() != static_cast<size_t>(width)) {
      return Corruption("column " + column.name + ": a value of " + std::to_string(value.size()) +
                        " bytes, expected " + std::to_string(width));
    }
    builder.UnsafeAppend(value);
  }
  MORAINE_ASSIGN(const ArrayPtr array, builder.Finish());
  return array->data();
}

Result<DataPtr> Convert(const FileColumn& column, const DataPtr& data, arrow::MemoryPool* pool) {
  if (data->type->Equals(*column.type)) return data;
  const arrow::Type::type from = data->type->id();
  if (column.children.empty()) {
    const arrow::Type::type to = column.type->id();
    if (from == arrow::Type::BINARY && to == arrow::Type::FIXED_SIZE_BINARY) {
      return ToFixed(column, data, pool);
    }
    if (from != arrow::Type::INT64 || to != arrow::Type::TIME64) return data;  // nobody wants it
  }
  DataPtr converted = data->Copy();
  converted->type = column.type;
  DataPtr* parent = &converted;
  if (from == arrow::Type::MAP) {
    DataPtr entries = converted->child_data[0]->Copy();
    entries->type = column.type->field(0)->type();
    converted->child_data[0] = std::move(entries);
    parent = &converted->child_data[0];
  }
  for (size_t i = 0; i < column.children.size(); ++i) {
    MORAINE_ASSIGN((*parent)->child_data[i],
                   Convert(column.children[i], (*parent)->child_data[i], pool));
  }
  return converted;
}

// Protobuf, as far as statistics need it. Broken bytes end it.
class ProtoFields {
 public:
  explicit ProtoFields(std::string_view bytes) : bytes_(bytes) {}

  /// The next field; false at the end.
  bool Next() {
    uint64_t tag = 0;
    if (bytes_.empty() || !Varint(&tag)) return false;
    number_ = static_cast<uint32_t>(tag >> 3);
    value_ = 0;
    text_ = {};
    switch (tag & 7) {
      case 0:
        return Varint(&value_);
      case 1:
        return Take(8);
      case 2:
        return Varint(&value_) && Take(value_);
      case 5:
        return Take(4);
      default:
        return false;
    }
  }
  uint32_t number() const { return number_; }
  std::string_view text() const { return text_; }
  uint64_t value() const { return value_; }
  int64_t zigzag() const {
    return static_cast<int64_t>(value_ >> 1) ^ -static_cast<int64_t>(value_ & 1);
  }

 private:
  bool Varint(uint64_t* value) {
    *value = 0;
    for (int shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(bytes_[0]);
      bytes_.remove_prefix(1);
      *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  bool Take(uint64_t size) {
    if (size > bytes_.size()) return false;
    text_ = bytes_.substr(0, static_cast<size_t>(size));
    bytes_.remove_prefix(static_cast<size_t>(size));
    return true;
  }

  std::string_view bytes_;
  uint32_t number_ = 0;
  uint64_t value_ = 0;
  std::string_view text_;
};

std::string_view FindMessage(std::string_view bytes, uint32_t number) {
  for (ProtoFields fields(bytes); fields.Next();) {
    if (fields.number() == number) return fields.text();
  }
  return {};
}

constexpr uint32_t kFileTailFooter = 2;
constexpr uint32_t kFooterRows = 6;
constexpr uint32_t kFooterStatistics = 7;
constexpr uint32_t kColumnValues = 1;
constexpr uint32_t kColumnString = 4;
constexpr uint32_t kColumnBinary = 8;
constexpr uint32_t kStringSum = 3;
constexpr uint32_t kBinarySum = 1;

// Bytes of the strings of a column; nullopt: not said.
std::optional<int64_t> TextBytes(std::string_view statistics) {
  std::optional<int64_t> sum;
  for (ProtoFields column(statistics); column.Next();) {
    const bool is_string = column.number() == kColumnString;
    if (!is_string && column.number() != kColumnBinary) continue;
    for (ProtoFields fields(column.text()); fields.Next();) {
      if (fields.number() == (is_string ? kStringSum : kBinarySum)) sum = fields.zigzag();
    }
  }
  return sum && *sum >= 0 ? sum : std::nullopt;
}

int64_t CountValues(std::string_view statistics) {
  for (ProtoFields fields(statistics); fields.Next();) {
    if (fields.number() == kColumnValues && fields.value() <= INT64_MAX) {
      return static_cast<int64_t>(fields.value());
    }
  }
  return 0;
}

// The bytes of a column and all in it; its number in the file is *at, then that of the next.
// nullopt: not said.
std::optional<int64_t> ColumnBytes(const arrow::DataType& type,
                                   const std::vector<std::string_view>& statistics, int64_t rows,
                                   size_t* at) {
  const std::string_view own = *at < statistics.size() ? statistics[*at] : std::string_view();
  ++*at;
  std::optional<int64_t> bytes = MultiplyCapped(std::max(rows, CountValues(own)), 16);
  if (arrow::is_base_binary_like(type.id())) {
    const std::optional<int64_t> text = TextBytes(own);
    bytes = text ? std::optional(AddCapped(*bytes, *text)) : std::nullopt;
  }
  const bool is_map = type.id() == arrow::Type::MAP;
  const arrow::DataType& parent = is_map ? *type.field(0)->type() : type;
  for (const auto& child : parent.fields()) {
    const std::optional<int64_t> inner = ColumnBytes(*child->type(), statistics, 0, at);
    bytes = bytes && inner ? std::optional(AddCapped(*bytes, *inner)) : std::nullopt;
  }
  return bytes;
}

}  // namespace

std::vector<FileColumn> ToFileColumns(const arrow::Schema& orc) {
  std::vector<FileColumn> columns;
  for (int i = 0; i < orc.num_fields(); ++i) {
    columns.push_back(ToColumn(*orc.field(i), orc.field(i)->name(), i));
  }
  return columns;
}

Result<ArrayPtr> ToColumnType(const FileColumn& column, const ArrayPtr& values,
                              arrow::MemoryPool* pool) {
  MORAINE_ASSIGN(const DataPtr data, Convert(column, values->data(), pool));
  return data == values->data() ? values : arrow::MakeArray(data);
}

std::optional<int64_t> DecodedRowBytes(std::string_view file_tail, const arrow::Schema& orc,
                                       const std::vector<int>& places) {
  std::vector<std::string_view> statistics;
  uint64_t rows = 0;
  for (ProtoFields footer(FindMessage(file_tail, kFileTailFooter)); footer.Next();) {
    if (footer.number() == kFooterStatistics) statistics.push_back(footer.text());
    if (footer.number() == kFooterRows) rows = footer.value();
  }
  if (rows == 0 || rows > INT64_MAX) return std::nullopt;
  const auto count = static_cast<int64_t>(rows);
  int64_t sum = 0;
  size_t at = 1;  // 0 is the row itself
  for (int i = 0; i < orc.num_fields(); ++i) {
    const std::optional<int64_t> bytes = ColumnBytes(*orc.field(i)->type(), statistics, count, &at);
    if (std::find(places.begin(), places.end(), i) == places.end()) continue;
    if (!bytes) return std::nullopt;
    sum = AddCapped(sum, *bytes);
  }
  return sum / count;
}

}  // namespace moraine::iceberg
