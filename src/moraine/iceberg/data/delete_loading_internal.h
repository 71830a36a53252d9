#pragma once
// Reading of delete files into sets; see delete_filter.h.

#include <memory>
#include <string>
#include <vector>

#include "moraine/iceberg/data/data_file_reader.h"
#include "moraine/iceberg/data/delete_filter.h"

namespace moraine::iceberg {

/// Deletion vectors by the ranges of their entries; a Puffin file that holds several stays open.
class VectorLoader {
 public:
  VectorLoader(io::FileSystem& files, const DeleteFilterOptions& options)
      : files_(files), options_(options) {}

  /// Adds the positions of a wanted data file. Errors: Corruption for a second vector of a data
  /// file, or one that differs from its entry; Exhausted.
  Status Load(Call& call, const DataFile& file, PositionTable* table);

 private:
  Result<PositionSet> Read(Call& call, const DataFile& file, int64_t max_bytes);

  io::FileSystem& files_;
  const DeleteFilterOptions& options_;
  std::string open_path_;
  std::unique_ptr<io::RandomReader> open_;
};

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
