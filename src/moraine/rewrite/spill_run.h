#pragma once
// A sorted run of rows on local disk: Arrow's IPC file format, compressed, in a file without a
// name. Written once, then read from its beginning. Used by the sorter.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <arrow/type_fwd.h>

#include "moraine/base/status.h"
#include "moraine/io/scratch_file.h"

namespace arrow::ipc {
class RecordBatchFileReader;
class RecordBatchWriter;
}  // namespace arrow::ipc

namespace moraine::rewrite {

/// Used by one thread at a time.
class SpillRun {
 public:
  /// Errors: as ScratchFile::Make; Unavailable; Exhausted (the pool, the disk).
  static Result<std::unique_ptr<SpillRun>> Make(const std::string& folder, arrow::MemoryPool* pool);
  ~SpillRun();

  /// All batches have one schema, and dictionaries are the same in all.
  Status Write(const arrow::RecordBatch& batch);
  /// Nothing more is written.
  Status Finish();
  /// The next batch, or nullptr.
  Result<std::shared_ptr<arrow::RecordBatch>> Next();
  int64_t bytes() const { return bytes_; }

 private:
  SpillRun(io::ScratchFile file, arrow::MemoryPool* pool);
  Status OpenReader();

  io::ScratchFile file_;
  arrow::MemoryPool* pool_;
  std::shared_ptr<arrow::io::OutputStream> stream_;
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
  std::shared_ptr<arrow::ipc::RecordBatchFileReader> reader_;
  int next_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace moraine::rewrite
