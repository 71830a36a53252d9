#pragma once
// Counts of a manifest whose line in the list has none: format version 1 lets writers leave them
// out, from version 2 on every line must have them, so the first commit after an upgrade counts.
// Called by SnapshotProducer.

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

/// Whether all six counts are known.
bool HasCounts(const ManifestFile& manifest);

/// The line with all counts, as found in the manifest. Errors: as ReadManifest.
Result<ManifestFile> WithCounts(Call& call, io::FileSystem& files, const TableMetadata& metadata,
                                const ManifestFile& manifest);

}  // namespace moraine::iceberg
