#pragma once
// A table without a catalog for tests of commits and scans: metadata in memory, files in any file
// system, the requirements and updates of each commit applied as a catalog does. Data files are
// only named, never written.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/iceberg/commit/commit_loop.h"
#include "moraine/iceberg/commit/snapshot_changes.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

struct RowDeltaPart;

struct TestTableOptions {
  int format_version = 2;
  /// Columns id long (1), day int (2), name string (3); partitioned by identity of day, or not at
  /// all.
  bool partitioned = true;
  StringMap properties;
};

/// Used by one thread.
class TestTable {
 public:
  TestTable(io::FileSystem& files, const TestTableOptions& options);

  const TablePtr& metadata() const { return metadata_; }
  const Snapshot& current() const;
  /// Applies commits to metadata(); before_commit and outcome may stand between.
  CommitDoor door();
  /// Called before each commit is applied, for instance to commit something else first.
  std::function<void()> before_commit;
  /// Called after a commit was decided: may answer another status than OK for one that was applied.
  std::function<Status()> after_commit;
  int commits() const { return commits_; }

  Status Apply(const CommitRequest& request);
  /// CommitWithRetry.
  Result<CommitOutcome> Commit(Call& call, SnapshotChanges changes);
  /// Commits data files of these names in this partition by the operation.
  Status Append(Call& call, const std::vector<std::string>& names, int32_t day = 0,
                SnapshotOperation operation = SnapshotOperation::kAppend);
  /// One snapshot on top of the current one. sequence: of the files that are added, the snapshot's
  /// own if unset.
  Status Change(Call& call, SnapshotOperation operation, const std::vector<DataFile>& added,
                const std::vector<DataFile>& removed = {},
                std::optional<int64_t> sequence = std::nullopt);
  /// Real rows of one day (row_delta.h), for CommitRows.
  RowDeltaPart Rows(int32_t day, std::string rows) const;
  Status CommitRows(Call& call, const std::vector<RowDeltaPart>& parts);
  /// Writes the metadata as it is now into a file of its own, as a catalog does; its location.
  Result<std::string> WriteMetadata(Call& call);

  /// "<location>/data/<name>.parquet" with 100 rows of 1000 bytes; ids 0..99, day as the partition.
  DataFile Data(const std::string& name, int32_t day = 0) const;
  /// Position deletes of one data file (by name), or of the whole partition when about is empty.
  DataFile PositionDeletes(const std::string& name, const std::string& about,
                           int32_t day = 0) const;
  /// Equality deletes on id with these bounds.
  DataFile EqualityDeletes(const std::string& name, int32_t day, int64_t low, int64_t high) const;
  DataFile DeletionVector(const std::string& puffin, const std::string& about, int32_t day,
                          int64_t offset) const;
  std::string Path(const std::string& name) const {
    return metadata_->location + "/data/" + name + ".parquet";
  }

  /// One line per file that a scan of the branch finds: "a seq=1 deletes=[p,q]", sorted by name.
  Result<std::vector<std::string>> Scan(Call& call, const std::string& filter = "",
                                        const std::string& branch = kMainBranch) const;
  /// One line per manifest entry of the current snapshot, in order: "data added a seq=1 file_seq=1
  /// mine".
  Result<std::vector<std::string>> Entries(Call& call) const;
  Result<std::vector<ManifestFile>> Manifests(Call& call) const;

 private:
  io::FileSystem& files_;
  TablePtr metadata_;
  int commits_ = 0;
  int metadata_files_ = 0;
};

/// "a" of ".../data/a.parquet".
std::string ShortName(const std::string& path);

}  // namespace moraine::iceberg
