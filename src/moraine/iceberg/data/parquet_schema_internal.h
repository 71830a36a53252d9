#pragma once
// Parquet schemas: an Iceberg schema as one to write (table spec, appendix A, "Parquet"), and the
// columns of a file that is read. Every group and leaf has its field id, the synthetic repeated
// groups none.

#include <memory>
#include <string>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/data/column_projection.h"
#include "moraine/iceberg/types/type.h"

namespace parquet {
class FileMetaData;
namespace arrow {
struct SchemaManifest;
}
namespace schema {
class GroupNode;
}
}  // namespace parquet

namespace moraine::iceberg {

/// The message "table". Columns of unknown type are left out. Errors: Unsupported for a struct with
/// no column that can be written.
Result<std::shared_ptr<parquet::schema::GroupNode>> ToParquetSchema(
    const std::vector<Field>& fields);

/// A column name that every reader takes: what is not a letter, digit or underscore becomes _xHEX.
std::string ParquetColumnName(const std::string& name);

/// The columns of a file with the ids it has.
std::vector<FileColumn> ToFileColumns(const parquet::arrow::SchemaManifest& manifest);

}  // namespace moraine::iceberg
