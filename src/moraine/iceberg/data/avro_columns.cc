#include <algorithm>
#include <string>
#include <utility>

#include <arrow/type.h>

#include "moraine/iceberg/data/avro_columns_internal.h"
#include "moraine/iceberg/types/decimal.h"

namespace moraine::iceberg {
namespace {

using ArrowTypePtr = std::shared_ptr<arrow::DataType>;

constexpr size_t kMostDepth = 64;
constexpr int kMostColumns = 1 << 16;

bool IsDecimal(const AvroNode& node) {
  return node.logical_type == "decimal" && node.precision > 0 &&
         node.precision <= kMaxDecimalPrecision && node.scale >= 0 && node.scale <= node.precision;
}

ArrowTypePtr LongType(const AvroNode& node) {
  const std::string zone = node.adjust_to_utc ? "UTC" : "";
  if (node.logical_type == "time-micros") return arrow::time64(arrow::TimeUnit::MICRO);
  std::string_view name = node.logical_type;
  if (name.starts_with("local-")) name.remove_prefix(6);
  if (name == "timestamp-millis") return arrow::timestamp(arrow::TimeUnit::MILLI, zone);
  if (name == "timestamp-micros") return arrow::timestamp(arrow::TimeUnit::MICRO, zone);
  if (name == "timestamp-nanos") return arrow::timestamp(arrow::TimeUnit::NANO, zone);
  return arrow::int64();
}

ArrowTypePtr IntType(const AvroNode& node) {
  if (node.logical_type == "date") return arrow::date32();
  if (node.logical_type == "time-millis") return arrow::time32(arrow::TimeUnit::MILLI);
  return arrow::int32();
}

// Of a value without children; null for what can't be a column.
ArrowTypePtr LeafType(const AvroNode& node) {
  switch (node.kind) {
    case AvroKind::kBoolean:
      return arrow::boolean();
    case AvroKind::kInt:
      return IntType(node);
    case AvroKind::kLong:
      return LongType(node);
    case AvroKind::kFloat:
      return arrow::float32();
    case AvroKind::kDouble:
      return arrow::float64();
    case AvroKind::kString:
    case AvroKind::kEnum:
      return arrow::utf8();
    case AvroKind::kBytes:
      if (IsDecimal(node)) return arrow::decimal128(node.precision, node.scale);
      return arrow::binary();
    case AvroKind::kFixed:
      if (IsDecimal(node)) return arrow::decimal128(node.precision, node.scale);
      return arrow::fixed_size_binary(static_cast<int32_t>(node.size));
    default:
      return arrow::null();
  }
}

// Walks the schema; a record that is met within itself ends there.
class ColumnMaker {
 public:
  explicit ColumnMaker(const AvroSchema& schema) : schema_(schema) {}

  Result<std::vector<FileColumn>> Fields(const AvroNode& record) {
    std::vector<FileColumn> columns;
    for (const AvroField& field : record.fields) {
      MORAINE_ASSIGN(FileColumn column, Column(field.name, field.field_id, field.node));
      columns.push_back(std::move(column));
    }
    return columns;
  }

 private:
  Result<FileColumn> Column(std::string name, std::optional<int32_t> id, int node) {
    if (++columns_ > kMostColumns) {
      return Unsupported("an Avro schema of more than " + std::to_string(kMostColumns) +
                         " columns");
    }
    FileColumn column;
    column.name = std::move(name);
    column.id = id;
    const std::optional<AvroOptional> type = AsOptional(schema_, node);
    if (type && IsNested(schema_.node(type->node)) && Enter(type->node)) {
      MORAINE_TRY(Nested(schema_.node(type->node), &column));
      open_.pop_back();
    }
    if (column.children.empty()) {
      column.leaf_index = leaves_++;
      column.type = type ? LeafType(schema_.node(type->node)) : arrow::null();
    }
    return column;
  }

  static bool IsNested(const AvroNode& node) {
    return node.kind == AvroKind::kRecord || node.kind == AvroKind::kArray ||
           node.kind == AvroKind::kMap;
  }

  bool Enter(int node) {
    if (open_.size() >= kMostDepth || std::count(open_.begin(), open_.end(), node) > 0) {
      return false;
    }
    open_.push_back(node);
    return true;
  }

  Status Nested(const AvroNode& node, FileColumn* column) {
    if (node.kind == AvroKind::kRecord) {
      MORAINE_ASSIGN(column->children, Fields(node));
      arrow::FieldVector fields;
      for (const FileColumn& child : column->children) {
        fields.push_back(arrow::field(child.name, child.type));
      }
      column->type = arrow::struct_(std::move(fields));
      return {};
    }
    if (node.kind == AvroKind::kMap) {
      FileColumn key{"key", node.key_id, arrow::utf8(), leaves_++, {}};
      MORAINE_ASSIGN(FileColumn value, Column("value", node.value_id, node.children[0]));
      SetMap(std::move(key), std::move(value), column);
      return {};
    }
    if (IsMapOfRecords(schema_, node)) {
      const std::vector<AvroField>& fields = schema_.node(node.children[0]).fields;
      MORAINE_ASSIGN(FileColumn key, Column("key", fields[0].field_id, fields[0].node));
      MORAINE_ASSIGN(FileColumn value, Column("value", fields[1].field_id, fields[1].node));
      SetMap(std::move(key), std::move(value), column);
      return {};
    }
    MORAINE_ASSIGN(FileColumn element, Column("element", node.element_id, node.children[0]));
    column->type = arrow::list(arrow::field("element", element.type));
    column->children.push_back(std::move(element));
    return {};
  }

  static void SetMap(FileColumn key, FileColumn value, FileColumn* column) {
    column->type = arrow::map(key.type, value.type);
    column->children.push_back(std::move(key));
    column->children.push_back(std::move(value));
  }

  const AvroSchema& schema_;
  std::vector<int> open_;
  int columns_ = 0;
  int leaves_ = 0;
};

}  // namespace

bool IsMapOfRecords(const AvroSchema& schema, const AvroNode& array) {
  if (array.logical_type != "map") return false;
  const AvroNode& item = schema.node(array.children[0]);
  return item.kind == AvroKind::kRecord && item.fields.size() == 2;
}

Result<std::vector<FileColumn>> ToFileColumns(const AvroSchema& schema) {
  const AvroNode& root = schema.node(schema.root());
  if (root.kind != AvroKind::kRecord) {
    return Corruption("an Avro data file of " + std::string(AvroKindName(root.kind)) +
                      ", expected records");
  }
  return ColumnMaker(schema).Fields(root);
}

}  // namespace moraine::iceberg
