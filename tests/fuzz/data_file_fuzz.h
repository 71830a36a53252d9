#pragma once
// What the fuzz entries of ORC and Avro share: reads a file by the columns that it claims.

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz/fuzz.h"
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "moraine/iceberg/data/arrow_schema.h"
#include "moraine/iceberg/data/data_file_reader.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::iceberg {

/// Of a column with ids all the way down; else nullptr.
inline TypePtr ClaimedType(const FileColumn& column);

inline std::vector<Field> ClaimedFields(const std::vector<FileColumn>& columns) {
  std::vector<Field> fields;
  for (const FileColumn& column : columns) {
    Field field;
    field.id = column.id.value_or(0);
    field.name = column.name;
    field.type = ClaimedType(column);
    if (column.id && field.type != nullptr) fields.push_back(std::move(field));
  }
  return fields;
}

inline TypePtr ClaimedType(const FileColumn& column) {
  if (column.children.empty()) {
    Result<TypePtr> type = FromArrowType(*column.type);
    return type.ok() ? *type : nullptr;
  }
  std::vector<Field> fields = ClaimedFields(column.children);
  if (fields.size() != column.children.size()) return nullptr;
  if (column.type->id() == arrow::Type::STRUCT) return Type::Struct(std::move(fields));
  if (fields.size() == 1) return Type::List(std::move(fields[0]));
  fields[0].required = true;
  return Type::Map(std::move(fields[0]), std::move(fields[1]));
}

inline void ReadClaimedColumns(std::string_view bytes, FileFormat format) {
  Call call(SystemEnv(NullLogger()), std::chrono::minutes(1));
  io::MemoryFileSystem files;
  files.Put("/f", std::string(bytes), 0);
  arrow::ProxyMemoryPool counted(arrow::default_memory_pool());
  arrow::CappedMemoryPool pool(&counted, 64 << 20);
  ReadOptions options;
  options.pool = &pool;
  options.without_ids = WithoutIds::kByName;
  auto probe = DataFileReader::Open(call, files, "/f", format, std::nullopt, options);
  if (!probe.ok()) return;
  options.fields = ClaimedFields((*probe)->columns());
  auto reader = DataFileReader::Open(call, files, "/f", format, std::nullopt, options);
  if (!reader.ok()) return;
  for (int i = 0; i < 100; ++i) {
    auto batch = (*reader)->Next(call);
    if (!batch.ok() || *batch == nullptr) return;
    if (!(*batch)->Validate().ok()) std::abort();
  }
}

}  // namespace moraine::iceberg
