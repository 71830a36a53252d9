#pragma once
// The fields that a data file claims to have, as a table's: what fuzzers of data files ask for.

#include <vector>

#include "moraine/iceberg/data/arrow_schema.h"
#include "moraine/iceberg/data/parquet_reader.h"

namespace moraine::fuzz {

inline std::vector<iceberg::Field> FieldsOf(const std::vector<iceberg::FileColumn>& columns) {
  std::vector<iceberg::Field> fields;
  for (const iceberg::FileColumn& column : columns) {
    Result<iceberg::TypePtr> type = iceberg::FromArrowType(*column.type);
    if (!column.id || !type.ok()) continue;
    iceberg::Field field;
    field.id = *column.id;
    field.name = column.name;
    field.type = *type;
    fields.push_back(std::move(field));
  }
  return fields;
}

}  // namespace moraine::fuzz
