#pragma once
// Reads a Parquet data or delete file; see data_file_reader.h. Holds the pages it works on.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/data/data_file_reader.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

class ParquetReader : public DataFileReader {
 public:
  /// As DataFileReader::Open.
  static Result<std::unique_ptr<ParquetReader>> Open(Call& call, io::FileSystem& files,
                                                     const std::string& location,
                                                     std::optional<int64_t> known_size,
                                                     ReadOptions options);

  virtual int64_t num_rows() const = 0;  ///< of the file
  std::optional<int64_t> known_rows() const override { return num_rows(); }
};

}  // namespace moraine::iceberg
