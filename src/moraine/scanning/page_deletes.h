#pragma once
// The delete files that apply to the data files of one page of scan tasks. Delete manifests are
// streamed, and only what the page needs is kept, so memory follows the page and not the table.

#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/scan/delete_index.h"
#include "moraine/iceberg/scan/table_filter.h"
#include "moraine/io/file_system.h"

namespace moraine::scanning {

/// Errors: as ReadManifest and DeleteIndex::Make.
Result<iceberg::DeleteIndex> LoadDeletesFor(
    Call& call, io::FileSystem& files, const iceberg::TableMetadata& metadata,
    const iceberg::Schema& schema, const iceberg::TableFilter& filter,
    const std::vector<iceberg::ManifestFile>& delete_manifests,
    const std::vector<const iceberg::ManifestEntry*>& page);

}  // namespace moraine::scanning
