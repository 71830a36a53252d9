#pragma once
// The summary of a snapshot: what was added and removed, and the totals that follow from the
// parent's (table spec, appendix F "Optional Snapshot Summary Fields"; Java's SnapshotSummary).

#include <cstdint>
#include <string>
#include <unordered_map>

#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/scan/delete_index.h"

namespace moraine::iceberg {

/// Counts files while a snapshot is made. A plain value; can be copied to start over.
class SnapshotSummary {
 public:
  void Add(const DataFile& file);
  void Remove(const DataFile& file);
  /// The same path was asked for, or found, once more.
  void CountDuplicate() { ++duplicates_; }
  bool empty() const { return partitions_.empty(); }
  int64_t added_records() const { return all_.added_records; }
  int64_t removed_records() const { return all_.removed_records; }
  bool removed_data_files() const { return all_.removed_data_files > 0; }

  /// Everything but "operation" and the manifest counts. parent: the branch's head, or nullptr.
  StringMap ToMap(const TableMetadata& metadata, const Snapshot* parent) const;

 private:
  struct Counts {
    int64_t added_data_files = 0, removed_data_files = 0;
    int64_t added_delete_files = 0, removed_delete_files = 0;
    int64_t added_equality_files = 0, removed_equality_files = 0;
    int64_t added_position_files = 0, removed_position_files = 0;
    int64_t added_vectors = 0, removed_vectors = 0;
    int64_t added_records = 0, removed_records = 0;
    int64_t added_bytes = 0, removed_bytes = 0;
    int64_t added_position_deletes = 0, removed_position_deletes = 0;
    int64_t added_equality_deletes = 0, removed_equality_deletes = 0;

    void Count(const DataFile& file, bool added);
    StringMap ToMap() const;
  };
  void Count(const DataFile& file, bool added);

  Counts all_;
  int64_t duplicates_ = 0;
  std::unordered_map<PartitionKey, Counts, PartitionKeyHash> partitions_;
};

}  // namespace moraine::iceberg
