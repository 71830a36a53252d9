#pragma once
// Reads an Avro data or delete file (table spec, appendix A "Avro"); see data_file_reader.h. Holds
// one block, packed and unpacked.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/data/data_file_reader.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

/// As DataFileReader::Open.
Result<std::unique_ptr<DataFileReader>> OpenAvroReader(Call& call, io::FileSystem& files,
                                                       const std::string& location,
                                                       std::optional<int64_t> known_size,
                                                       ReadOptions options);

}  // namespace moraine::iceberg
