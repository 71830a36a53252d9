#pragma once
// Counts the distinct values of columns of one data file, without its deleted rows. Reads those
// columns and the keys of equality deletes, nothing else. Used for table statistics (upkeep).

#include <cstdint>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/iceberg/data/column_projection.h"
#include "moraine/iceberg/data/column_sketch.h"
#include "moraine/iceberg/data/delete_filter.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/metadata/name_mapping.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

struct SketchedColumns {
  const Schema* schema = nullptr;  ///< never null
  std::vector<int32_t> ids;        ///< at the top or fields of structs; HasSketch
  ColumnConstants constants;       ///< identity partition values
  const NameMapping* mapping = nullptr;
  int64_t memory_bytes = int64_t{64} << 20;
};

/// sketches: one for each of columns.ids. Returns the rows of the file, deleted ones among them.
/// Errors: as DataFileReader; Corruption for a file with other rows than its metadata says.
Result<int64_t> AddFileToSketches(Call& call, io::FileSystem& files, const DataFile& file,
                                  int64_t sequence_number, const DeleteFilter& deletes,
                                  const SketchedColumns& columns,
                                  std::vector<ColumnSketch>* sketches);

}  // namespace moraine::iceberg
