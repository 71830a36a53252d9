#pragma once
// Data that has grown old is removed (properties data-expire.*): files all of whose rows are older
// than the retention time, partitions all of whose files are, or rows: then old rows of other files
// are deleted by position, too. Found by a worker, removed in one commit together with the deletes
// that nothing needs then.
//
// Deletes go with the data: those about one data file when it goes; those of a partition (of the
// whole table, in a spec without partitions) when no data file that stays has a sequence number
// that they reach. The commit only changes main: what a tag or another branch has stays readable
// there.
//
// A concurrent commit that removed one of the files, brought a file to a partition that expires, or
// old rows that a removed delete reaches, is a Conflict: the caller asks again.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/iceberg/commit/snapshot_changes.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"
#include "moraine/tasks/maintenance_task.h"
#include "moraine/upkeep/config.h"
#include "moraine/upkeep/expiry_time.h"
#include "moraine/upkeep/run_task.h"
#include "moraine/upkeep/snapshot_task.h"

namespace moraine::upkeep {

inline constexpr char kFindExpiredData[] = "find-expired-data";
/// "snapshot.producer" of the commits.
inline constexpr char kDataExpirationProducer[] = "DATA_EXPIRATION";

struct DataExpiryDecision {
  bool is_due = false;
  std::string reason;        ///< why not, or what expires
  int64_t threshold_ms = 0;  ///< rows from before are old
};
/// Why nothing of this table can expire though data-expire.enabled is set: a column that is not
/// there or has no times, no retention. "": it can, or is not to, or the config's problems say why.
std::string WhyNothingCanExpire(const iceberg::TableMetadata& metadata,
                                const MaintenanceConfig& config);
/// Errors: InvalidArgument for properties that can't be followed.
Result<DataExpiryDecision> DecideDataExpiry(const iceberg::TableMetadata& metadata,
                                            const MaintenanceConfig& config, int64_t now_ms);
ExpiryField ExpiryFieldOf(const MaintenanceConfig& config);

/// When main was last written by somebody else than maintenance; nothing where that has expired.
std::optional<int64_t> LastCommitMs(const iceberg::TableMetadata& metadata);

struct DataExpiryTask {
  SnapshotPlace place;
  ExpiryField field;
  ExpireLevel level = ExpireLevel::kPartition;
  int64_t threshold_ms = 0;
  int64_t max_files = kMostFilesInResult;
  bool dry_run = false;  ///< no delete files are written for rows
};
std::string ToBody(const DataExpiryTask& task);

struct ExpiredPartition {
  std::string name;  ///< "a=1/b=2"
  int64_t files = 0;
  int64_t rows = 0;
  int64_t bytes = 0;
};

struct ExpiredData {
  int64_t snapshot_id = 0;
  int64_t threshold_ms = 0;
  ExpireLevel level = ExpireLevel::kPartition;
  std::vector<iceberg::RemovedFile> data;
  std::vector<iceberg::RemovedFile> deletes;
  std::vector<iceberg::DataFile> new_deletes;  ///< of rows of files that stay
  int64_t rows_deleted = 0;                    ///< by those, or, in a dry run, not yet
  int64_t files_with_deleted_rows = 0;
  int64_t highest_sequence = 0;              ///< of the deletes
  int64_t rows = 0;                          ///< of data
  int64_t bytes = 0;                         ///< of both
  std::vector<ExpiredPartition> partitions;  ///< at most some hundred
  int64_t partitions_count = 0;
  int64_t files_without_time = 0;  ///< that stay because nothing is known of their age
  bool more = false;               ///< what max_files left for the next time
};
Result<ExpiredData> ExpiredDataOf(const tasks::MaintenanceOutput& output,
                                  const iceberg::TableMetadata& metadata);

/// The commit that removes it. Not where data and new_deletes are empty.
iceberg::SnapshotChanges RemoveExpiredData(const ExpiredData& expired);

/// Where the task writes the delete files of rows.
std::string RowDeletesFolder(const iceberg::TableMetadata& metadata);

/// Finds it, and, for rows, writes the delete files. Reads the data manifests twice and the delete
/// manifests once. Memory: some 300 bytes for each partition, and the result. Errors: as
/// OpenSnapshot, ExpiryTimes::Make and ReadManifest; Exhausted for more partitions than the memory
/// can hold.
Result<tasks::MaintenanceOutput> RunFindExpiredData(Call& call, io::FileSystem& files,
                                                    const tasks::MaintenanceTask& task,
                                                    const JobOptions& options,
                                                    JobProgress* progress);

}  // namespace moraine::upkeep
