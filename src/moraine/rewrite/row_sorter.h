#pragma once
// Sorts rows of any number within a bound of memory: rows are kept in few bytes (row_packer.h) with
// their keys, sorted runs go to local disk when the memory is used up, and are merged when all rows
// are there. What fits in memory never touches the disk. Used by the layouts and by dedup.

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/executor.h"
#include "moraine/base/status.h"
#include "moraine/rewrite/row_batch.h"
#include "moraine/rewrite/sort_keys.h"
#include "moraine/rewrite/sorted_rows.h"

namespace moraine::rewrite {

/// Columns that the sorter puts behind those of the rows: input (int32: index of the file),
/// position (int64; rows with equal keys are ordered by these two) and, if it is to be there, key
/// (fixed_size_binary or binary).
inline constexpr int kSorterColumns = 3;

/// Whether keys come out, too.
enum class SortedKeys : uint8_t { kDrop, kKeep };

struct RowSorterOptions {
  const SortKeys* keys = nullptr;  ///< what decides between keys that were cut; nullptr: none are
  SortedKeys sorted_keys = SortedKeys::kDrop;
  std::string spill_folder;  ///< "": the system's for temporary files
  int64_t memory_bytes = int64_t{128} << 20;
  int64_t expected_rows = 0;               ///< that will be added, at most; 0: nobody knows
  int64_t batch_bytes = int64_t{4} << 20;  ///< of what comes out, about
  arrow::MemoryPool* pool = nullptr;
  Executor* helpers = nullptr;
  size_t helper_count = 0;
};

class RowSorter {
 public:
  explicit RowSorter(RowSorterOptions options);
  ~RowSorter();

  /// Takes rows with the key of each. Thread-safe; may write a run. Errors: Exhausted (the pool,
  /// the disk), Unavailable (the disk).
  Status Add(Call& call, const RowBatch& batch, ArrayPtr keys);
  /// All rows are there. From here on for one thread.
  Status Finish(Call& call);
  /// The next rows in order, or nullptr.
  Result<BatchPtr> Next(Call& call);

  int64_t rows() const { return rows_; }
  size_t runs() const { return runs_; }  ///< that went to disk
  int64_t spilled_bytes() const { return file_ == nullptr ? 0 : file_->bytes(); }

 private:
  /// Rows that were packed, and where the first one is from.
  struct Packed {
    BatchPtr rows;
    size_t input = 0;
    int64_t position = 0;
  };
  struct Buffer {
    std::vector<Packed> batches;
    int64_t bytes = 0;
    int64_t rows = 0;
    KeyShape shape;
  };

  Result<Packed> Pack(const RowBatch& batch, ArrayPtr keys);
  Result<std::unique_ptr<SortedRows>> SortBuffer(Buffer buffer, const TakeOptions& options) const;
  Status Spill(Call& call, Buffer buffer);
  Result<SpillRun> WriteRun(Call& call, SortedRows* rows);
  Status MergeUntilFew(Call& call);
  TakeOptions OutputOptions() const;
  TakeOptions SpillOptions() const;
  int64_t BlockBytes() const;
  TakeOptions GatherOptions(TakeOptions take) const;
  MergeContext Context() const;
  bool WillSpill() const;
  bool IsFull() const;

  const RowSorterOptions options_;
  RowPacker packer_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  Buffer buffer_;
  int64_t spilling_bytes_ = 0;       // of the buffer that is being written
  std::unique_ptr<SpillFile> file_;  // once there is a run
  std::vector<SpillRun> spilled_;
  KeyShape shape_;  // of keys in runs
  int64_t rows_ = 0;
  int64_t bytes_ = 0;  // as the rows came
  int64_t packed_bytes_ = 0;
  int64_t largest_row_bytes_ = 0;  // of rows in runs that are blocks of their own
  size_t runs_ = 0;
  std::unique_ptr<SortedRows> output_;
  BatchPtr gathered_;  // of output_: what Next gives next is a part of it
  int64_t gathered_rows_ = 0;
  int64_t next_row_ = 0;
};

}  // namespace moraine::rewrite
