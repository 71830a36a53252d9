// What a worker reports is checked before it is believed: an output that is not the attempt's own
// would be committed, or deleted, as if it were. Called by the task queue.

#include <set>
#include <string>

#include <fmt/format.h>

#include "moraine/tasks/rewrite_task.h"

namespace moraine::tasks {
namespace {

using iceberg::DataFile;
using iceberg::FileContent;

Status Refuse(std::string_view why, const DataFile& file) {
  return InvalidArgument(fmt::format("{}: {}", why, file.file_path));
}

Status CheckFile(const RewriteTask& task, const DataFile& file, FileContent content,
                 std::set<std::string>* seen) {
  const std::string prefix = task.OutputPrefix();
  std::string_view name = file.file_path;
  if (!name.starts_with(prefix)) return Refuse("not an output of this attempt", file);
  name.remove_prefix(prefix.size());
  if (name.empty() || name.find_first_of("/\\") != name.npos)
    return Refuse("not a file name after the attempt's prefix", file);
  if (!seen->insert(file.file_path).second) return Refuse("an output is named twice", file);
  if (file.content != content) return Refuse("data and deletes are mixed up", file);
  if (file.spec_id != task.spec->spec_id || !iceberg::SameTuple(file.partition, task.partition))
    return Refuse("an output is of another partition", file);
  if (file.file_size_in_bytes <= 0 || file.record_count < 0)
    return Refuse("an output has no size", file);
  return {};
}

/// Rows may go by deletes alone, and none may come.
Status CheckRows(const RewriteTask& task, const RewriteOutput& output) {
  int64_t before = 0;
  int64_t after = 0;
  for (const InputFile& input : task.rewrite) before += input.file.record_count;
  for (const DataFile& file : output.data_files) after += file.record_count;
  if (after > before || (task.deletes.empty() && after != before)) {
    return InvalidArgument(fmt::format("the inputs hold {} rows, the outputs {}{}", before, after,
                                       task.deletes.empty() ? ", and nothing was deleted" : ""));
  }
  return {};
}

}  // namespace

Status CheckOutput(const RewriteTask& task, const RewriteOutput& output) {
  std::set<std::string> seen;
  for (const DataFile& file : output.data_files)
    MORAINE_TRY(CheckFile(task, file, FileContent::kData, &seen));
  std::set<std::string> targets;
  for (const InputFile& input : task.rewrite_positions) targets.insert(input.file.file_path);
  for (const DataFile& file : output.delete_files) {
    MORAINE_TRY(CheckFile(task, file, FileContent::kPositionDeletes, &seen));
    bool about_another = file.referenced_data_file && !targets.contains(*file.referenced_data_file);
    if (targets.empty() || about_another) return Refuse("deletes that were not asked for", file);
  }
  return CheckRows(task, output);
}

}  // namespace moraine::tasks
