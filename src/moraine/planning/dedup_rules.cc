#include "moraine/planning/dedup_rules.h"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <tuple>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/planning/planner.h"

namespace moraine::planning {
namespace {

using iceberg::AddCapped;
using tasks::InputFile;

/// The part of a file's path that all files of one attempt at a task share: all before the number.
std::string_view RunOf(std::string_view path, std::string_view mark) {
  const size_t at = path.rfind(std::string("-").append(mark));
  const size_t dash = at == path.npos ? at : path.rfind('-', at - 1);
  return dash == path.npos ? std::string_view() : path.substr(0, dash);
}

struct NewFiles {
  int64_t count = 0;
  int64_t bytes = 0;
};

/// Those that are not of the last dedup. Several dedups, as after files were moved by hand, count
/// as none.
NewFiles FindNew(const PartitionFiles& partition, const OptimizingConfig& config) {
  const std::string mark = tasks::DedupMark(config.dedup);
  NewFiles unmarked;
  NewFiles all;
  std::string_view run;
  bool one_run = true;
  for (const InputFile& input : partition.files) {
    const std::string& path = input.file.file_path;
    ++all.count;
    all.bytes = AddCapped(all.bytes, input.file.file_size_in_bytes);
    if (!tasks::HasDedupMark(path, mark)) {
      ++unmarked.count;
      unmarked.bytes = AddCapped(unmarked.bytes, input.file.file_size_in_bytes);
      continue;
    }
    if (run.empty()) run = RunOf(path, mark);
    one_run = one_run && !run.empty() && RunOf(path, mark) == run;
  }
  return one_run ? unmarked : all;
}

bool HasDeletes(const PartitionFiles& partition) {
  return std::any_of(partition.files.begin(), partition.files.end(),
                     [](const InputFile& input) { return !input.deletes.empty(); });
}

int64_t BytesOf(const PartitionFiles& partition) {
  int64_t bytes = 0;
  for (const InputFile& input : partition.files)
    bytes = AddCapped(bytes, input.file.file_size_in_bytes);
  return bytes;
}

/// Whether the timers say so; *due_ms: when one will.
bool IsDue(const NewFiles& fresh, int64_t partition_bytes, const OptimizingConfig& config,
           const OptimizingTimes& times, int64_t now_ms, std::optional<int64_t>* due_ms) {
  const double share = config.major_trigger_duplicate_ratio * static_cast<double>(partition_bytes);
  if (fresh.count == 0 || static_cast<double>(fresh.bytes) < share) return false;
  if (fresh.count >= config.minor_trigger_file_count) return true;
  if (config.minor_trigger_interval.count() < 0) return false;
  const int64_t due = times.last_minor_ms + config.minor_trigger_interval.count();
  if (now_ms >= due) return true;
  *due_ms = due;
  return false;
}

}  // namespace

bool WrittenBefore(const InputFile& a, const InputFile& b) {
  return std::tie(a.sequence_number, a.file.file_path) <
         std::tie(b.sequence_number, b.file.file_path);
}

int64_t CountDuplicable(const PartitionFiles& partition, const OptimizingConfig& config) {
  return config.dedup.is_none() ? 0 : FindNew(partition, config).count;
}

void AddDedup(const PartitionFiles& partition, const OptimizingConfig& config,
              const OptimizingTimes& times, int64_t now_ms, PartitionEvaluation* evaluation) {
  // Rows that move meet others; their new partitions are deduplicated next time.
  if (config.dedup.is_none() || evaluation->moves || partition.files.empty()) return;
  const int64_t bytes = BytesOf(partition);
  const NewFiles fresh = FindNew(partition, config);
  if (fresh.count == 0 && evaluation->unarranged_files == 0 && !HasDeletes(partition)) {
    // It lies as it should; the last file of a partition is seldom large.
    if (evaluation->type == OptimizingType::kFull) evaluation->type = OptimizingType::kNone;
    std::fill(evaluation->work.begin(), evaluation->work.end(), FileWork::kLeave);
    return;
  }
  const bool full = FullIntervalReached(config, times, now_ms) &&
                    (fresh.count > 0 || evaluation->type == OptimizingType::kFull);
  const std::string reason = fmt::format("{} of {} files may hold rows with the keys of others",
                                         fresh.count, partition.files.size());
  std::optional<int64_t> due_ms;
  if (!full && !IsDue(fresh, bytes, config, times, now_ms, &due_ms)) {
    if (!due_ms || evaluation->type != OptimizingType::kNone) return;
    evaluation->due_ms = due_ms;
    evaluation->reason = reason + ", and wait for the minor interval";
    return;
  }
  if (bytes > kDedupTaskBytes || static_cast<int64_t>(partition.files.size()) > kMaxFilesPerTask) {
    evaluation->too_large = evaluation->type == OptimizingType::kNone;
    if (!evaluation->too_large) return;
    evaluation->reason = fmt::format(
        "a partition of {} files, {}, is too large for one task, as duplicates ask for ({} files, "
        "{})",
        partition.files.size(), FormatByteSize(bytes), kMaxFilesPerTask,
        FormatByteSize(kDedupTaskBytes));
    return;
  }
  evaluation->type = OptimizingType::kFull;
  evaluation->deduplicates = true;
  if (fresh.count > 0) evaluation->reason = reason;
  std::fill(evaluation->work.begin(), evaluation->work.end(), FileWork::kRewrite);
  evaluation->cost_bytes =
      std::max(evaluation->cost_bytes,
               AddCapped(iceberg::MultiplyCapped(2, bytes), evaluation->delete_bytes));
}

bool GoesByFileAge(const PartitionFiles& partition, const OptimizingConfig& config) {
  if (config.dedup.is_none() || config.dedup.order_by) return false;
  // Rows of an upgraded table have no numbers before its next commit.
  return config.dedup_by_file_age ||
         std::any_of(partition.files.begin(), partition.files.end(),
                     [](const auto& input) { return !input.file.first_row_id; });
}

void KeepAge(const PartitionFiles& partition, const OptimizingConfig& config,
             PartitionEvaluation* evaluation) {
  if (!GoesByFileAge(partition, config) || evaluation->deduplicates || evaluation->moves) return;
  evaluation->keeps_age = true;
  std::vector<size_t> newest(partition.files.size());
  std::iota(newest.begin(), newest.end(), 0);
  std::stable_sort(newest.begin(), newest.end(), [&](size_t a, size_t b) {
    return WrittenBefore(partition.files[b], partition.files[a]);
  });
  std::vector<FileWork>& work = evaluation->work;
  size_t taken = 0;
  for (int64_t bytes = 0; taken < newest.size(); ++taken) {
    bytes = AddCapped(bytes, partition.files[newest[taken]].file.file_size_in_bytes);
    if (work[newest[taken]] != FileWork::kRewrite || bytes > config.bin_size() ||
        static_cast<int64_t>(taken) >= kMaxFilesPerTask)
      break;
  }
  // The new file may be no younger by its sequence number than what is left of the last commit, and
  // its path says nothing of that: a commit is merged whole or not at all.
  const auto sequence = [&](size_t i) { return partition.files[newest[i]].sequence_number; };
  while (taken > 0 && taken < newest.size() && sequence(taken - 1) == sequence(taken)) --taken;
  const auto leave = [&](size_t i) {
    const bool rewritten = work[i] == FileWork::kRewrite || work[i] == FileWork::kUndersized;
    if (!rewritten) return;
    work[i] = partition.files[i].deletes.empty() ? FileWork::kLeave : FileWork::kPositions;
  };
  // One file alone would only become as young as it is.
  for (size_t i = taken == 1 ? 0 : taken; i < newest.size(); ++i) leave(newest[i]);
}

bool DeletesWholeKeys(const iceberg::DataFile& deletes, const tasks::Dedup& dedup) {
  if (deletes.content != iceberg::FileContent::kEqualityDeletes) return false;
  return !deletes.equality_ids.empty() &&
         std::all_of(deletes.equality_ids.begin(), deletes.equality_ids.end(), [&](int32_t id) {
           return std::find(dedup.keys.begin(), dedup.keys.end(), id) != dedup.keys.end();
         });
}

int64_t RowsDropped(const tasks::RewriteTask& task, const tasks::RewriteOutput& output) {
  return task.dedup.is_none() ? 0 : output.rows_deduplicated;
}

}  // namespace moraine::planning
