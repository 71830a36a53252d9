#pragma once
// What the tasks that look at one snapshot have in common: where it is, and lists of files of it in
// their results. Used by dangling_deletes, data_expiry and manifest_rewrite.

#include <cstdint>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/json.h"
#include "moraine/iceberg/commit/snapshot_changes.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"
#include "moraine/tasks/maintenance_task.h"

namespace moraine::upkeep {

/// Most files that one result names; the next task of the run names the others.
inline constexpr int64_t kMostFilesInResult = 20'000;

/// "metadata-location" and "snapshot-id" of a body.
struct SnapshotPlace {
  std::string metadata_location;
  int64_t snapshot_id = 0;
};
void WriteSnapshotPlace(const SnapshotPlace& place, JsonWriter* out);

/// A snapshot of a table, opened by a worker.
struct OpenedSnapshot {
  iceberg::TableMetadata metadata;
  iceberg::Snapshot snapshot;
  std::vector<iceberg::ManifestFile> manifests;
};
/// Reads the metadata file and the manifest list that the body names. Errors: InvalidArgument for a
/// body without them, or that names a snapshot that is not in it; as ReadMetadataOf and io.
Result<OpenedSnapshot> OpenSnapshot(Call& call, io::FileSystem& files,
                                    const tasks::MaintenanceTask& task, const JsonCursor& body);

/// The schema that its files are to be seen with: that of the entries' manifests is theirs.
const iceberg::Schema& SchemaOf(const OpenedSnapshot& opened);

/// An array of what SnapshotProducer is to remove.
void WriteRemovedFiles(const std::vector<iceberg::RemovedFile>& removed,
                       const iceberg::TableMetadata& metadata, JsonWriter* out);
/// A partition that can't be read any more (its column is gone) is left out. Errors:
/// InvalidArgument with the path.
Result<std::vector<iceberg::RemovedFile>> ReadRemovedFiles(const JsonCursor& json,
                                                           const iceberg::TableMetadata& metadata);

/// Bytes that the file holds: of a deletion vector its own, not those of the whole Puffin file.
int64_t BytesOf(const iceberg::DataFile& file);

}  // namespace moraine::upkeep
