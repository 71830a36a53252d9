#pragma once
// Data files of one partition, one after the other: a new one begins when the current has reached
// the target size. Nothing is written before the first row.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "moraine/iceberg/data/parquet_writer.h"

namespace moraine::iceberg {

struct DataFileWriterOptions {
  WriteOptions write;
  int64_t target_size_bytes = 0;  ///< 0: one file
  int32_t spec_id = 0;
  PartitionTuple partition;
  std::function<std::string(int index)> location;  ///< of the file with this number, from 0
};

/// Used by one thread at a time.
class DataFileWriter {
 public:
  DataFileWriter(io::FileSystem& files, DataFileWriterOptions options)
      : files_(files), options_(std::move(options)) {}

  /// The number of the file that the next rows go to. Rows of one Write all go to one file.
  size_t file_index() const { return closed_.size(); }
  /// Errors: as ParquetWriter.
  Status Write(Call& call, const arrow::RecordBatch& batch);
  /// Closes the last file and returns all. Call once.
  Result<std::vector<DataFile>> Close(Call& call);

 private:
  Status CloseFile(Call& call);

  io::FileSystem& files_;
  const DataFileWriterOptions options_;
  std::unique_ptr<ParquetWriter> writer_;
  std::vector<DataFile> closed_;
};

}  // namespace moraine::iceberg
