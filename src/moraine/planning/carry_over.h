#pragma once
// Deletes by position that landed on the inputs of a rewrite while it ran become deletes of its
// outputs: read, sent through the task's position map, written again (design note 0010). What has
// to be carried was decided by DecideCommit; here it is done, for landing.h.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"
#include "moraine/planning/commit_decision.h"

namespace moraine::planning {

/// Every file with carried deletes of this attempt starts so.
std::string CarriedPrefix(const tasks::RewriteTask& task);

/// Told before carried deletes are written for these tasks; nothing is if it fails.
using BeforeCarrying = std::function<Status(const std::vector<const tasks::RewriteTask*>&)>;

struct CarriedDeletes {
  std::vector<iceberg::DataFile> added;    ///< to commit with the outputs, at the commit's sequence
  std::vector<std::string> written;        ///< files: nobody's if the commit is refused
  std::map<size_t, std::string> prefixes;  ///< of what was written, by finished work
  std::map<size_t, std::string> refused;   ///< finished work that can't be carried, with the reason
};

/// One position delete file (version 2) or deletion vector (version 3) for each output that needs
/// one, under the prefix of the task's attempt. One task at a time, within memory_bytes: a task
/// whose deletes need more, or whose map is damaged, is refused, and what was written for it is
/// listed all the same. Errors: as io; those that a new try may heal. Files may have been written
/// then: carried->written knows them.
Status CarryOverDeletes(Call& call, io::FileSystem& files, const iceberg::TableMetadata& table,
                        const CommitDecision& decision, const std::vector<FinishedWork>& finished,
                        int64_t memory_bytes, CarriedDeletes* carried);

}  // namespace moraine::planning
