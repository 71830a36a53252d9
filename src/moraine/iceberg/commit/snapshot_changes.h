#pragma once
// What one snapshot changes, as plain data: the operations of the table spec and of Java's table
// API. Made by the optimizing committer and by tests; given to SnapshotProducer, which writes and
// validates it.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "moraine/iceberg/expression/expression.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/scan/delete_index.h"

namespace moraine::iceberg {

enum class SnapshotOperation {
  kFastAppend,         ///< new data files in new manifests; nothing merged, nothing checked
  kAppend,             ///< the same, then manifests are merged (Java's default append)
  kDelete,             ///< removed_data, or the files whose rows all match row_filter
  kOverwrite,          ///< removals as kDelete, and added data files
  kReplacePartitions,  ///< the partitions of the added data files are emptied first
  kRowDelta,           ///< added data files and deletes; removals of deletes that new ones replace
  kRewriteFiles,       ///< the same rows in other files: removed and added data files and deletes
  kRewriteManifests,   ///< the same files in other manifests
};

/// A file that the snapshot adds: data or deletes, by its content.
struct AddedFile {
  DataFile file;
  /// Explicit data sequence number (rewrites: that of the snapshot that was read); unset: the
  /// commit's.
  std::optional<int64_t> data_sequence_number;
};

/// A file that the snapshot removes. With its partition, manifests of others need not be read.
struct RemovedFile {
  std::string path;
  std::optional<PartitionKey> partition;
  std::optional<int64_t> content_offset;  ///< deletion vectors: which one of the Puffin file

  static RemovedFile Of(const DataFile& file);
};

/// What makes a delete file or deletion vector one: "path", or "path#offset".
std::string DeleteKey(const DataFile& file);

/// What other commits must not have done between the starting snapshot and the head.
struct ConflictChecks {
  /// The snapshot that the change was made from; unset: since the table was empty.
  std::optional<int64_t> starting_snapshot_id;
  /// Rows that matter; nullptr: row_filter where there is one, else all. Unbound.
  ExpressionPtr filter;
  /// Data files that may hold matching rows were added (overwrite, replace partitions, row delta).
  bool no_conflicting_data = false;
  /// Deletes that may touch matching rows were added, or data files removed (the same three).
  bool no_conflicting_deletes = false;
  /// Row delta: data files that new position deletes refer to, beside those that the deletes name.
  std::vector<std::string> required_data_files;
  /// Row delta: a required data file that a delete operation removed counts as missing, too.
  bool required_files_also_after_deletes = false;
  /// Rewrites: position deletes and deletion vectors (DeleteKey) that came since, which the change
  /// carries over to its own files. Those that came and are gone again do not matter either.
  std::set<std::string> carried_deletes;
  /// Any operation that removes deletes because they apply to nothing: the highest data sequence
  /// number of those. Since then no data file may have come to their partitions with this number or
  /// a lower one (of removed deletes without a partition, or in a spec without one: to any).
  std::optional<int64_t> unused_deletes_up_to;
  /// Partitions that must not have got data files since, by any operation.
  std::vector<PartitionKey> closed_partitions;
};

struct SnapshotChanges {
  SnapshotOperation operation = SnapshotOperation::kAppend;
  std::vector<AddedFile> added;
  std::vector<RemovedFile> removed_data;
  std::vector<RemovedFile> removed_deletes;
  /// kDelete and kOverwrite: removes the files whose rows all match; a data file of which only some
  /// rows may match is InvalidArgument. Unbound.
  ExpressionPtr row_filter;
  /// kRewriteFiles: deletes by key become deletes by position of data files that stay. The snapshot
  /// says "overwrite" then: rewrites of those files by others look for new deletes there, and not
  /// in "replace".
  bool resolves_keys = false;
  /// kRewriteFiles: not all rows are in the new files though nobody has deleted the others. The
  /// snapshot says "overwrite", too: "replace" promises the same rows.
  bool drops_rows = false;
  /// A removed path that is not live is a Conflict (always so for kRewriteFiles).
  bool removed_must_exist = false;
  ConflictChecks checks;
  /// kRewriteManifests: which data manifests; empty: all.
  std::vector<std::string> rewrite_manifests;
  /// kRewriteManifests: what takes their place, written already: the same live entries, all
  /// EXISTING. Empty: written here, in the order of the entries.
  std::vector<ManifestFile> replacements;
  /// More entries of the snapshot summary ("snapshot.producer", ...).
  StringMap summary;
  std::string branch = kMainBranch;
};

}  // namespace moraine::iceberg
