#pragma once
// Scan planning (table spec, "Scan Planning"): from a snapshot and a filter to data files with the
// deletes that apply to them. Streams: never holds the entries of the table. Used by tests and
// bench (planning has table_files.h); splits.h packs the files into splits for readers.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/executor.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/expression/expression.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/scan/delete_index.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

/// One data file to read.
struct FileTask {
  ManifestEntry entry;  ///< live; counts and bounds only as the options say
  std::vector<DeleteEntryPtr> deletes;
  ExpressionPtr residual;  ///< bound; what is still to be tested on rows

  const DataFile& file() const { return entry.file; }
  int64_t sequence_number() const { return entry.sequence_number.value_or(0); }
};

struct ScanOptions {
  /// The schema that the filter is bound to; nullptr: the table's current one.
  SchemaPtr schema;
  /// Whether visited files carry their counts and bounds (else only what planning itself needed).
  enum class Metrics { kAsNeeded, kAll };
  Metrics metrics = Metrics::kAsNeeded;
  /// Manifests are read on the caller and on up to helpers threads of this pool, a few at a time.
  Executor* executor = nullptr;
  size_t helpers = 0;
  /// Compressed bytes of the manifests that are decoded at the same time, with helpers.
  int64_t bytes_in_flight = int64_t{16} << 20;
};

struct ScanCounts {
  int64_t data_manifests = 0;
  int64_t data_manifests_read = 0;  ///< others were left out by their partition summaries
  int64_t delete_manifests = 0;
  int64_t delete_manifests_read = 0;
  int64_t data_files = 0;           ///< visited
  int64_t data_files_left_out = 0;  ///< by partition or metrics
  int64_t delete_files = 0;         ///< in the index
};

/// Calls visit on the calling thread for each live data file that may hold matching rows, in
/// manifest order; it may move from the task. filter is unbound, nullptr for every row. Errors: as
/// Bind, LoadManifests, ReadManifest; Corruption for deletes that contradict the spec; what visit
/// returns. Cost: linear in the manifests that the filter keeps; memory as ScanOptions, plus the
/// deletes.
Result<ScanCounts> PlanFiles(Call& call, io::FileSystem& files, const TableMetadata& metadata,
                             const Snapshot& snapshot, const ExpressionPtr& filter,
                             const ScanOptions& options,
                             const std::function<Status(FileTask&)>& visit);

/// The deletes of the manifests given, as planning sees them (data manifests are passed over).
Result<DeleteIndex> LoadDeleteIndex(Call& call, io::FileSystem& files,
                                    const TableMetadata& metadata,
                                    const std::vector<ManifestFile>& manifests);

}  // namespace moraine::iceberg
