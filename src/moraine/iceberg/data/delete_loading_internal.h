#pragma once
// Reading of delete files into sets; see delete_filter.h.

#include <string>
#include <vector>

#include "moraine/iceberg/data/delete_filter.h"
#include "moraine/iceberg/data/parquet_reader.h"

namespace moraine::iceberg {

/// Adds the positions of wanted data files; row groups of other paths are skipped.
Status LoadPositionDeletes(Call& call, io::FileSystem& files, const DataFile& file,
                           const DeleteFilterOptions& options, PositionTable* table);

/// The columns of the delete file that are its keys but not in the schema any more.
Result<std::vector<Field>> DroppedKeyFields(Call& call, io::FileSystem& files, const DataFile& file,
                                            const DeleteFilterOptions& options);

Status LoadEqualityDeletes(Call& call, io::FileSystem& files, const DeleteSource& source,
                           const std::vector<Field>& fields, const DeleteFilterOptions& options,
                           int64_t max_bytes, EqualitySet* set);

}  // namespace moraine::iceberg
