#include "moraine/iceberg/testing/rows.h"

#include <utility>

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "moraine/iceberg/data/arrow_schema.h"
#include "moraine/io/arrow_status.h"

namespace moraine::iceberg {
namespace {

template <typename T>
T Must(arrow::Result<T> result) {
  MORAINE_CHECK(result.ok(), result.status().ToString());
  return std::move(result).ValueUnsafe();
}

template <typename T>
T Must(Result<T> result) {
  MORAINE_CHECK(result.ok(), result.status().ToString());
  return std::move(result).value();
}

}  // namespace

Call TestCall() { return Call(SystemEnv(NullLogger()), std::chrono::hours(1)); }

Field Required(int32_t id, std::string name, TypePtr type) {
  Field field = Optional(id, std::move(name), std::move(type));
  field.required = true;
  return field;
}

Field Optional(int32_t id, std::string name, TypePtr type) {
  Field field;
  field.id = id;
  field.name = std::move(name);
  field.type = std::move(type);
  return field;
}

SchemaPtr MakeSchema(std::vector<Field> fields) {
  return std::make_shared<const Schema>(0, std::move(fields));
}

BatchPtr MakeRows(const std::vector<Field>& fields, std::string_view json) {
  const auto schema = ToArrowSchema(fields);
  const auto array = Must(arrow::json::ArrayFromJSONString(arrow::struct_(schema->fields()), json));
  const auto& rows = static_cast<const arrow::StructArray&>(*array);
  return arrow::RecordBatch::Make(schema, rows.length(), rows.fields());
}

DataFile WriteRows(io::FileSystem& files, const std::string& location, const BatchPtr& rows,
                   const WriteOptions& options) {
  Call call = TestCall();
  auto writer = Must(ParquetWriter::Open(call, files, location, options));
  const Status written = writer->Write(call, *rows);
  MORAINE_CHECK(written.ok(), written.ToString());
  return Must(writer->Close(call));
}

DataFile WriteRows(io::FileSystem& files, const std::string& location,
                   const std::vector<Field>& fields, std::string_view json) {
  WriteOptions options;
  options.schema = MakeSchema(fields);
  return WriteRows(files, location, MakeRows(fields, json), options);
}

Result<BatchPtr> ReadRows(io::FileSystem& files, const std::string& location, ReadOptions options) {
  Call call = TestCall();
  MORAINE_ASSIGN(auto reader,
                 ParquetReader::Open(call, files, location, std::nullopt, std::move(options)));
  std::vector<BatchPtr> batches;
  while (true) {
    MORAINE_ASSIGN(BatchPtr batch, reader->Next(call));
    if (batch == nullptr) break;
    MORAINE_TRY(batch->ValidateFull());
    batches.push_back(std::move(batch));
  }
  MORAINE_ASSIGN(auto table, arrow::Table::FromRecordBatches(reader->schema(), batches));
  MORAINE_ASSIGN(BatchPtr rows, table->CombineChunksToBatch());
  return rows;
}

std::string RowsText(const arrow::RecordBatch& rows) {
  std::string text;
  for (int64_t row = 0; row < rows.num_rows(); ++row) {
    for (int column = 0; column < rows.num_columns(); ++column) {
      if (column > 0) text += ", ";
      text += Must(rows.column(column)->GetScalar(row))->ToString();
    }
    text += "\n";
  }
  return text;
}

std::string ReadText(io::FileSystem& files, const std::string& location,
                     const std::vector<Field>& fields) {
  ReadOptions options;
  options.fields = fields;
  Result<BatchPtr> rows = ReadRows(files, location, std::move(options));
  return rows.ok() ? RowsText(**rows) : std::string(rows.status().ToString());
}

}  // namespace moraine::iceberg
