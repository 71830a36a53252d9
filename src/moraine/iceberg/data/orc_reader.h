#pragma once
// Reads an ORC data or delete file (table spec, appendix A "ORC"; ORC specification v1); see
// data_file_reader.h. Our own decoder: that of Arrow crashes on broken files and can't tell times
// before 1677 or after 2262. Holds a window of each stream that is wanted, and dictionaries.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/data/data_file_reader.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

/// As DataFileReader::Open. Next is Unsupported, too, for timestamps without a zone that were
/// written in the zone of the writer, unless that was UTC (Iceberg's own writers take UTC).
Result<std::unique_ptr<DataFileReader>> OpenOrcReader(Call& call, io::FileSystem& files,
                                                      const std::string& location,
                                                      std::optional<int64_t> known_size,
                                                      ReadOptions options);

}  // namespace moraine::iceberg
