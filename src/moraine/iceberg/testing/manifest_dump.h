#pragma once
// Manifest entries and manifest list lines as JSON, the form of tests/golden/manifest/*.json.

#include <string_view>

#include "moraine/base/json.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/types/partition_spec.h"
#include "moraine/iceberg/types/type.h"

namespace moraine::iceberg {

Json DumpEntry(const ManifestEntry& entry, const std::vector<TypePtr>& partition_types);
Json DumpLine(const ManifestFile& line);

/// The table schema and the spec that a manifest carries in its header.
struct ManifestHeader {
  SchemaPtr schema;
  PartitionSpecPtr spec;
  int format_version = 1;
};
Result<ManifestHeader> ReadManifestHeader(std::string_view bytes);

}  // namespace moraine::iceberg
