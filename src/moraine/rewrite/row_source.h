#pragma once
// The rows of a task's input files, in their order, without the deleted ones: one stream of batches
// of the current schema.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/iceberg/data/data_file_reader.h"
#include "moraine/iceberg/data/delete_filter.h"
#include "moraine/rewrite/rewrite.h"
#include "moraine/rewrite/row_batch.h"
#include "moraine/tasks/rewrite_task.h"

namespace moraine::rewrite {

/// Used by one thread at a time.
class RowSource {
 public:
  struct Options {
    std::vector<iceberg::Field> fields;  ///< what batches hold
    const iceberg::NameMapping* mapping = nullptr;
    int64_t memory_bytes = 0;  ///< of this source
    iceberg::Dictionaries dictionaries = iceberg::Dictionaries::kDecode;
    arrow::MemoryPool* pool = nullptr;
    /// Rows that stay behind though no delete file reaches them, for each input; nullptr: none.
    const std::vector<iceberg::PositionSet>* superseded = nullptr;
  };

  RowSource(io::FileSystem& files, const tasks::RewriteTask& task,
            const iceberg::DeleteFilter& filter, Options options, RewriteProgress* progress);

  /// From here on the rows of this input alone.
  void Restrict(size_t input);

  /// The next batch that has a row, or none after the last file. Errors: as DataFileReader.
  Result<RowBatch> Next(Call& call);

  /// Positions of the deleted rows of one file; reads only its key columns, and only when equality
  /// deletes reach it.
  Result<iceberg::PositionSet> DeletedPositions(Call& call, const tasks::InputFile& input);

  int64_t rows_read() const { return rows_read_; }
  int64_t rows_deleted() const { return rows_deleted_; }
  int64_t rows_superseded() const { return rows_superseded_; }
  /// Dead rows that another task of the group counts.
  int64_t rows_elsewhere() const { return rows_elsewhere_; }
  int64_t bytes_read() const { return bytes_read_; }

 private:
  Status OpenFile(Call& call, const tasks::InputFile& input,
                  const std::vector<iceberg::Field>& fields);
  Status CloseFile(const tasks::InputFile& input);
  /// Without rows when all of them are deleted.
  Result<RowBatch> WithoutDeleted(std::shared_ptr<arrow::RecordBatch> batch);
  /// Compares the rows of the file with the table's metadata, once they are known.
  Status CheckRowCount(const tasks::InputFile& input) const;
  Result<std::shared_ptr<arrow::RecordBatch>> NextRaw(Call& call, const tasks::InputFile& input);

  io::FileSystem& files_;
  const tasks::RewriteTask& task_;
  const iceberg::DeleteFilter& filter_;
  const Options options_;
  RewriteProgress* progress_;
  std::vector<iceberg::Field> read_fields_;  // with keys that are not among them behind
  iceberg::ColumnConstants constants_;

  size_t file_ = 0;
  size_t end_ = 0;
  std::unique_ptr<iceberg::DataFileReader> reader_;  // of file_, or nullptr: not open yet
  std::optional<iceberg::FileDeletes> deletes_;
  int64_t rows_read_ = 0;
  int64_t rows_deleted_ = 0;
  int64_t rows_superseded_ = 0;
  int64_t rows_elsewhere_ = 0;
  int64_t bytes_read_ = 0;
};

}  // namespace moraine::rewrite
