#pragma once
// Rows for tests: Arrow batches from JSON text, files written from them and read back. Failures end
// the test.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/iceberg/data/parquet_reader.h"
#include "moraine/iceberg/data/parquet_writer.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

/// A call that does not run out of time.
Call TestCall();

Field Required(int32_t id, std::string name, TypePtr type);
Field Optional(int32_t id, std::string name, TypePtr type);
SchemaPtr MakeSchema(std::vector<Field> fields);

/// Rows as JSON arrays or objects: [[1, "a"], [null, "b"]].
BatchPtr MakeRows(const std::vector<Field>& fields, std::string_view json);

/// Writes the rows as one data file.
DataFile WriteRows(io::FileSystem& files, const std::string& location, const BatchPtr& rows,
                   const WriteOptions& options);
DataFile WriteRows(io::FileSystem& files, const std::string& location,
                   const std::vector<Field>& fields, std::string_view json);

/// Reads all rows as one batch; columns decoded.
Result<BatchPtr> ReadRows(io::FileSystem& files, const std::string& location, ReadOptions options);
/// The same as text, one line a row, values as Arrow prints them; for the columns of fields.
std::string ReadText(io::FileSystem& files, const std::string& location,
                     const std::vector<Field>& fields);
std::string RowsText(const arrow::RecordBatch& rows);

}  // namespace moraine::iceberg
