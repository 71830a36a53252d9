#pragma once
// The deletes of one task, loaded once and applied to the rows of its data files (table spec, "Scan
// planning": which delete reaches which row). Which delete file applies to which data file was
// decided by planning; here positions are matched by path, keys by value and sequence number.

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/data/key_columns.h"
#include "moraine/iceberg/deletes/equality_set.h"
#include "moraine/iceberg/deletes/position_set.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/metadata/name_mapping.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/io/file_system.h"

namespace arrow {
class MemoryPool;
class RecordBatch;
}  // namespace arrow

namespace moraine::iceberg {

/// A delete file with its data sequence number.
struct DeleteSource {
  const DataFile* file = nullptr;
  int64_t sequence_number = 0;
};

struct DeleteFilterOptions {
  SchemaPtr schema;                      ///< the table's current one
  const NameMapping* mapping = nullptr;  ///< for delete files without ids
  std::set<std::string> data_files;      ///< positions of other files are not kept
  int64_t memory_bytes = int64_t{128} << 20;
  arrow::MemoryPool* pool = nullptr;  ///< nullptr: Arrow's default; for reading, not for the sets
};

/// Positions by data file.
struct PositionTable {
  std::map<std::string, PositionSet> by_file;
  int64_t unchecked_rows = 0;  ///< added since the memory was last summed up
};

/// Immutable once loaded.
class DeleteFilter {
 public:
  /// Reads all delete files and deletion vectors; of a data file with a vector, position deletes
  /// are left out. Errors: Unsupported for a key that cannot be compared; Exhausted with the
  /// figures; as DataFileReader. All name the file.
  static Result<DeleteFilter> Load(Call& call, io::FileSystem& files,
                                   const std::vector<DeleteSource>& deletes,
                                   const DeleteFilterOptions& options);

  /// Key columns that the schema has no more, to be read behind its own.
  const std::vector<Field>& dropped_fields() const { return dropped_fields_; }
  /// The fields that equality deletes compare: all that must be read to find dead rows.
  const std::vector<Field>& key_fields() const { return key_fields_; }
  bool has_equality_deletes() const { return !groups_.empty(); }
  int64_t memory_bytes() const;

  /// Deleted positions of a data file, or nullptr.
  const PositionSet* Positions(const std::string& data_file) const;

 private:
  friend class FileDeletes;
  struct Group {
    std::vector<int32_t> ids;  // ascending
    EqualitySet set;
  };

  PositionTable positions_;
  std::vector<Group> groups_;
  std::vector<Field> dropped_fields_;
  std::vector<Field> key_fields_;
};

/// What of a filter can reach the rows of one data file. Used by one thread at a time.
class FileDeletes {
 public:
  /// batch_fields: those of the batches that will come. They hold key_fields().
  static Result<FileDeletes> Make(const DeleteFilter& filter, const std::string& data_file,
                                  int64_t sequence_number, const std::vector<Field>& batch_fields);

  bool has_position_deletes() const { return positions_ != nullptr; }
  bool has_equality_deletes() const { return !groups_.empty(); }
  bool empty() const { return positions_ == nullptr && groups_.empty(); }

  /// keep has a bit for each row, all set: clears those of deleted rows and returns how many.
  Result<int64_t> Apply(const arrow::RecordBatch& batch, int64_t first_position, uint8_t* keep,
                        arrow::MemoryPool* pool);

 private:
  struct Group {
    const EqualitySet* set;
    KeyColumns keys;
    RowKeys scratch;
  };
  const PositionSet* positions_ = nullptr;
  int64_t sequence_number_ = 0;
  std::vector<Group> groups_;
};

/// batch without the rows whose bit is clear; dictionaries stay.
Result<std::shared_ptr<arrow::RecordBatch>> KeepRows(
    const std::shared_ptr<arrow::RecordBatch>& batch, const std::vector<uint8_t>& keep,
    arrow::MemoryPool* pool);

}  // namespace moraine::iceberg
