#pragma once
// Reads an ORC data or delete file (table spec, appendix A "ORC") by Arrow's adapter; see
// data_file_reader.h. Holds what the adapter does of a stripe (blocks of its streams, dictionaries:
// these are not the pool's) and one batch.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/data/data_file_reader.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

/// As DataFileReader::Open. Next is Unsupported, too, for a timestamp that nanoseconds since 1970
/// can't tell (before 1677, after 2262): the adapter knows no coarser unit.
Result<std::unique_ptr<DataFileReader>> OpenOrcReader(Call& call, io::FileSystem& files,
                                                      const std::string& location,
                                                      std::optional<int64_t> known_size,
                                                      ReadOptions options);

}  // namespace moraine::iceberg
