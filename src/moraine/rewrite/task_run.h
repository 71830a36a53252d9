#pragma once
// What one run of a rewrite task holds: the task, the memory it may use, its deletes, and the
// output that grows. The ways of rewriting (bin_pack.h, position_rewrite.h) take it; RunRewrite
// makes it.

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <arrow/memory_pool.h>

#include "moraine/base/call.h"
#include "moraine/base/executor.h"
#include "moraine/iceberg/data/delete_filter.h"
#include "moraine/iceberg/data/parquet_writer.h"
#include "moraine/iceberg/metadata/name_mapping.h"
#include "moraine/io/file_system.h"
#include "moraine/rewrite/rewrite.h"
#include "moraine/rewrite/row_source.h"
#include "moraine/tasks/position_map_builder.h"
#include "moraine/tasks/rewrite_task.h"

namespace moraine::rewrite {

/// The parts of a task's memory. What deletes do not use stays free as a reserve.
struct Budget {
  int64_t deletes;
  int64_t reader;
  int64_t writer;
};

/// Used by the thread that runs the task; source() and writers share pool().
class TaskRun {
 public:
  TaskRun(io::FileSystem& files, const tasks::RewriteTask& task, const RewriteOptions& options,
          RewriteProgress* progress);

  /// Threads, name mapping and deletes. Errors: as DeleteFilter::Load.
  Status Prepare(Call& call);

  io::FileSystem& files() const { return files_; }
  const tasks::RewriteTask& task() const { return task_; }
  const RewriteOptions& options() const { return options_; }
  const Budget& budget() const { return budget_; }
  const iceberg::DeleteFilter& filter() const { return *filter_; }
  const iceberg::NameMapping* mapping() const { return mapping_ ? &*mapping_ : nullptr; }
  RewriteProgress& progress() const { return *progress_; }
  arrow::MemoryPool* pool() { return is_lean_ ? &lean_pool_ : &pool_; }
  /// Threads beside the caller's, or nullptr.
  Executor* helpers() { return helpers_ ? &*helpers_ : nullptr; }
  tasks::RewriteOutput& output() { return output_; }
  /// To be told of every row of task().rewrite that an output has; RunRewrite finishes it.
  tasks::PositionMapBuilder& positions() { return *positions_; }
  /// Forgets what outputs and progress have, for another way of doing the same.
  void StartOver();
  /// Starts over with one thread and as little in memory at a time as can be, for rows that are
  /// large beside the task's memory.
  void StartOverLean();
  bool is_lean() const { return is_lean_; }

  /// For files of the table's schema and properties.
  iceberg::WriteOptions MakeWriteOptions();
  /// All rows of task().rewrite without the deleted ones, and those that are superseded.
  RowSource MakeSource();
  RowSource::Options SourceOptions();
  RowSource MakeSource(RowSource::Options options, RewriteProgress* progress);
  /// Rows that are not to be written, for each input.
  void set_superseded(std::vector<iceberg::PositionSet> rows) { superseded_ = std::move(rows); }
  /// By input; nullptr: none are.
  const std::vector<iceberg::PositionSet>* superseded() const {
    return superseded_.empty() ? nullptr : &superseded_;
  }
  /// Adds what a source has read to the output's counters.
  void Count(const RowSource& source);

 private:
  Status LoadDeletes(Call& call);

  io::FileSystem& files_;
  const tasks::RewriteTask& task_;
  const RewriteOptions options_;
  RewriteProgress* progress_;
  const Budget budget_;
  bool is_lean_ = false;
  arrow::ProxyMemoryPool counted_pool_;
  arrow::CappedMemoryPool pool_;
  arrow::CappedMemoryPool lean_pool_;  // what deletes do not use is not kept free
  std::optional<ThreadPool> helpers_;
  std::optional<iceberg::NameMapping> mapping_;
  std::optional<iceberg::DeleteFilter> filter_;
  std::vector<iceberg::PositionSet> superseded_;
  tasks::RewriteOutput output_;
  std::optional<tasks::PositionMapBuilder> positions_;
};

}  // namespace moraine::rewrite
