#pragma once
// Reads manifests and manifest lists of any writer and version: Avro with null, deflate, zstd or
// snappy, fields resolved by id, unknown ones skipped, absent ones defaulted; inheritance applied
// (table spec, "Manifest entry fields", "Sequence number inheritance", "First row ID inheritance").

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/types/partition_spec.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

/// What of an entry to decode; planning reads far less than a commit that copies entries.
struct ManifestReadOptions {
  bool counts = true;  ///< value, null and nan counts, column sizes
  bool bounds = true;  ///< lower and upper bounds
  bool deleted_entries = false;
  /// Only counts and bounds of these columns, if not empty (sorted ascending).
  std::vector<int32_t> columns;
  /// Exhausted beyond, also for what unpacks to far more than real manifests do.
  int64_t max_bytes = int64_t{1} << 30;
};

/// Calls visit for each entry in file order; the entry may be moved from. visit returning an error
/// stops and returns it. The spec must be that of manifest.partition_spec_id. Errors: Corruption
/// naming the manifest and the offset; as FileSystem::Open.
Status ReadManifest(Call& call, io::FileSystem& files, const ManifestFile& manifest,
                    const PartitionSpec& spec, const Schema& schema,
                    const ManifestReadOptions& options,
                    const std::function<Status(ManifestEntry&)>& visit);
/// The same over bytes in memory (name is for messages).
Status DecodeManifest(std::string_view bytes, std::string_view name, const ManifestFile& manifest,
                      const PartitionSpec& spec, const Schema& schema,
                      const ManifestReadOptions& options,
                      const std::function<Status(ManifestEntry&)>& visit);

Result<std::vector<ManifestFile>> ReadManifestList(Call& call, io::FileSystem& files,
                                                   const std::string& location);
Result<std::vector<ManifestFile>> DecodeManifestList(std::string_view bytes, std::string_view name);

}  // namespace moraine::iceberg
