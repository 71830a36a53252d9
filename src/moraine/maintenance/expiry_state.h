#pragma once
// What a run of expire-snapshots leaves between its steps (RunContext::state).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "moraine/base/status.h"
#include "moraine/maintenance/deletion_rounds.h"
#include "moraine/upkeep/snapshot_expiry.h"

namespace moraine::maintenance {

enum class ExpiryStage {
  kTriedOut,  ///< dry run: counting
  kRemoved,   ///< snapshots are out of the metadata
  kLooking,   ///< for their files
  kDeleting,
};

struct ExpiryState {
  ExpiryStage stage = ExpiryStage::kRemoved;
  upkeep::ExpiredSnapshots expired;  ///< until their files are listed
  bool more = false;                 ///< another commit is to follow
  std::string base_location;         ///< metadata that files were looked for with
  int64_t listed_ms = 0;             ///< when that began
  std::optional<DeletionRounds> deletion;
  // Of the whole run.
  int64_t snapshots = 0;
  int64_t refs = 0;
  int64_t deleted_files = 0;
  int64_t deleted_bytes = 0;
  int64_t failed = 0;
  FileFailures failures;
  int64_t kept = 0;
  int64_t elsewhere = 0;
  std::string decisions = "{}";  ///< of a dry run
};

std::string ExpiryStateToJson(const ExpiryState& state);
/// Errors: InvalidArgument with the path.
Result<ExpiryState> ExpiryStateFromJson(std::string_view text);

}  // namespace moraine::maintenance
