#pragma once
// Turns SnapshotChanges into a commit: validates them against a base, writes manifests and the
// manifest list, and returns the request for the catalog (table spec, "Manifests", "Optimistic
// concurrency"; Java's SnapshotProducer). The same producer prepares again on a fresh base after a
// lost race and uses again what it wrote. It commits nothing and deletes nothing: its callers
// do, the optimizing committer and commit_loop.h.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/commit/snapshot_changes.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/metadata/table_update.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

struct PreparedCommit {
  CommitRequest request;  ///< AddSnapshot, SetSnapshotRef; asserts uuid and the branch's head
  Snapshot snapshot;      ///< the one in the request
  std::vector<std::string> written;  ///< files that this attempt wrote, in order
  bool changes_nothing = false;      ///< no file added or removed: the caller may leave it
};

/// Used by one thread.
class SnapshotProducer {
 public:
  SnapshotProducer(io::FileSystem& files, SnapshotChanges changes);
  ~SnapshotProducer();
  SnapshotProducer(SnapshotProducer&&) noexcept;

  /// One attempt. Errors: Conflict when what concurrent commits did rules the change out (final:
  /// decide again from fresh metadata), InvalidArgument for a change that is wrong in itself,
  /// Unsupported, as io. After an error some files may have been written: written_files() knows
  /// them.
  Result<PreparedCommit> Prepare(Call& call, const TablePtr& base);

  /// The same for all attempts; 0 before the first.
  int64_t snapshot_id() const;
  /// Every manifest and manifest list of all attempts.
  std::vector<std::string> written_files() const;
  /// Those that the last prepared commit does not use: leftovers once it has landed.
  std::vector<std::string> unused_files() const;

 private:
  class Attempt;
  struct State;
  std::unique_ptr<State> state_;
};

/// "<location>/metadata" or write.metadata.path.
std::string MetadataFolder(const TableMetadata& metadata);

}  // namespace moraine::iceberg
