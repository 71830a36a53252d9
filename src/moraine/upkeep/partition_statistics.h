#pragma once
// What each partition of a snapshot holds (iceberg/data/partition_statistics.h), from manifests
// alone: no data file is read. Where an ancestor has statistics already, only what was added and
// removed since is read, and put on top of them; the sums are compared with the manifest list
// before they are believed. total_record_count is left unknown: released versions of Iceberg that
// add to such a file would carry an old number on. Used by partition_statistics_task and tests.

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/iceberg/data/partition_statistics.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/scan/delete_index.h"
#include "moraine/io/file_system.h"
#include "moraine/upkeep/run_task.h"
#include "moraine/upkeep/snapshot_task.h"

namespace moraine::upkeep {

/// Why no snapshot gets partition statistics, or "": the table has no partitions, or no columns of
/// them any more; a transform is not known.
std::string WhyNoPartitionStatistics(const iceberg::TableMetadata& metadata);

/// How to come to the statistics of a snapshot.
struct StatisticsWay {
  /// To build on; unset: all manifests are read.
  std::optional<iceberg::PartitionStatisticsFile> previous;
  std::vector<const iceberg::Snapshot*> since;  ///< of which changes are read, the newest first
  std::string reason;                           ///< why not on top of older ones
};
/// By what is to be read: many small commits cost more than the manifests that they left.
/// manifests: of the snapshot. The snapshots are those of metadata.
StatisticsWay ChooseStatisticsWay(const iceberg::TableMetadata& metadata,
                                  const iceberg::Snapshot& snapshot,
                                  const std::vector<iceberg::ManifestFile>& manifests);

/// Counts of partitions, in bounded memory. Used by one thread.
class PartitionTable {
 public:
  enum class Change : int8_t { kRemoved = -1, kSeen = 0, kAdded = 1 };

  /// Errors: as UnifiedPartitionFields.
  static Result<PartitionTable> Make(const iceberg::TableMetadata& metadata, int64_t memory_bytes);

  const std::vector<iceberg::Field>& partition_fields() const { return fields_; }
  size_t size() const { return counts_.size(); }

  /// Counts the entry's file in or out, and its snapshot as the partition's last one, if that is
  /// known. Errors: Exhausted for more partitions than the memory can hold; Corruption for an
  /// unknown spec or a value of another type.
  Status Add(const iceberg::ManifestEntry& entry, Change change);
  /// Adds a row of older statistics. Rows of partitions that are one by now become one.
  Status Add(iceberg::PartitionStatistics row);

  /// Whether the rows add up to what the list says the snapshot has, and none is below 0. Counts
  /// that the list lacks (version 1): no.
  bool AddsUpTo(const std::vector<iceberg::ManifestFile>& manifests) const;
  /// Partitions that hold something, by their values, nulls first, then by spec.
  std::vector<iceberg::PartitionStatisticsRow> Sorted() const;

 private:
  struct Spec {
    std::vector<int> places;  ///< of each unified field in the spec's tuple; -1: always null
  };
  using Counts = std::unordered_map<iceberg::PartitionKey, iceberg::PartitionCounts,
                                    iceberg::PartitionKeyHash>;

  Result<iceberg::PartitionTuple> Unify(int32_t spec_id,
                                        const iceberg::PartitionTuple& tuple) const;
  Result<iceberg::PartitionCounts*> Find(iceberg::PartitionKey key);

  std::vector<iceberg::Field> fields_;
  std::unordered_map<int32_t, Spec> specs_;
  std::unordered_map<int64_t, int64_t> times_;  ///< of snapshots
  Counts counts_;
  int64_t bytes_ = 0;
  int64_t memory_bytes_ = 0;
};

/// What was read for it.
struct StatisticsReport {
  bool incremental = false;
  std::string reason;     ///< why all manifests were read though there were older statistics
  int64_t manifests = 0;  ///< that were read
  int64_t entries = 0;
};
/// Fills the table with the counts of a snapshot. full: older statistics count as nothing. Errors:
/// as PartitionTable and ReadManifest.
Result<StatisticsReport> ComputePartitionStatistics(Call& call, io::FileSystem& files,
                                                    const OpenedSnapshot& opened,
                                                    PartitionTable* table, JobProgress* progress,
                                                    bool full = false);

}  // namespace moraine::upkeep
