#include "moraine/rewrite/rewrite.h"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/rewrite/arrange.h"
#include "moraine/rewrite/bin_pack.h"
#include "moraine/rewrite/dedup.h"
#include "moraine/rewrite/position_rewrite.h"
#include "moraine/rewrite/splice_pack.h"
#include "moraine/rewrite/task_run.h"
#include "moraine/rewrite/written_fields.h"

namespace moraine::rewrite {
namespace {

constexpr int kHighestFormatVersion = 3;
constexpr int64_t kMinMemoryBytes = int64_t{8} << 20;

Status CheckTask(const tasks::RewriteTask& task, const RewriteOptions& options) {
  if (task.kind != "rewrite") return Unsupported("a task of kind " + task.kind);
  if (task.format_version > kHighestFormatVersion) {
    return Unsupported("rewriting a table of format version " +
                       std::to_string(task.format_version));
  }
  for (const iceberg::Field& field : task.schema->fields()) {
    if (IsReservedName(task, field.name))
      return Unsupported("the table has a column of its own with a reserved name: " + field.name);
  }
  if (options.memory_bytes < kMinMemoryBytes) {
    return Exhausted("a rewrite needs at least " + FormatByteSize(kMinMemoryBytes) +
                     " of memory, it was given " + FormatByteSize(options.memory_bytes));
  }
  return {};
}

std::string PathsOf(const std::vector<iceberg::DataFile>& files) {
  constexpr size_t kMostPaths = 5;
  std::string paths;
  for (size_t i = 0; i < std::min(files.size(), kMostPaths); ++i) {
    paths += (i > 0 ? ", " : "") + files[i].file_path;
  }
  return files.size() > kMostPaths ? paths + ", ..." : paths;
}

// Every row that the inputs have is in an output, or deleted, or another row has its key. Inputs
// were compared with their metadata one by one when they were opened.
Status CheckRows(const tasks::RewriteTask& task, const tasks::RewriteOutput& output) {
  int64_t claimed = 0;
  for (const tasks::InputFile& input : task.rewrite)
    claimed = iceberg::AddCapped(claimed, input.file.record_count);
  if (output.rows_read != claimed) {
    return Corruption(fmt::format("the {} files of the task have {} rows, {} were read",
                                  task.rewrite.size(), claimed, output.rows_read));
  }
  const int64_t alive =
      output.rows_read - output.rows_deleted - output.rows_deduplicated - output.rows_elsewhere;
  int64_t stored = 0;
  for (const iceberg::DataFile& file : output.data_files) stored += file.record_count;
  if (alive == output.rows_written && alive == stored) return {};
  return Corruption(
      fmt::format("{} of {} rows are alive, {} were written, the new files have {}: {}", alive,
                  output.rows_read, output.rows_written, stored, PathsOf(output.data_files)));
}

// What the decoding way may do better, or tell better.
bool IsWorthDecoding(const Status& status) {
  return status.code() == Code::kUnsupported || status.code() == Code::kCorruption;
}

Status Pack(Call& call, TaskRun* run) {
  const RewriteWay way = run->options().way;
  if (way == RewriteWay::kDecode) return BinPack(call, run);
  Status status = SplicePack(call, run);
  if (way != RewriteWay::kAuto || !IsWorthDecoding(status)) return status;
  call.log().Debug("pages can't be copied, values are decoded",
                   {{"table", run->task().table}, {"why", status.ToString()}});
  run->StartOver();
  return BinPack(call, run);
}

Status FindAndArrange(Call& call, TaskRun* run) {
  if (!run->task().dedup.is_none()) {
    MORAINE_ASSIGN(auto superseded, FindSuperseded(call, run));
    run->set_superseded(std::move(superseded));
  }
  if (run->task().range && run->task().layout.is_none())
    return InvalidArgument("a task with a range of keys has no layout");
  const bool moves = !run->task().layout.is_none() || run->task().target_spec != nullptr;
  return moves ? Arrange(call, run) : Pack(call, run);
}

Status RewriteRows(Call& call, TaskRun* run) {
  if (run->task().rewrite.empty()) return {};
  Status status = FindAndArrange(call, run);
  if (status.code() == Code::kExhausted) {
    // The usual way takes many rows for small: once more with what the largest of them need.
    call.log().Debug("a rewrite starts over with less in memory at a time",
                     {{"table", run->task().table}, {"why", status.ToString()}});
    run->StartOverLean();
    status = FindAndArrange(call, run);
  }
  MORAINE_TRY(status);
  tasks::RewriteOutput& output = run->output();
  MORAINE_TRY(CheckRows(run->task(), output));
  MORAINE_ASSIGN(output.positions, run->positions().Finish(call, run->task().rewrite.size(),
                                                           output.data_files.size()));
  return {};
}

Result<tasks::RewriteOutput> RunTaskUnguarded(Call& call, io::FileSystem& files,
                                              const tasks::RewriteTask& task,
                                              const RewriteOptions& options,
                                              RewriteProgress* progress) {
  TaskRun run(files, task, options, progress);
  MORAINE_TRY(run.Prepare(call));
  MORAINE_TRY(RewriteRows(call, &run));
  if (!task.rewrite_positions.empty()) MORAINE_TRY(RewritePositions(call, &run));
  tasks::RewriteOutput& output = run.output();
  for (const auto& file : output.data_files) output.bytes_written += file.file_size_in_bytes;
  for (const auto& file : output.delete_files) {
    output.bytes_written += file.content_size_in_bytes.value_or(file.file_size_in_bytes);
  }
  return std::move(output);
}

Result<tasks::RewriteOutput> RunTask(Call& call, io::FileSystem& files,
                                     const tasks::RewriteTask& task, const RewriteOptions& options,
                                     RewriteProgress* progress) {
  try {
    return RunTaskUnguarded(call, files, task, options, progress);
  } catch (const std::bad_alloc&) {
    return Exhausted("there is no memory left for a rewrite that may take " +
                     FormatByteSize(options.memory_bytes));
  }
}

}  // namespace

Result<tasks::RewriteOutput> RunRewrite(Call& call, io::FileSystem& files,
                                        const tasks::RewriteTask& task,
                                        const RewriteOptions& options, RewriteProgress* progress) {
  const MonoTime begin = call.clock().Mono();
  MORAINE_TRY(CheckTask(task, options));
  RewriteProgress unwatched;
  if (progress == nullptr) progress = &unwatched;
  Result<tasks::RewriteOutput> output = RunTask(call, files, task, options, progress);
  MORAINE_TRY(output.status());
  output->duration_ms = std::chrono::duration_cast<Millis>(call.clock().Mono() - begin).count();
  return output;
}

}  // namespace moraine::rewrite
