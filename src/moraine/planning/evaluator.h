#pragma once
// The exact rules: does a partition need minor, major or full optimizing, and why. Runs over the
// files of candidate partitions with their deletes attached. Pure; rules of
// docs/guide/self-optimizing.md.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "moraine/base/clock.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/planning/config.h"
#include "moraine/tasks/rewrite_task.h"

namespace moraine::planning {

enum class OptimizingType { kNone, kMinor, kMajor, kFull };
std::string_view OptimizingTypeName(OptimizingType type);  ///< "none", "minor", "major", "full"
std::optional<OptimizingType> OptimizingTypeFromName(std::string_view name);

/// All live data files of one partition of one snapshot. deletes of an InputFile point into
/// TableFiles::deletes.
struct PartitionFiles {
  int32_t spec_id = 0;
  iceberg::PartitionTuple partition;
  std::string path;  ///< "a=1/b=2", for people and file names
  std::vector<tasks::InputFile> files;
  int64_t last_write_ms = 0;  ///< newest commit of a writer (not of optimizing) into it
};

/// The candidate partitions of a snapshot with their deletes.
struct TableFiles {
  int64_t snapshot_id = 0;
  int64_t sequence_number = 0;  ///< of the snapshot
  std::vector<PartitionFiles> partitions;
  std::vector<tasks::DeleteInput> deletes;
  /// Specs whose equality deletes are global: they apply to files of every partition.
  std::set<int32_t> unpartitioned_specs;
  /// Every partition that global equality deletes may reach is here: only then may they be removed.
  bool whole_table = false;
  int32_t current_spec_id = 0;  ///< of the table
  int32_t format_version = 2;   ///< likewise
};

/// When a table was last optimized; 0 = never (the table's creation counts instead).
struct OptimizingTimes {
  int64_t last_minor_ms = 0;
  int64_t last_major_ms = 0;
  int64_t last_full_ms = 0;
};

enum class FileWork : uint8_t { kLeave, kRewrite, kUndersized, kPositions };

struct PartitionEvaluation {
  OptimizingType type = OptimizingType::kNone;
  /// Set when nothing is done now but a timer will: when to look again, ms since the epoch.
  std::optional<int64_t> due_ms;
  bool hot = false;            ///< left alone: written a moment ago
  std::string reason;          ///< one sentence
  std::vector<FileWork> work;  ///< one per file of the partition
  int64_t fragment_files = 0;
  int64_t fragment_bytes = 0;
  int64_t undersized_files = 0;
  int64_t undersized_bytes = 0;
  bool moves = false;            ///< its rows go to partitions of the current spec
  bool deduplicates = false;     ///< it is written whole, one row for each key
  bool keeps_age = false;        ///< what is rewritten is newer than what stays (dedup_rules.h)
  bool too_large = false;        ///< to be deduplicated
  int64_t duplicable_files = 0;  ///< that may hold duplicates: all but those of its last dedup
  int64_t unarranged_files = 0;  ///< that the layout asked for is not that of
  int64_t unarranged_bytes = 0;
  int64_t rewrite_segment_files = 0;
  int64_t rewrite_segment_bytes = 0;
  int64_t rewrite_position_files = 0;
  int64_t rewrite_position_bytes = 0;
  int64_t equality_delete_files = 0;
  int64_t position_delete_files = 0;
  int64_t delete_bytes = 0;
  int64_t cost_bytes = 0;  ///< read and written, open costs included: the weight of the partition
};

PartitionEvaluation EvaluatePartition(const TableFiles& table, const PartitionFiles& partition,
                                      const OptimizingConfig& config, const OptimizingTimes& times,
                                      int64_t now_ms);

/// Whether a full run is due by its interval.
bool FullIntervalReached(const OptimizingConfig& config, const OptimizingTimes& times,
                         int64_t now_ms);

}  // namespace moraine::planning
