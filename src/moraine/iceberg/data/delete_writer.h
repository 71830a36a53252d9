#pragma once
// Writes delete files (table spec, "Delete files"): position deletes of one data file or of
// several, and equality deletes from rows of keys. Used by rewrite and by tests.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/data/parquet_writer.h"
#include "moraine/iceberg/deletes/position_set.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

/// Positions by data file, not empty. The file is sorted by path and position; with one data file,
/// referenced_data_file is set and both bounds of file_path are that path. Of options, properties,
/// memory, executor and pool are used. Partition and spec are the caller's to fill in.
Result<DataFile> WritePositionDeletes(Call& call, io::FileSystem& files,
                                      const std::string& location,
                                      const std::map<std::string, PositionSet>& positions,
                                      const WriteOptions& options);

/// Each row of batches is a deleted key: columns are options.schema's, with the table's field ids;
/// those in equality_ids are compared.
Result<DataFile> WriteEqualityDeletes(
    Call& call, io::FileSystem& files, const std::string& location,
    const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
    std::vector<int32_t> equality_ids, const WriteOptions& options);

}  // namespace moraine::iceberg
