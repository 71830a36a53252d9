// What a worker reports is checked before it is believed: an output that is not the attempt's own
// would be committed, or deleted, as if it were. Called by the task queue.

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include <fmt/format.h>

#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/tasks/position_map_builder.h"
#include "moraine/tasks/rewrite_task.h"

namespace moraine::tasks {
namespace {

using iceberg::DataFile;
using iceberg::FileContent;

/// Of one report. A worker makes one for a file that stays.
constexpr size_t kMaxDeleteFiles = 10'000;
/// Of them, those that name no data file: each may be about any, and is compared with all.
constexpr size_t kMaxDeletesOfAny = 1'000;

Status Refuse(std::string_view why, const DataFile& file) {
  return InvalidArgument(fmt::format("{}: {}", why, file.file_path));
}

bool IsCredible(int64_t figure) { return figure >= 0 && figure <= iceberg::kMaxClaim; }

bool HasCredibleFigures(const DataFile& file) {
  const auto credible = [](const iceberg::CountMap& counts) {
    return std::all_of(counts.begin(), counts.end(),
                       [](const auto& entry) { return IsCredible(entry.second); });
  };
  return IsCredible(file.file_size_in_bytes) && IsCredible(file.record_count) &&
         credible(file.column_sizes) && credible(file.value_counts) &&
         credible(file.null_value_counts) && credible(file.nan_value_counts);
}

Status CheckFile(const RewriteTask& task, const DataFile& file, FileContent content,
                 std::set<std::string>* seen) {
  const std::string prefix = task.OutputPrefix();
  std::string_view name = file.file_path;
  if (!name.starts_with(prefix)) return Refuse("not an output of this attempt", file);
  name.remove_prefix(prefix.size());
  if (name.empty() || name.find_first_of("/\\") != name.npos)
    return Refuse("not a file name after the attempt's prefix", file);
  if (name == "positions.map" || name.starts_with("carried-"))
    return Refuse("a name that is kept for others", file);
  // Deletion vectors share a file; a data file has one.
  const std::string output_name = file.is_deletion_vector()
                                      ? "vector of " + file.referenced_data_file.value_or("")
                                      : file.file_path;
  if (!seen->insert(output_name).second) return Refuse("an output is named twice", file);
  if (file.content != content) return Refuse("data and deletes are mixed up", file);
  const bool moves = content == FileContent::kData && task.target_spec != nullptr;
  const bool in_place = moves ? file.spec_id == task.target_spec->spec_id &&
                                    file.partition.size() == task.target_spec->fields.size()
                              : file.spec_id == task.spec->spec_id &&
                                    iceberg::SameTuple(file.partition, task.partition);
  if (!in_place) return Refuse("an output is of another partition", file);
  if (file.file_size_in_bytes <= 0 || file.record_count < 0)
    return Refuse("an output has no size", file);
  if (!HasCredibleFigures(file)) return Refuse("an output has figures that cannot be", file);
  const auto format =
      file.is_deletion_vector() ? iceberg::FileFormat::kPuffin : iceberg::FileFormat::kParquet;
  if (file.format != format) return Refuse("an output is of another format", file);
  if (file.key_metadata || file.first_row_id || !file.equality_ids.empty())
    return Refuse("an output says what only others may say", file);
  return {};
}

/// Deletes in the form that the table's format version takes, about one input each.
Status CheckDeletes(const RewriteTask& task, const DataFile& file,
                    const std::map<std::string, int64_t>& rows_of_targets) {
  const auto target = file.referenced_data_file ? rows_of_targets.find(*file.referenced_data_file)
                                                : rows_of_targets.end();
  if (rows_of_targets.empty() || (file.referenced_data_file && target == rows_of_targets.end()))
    return Refuse("deletes that were not asked for", file);
  const bool wants_vectors = task.format_version >= 3;
  if (file.is_deletion_vector() != wants_vectors)
    return Refuse("deletes of another format version", file);
  if (!wants_vectors) return {};
  const bool is_whole =
      file.referenced_data_file && file.content_offset.value_or(-1) >= 0 &&
      file.content_size_in_bytes.value_or(-1) > 0 &&
      *file.content_size_in_bytes <= file.file_size_in_bytes &&
      *file.content_offset <= file.file_size_in_bytes - *file.content_size_in_bytes;
  if (!is_whole) return Refuse("a deletion vector without its data file or place", file);
  if (file.record_count > target->second) return Refuse("more deletes than rows", file);
  return {};
}

/// Rows of deletes that were made, by the data file.
struct NewDeletes {
  std::map<std::string, int64_t> rows;
  int64_t rows_of_any = 0;  ///< of files that name no data file, which may be about any
};

Result<NewDeletes> CountDeletes(const RewriteTask& task, const std::vector<DataFile>& outputs) {
  if (outputs.size() > std::max(kMaxDeleteFiles, task.rewrite_positions.size()))
    return InvalidArgument(fmt::format("{} files of deletes are too many", outputs.size()));
  NewDeletes made;
  size_t about_any = 0;
  for (const DataFile& file : outputs) {
    about_any += file.referenced_data_file ? 0 : 1;
    int64_t& rows =
        file.referenced_data_file ? made.rows[*file.referenced_data_file] : made.rows_of_any;
    rows = iceberg::AddCapped(rows, file.record_count);
  }
  if (about_any <= kMaxDeletesOfAny) return made;
  return InvalidArgument(
      fmt::format("{} files of deletes that name no data file are too many", about_any));
}

/// The rows of a file that stays which were deleted before, by deletes that are about it alone, are
/// deleted by the new ones, too: those before go. As far as numbers tell;
/// planning/replaced_deletes.h looks into the files.
Status CheckKept(const RewriteTask& task, const InputFile& input, const NewDeletes& made) {
  const std::string& path = input.file.file_path;
  int64_t least = 0;
  for (const int32_t index : input.deletes) {
    const DataFile& before = task.deletes[static_cast<size_t>(index)].file;
    if (before.content != FileContent::kPositionDeletes || before.referenced_data_file != path)
      continue;
    // A position delete file may name a row twice, and rows that are not there.
    const bool counts =
        before.is_deletion_vector() && before.record_count <= input.file.record_count;
    least = std::max(least, counts ? before.record_count : int64_t{before.record_count > 0});
  }
  if (least == 0) return {};
  const auto own = made.rows.find(path);
  const int64_t now =
      iceberg::AddCapped(made.rows_of_any, own != made.rows.end() ? own->second : 0);
  if (now >= least) return {};
  return InvalidArgument(
      fmt::format("rows that were deleted would come back: {} of {} at least, {}"
                  " are deleted by the outputs: {}",
                  least, input.file.record_count, now, path));
}

/// Rows may go by deletes and as duplicates alone, and none may come.
Status CheckRows(const RewriteTask& task, const RewriteOutput& output) {
  int64_t before = 0;
  int64_t after = 0;
  for (const InputFile& input : task.rewrite)
    before = iceberg::AddCapped(before, input.file.record_count);
  for (const DataFile& file : output.data_files)
    after = iceberg::AddCapped(after, file.record_count);
  const bool none_go = task.deletes.empty() && task.dedup.is_none() && !task.range;
  if (output.rows_deleted < 0 || output.rows_deleted > before ||
      (task.deletes.empty() && output.rows_deleted != 0)) {
    return InvalidArgument(
        fmt::format("{} rows of {} are said to be deleted, by {} files of deletes",
                    output.rows_deleted, before, task.deletes.size()));
  }
  if (after > before || (none_go && after != before)) {
    return InvalidArgument(fmt::format("the inputs hold {} rows, the outputs {}{}", before, after,
                                       none_go ? ", and nothing was deleted" : ""));
  }
  // What is said of duplicates goes into the table's history.
  const int64_t gone = before - after;
  const bool only_duplicates = task.deletes.empty() && !task.dedup.is_none();
  if (output.rows_deduplicated >= 0 && output.rows_deduplicated <= gone &&
      (!only_duplicates || output.rows_deduplicated == gone))
    return {};
  return InvalidArgument(fmt::format("{} rows are gone, {} are said to be duplicates", gone,
                                     output.rows_deduplicated));
}

/// A map in a file is looked into by who needs it.
Status CheckMap(const RewriteTask& task, const RewriteOutput& output) {
  const PositionMap& map = *output.positions;
  auto refuse = [](std::string_view why) {
    return InvalidArgument(fmt::format("a position map: {}", why));
  };
  if (!map.location.empty()) {
    if (map.location != PositionMapLocation(task.OutputPrefix()))
      return refuse("not the file of this attempt");
    return map.size_bytes > 0 ? Status() : refuse("its file has no size");
  }
  if (static_cast<int64_t>(map.bytes.size()) > kMaxInlineMapBytes) return refuse("too large");
  Status status = CheckPositionMap(map, MapShapeOf(task, output));
  return status.ok() ? Status() : InvalidArgument(std::string(status.message()));
}

}  // namespace

MapShape MapShapeOf(const RewriteTask& task, const RewriteOutput& output) {
  MapShape shape;
  for (const InputFile& input : task.rewrite) shape.input_rows.push_back(input.file.record_count);
  for (const DataFile& file : output.data_files) shape.output_rows.push_back(file.record_count);
  return shape;
}

Status CheckOutput(const RewriteTask& task, const RewriteOutput& output) {
  std::set<std::string> seen;
  for (const DataFile& file : output.data_files)
    MORAINE_TRY(CheckFile(task, file, FileContent::kData, &seen));
  std::map<std::string, int64_t> rows_of_targets;
  for (const InputFile& input : task.rewrite_positions)
    rows_of_targets.emplace(input.file.file_path, input.file.record_count);
  for (const DataFile& file : output.delete_files) {
    MORAINE_TRY(CheckFile(task, file, FileContent::kPositionDeletes, &seen));
    MORAINE_TRY(CheckDeletes(task, file, rows_of_targets));
  }
  MORAINE_ASSIGN(const NewDeletes made, CountDeletes(task, output.delete_files));
  for (const InputFile& input : task.rewrite_positions) MORAINE_TRY(CheckKept(task, input, made));
  MORAINE_TRY(CheckRows(task, output));
  return output.positions ? CheckMap(task, output) : Status();
}

}  // namespace moraine::tasks
