#pragma once
// The one place where files of a table are deleted (decision "deleting files"). A caller shows a
// proof that nobody can reach the files; after a commit of unknown outcome there is no way to make
// one.

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

/// Why files may go. Only the makers below make one; each says what must be true.
class DeletionProof {
 public:
  enum class Kind {
    kCommitRefused,
    kAttemptRefused,
    kMetadataLogTrimmed,
    kNotReachable,
    kQuarantined,
    kTableGone,
  };

  /// The catalog answered a commit with this status: nothing was committed. The files are those
  /// that the commit would have added. Errors: Internal for OK and CommitUnknown, which prove
  /// nothing.
  static Result<DeletionProof> CommitRefused(const Status& refusal);
  /// An attempt of a task was refused (timed out, superseded, failed): its output prefix, which no
  /// commit has used and none will. Only files whose location starts with it may go.
  static DeletionProof AttemptRefused(std::string output_prefix);
  /// The same, of an attempt that holds files of several tries: those whose location starts with
  /// keep are of the one that was committed, and stay.
  static DeletionProof AttemptRefusedBut(std::string output_prefix, std::string keep);
  /// Metadata files that a committed table's log no longer names. Errors: none; paths still named
  /// are refused by DeleteFiles.
  static DeletionProof MetadataLogTrimmed(TablePtr committed,
                                          std::string current_metadata_location);
  /// Files that no snapshot of the table's version reaches and that were listed before the time
  /// given.
  static DeletionProof NotReachable(std::string table_uuid, int64_t table_version,
                                    int64_t listed_before_ms);
  /// Copies of such files, in a folder that holds nothing else and that no table names:
  /// ".../.quarantine/<run>". Only files below it may go.
  static DeletionProof Quarantined(std::string folder);
  /// A table that was dropped to be purged, and can't come back: the files that its last version
  /// reached.
  static DeletionProof TableGone(std::string table_uuid, int64_t table_version);

  Kind kind() const { return kind_; }
  /// OK, or PermissionDenied with the reason.
  Status Covers(const std::string& path) const;
  std::string ToString() const;

 private:
  explicit DeletionProof(Kind kind) : kind_(kind) {}

  Kind kind_;
  std::string prefix_;
  std::string keep_;
  TablePtr table_;
  std::string location_;
  int64_t version_ = 0;
  int64_t time_ms_ = 0;
};

struct DeletionOutcome {
  size_t deleted = 0;
  /// What could not be deleted, with the reason; trying again is harmless.
  std::vector<std::pair<std::string, Status>> failed;
};

/// Deletes in batches; a file that is gone counts as deleted. A failure of one file does not stop
/// others. Errors: PermissionDenied, before anything is deleted, for a path that the proof does not
/// cover.
Result<DeletionOutcome> DeleteFiles(Call& call, io::FileSystem& files, const DeletionProof& proof,
                                    std::span<const std::string> paths);

/// Deletes every file of a refused attempt: all whose location starts with its output prefix.
/// Returns how many. Errors: PermissionDenied for a prefix that is empty or a folder; as io, the
/// rest is then still there.
Result<size_t> DeleteAttempt(Call& call, io::FileSystem& files, const std::string& output_prefix);
/// The same but for files whose location starts with keep, if that is not empty.
Result<size_t> DeleteAttemptBut(Call& call, io::FileSystem& files, const std::string& output_prefix,
                                const std::string& keep);

}  // namespace moraine::iceberg
