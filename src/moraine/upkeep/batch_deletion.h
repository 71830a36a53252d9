#pragma once
// Deletes or moves many files by a proof: in batches, at a bounded rate, with single failures tried
// again, and a line in the log for each batch. Used by the worker tasks that delete.

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/commit/file_deletion.h"
#include "moraine/io/file_system.h"

namespace moraine::upkeep {

struct BatchOptions {
  std::string table;             ///< for the log
  int64_t files_per_second = 0;  ///< 0: no limit
  /// What the proof rests on holds so long, by the worker's clock; no batch begins later. 0: for
  /// ever.
  int64_t until_ms = 0;
  std::atomic<int64_t>* done = nullptr;  ///< grows by the files of each batch, however they fared
};

struct BatchOutcome {
  int64_t deleted = 0;
  int64_t bytes = 0;
  std::vector<std::pair<std::string, Status>> failed;
  int64_t left = 0;  ///< files for which the time was over
};

/// Errors: PermissionDenied if the proof does not cover one of them (before any goes); Deadline,
/// Cancelled.
Result<BatchOutcome> DeleteInBatches(Call& call, io::FileSystem& files,
                                     const iceberg::DeletionProof& proof,
                                     std::span<const io::FileInfo> what,
                                     const BatchOptions& options);

/// A file and where it is moved to.
struct Move {
  io::FileInfo from;
  std::string to;
};
/// Copies each, durable, then deletes what was copied. A copy that is there already, of the same
/// size, counts as made; one of another size is a failure. A file that is gone counts as moved.
Result<BatchOutcome> MoveInBatches(Call& call, io::FileSystem& files,
                                   const iceberg::DeletionProof& proof, std::span<const Move> what,
                                   const BatchOptions& options);

}  // namespace moraine::upkeep
