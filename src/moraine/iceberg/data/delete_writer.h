#pragma once
// Writes delete files (table spec, "Delete files"): deletion vectors, position deletes of one data
// file or of several, and equality deletes from rows of keys. Used by rewrite and by tests.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/data/parquet_writer.h"
#include "moraine/iceberg/deletes/position_set.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/puffin/puffin_writer.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

/// Positions by data file, not empty. The file is sorted by path and position; with one data file,
/// referenced_data_file is set and both bounds of file_path are that path. Of options, properties,
/// memory, executor and pool are used. Partition and spec are the caller's to fill in.
Result<DataFile> WritePositionDeletes(Call& call, io::FileSystem& files,
                                      const std::string& location,
                                      const std::map<std::string, PositionSet>& positions,
                                      const WriteOptions& options);

/// Deletion vectors of several data files in one Puffin file, one after the other. The file is
/// begun by the first. Used by one thread at a time.
class DeletionVectorWriter {
 public:
  DeletionVectorWriter(io::FileSystem& files, std::string location)
      : files_(files), location_(std::move(location)) {}

  /// The positions, not empty, of a data file that has not been added yet. Errors: as io;
  /// AlreadyExists.
  Status Add(Call& call, const std::string& data_file, const PositionSet& positions);
  /// An entry for each, in their order; none and no file if nothing was added. Partition and spec
  /// are the caller's to fill in. Call once.
  Result<std::vector<DataFile>> Close(Call& call);

 private:
  io::FileSystem& files_;
  std::string location_;
  std::optional<PuffinWriter> writer_;
  std::vector<DataFile> entries_;
};

/// All at once; see DeletionVectorWriter.
Result<std::vector<DataFile>> WriteDeletionVectors(
    Call& call, io::FileSystem& files, const std::string& location,
    const std::map<std::string, PositionSet>& positions);

/// Each row of batches is a deleted key: columns are options.schema's, with the table's field ids;
/// those in equality_ids are compared.
Result<DataFile> WriteEqualityDeletes(
    Call& call, io::FileSystem& files, const std::string& location,
    const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
    std::vector<int32_t> equality_ids, const WriteOptions& options);

}  // namespace moraine::iceberg
