#pragma once
// Reads the files of some partitions of a snapshot, with the deletes that apply to each. Only
// manifests whose digest names one of the partitions are opened.

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"
#include "moraine/planning/evaluator.h"
#include "moraine/planning/health.h"

namespace moraine::planning {

struct TableFilesRequest {
  std::set<std::string> partitions;  ///< keys (PartitionKey)
  /// Partitions of which the deletes are read, too, but not the data files.
  std::set<std::string> delete_partitions;
  std::string filter;  ///< self-optimizing.filter: files that can't match are left alone
  int64_t max_files = 200'000;
  /// Columns, ascending, whose counts and bounds data files keep.
  std::vector<int32_t> metrics_of = {};
};

struct LoadedTableFiles {
  TableFiles files;
  /// Partitions left out because the snapshot's partitions hold more files than max_files together.
  int64_t partitions_left_out = 0;
  /// Files of files.partitions[i].files[j] that the filter leaves alone.
  std::vector<std::vector<bool>> filtered_out;
};

/// Ids of the specs whose equality deletes apply to the whole table.
std::set<int32_t> UnpartitionedSpecs(const iceberg::TableMetadata& metadata);

/// Errors: Exhausted when one partition alone holds more than max_files; as ReadManifest,
/// ParseFilter.
Result<LoadedTableFiles> LoadTableFiles(Call& call, io::FileSystem& files,
                                        const iceberg::TableMetadata& metadata,
                                        const HealthSum& sum, const TableFilesRequest& request);

}  // namespace moraine::planning
