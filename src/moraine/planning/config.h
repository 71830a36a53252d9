#pragma once
// The self-optimizing.* properties of one table, read once per decision. Names, meanings and
// defaults are the reference system's (docs/guide/self-optimizing.md lists them all).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/clock.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/tasks/layout.h"

namespace moraine::planning {

struct OptimizingConfig {
  bool enabled = true;
  bool enabled_is_explicit = false;  ///< the table says so itself; registered tables need that
  bool allow_partial_commit = false;
  std::string group = "default";
  double quota = 0.5;   ///< > 1: threads; <= 1: part of the group's threads
  int num_retries = 5;  ///< per task
  int64_t target_size = 128 << 20;
  int64_t max_task_size = 128 << 20;
  int64_t fragment_ratio = 8;
  double min_target_size_ratio = 0.75;
  int64_t minor_trigger_file_count = 12;
  Millis minor_trigger_interval{3'600'000};  ///< negative: off
  double major_trigger_duplicate_ratio = 0.1;
  Millis full_trigger_interval{-1};  ///< negative: off
  bool full_rewrite_all_files = true;
  std::string layout_text = "none";  ///< as the property has it
  tasks::Layout layout;              ///< of what major and full write; ConfigOf(metadata) reads it
  std::string dedup_key_text;        ///< as the properties have it; empty: rows stay
  std::string dedup_by_text;
  tasks::Dedup dedup;  ///< one row for each key stays; ConfigOf(metadata) reads it
  /// The last row of a key is told by its file alone: rewrites must not mix files of several ages.
  bool dedup_by_file_age = false;
  /// A full run moves the files of older partition specs to the current one.
  bool full_moves_to_current_spec = false;
  std::string filter;
  Millis min_plan_interval{60'000};
  Millis hot_partition_delay{120'000};
  /// One sentence per property that is not known, or whose value can't be read and counts as its
  /// default.
  std::vector<std::string> problems;

  /// Health does not know whether a partition needs it: all are looked at.
  bool asks_every_partition() const { return !layout.is_none() || !dedup.is_none(); }
  int64_t fragment_size() const { return target_size / fragment_ratio; }
  int64_t undersized_size() const {
    return static_cast<int64_t>(static_cast<double>(target_size) * min_target_size_ratio);
  }
  int64_t bin_size() const { return target_size > max_task_size ? target_size : max_task_size; }
};

OptimizingConfig ConfigOf(const iceberg::StringMap& properties);
/// The same with what can only be read by the table's schema and sort orders: the layout.
OptimizingConfig ConfigOf(const iceberg::TableMetadata& metadata);
/// Errors: as tasks::ParseLayout.
Result<tasks::Layout> LayoutOf(std::string_view text, const iceberg::TableMetadata& metadata);

/// Errors: as tasks::ParseDedup.
Status SetDedup(std::string_view key, std::string_view by, const iceberg::TableMetadata& metadata,
                OptimizingConfig* config);

/// The threads that a table may use of a group: quota > 1 is a number, else a part of them, at
/// least 1.
int64_t QuotaThreads(const OptimizingConfig& config, int64_t group_threads);

/// The last of the obstacles: nothing else is in the way of a table that was just made.
inline constexpr char kNoSnapshotYet[] = "the table has no snapshot yet";

/// Why a table can't be optimized at all, in one sentence; empty when it can.
std::string Obstacle(const iceberg::TableMetadata& metadata, const OptimizingConfig& config,
                     bool registered);

}  // namespace moraine::planning
