#pragma once
// What a run of compute-statistics leaves from step to step. Used by compute_statistics.cc alone.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/types/snapshot.h"
#include "moraine/maintenance/deletion_rounds.h"

namespace moraine::maintenance {

enum class StatisticsStage { kReading, kMerging, kCommitted, kDeleting };

struct StatisticsState {
  StatisticsStage stage = StatisticsStage::kReading;
  int64_t snapshot_id = 0;
  std::vector<int32_t> columns;
  std::vector<std::string> types;  ///< theirs, as at the start
  std::optional<iceberg::StatisticsFile> base;
  std::string kept;   ///< statistics of the snapshot whose other blobs were copied
  int64_t files = 0;  ///< read
  int64_t rows = 0;
  std::optional<iceberg::StatisticsFile> written;
  std::optional<iceberg::StatisticsFile> replaced;
  std::optional<DeletionRounds> deletion;
  std::string note;  ///< for the summary
};

std::string StatisticsStateToJson(const StatisticsState& state);
/// Errors: InvalidArgument with the path.
Result<StatisticsState> StatisticsStateFromJson(std::string_view text);

}  // namespace moraine::maintenance
