#pragma once
// Every file that a version of a table reaches, streamed: its metadata file and those of its log,
// statistics of both kinds, the manifest list of every snapshot (whether a ref leads to it or not),
// their manifests, and what the manifests' entries name.
//
// Entries of all statuses count, also the deleted ones. A file whose deletion a retained snapshot
// records is no longer read by a scan, but a reader of changes still reads it from there, and
// Iceberg's own expiry leaves it until that snapshot goes: keeping it costs a little space, taking
// it costs a stream. (Iceberg's remove_orphan_files looks at live entries alone.)

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"
#include "moraine/upkeep/path_sort.h"

namespace moraine::upkeep {

enum class ReachedKind : uint8_t { kMetadata, kStatistics, kManifestList, kManifest, kContent };

struct ReachedFile {
  std::string location;     ///< as the table names it
  int64_t size_bytes = -1;  ///< where the table says so
  ReachedKind kind = ReachedKind::kContent;
};

/// Called with some files at a time, never twice at once, on any thread. A file may come again.
using VisitReached = std::function<Status(const std::vector<ReachedFile>&)>;

struct ReachOptions {
  /// Files that this older version of the table reaches may be left out: manifests that are in its
  /// lists are not read again. Its snapshots' lists are, as far as needed to know them.
  const iceberg::TableMetadata* known = nullptr;
  PathSortOptions sort;  ///< of the names of manifests
  size_t threads = 4;    ///< that read manifests
};

/// What was read.
struct ReachCounts {
  int64_t snapshots = 0;
  int64_t manifests = 0;
  int64_t bytes_read = 0;
};

/// Errors: as io and iceberg::ReadManifest (the set is then not whole and must not be used); what
/// visit returns.
Result<ReachCounts> VisitReachable(Call& call, io::FileSystem& files,
                                   const iceberg::TableMetadata& metadata,
                                   const std::string& metadata_location,
                                   const ReachOptions& options, const VisitReached& visit);

}  // namespace moraine::upkeep
