#include "moraine/iceberg/data/partition_statistics.h"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <utility>
#include <variant>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include "moraine/iceberg/data/arrow_schema.h"
#include "moraine/iceberg/data/column_values.h"
#include "moraine/iceberg/data/data_file_reader.h"
#include "moraine/iceberg/data/parquet_writer.h"
#include "moraine/io/arrow_status.h"

namespace moraine::iceberg {
namespace {

constexpr size_t kBatchRows = 16 * 1024;

/// A column that counts: its id, name and place in a row. The order is that of the file.
struct CountColumn {
  int32_t id;
  const char* name;
  bool is_long;
  int64_t PartitionCounts::*count;
};
constexpr CountColumn kDataColumns[] = {
    {3, "data_record_count", true, &PartitionCounts::data_records},
    {4, "data_file_count", false, &PartitionCounts::data_files},
    {5, "total_data_file_size_in_bytes", true, &PartitionCounts::data_bytes},
};
constexpr CountColumn kDeleteColumns[] = {
    {6, "position_delete_record_count", true, &PartitionCounts::position_delete_records},
    {7, "position_delete_file_count", false, &PartitionCounts::position_delete_files},
    {8, "equality_delete_record_count", true, &PartitionCounts::equality_delete_records},
    {9, "equality_delete_file_count", false, &PartitionCounts::equality_delete_files},
};
constexpr CountColumn kVectorColumn = {13, "dv_count", false, &PartitionCounts::deletion_vectors};
struct OptionalColumn {
  int32_t id;
  const char* name;
  std::optional<int64_t> PartitionCounts::*value;
};
constexpr OptionalColumn kOptionalColumns[] = {
    {10, "total_record_count", &PartitionCounts::total_records},
    {11, "last_updated_at", &PartitionCounts::last_updated_ms},
    {12, "last_updated_snapshot_id", &PartitionCounts::last_updated_snapshot_id},
};
constexpr int32_t kPartitionColumn = 1;
constexpr int32_t kSpecColumn = 2;

Field FieldOf(const CountColumn& column, bool required) {
  Field field;
  field.id = column.id;
  field.name = column.name;
  field.required = required;
  field.type = Type::Primitive(column.is_long ? TypeKind::kLong : TypeKind::kInt);
  return field;
}

enum class Deletes { kOptional, kRequired };

std::vector<Field> FieldsOf(const std::vector<Field>& partition_fields, Deletes deletes,
                            bool with_vectors) {
  const bool required = deletes == Deletes::kRequired;
  std::vector<Field> fields;
  fields.push_back({kPartitionColumn, "partition", true, Type::Struct(partition_fields)});
  fields.push_back({kSpecColumn, "spec_id", true, Type::Primitive(TypeKind::kInt)});
  for (const auto& column : kDataColumns) fields.push_back(FieldOf(column, true));
  for (const auto& column : kDeleteColumns) fields.push_back(FieldOf(column, required));
  for (const auto& column : kOptionalColumns)
    fields.push_back({column.id, column.name, false, Type::Primitive(TypeKind::kLong)});
  if (with_vectors) fields.push_back(FieldOf(kVectorColumn, required));
  return fields;
}

using ArrayPtr = std::shared_ptr<arrow::Array>;

/// The rows of one batch.
using Rows = std::vector<PartitionStatisticsRow>;

Status WrongForm(const Type& type) {
  return Corruption(fmt::format("a partition value is not a {}", type.ToString()));
}

template <typename Form, typename Builder>
Result<ArrayPtr> FillColumn(const Type& type, const Rows& rows, size_t field, Builder builder) {
  MORAINE_TRY(builder.Reserve(static_cast<int64_t>(rows.size())));
  for (const auto& row : rows) {
    const Value& value = row.partition->at(field);
    if (IsNull(value)) {
      MORAINE_TRY(builder.AppendNull());
      continue;
    }
    const auto* form = std::get_if<Form>(&value);
    if (form == nullptr) return WrongForm(type);
    if constexpr (std::is_same_v<Form, Int128>) {
      MORAINE_TRY(builder.Append(
          arrow::Decimal128(static_cast<int64_t>(*form >> 64), static_cast<uint64_t>(*form))));
    } else {
      MORAINE_TRY(builder.Append(*form));
    }
  }
  ArrayPtr array;
  MORAINE_TRY(builder.Finish(&array));
  return array;
}

Result<ArrayPtr> FixedColumn(const Type& type, const Rows& rows, size_t field) {
  const auto arrow_type = ToArrowType(type);
  const auto width =
      static_cast<size_t>(static_cast<const arrow::FixedSizeBinaryType&>(*arrow_type).byte_width());
  for (const auto& row : rows) {
    const auto* bytes = std::get_if<std::string>(&row.partition->at(field));
    if (bytes != nullptr && bytes->size() != width) return WrongForm(type);
  }
  return FillColumn<std::string>(
      type, rows, field, arrow::FixedSizeBinaryBuilder(arrow_type, arrow::default_memory_pool()));
}

Result<ArrayPtr> PartitionColumn(const Type& type, const Rows& rows, size_t field) {
  const auto arrow_type = ToArrowType(type);
  arrow::MemoryPool* pool = arrow::default_memory_pool();
  switch (type.kind()) {
    case TypeKind::kBoolean:
      return FillColumn<bool>(type, rows, field, arrow::BooleanBuilder());
    case TypeKind::kInt:
      return FillColumn<int32_t>(type, rows, field, arrow::Int32Builder());
    case TypeKind::kDate:
      return FillColumn<int32_t>(type, rows, field, arrow::Date32Builder());
    case TypeKind::kLong:
      return FillColumn<int64_t>(type, rows, field, arrow::Int64Builder());
    case TypeKind::kTime:
      return FillColumn<int64_t>(type, rows, field, arrow::Time64Builder(arrow_type, pool));
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampTz:
    case TypeKind::kTimestampNs:
    case TypeKind::kTimestampTzNs:
      return FillColumn<int64_t>(type, rows, field, arrow::TimestampBuilder(arrow_type, pool));
    case TypeKind::kFloat:
      return FillColumn<float>(type, rows, field, arrow::FloatBuilder());
    case TypeKind::kDouble:
      return FillColumn<double>(type, rows, field, arrow::DoubleBuilder());
    case TypeKind::kDecimal:
      return FillColumn<Int128>(type, rows, field, arrow::Decimal128Builder(arrow_type, pool));
    case TypeKind::kString:
      return FillColumn<std::string>(type, rows, field, arrow::StringBuilder());
    case TypeKind::kBinary:
      return FillColumn<std::string>(type, rows, field, arrow::BinaryBuilder());
    case TypeKind::kUuid:
    case TypeKind::kFixed:
      return FixedColumn(type, rows, field);
    default:
      return Unsupported(fmt::format("partitions by a {} have no statistics", type.ToString()));
  }
}

template <typename Builder>
Result<ArrayPtr> NumberColumn(
    const Rows& rows,
    const std::function<std::optional<int64_t>(const Rows::value_type&)>& number) {
  using Form = typename Builder::value_type;
  Builder builder;
  MORAINE_TRY(builder.Reserve(static_cast<int64_t>(rows.size())));
  for (const auto& row : rows) {
    const auto value = number(row);
    if (!value) {
      builder.UnsafeAppendNull();
      continue;
    }
    if (*value > std::numeric_limits<Form>::max())
      return Unsupported(fmt::format("a partition has {} files", *value));
    builder.UnsafeAppend(static_cast<Form>(*value));
  }
  ArrayPtr array;
  MORAINE_TRY(builder.Finish(&array));
  return array;
}

Result<ArrayPtr> ColumnOf(const Field& field, const Rows& rows) {
  if (field.id == kPartitionColumn) {
    std::vector<ArrayPtr> children;
    for (size_t i = 0; i < field.type->fields().size(); ++i) {
      MORAINE_ASSIGN(auto child, PartitionColumn(*field.type->fields()[i].type, rows, i));
      children.push_back(std::move(child));
    }
    return ArrayPtr(std::make_shared<arrow::StructArray>(
        ToArrowType(*field.type), static_cast<int64_t>(rows.size()), std::move(children)));
  }
  using Row = PartitionStatisticsRow;
  if (field.id == kSpecColumn)
    return NumberColumn<arrow::Int32Builder>(rows, [](const Row& row) { return row.spec_id; });
  for (const auto& column : kOptionalColumns) {
    if (column.id == field.id)
      return NumberColumn<arrow::Int64Builder>(
          rows, [&](const Row& row) { return row.counts->*column.value; });
  }
  const auto count = [&](const CountColumn& column) {
    const auto number = [&](const Row& row) { return row.counts->*column.count; };
    return column.is_long ? NumberColumn<arrow::Int64Builder>(rows, number)
                          : NumberColumn<arrow::Int32Builder>(rows, number);
  };
  for (const auto& column : kDataColumns)
    if (column.id == field.id) return count(column);
  for (const auto& column : kDeleteColumns)
    if (column.id == field.id) return count(column);
  return count(kVectorColumn);
}

/// As it was read: all columns of FieldsOf with vectors, in their order.
Result<PartitionStatistics> RowAt(const arrow::RecordBatch& batch, const std::vector<Field>& fields,
                                  int64_t at) {
  PartitionStatistics row;
  const auto& partition = static_cast<const arrow::StructArray&>(*batch.column(0));
  const auto& parts = fields[0].type->fields();
  for (size_t i = 0; i < parts.size(); ++i) {
    row.partition.push_back(
        partition.IsNull(at) ? Value()
                             : ValueAt(*partition.field(static_cast<int>(i)), *parts[i].type, at));
  }
  int next = 1;
  const auto number = [&](bool is_long) -> std::optional<int64_t> {
    const auto& column = *batch.column(next++);
    if (column.IsNull(at)) return std::nullopt;
    if (is_long) return static_cast<const arrow::Int64Array&>(column).Value(at);
    return static_cast<const arrow::Int32Array&>(column).Value(at);
  };
  row.spec_id = static_cast<int32_t>(number(false).value_or(0));
  const auto count = [&](const CountColumn& column) -> Status {
    const int64_t value = number(column.is_long).value_or(0);
    if (value < 0) return Corruption(fmt::format("{} is {}", column.name, value));
    row.counts.*column.count = value;
    return {};
  };
  for (const auto& column : kDataColumns) MORAINE_TRY(count(column));
  for (const auto& column : kDeleteColumns) MORAINE_TRY(count(column));
  for (const auto& column : kOptionalColumns) row.counts.*column.value = number(true);
  MORAINE_TRY(count(kVectorColumn));
  return row;
}

FileFormat FormatOf(std::string_view location) {
  if (location.ends_with(".avro")) return FileFormat::kAvro;
  if (location.ends_with(".orc")) return FileFormat::kOrc;
  return FileFormat::kParquet;
}

}  // namespace

Result<std::vector<Field>> UnifiedPartitionFields(const TableMetadata& metadata) {
  std::vector<PartitionSpecPtr> specs = metadata.partition_specs;
  std::sort(specs.begin(), specs.end(),
            [](const auto& a, const auto& b) { return a->spec_id > b->spec_id; });
  const auto is_void = [](const PartitionField& field) {
    return field.transform.kind() == Transform::Kind::kVoid;
  };
  std::map<int32_t, std::pair<Field, const PartitionField*>> by_id;
  for (const auto& spec : specs) {
    const auto types = PartitionTypes(*spec, metadata.CurrentSchema());
    for (size_t i = 0; i < spec->fields.size(); ++i) {
      const PartitionField& part = spec->fields[i];
      if (part.transform.kind() == Transform::Kind::kUnknown) {
        return Unsupported(
            fmt::format("the partition transform {} is not known", part.transform.ToString()));
      }
      if (metadata.CurrentSchema().FindField(part.source_id()) == nullptr) continue;
      auto [at, is_new] =
          by_id.try_emplace(part.field_id, Field{part.field_id, part.name, false, types[i]}, &part);
      if (is_new) continue;
      auto& [field, known] = at->second;
      const bool same = known->source_ids == part.source_ids &&
                        (known->transform == part.transform || is_void(*known) || is_void(part));
      if (!same) {
        return Unsupported(
            fmt::format("partition fields {} and {} have one id", known->name, part.name));
      }
      if (!is_void(*known)) continue;
      field.type = types[i];
      known = &part;
    }
  }
  std::vector<Field> fields;
  for (auto& [_, field] : by_id) fields.push_back(std::move(field.first));
  return fields;
}

std::vector<Field> PartitionStatisticsFields(const std::vector<Field>& partition_fields,
                                             int format_version) {
  const bool is_new = format_version >= 3;
  return FieldsOf(partition_fields, is_new ? Deletes::kRequired : Deletes::kOptional, is_new);
}

Result<int64_t> WritePartitionStatistics(Call& call, io::FileSystem& files,
                                         const PartitionStatisticsOutput& output, size_t count,
                                         const std::function<PartitionStatisticsRow(size_t)>& row) {
  const auto fields = PartitionStatisticsFields(output.partition_fields, output.format_version);
  WriteOptions options;
  options.schema = std::make_shared<const Schema>(0, fields);
  options.properties = output.properties;
  options.modes.emplace();  // nobody asks for metrics
  options.memory_bytes = output.memory_bytes;
  MORAINE_ASSIGN(auto writer, ParquetWriter::Open(call, files, output.location, options));
  const auto schema = ToArrowSchema(fields);
  Rows rows;
  for (size_t begin = 0; begin < count; begin += kBatchRows) {
    MORAINE_TRY(call.Check());
    rows.clear();
    for (size_t i = begin; i < std::min(count, begin + kBatchRows); ++i) rows.push_back(row(i));
    std::vector<ArrayPtr> columns;
    for (const Field& field : fields) {
      MORAINE_ASSIGN(auto column, ColumnOf(field, rows));
      columns.push_back(std::move(column));
    }
    const auto batch =
        arrow::RecordBatch::Make(schema, static_cast<int64_t>(rows.size()), std::move(columns));
    MORAINE_TRY(writer->Write(call, *batch));
  }
  MORAINE_ASSIGN(const DataFile file, writer->Close(call));
  return file.file_size_in_bytes;
}

Status ReadPartitionStatistics(Call& call, io::FileSystem& files, const std::string& location,
                               std::optional<int64_t> known_size,
                               const std::vector<Field>& partition_fields,
                               const std::function<Status(PartitionStatistics&)>& visit) {
  ReadOptions options;
  options.fields = FieldsOf(partition_fields, Deletes::kOptional, true);
  MORAINE_ASSIGN(auto reader, DataFileReader::Open(call, files, location, FormatOf(location),
                                                   known_size, options));
  while (true) {
    MORAINE_ASSIGN(const auto batch, reader->Next(call));
    if (batch == nullptr) return {};
    for (int64_t at = 0; at < batch->num_rows(); ++at) {
      auto row = RowAt(*batch, options.fields, at);
      if (!row.ok()) return std::move(row).status().Annotate("in " + location);
      MORAINE_TRY(visit(*row));
    }
  }
}

}  // namespace moraine::iceberg
