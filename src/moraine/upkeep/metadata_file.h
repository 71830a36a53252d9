#pragma once
// A table's metadata file, as tasks and the server read it that look after one table.

#include <string>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"

namespace moraine::upkeep {

/// Gzip or not. Errors: Corruption naming the file; Unsupported for a later format; as io.
Result<iceberg::TableMetadata> ReadTableMetadata(Call& call, io::FileSystem& files,
                                                 const std::string& location);
/// That of the table with this uuid. Errors: as above; Conflict for another table's.
Result<iceberg::TableMetadata> ReadMetadataOf(Call& call, io::FileSystem& files,
                                              const std::string& table_uuid,
                                              const std::string& location);

/// Manifests of such a table can't be read.
bool IsEncrypted(const iceberg::TableMetadata& metadata);

}  // namespace moraine::upkeep
