#include "moraine/planning/evaluator.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/planning/dedup_rules.h"

namespace moraine::planning {
namespace {

constexpr int64_t kOpenCostBytes = 4 << 20;
constexpr std::string_view kTypeNames[] = {"none", "minor", "major", "full"};

using iceberg::AddCapped;
using iceberg::DataFile;
using iceberg::FileContent;
using iceberg::FindBound;
using iceberg::MultiplyCapped;

/// What the deletes of one file add up to.
struct AttachedDeletes {
  int64_t position_files = 0;
  int64_t position_records = 0;
  int64_t equality_files = 0;
  bool shared_position_file =
      false;  ///< a position delete file that is not for this data file alone
  bool any() const { return position_files > 0 || equality_files > 0; }
};

bool IsFileScoped(const DataFile& deletes, const DataFile& data) {
  if (deletes.referenced_data_file) return *deletes.referenced_data_file == data.file_path;
  const std::string* low = FindBound(deletes.lower_bounds, iceberg::kFilePathFieldId);
  const std::string* high = FindBound(deletes.upper_bounds, iceberg::kFilePathFieldId);
  return low != nullptr && high != nullptr && *low == *high && *low == data.file_path;
}

AttachedDeletes Attached(const TableFiles& table, const tasks::InputFile& input) {
  AttachedDeletes sum;
  for (int32_t index : input.deletes) {
    const DataFile& deletes = table.deletes[static_cast<size_t>(index)].file;
    if (deletes.content == FileContent::kEqualityDeletes) {
      ++sum.equality_files;
    } else {
      ++sum.position_files;
      sum.position_records = AddCapped(sum.position_records, deletes.record_count);
      if (!IsFileScoped(deletes, input.file)) sum.shared_position_file = true;
    }
  }
  return sum;
}

/// Deletes of a large file that are worth gathering into one position delete file of its own.
bool NeedsPositionRewrite(const AttachedDeletes& deletes) {
  return deletes.position_files > 1 || deletes.equality_files > 0 || deletes.shared_position_file;
}

/// What holds for all files of a partition.
struct PartitionNeeds {
  bool full = false;
  bool every_file = false;  ///< all are rewritten
  bool layout = false;      ///< so many lie in another order that those are rewritten
};

bool NeedsRewrite(const AttachedDeletes& deletes, int64_t size, int64_t records,
                  const OptimizingConfig& config, const PartitionNeeds& needs) {
  bool fragment = size <= config.fragment_size();
  if (needs.full) {
    return needs.every_file || deletes.any() || size <= config.undersized_size();
  }
  return fragment || static_cast<double>(deletes.position_records) >
                         config.major_trigger_duplicate_ratio * static_cast<double>(records);
}

/// Sums over the files of the partition, before the decision.
struct Tally {
  bool combine_positions = false;        ///< of a file that is no fragment: at once
  bool fragment_with_positions = false;  ///< a fragment with several: by the timer
  bool any_delete = false;
  int64_t smallest = INT64_MAX;
  int64_t second_smallest = INT64_MAX;

