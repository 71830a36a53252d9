#pragma once
// Old rows of files that have young ones, too: deleted by position (in tables of version 3 by
// deletion vectors), without a word about those that are deleted already. Used by data_expiry for
// data-expire.level row. A file whose old rows are gone keeps its bounds, and is looked at again
// until it is compacted.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/iceberg/commit/snapshot_changes.h"
#include "moraine/iceberg/data/delete_writer.h"
#include "moraine/iceberg/metadata/name_mapping.h"
#include "moraine/iceberg/scan/plan_files.h"
#include "moraine/io/file_system.h"
#include "moraine/tasks/maintenance_task.h"
#include "moraine/upkeep/expiry_time.h"
#include "moraine/upkeep/run_task.h"
#include "moraine/upkeep/snapshot_task.h"

namespace moraine::upkeep {

/// Used by one thread.
class RowExpiry {
 public:
  struct Options {
    std::string prefix;  ///< what the names of new delete files begin with
    int64_t threshold_us = 0;
    int64_t memory_bytes = 0;
    bool dry_run = false;  ///< rows are counted only
  };
  /// Borrows all but options.
  static Result<RowExpiry> Make(io::FileSystem& files, const OpenedSnapshot& opened,
                                const ExpiryTimes& times, Options options);

  /// Whether Delete may find rows in the file, by its bounds.
  bool MayHaveOldRows(const iceberg::DataFile& file) const;
  /// Deletes the old rows of the file of this task. Returns how many there were.
  Result<int64_t> Delete(Call& call, const iceberg::FileTask& task);
  /// To be called last.
  Status Finish(Call& call);

  const std::vector<iceberg::DataFile>& added() const { return added_; }
  /// Deletes of single files that new vectors contain.
  const std::vector<iceberg::RemovedFile>& replaced() const { return replaced_; }

 private:
  RowExpiry(io::FileSystem& files, const OpenedSnapshot& opened, const ExpiryTimes& times,
            Options options)
      : files_(files),
        opened_(opened),
        times_(times),
        options_(std::move(options)),
        vectors_(files, options_.prefix + "deletes.puffin") {}
  Result<iceberg::PositionSet> Find(Call& call, const iceberg::FileTask& task,
                                    iceberg::PositionSet* before) const;
  Status Write(Call& call, const iceberg::FileTask& task, iceberg::PositionSet rows);

  io::FileSystem& files_;
  const OpenedSnapshot& opened_;
  const ExpiryTimes& times_;
  Options options_;
  std::optional<iceberg::NameMapping> mapping_;
  iceberg::DeletionVectorWriter vectors_;
  std::vector<std::pair<int32_t, iceberg::PartitionTuple>> vector_places_;  // of vectors_
  std::vector<iceberg::DataFile> added_;
  std::vector<iceberg::RemovedFile> replaced_;
};

}  // namespace moraine::upkeep
