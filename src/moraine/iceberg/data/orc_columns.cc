#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <arrow/type.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/data/orc_columns_internal.h"
#include "moraine/iceberg/types/decimal.h"

namespace moraine::iceberg {
namespace {

constexpr int kMostDepth = 64;
constexpr int kMostColumns = 1 << 16;

std::optional<int32_t> IntAttribute(const OrcType& type, std::string_view key) {
  const std::string_view text = type.attribute(key);
  const Result<int64_t> value = ParseInt64(text);
  if (text.empty() || !value.ok() || *value < 0 || *value > INT32_MAX) return std::nullopt;
  return static_cast<int32_t>(*value);
}

std::shared_ptr<arrow::DataType> BinaryType(const OrcType& type) {
  const std::string_view kind = type.attribute("iceberg.binary-type");
  if (kind == "UUID") return arrow::fixed_size_binary(16);
  const std::optional<int32_t> length = IntAttribute(type, "iceberg.length");
  if (kind == "FIXED" && length) return arrow::fixed_size_binary(*length);
  return arrow::binary();
}

std::shared_ptr<arrow::DataType> DecimalType(const OrcType& type) {
  if (type.precision < 1 || type.precision > uint32_t{kMaxDecimalPrecision} ||
      type.scale > type.precision) {
    return arrow::null();
  }
  return arrow::decimal128(static_cast<int32_t>(type.precision), static_cast<int32_t>(type.scale));
}

// Files of Iceberg say so where they hold nanoseconds.
arrow::TimeUnit::type UnitOf(const OrcType& type) {
  return type.attribute("iceberg.timestamp-unit") == "NANOS" ? arrow::TimeUnit::NANO
                                                             : arrow::TimeUnit::MICRO;
}

std::shared_ptr<arrow::DataType> LeafType(const OrcType& type) {
  switch (type.kind) {
    case OrcKind::kBoolean:
      return arrow::boolean();
    case OrcKind::kByte:
    case OrcKind::kShort:
    case OrcKind::kInt:
      return arrow::int32();
    case OrcKind::kLong:
      if (type.attribute("iceberg.long-type") == "TIME") {
        return arrow::time64(arrow::TimeUnit::MICRO);
      }
      return arrow::int64();
    case OrcKind::kFloat:
      return arrow::float32();
    case OrcKind::kDouble:
      return arrow::float64();
    case OrcKind::kString:
    case OrcKind::kVarchar:
    case OrcKind::kChar:
      return arrow::utf8();
    case OrcKind::kBinary:
      return BinaryType(type);
    case OrcKind::kTimestamp:
      return arrow::timestamp(UnitOf(type));
    case OrcKind::kTimestampInstant:
      return arrow::timestamp(UnitOf(type), "UTC");
    case OrcKind::kDecimal:
      return DecimalType(type);
    case OrcKind::kDate:
      return arrow::date32();
    default:
      return arrow::null();
  }
}

class ColumnMaker {
 public:
  explicit ColumnMaker(const std::vector<OrcType>& types) : types_(types) {}

  Result<FileColumn> Column(std::string name, uint32_t number, int depth) {
    if (++columns_ > kMostColumns || depth > kMostDepth) {
      return Unsupported("an ORC file of more columns, or deeper ones, than tables have");
    }
    const OrcType& type = types_[number];
    FileColumn column;
    column.name = std::move(name);
    column.id = IntAttribute(type, "iceberg.id");
    const bool is_struct = type.kind == OrcKind::kStruct;
    const bool is_map = type.kind == OrcKind::kMap;
    if (is_struct || is_map || type.kind == OrcKind::kList) {
      for (size_t i = 0; i < type.subtypes.size(); ++i) {
        std::string child_name = is_struct ? type.names[i]
                                 : !is_map ? "element"
                                 : i == 0  ? "key"
                                           : "value";
        MORAINE_ASSIGN(FileColumn child,
                       Column(std::move(child_name), type.subtypes[i], depth + 1));
        column.children.push_back(std::move(child));
      }
    }
    if (column.children.empty()) {
      column.leaf_index = static_cast<int>(number);
      column.type = LeafType(type);
    } else {
      column.type = NestedType(type.kind, column.children);
    }
    return column;
  }

 private:
  static std::shared_ptr<arrow::DataType> NestedType(OrcKind kind,
                                                     const std::vector<FileColumn>& children) {
    if (kind == OrcKind::kList) return arrow::list(children[0].type);
    if (kind == OrcKind::kMap) return arrow::map(children[0].type, children[1].type);
    arrow::FieldVector fields;
    for (const FileColumn& child : children) fields.push_back(arrow::field(child.name, child.type));
    return arrow::struct_(std::move(fields));
  }

  const std::vector<OrcType>& types_;
  int columns_ = 0;
};

void FindNanoseconds(const std::vector<Field>& fields, std::set<int32_t>* ids) {
  for (const Field& field : fields) {
    const TypeKind kind = field.type->kind();
    if (kind == TypeKind::kTimestampNs || kind == TypeKind::kTimestampTzNs) ids->insert(field.id);
    if (field.type->is_nested()) FindNanoseconds(field.type->fields(), ids);
  }
}

void SetNanoseconds(const std::set<int32_t>& ids, std::vector<FileColumn>* columns) {
  for (FileColumn& column : *columns) {
    SetNanoseconds(ids, &column.children);
    if (column.type->id() != arrow::Type::TIMESTAMP || !column.id || !ids.contains(*column.id)) {
      continue;
    }
    const auto& type = static_cast<const arrow::TimestampType&>(*column.type);
    column.type = arrow::timestamp(arrow::TimeUnit::NANO, type.timezone());
  }
}

}  // namespace

Result<std::vector<FileColumn>> ToFileColumns(const std::vector<OrcType>& types) {
  MORAINE_ASSIGN(FileColumn root, ColumnMaker(types).Column("", 0, 0));
  return std::move(root.children);
}

void SetTimeUnits(const std::vector<Field>& wanted, std::vector<FileColumn>* columns) {
  std::set<int32_t> ids;
  FindNanoseconds(wanted, &ids);
  if (!ids.empty()) SetNanoseconds(ids, columns);
}

}  // namespace moraine::iceberg