  void Undersized(int64_t size) {
    if (size < smallest) {
      second_smallest = smallest;
      smallest = size;
    } else {
      second_smallest = std::min(second_smallest, size);
    }
  }
  bool TwoFitIn(int64_t target) const {
    return second_smallest != INT64_MAX && smallest + second_smallest <= target;
  }
};

/// Whether the file is one of those that a run with this layout wrote, or that an engine sorted so.
bool IsArranged(const DataFile& file, const OptimizingConfig& config, const std::string& mark) {
  if (mark.empty() || tasks::HasLayoutMark(file.file_path, mark)) return true;
  const int32_t order_id = config.layout.order.order_id;
  return config.layout.kind == tasks::Layout::Kind::kSort && order_id != 0 &&
         file.sort_order_id == order_id;
}

PartitionNeeds DecideNeeds(const TableFiles& table, const PartitionFiles& partition,
                           const OptimizingConfig& config, bool full, const std::string& mark,
                           PartitionEvaluation* out) {
  bool any_delete = false;
  for (const auto& input : partition.files) {
    any_delete |= !input.deletes.empty();
    if (IsArranged(input.file, config, mark)) continue;
    ++out->unarranged_files;
    out->unarranged_bytes = AddCapped(out->unarranged_bytes, input.file.file_size_in_bytes);
  }
  PartitionNeeds needs;
  needs.full = full;
  // Rows that move are as young as the files that they move to.
  out->moves = full && config.full_moves_to_current_spec && !GoesByFileAge(partition, config) &&
               !partition.files.empty() && partition.spec_id != table.current_spec_id;
  out->duplicable_files = CountDuplicable(partition, config);
  // A partition that lies as it should is not written again each time.
  const bool asks = !mark.empty() || !config.dedup.is_none();
  const bool settled =
      asks && out->unarranged_files == 0 && out->duplicable_files == 0 && !any_delete;
  needs.every_file = (config.full_rewrite_all_files && !settled) || out->moves;
  needs.layout = out->unarranged_files > 0 && (full || out->unarranged_bytes >= config.target_size);
  return needs;
}

Tally CountFiles(const TableFiles& table, const PartitionFiles& partition,
                 const OptimizingConfig& config, const PartitionNeeds& needs,
                 const std::string& mark, PartitionEvaluation* out) {
  Tally tally;
  std::set<int32_t> deletes_seen;
  for (const auto& input : partition.files) {
    int64_t size = input.file.file_size_in_bytes;
    AttachedDeletes deletes = Attached(table, input);
    tally.any_delete |= deletes.any();
    bool rewrite = NeedsRewrite(deletes, size, input.file.record_count, config, needs) ||
                   (needs.layout && !IsArranged(input.file, config, mark));
    FileWork work = FileWork::kLeave;
    if (size <= config.fragment_size()) {
      work = FileWork::kRewrite;
      ++out->fragment_files;
      out->fragment_bytes = AddCapped(out->fragment_bytes, size);
    } else if (rewrite) {
      work = FileWork::kRewrite;
      ++out->rewrite_segment_files;
      out->rewrite_segment_bytes = AddCapped(out->rewrite_segment_bytes, size);
    } else if (size <= config.undersized_size()) {
      work = FileWork::kUndersized;
      ++out->undersized_files;
      out->undersized_bytes = AddCapped(out->undersized_bytes, size);
      tally.Undersized(size);
    } else if (NeedsPositionRewrite(deletes)) {
      work = FileWork::kPositions;
      ++out->rewrite_position_files;
      out->rewrite_position_bytes = AddCapped(out->rewrite_position_bytes, size);
    }
    if (deletes.position_files > 1) {
      bool fragment = size <= config.fragment_size();
      (fragment ? tally.fragment_with_positions : tally.combine_positions) = true;
    }
    out->work.push_back(work);
    deletes_seen.insert(input.deletes.begin(), input.deletes.end());
  }
  for (int32_t index : deletes_seen) {
    const DataFile& file = table.deletes[static_cast<size_t>(index)].file;
    (file.content == FileContent::kEqualityDeletes ? out->equality_delete_files
                                                   : out->position_delete_files) += 1;
    out->delete_bytes =
        AddCapped(out->delete_bytes, file.content_size_in_bytes.value_or(file.file_size_in_bytes));
  }
  return tally;
}

int64_t Cost(const PartitionEvaluation& e) {
  int64_t files = e.fragment_files + e.rewrite_segment_files + e.undersized_files +
                  e.rewrite_position_files + e.equality_delete_files + e.position_delete_files;
  int64_t read =
      AddCapped(AddCapped(e.fragment_bytes, e.rewrite_segment_bytes), e.undersized_bytes);
  int64_t other = AddCapped(e.rewrite_position_bytes / 10, e.delete_bytes);
  return AddCapped(AddCapped(MultiplyCapped(2, read), other),
                   MultiplyCapped(files, kOpenCostBytes));
}

bool FullNecessary(const PartitionEvaluation& e, const Tally& tally) {
  return tally.any_delete || e.fragment_files >= 2 || e.undersized_files >= 2 || e.moves ||
         e.unarranged_files > 0 || e.rewrite_segment_files > 0 || e.rewrite_position_files > 0;
}

std::optional<std::string> MajorReason(const PartitionEvaluation& e, const Tally& tally,
                                       const OptimizingConfig& config,
                                       const PartitionNeeds& needs) {
  if (needs.layout) {
    return fmt::format("{} files of {} do not lie as self-optimizing.layout says",
                       e.unarranged_files, FormatByteSize(e.unarranged_bytes));
  }
  if (e.rewrite_segment_files > 0) {
    return fmt::format("{} files have more than {:.0f} % of their rows deleted",
                       e.rewrite_segment_files, config.major_trigger_duplicate_ratio * 100);
  }
  if (e.undersized_bytes >= config.target_size && tally.TwoFitIn(config.target_size)) {
    return fmt::format("{} files below {} fill more than one file of {}", e.undersized_files,
                       FormatByteSize(config.undersized_size()),
                       FormatByteSize(config.target_size));
  }
  return std::nullopt;
}

std::optional<std::string> MinorReason(PartitionEvaluation& e, const Tally& tally,
                                       const OptimizingConfig& config, const OptimizingTimes& times,
                                       int64_t now_ms) {
  int64_t small = e.fragment_files + e.equality_delete_files;
  if (small >= config.minor_trigger_file_count) {
    return fmt::format("{} fragments and {} equality delete files reach the trigger of {}",
                       e.fragment_files, e.equality_delete_files, config.minor_trigger_file_count);
  }
  if (tally.combine_positions) return "a data file has more than one position delete file";
  bool anything = small > 1 || e.equality_delete_files > 0 || tally.fragment_with_positions;
  if (!anything || config.minor_trigger_interval.count() < 0) return std::nullopt;
  int64_t due = times.last_minor_ms + config.minor_trigger_interval.count();
  if (now_ms >= due) {
    return fmt::format(
        "{} fragments and {} equality delete files, and the minor interval has passed",
        e.fragment_files, e.equality_delete_files);
  }
  e.due_ms = due;
  return std::nullopt;
}

std::string WhyIdle(const PartitionEvaluation& e) {
  if (!e.due_ms) return "nothing to do";
  return fmt::format("{} fragments and {} equality delete files wait for the minor interval",
                     e.fragment_files, e.equality_delete_files);
}

}  // namespace

std::string_view OptimizingTypeName(OptimizingType type) {
  return kTypeNames[static_cast<size_t>(type)];
}

std::optional<OptimizingType> OptimizingTypeFromName(std::string_view name) {
  for (size_t i = 0; i < std::size(kTypeNames); ++i) {
    if (kTypeNames[i] == name) return static_cast<OptimizingType>(i);
  }
  return std::nullopt;
}

bool FullIntervalReached(const OptimizingConfig& config, const OptimizingTimes& times,
                         int64_t now_ms) {
  return config.full_trigger_interval.count() >= 0 &&
         now_ms - times.last_full_ms > config.full_trigger_interval.count();
}

PartitionEvaluation EvaluatePartition(const TableFiles& table, const PartitionFiles& partition,
                                      const OptimizingConfig& config, const OptimizingTimes& times,
                                      int64_t now_ms) {
  PartitionEvaluation evaluation;
  bool full = FullIntervalReached(config, times, now_ms);
  const std::string mark = tasks::LayoutMark(config.layout);
  PartitionNeeds needs = DecideNeeds(table, partition, config, full, mark, &evaluation);
  Tally tally = CountFiles(table, partition, config, needs, mark, &evaluation);
  evaluation.cost_bytes = Cost(evaluation);

  int64_t cool_ms = partition.last_write_ms + config.hot_partition_delay.count();
  bool hot = config.hot_partition_delay.count() > 0 && now_ms < cool_ms;
  if (full && FullNecessary(evaluation, tally)) {
    evaluation.type = OptimizingType::kFull;
    evaluation.reason = "the full interval has passed";
  } else if (auto major = MajorReason(evaluation, tally, config, needs)) {
    evaluation.type = OptimizingType::kMajor;
    evaluation.reason = std::move(*major);
  }
  AddDedup(partition, config, times, now_ms, &evaluation);
  if (hot && evaluation.type != OptimizingType::kNone) {
    // Rewriting large files under a writer makes its updates fail; small ones alone are a minor
    // matter.
    evaluation.hot = true;
    evaluation.deduplicates = false;
    evaluation.type = OptimizingType::kNone;
    evaluation.due_ms = cool_ms;
    for (size_t i = 0; i < partition.files.size(); ++i) {
      bool fragment = partition.files[i].file.file_size_in_bytes <= config.fragment_size();
      if (!fragment) evaluation.work[i] = FileWork::kLeave;
    }
  }
  if (evaluation.type == OptimizingType::kNone) {
    auto due_ms = evaluation.due_ms;
    if (auto minor = MinorReason(evaluation, tally, config, times, now_ms)) {
      evaluation.type = OptimizingType::kMinor;
      evaluation.reason = std::move(*minor);
    } else if (evaluation.hot) {
      evaluation.reason = "it was written a moment ago: large files wait until it is quiet";
    } else if (evaluation.reason.empty()) {
      evaluation.reason = WhyIdle(evaluation);
    }
    if (due_ms)
      evaluation.due_ms = evaluation.due_ms ? std::min(*evaluation.due_ms, *due_ms) : due_ms;
  }
  return evaluation;
}

}  // namespace moraine::planning
