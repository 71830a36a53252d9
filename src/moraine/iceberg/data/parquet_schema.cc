#include <utility>

#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>
#include <parquet/arrow/schema.h>
#include <parquet/schema.h>
#include <parquet/types.h>

#include "moraine/iceberg/data/arrow_schema.h"
#include "moraine/iceberg/data/parquet_schema_internal.h"

namespace moraine::iceberg {
namespace {

using parquet::LogicalType;
using parquet::Repetition;
using parquet::schema::GroupNode;
using parquet::schema::NodePtr;
using parquet::schema::NodeVector;
using parquet::schema::PrimitiveNode;
using LogicalPtr = std::shared_ptr<const LogicalType>;

struct Physical {
  parquet::Type::type type;
  LogicalPtr logical = LogicalType::None();
  int length = -1;
};

int DecimalBytes(int precision) {
  // The smallest n with 10^precision - 1 <= 2^(8n-1) - 1.
  Int128 largest = 1;
  for (int i = 0; i < precision; ++i) largest *= 10;
  int bytes = 1;
  while (bytes < 16 && largest > Int128{1} << (8 * bytes - 1)) ++bytes;
  return bytes;
}

Physical DecimalForm(const Type& type) {
  LogicalPtr logical = LogicalType::Decimal(type.precision(), type.scale());
  if (type.precision() <= 9) return {parquet::Type::INT32, logical};
  if (type.precision() <= 18) return {parquet::Type::INT64, logical};
  return {parquet::Type::FIXED_LEN_BYTE_ARRAY, logical, DecimalBytes(type.precision())};
}

Physical TimestampForm(bool utc, LogicalType::TimeUnit::unit unit) {
  return {parquet::Type::INT64, LogicalType::Timestamp(utc, unit, /*is_from_converted_type=*/false,
                                                       /*force_set_converted_type=*/unit ==
                                                           LogicalType::TimeUnit::MICROS)};
}

LogicalType::EdgeInterpolationAlgorithm EdgesOf(const Type& type) {
  using Edges = LogicalType::EdgeInterpolationAlgorithm;
  if (type.algorithm() == "vincenty") return Edges::VINCENTY;
  if (type.algorithm() == "thomas") return Edges::THOMAS;
  if (type.algorithm() == "andoyer") return Edges::ANDOYER;
  if (type.algorithm() == "karney") return Edges::KARNEY;
  return Edges::SPHERICAL;
}

Physical PhysicalForm(const Type& type) {
  using Unit = LogicalType::TimeUnit;
  switch (type.kind()) {
    case TypeKind::kBoolean:
      return {parquet::Type::BOOLEAN};
    case TypeKind::kInt:
      return {parquet::Type::INT32};
    case TypeKind::kLong:
      return {parquet::Type::INT64};
    case TypeKind::kFloat:
      return {parquet::Type::FLOAT};
    case TypeKind::kDouble:
      return {parquet::Type::DOUBLE};
    case TypeKind::kDecimal:
      return DecimalForm(type);
    case TypeKind::kDate:
      return {parquet::Type::INT32, LogicalType::Date()};
    case TypeKind::kTime:
      return {parquet::Type::INT64, LogicalType::Time(/*is_adjusted_to_utc=*/false, Unit::MICROS)};
    case TypeKind::kTimestamp:
      return TimestampForm(/*utc=*/false, Unit::MICROS);
    case TypeKind::kTimestampTz:
      return TimestampForm(/*utc=*/true, Unit::MICROS);
    case TypeKind::kTimestampNs:
      return TimestampForm(/*utc=*/false, Unit::NANOS);
    case TypeKind::kTimestampTzNs:
      return TimestampForm(/*utc=*/true, Unit::NANOS);
    case TypeKind::kString:
      return {parquet::Type::BYTE_ARRAY, LogicalType::String()};
    case TypeKind::kUuid:
      return {parquet::Type::FIXED_LEN_BYTE_ARRAY, LogicalType::UUID(), 16};
    case TypeKind::kFixed:
      return {parquet::Type::FIXED_LEN_BYTE_ARRAY, LogicalType::None(),
              static_cast<int>(type.length())};
    case TypeKind::kGeometry:
      return {parquet::Type::BYTE_ARRAY, LogicalType::Geometry(type.crs())};
    case TypeKind::kGeography:
      return {parquet::Type::BYTE_ARRAY, LogicalType::Geography(type.crs(), EdgesOf(type))};
    default:
      return {parquet::Type::BYTE_ARRAY};
  }
}

Result<NodePtr> ToNode(const Field& field, const std::string& name, Repetition::type repetition);

Repetition::type RepetitionOf(const Field& field) {
  return field.required ? Repetition::REQUIRED : Repetition::OPTIONAL;
}

Result<NodeVector> ToNodes(const std::vector<Field>& fields) {
  NodeVector nodes;
  for (const Field& field : fields) {
    if (field.type->kind() == TypeKind::kUnknown) continue;
    MORAINE_ASSIGN(NodePtr node, ToNode(field, ParquetColumnName(field.name), RepetitionOf(field)));
    nodes.push_back(std::move(node));
  }
  return nodes;
}

Result<NodePtr> ToStructNode(const Field& field, const std::string& name,
                             Repetition::type repetition) {
  MORAINE_ASSIGN(NodeVector children, ToNodes(field.type->fields()));
  if (children.empty()) {
    return Unsupported("a struct without a column that Parquet can hold: " + field.name);
  }
  return GroupNode::Make(name, repetition, children, parquet::ConvertedType::NONE, field.id);
}

Result<NodePtr> ToListNode(const Field& field, const std::string& name,
                           Repetition::type repetition) {
  const Field& element = field.type->element();
  MORAINE_ASSIGN(NodePtr child, ToNode(element, "element", RepetitionOf(element)));
  NodePtr list = GroupNode::Make("list", Repetition::REPEATED, {std::move(child)});
  return GroupNode::Make(name, repetition, {std::move(list)}, LogicalType::List(), field.id);
}

Result<NodePtr> ToMapNode(const Field& field, const std::string& name,
                          Repetition::type repetition) {
  const Field& value = field.type->value();
  MORAINE_ASSIGN(NodePtr key, ToNode(field.type->key(), "key", Repetition::REQUIRED));
  MORAINE_ASSIGN(NodePtr item, ToNode(value, "value", RepetitionOf(value)));
  NodePtr entries =
      GroupNode::Make("key_value", Repetition::REPEATED, {std::move(key), std::move(item)});
  return GroupNode::Make(name, repetition, {std::move(entries)}, LogicalType::Map(), field.id);
}

NodePtr ToVariantNode(const Field& field, const std::string& name, Repetition::type repetition) {
  const NodeVector children = {
      PrimitiveNode::Make("metadata", Repetition::REQUIRED, parquet::Type::BYTE_ARRAY),
      PrimitiveNode::Make("value", Repetition::REQUIRED, parquet::Type::BYTE_ARRAY)};
  return GroupNode::Make(name, repetition, children, LogicalType::Variant(), field.id);
}

Result<NodePtr> ToNode(const Field& field, const std::string& name, Repetition::type repetition) {
  switch (field.type->kind()) {
    case TypeKind::kStruct:
      return ToStructNode(field, name, repetition);
    case TypeKind::kList:
      return ToListNode(field, name, repetition);
    case TypeKind::kMap:
      return ToMapNode(field, name, repetition);
    case TypeKind::kVariant:
      return ToVariantNode(field, name, repetition);
    case TypeKind::kUnknown:
      return Unsupported("an unknown type inside a list or map: " + field.name);
    default: {
      Physical form = PhysicalForm(*field.type);
      return PrimitiveNode::Make(name, repetition, form.logical, form.type, form.length, field.id);
    }
  }
}

FileColumn ToFileColumn(const parquet::arrow::SchemaField& field) {
  FileColumn column;
  column.name = field.field->name();
  column.id = ArrowFieldId(*field.field);
  column.type = field.field->type();
  column.leaf_index = field.column_index;
  const std::vector<parquet::arrow::SchemaField>* children = &field.children;
  if (column.type->id() == arrow::Type::MAP && field.children.size() == 1) {
    children = &field.children[0].children;  // key_value
  }
  for (const auto& child : *children) column.children.push_back(ToFileColumn(child));
  return column;
}

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsPlain(char c) { return IsLetter(c) || IsDigit(c) || c == '_' || (c & 0x80) != 0; }

}  // namespace

std::string ParquetColumnName(const std::string& name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    if (i == 0 && IsDigit(name[i])) out += '_';
    if (IsPlain(name[i])) {
      out += name[i];
    } else {
      out += fmt::format("_x{:X}", static_cast<unsigned char>(name[i]));
    }
  }
  return out;
}

Result<std::shared_ptr<GroupNode>> ToParquetSchema(const std::vector<Field>& fields) {
  try {
    MORAINE_ASSIGN(NodeVector nodes, ToNodes(fields));
    NodePtr root = GroupNode::Make("table", Repetition::REQUIRED, nodes);
    return std::static_pointer_cast<GroupNode>(root);
  } catch (const std::exception& error) {
    return Unsupported(std::string("no Parquet schema for the table's: ") + error.what());
  }
}

std::vector<FileColumn> ToFileColumns(const parquet::arrow::SchemaManifest& manifest) {
  std::vector<FileColumn> columns;
  for (const auto& field : manifest.schema_fields) columns.push_back(ToFileColumn(field));
  return columns;
}

}  // namespace moraine::iceberg
