#pragma once
// Some rows of a data file, a few columns of each, as values: what planning chooses ranges of keys
// by.

#include <cstdint>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/data/data_file_reader.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/types/value.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

/// About this many rows, evenly spread over the file, deleted ones among them; of each the columns
/// with these ids, which may be fields of structs. options: how to read; its fields hold them.
/// Reads those columns whole. Errors: as DataFileReader; InvalidArgument as KeyColumns.
Result<std::vector<std::vector<Value>>> SampleKeys(Call& call, io::FileSystem& files,
                                                   const DataFile& file,
                                                   const std::vector<int32_t>& ids,
                                                   const ReadOptions& options, int64_t rows);

}  // namespace moraine::iceberg
