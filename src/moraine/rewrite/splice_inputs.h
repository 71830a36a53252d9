#pragma once
// A task's inputs as the page copier sees them: which of their columns can be copied, and which
// rows of a row group are alive. Used by splice_pack.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/iceberg/data/parquet_shape.h"
#include "moraine/io/file_system.h"
#include "moraine/rewrite/chunk_part.h"
#include "moraine/rewrite/opened_files.h"
#include "moraine/rewrite/task_run.h"
#include "moraine/splice/format.h"
#include "moraine/splice/page_builder.h"

namespace moraine::rewrite {

/// For each field that is written, the physical columns of a file that hold it; empty: none do.
using FieldLeaves = std::vector<std::vector<int>>;

struct SpliceFile {
  size_t input = 0;
  std::shared_ptr<io::RandomReader> reader;
  splice::FileMetadata metadata;
  int64_t footer_bytes = 0;
  std::shared_ptr<const FieldLeaves> leaves;
};

/// Parts of the chunks of a row group, by physical column; nullopt: all of the chunk is read.
struct ChunkParts {
  std::vector<std::optional<ChunkPart>> columns;
  int64_t memory_bytes = 0;
};

/// Positions in an input.
struct DeadRows {
  iceberg::PositionSet deleted;
  const iceberg::PositionSet* superseded = nullptr;  ///< by other rows with their keys
};

/// Rows of a row group, of which some may be dead.
struct LiveRows {
  int64_t alive = 0;
  int64_t deleted = 0;
  int64_t superseded = 0;                ///< and not deleted
  std::vector<uint8_t> keep;             ///< a bit for each row; empty: all are alive
  std::vector<splice::RowRange> ranges;  ///< the alive ones, where some are dead
};

class SpliceInputs {
 public:
  /// shape and footer: what is written.
  SpliceInputs(TaskRun* run, const iceberg::ParquetShape& shape,
               const splice::FileMetadata& output);

  /// Looks at all inputs: decides which fields must be encoded anew. Errors: Unsupported for inputs
  /// that are not to be taken apart (another format, encrypted), Corruption, as io.
  Status Survey(Call& call);
  /// By field.
  const std::vector<bool>& encoded() const { return encoded_; }
  /// Bytes of all columns, and of those that are encoded anew.
  int64_t total_bytes() const { return total_bytes_; }
  int64_t encoded_bytes() const { return encoded_bytes_; }

  /// Opens an input; without keep_open, the file is opened for each read. The footer is read once,
  /// as far as there is memory to keep it.
  Result<SpliceFile> Open(Call& call, size_t input, bool keep_open);
  /// Says that a row group will be copied, or these rows of it: files that are far away are fetched
  /// ahead, and only the pages that hold such rows. nullptr: all chunks are read as they are.
  Result<std::shared_ptr<const ChunkParts>> Announce(Call& call, const SpliceFile& file,
                                                     size_t row_group,
                                                     const std::vector<splice::RowRange>* rows);
  Result<DeadRows> FindDeadRows(Call& call, size_t input);

  /// The files of the task; those far away that are open here are not asked for again.
  io::FileSystem& files() { return opened_; }
  /// Of those that are open here, none is read by others from here on.
  void Forget() { opened_.Clear(); }
  /// Nor is this one: what is open holds memory that all files far away share.
  void Forget(size_t input);

 private:
  Result<std::shared_ptr<const FieldLeaves>> Match(const std::string& footer,
                                                   const splice::FileMetadata& metadata);
  Status CheckInput(const tasks::InputFile& input) const;
  /// What the survey has seen of an input, for Open.
  struct Known {
    std::string footer;
    std::shared_ptr<io::RandomReader> reader;
  };
  Result<SpliceFile> Look(Call& call, size_t input, Known* known);
  void Keep(size_t input, Known known);
  std::vector<int> CopiedColumns(const SpliceFile& file) const;
  void Weigh(const SpliceFile& file);

  TaskRun* run_;
  OpenedFiles opened_;
  const iceberg::ParquetShape& shape_;
  const splice::FileMetadata& output_;
  std::vector<iceberg::Field> fields_;
  std::map<std::string, std::shared_ptr<const FieldLeaves>> by_schema_;
  std::vector<bool> encoded_;
  bool is_read_again_ = false;  // beside the copied pages: some columns are encoded
  std::vector<Known> known_;    // by input
  int64_t known_bytes_ = 0;
  std::vector<int64_t> field_bytes_;
  int64_t total_bytes_ = 0;
  int64_t encoded_bytes_ = 0;
};

/// Of the rows first .. first + count - 1 of a file.
LiveRows FindLiveRows(const DeadRows& dead, int64_t first, int64_t count);

}  // namespace moraine::rewrite
