#pragma once
// What the sorter puts aside: sorted runs of rows on local disk, all in one file without a name.
// A run is a row of blocks; a block's keys are read without its other columns. Plain Arrow buffers
// (IPC messages), not compressed: rows are packed before. Used by the sorter.

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <arrow/type_fwd.h>

#include "moraine/base/status.h"
#include "moraine/io/scratch_file.h"

namespace moraine::rewrite {

/// Where some columns of a block lie.
struct SpilledColumns {
  int64_t offset = 0;
  int32_t metadata_bytes = 0;
  int64_t bytes = 0;  ///< with the metadata
};

struct SpillBlock {
  int64_t rows = 0;
  SpilledColumns values;
  SpilledColumns keys;
};

/// A sorted run: blocks of one schema each.
struct SpillRun {
  std::shared_ptr<arrow::Schema> values;
  std::shared_ptr<arrow::Schema> keys;
  std::vector<SpillBlock> blocks;
};

/// Reads are thread-safe, also while another thread writes.
class SpillFile {
 public:
  /// Errors: as ScratchFile::Make.
  static Result<std::unique_ptr<SpillFile>> Make(const std::string& folder,
                                                 arrow::MemoryPool* pool);
  ~SpillFile();

  /// Adds a block to the run; the last key_columns of the batch are its keys. No dictionaries. By
  /// one thread at a time. Errors: Exhausted (the disk), Unavailable.
  Status Write(const arrow::RecordBatch& batch, int key_columns, SpillRun* run);
  /// Errors: Exhausted (the pool), Unavailable.
  Result<std::shared_ptr<arrow::RecordBatch>> Read(
      const SpilledColumns& columns, const std::shared_ptr<arrow::Schema>& schema) const;
  /// Gives the disk back what a block took, where the file system can.
  void Discard(const SpillBlock& block);
  int64_t bytes() const { return bytes_; }

 private:
  SpillFile(io::ScratchFile file, arrow::MemoryPool* pool);
  Result<SpilledColumns> WriteColumns(const arrow::RecordBatch& batch);

  io::ScratchFile file_;
  arrow::MemoryPool* pool_;
  std::shared_ptr<arrow::io::OutputStream> stream_;
  std::shared_ptr<arrow::io::RandomAccessFile> reader_;
  int64_t bytes_ = 0;
};

}  // namespace moraine::rewrite
