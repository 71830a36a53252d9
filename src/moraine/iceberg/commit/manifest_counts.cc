#include "moraine/iceberg/commit/manifest_counts.h"

#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/scan/table_filter.h"

namespace moraine::iceberg {

bool HasCounts(const ManifestFile& manifest) {
  return manifest.added_files_count && manifest.existing_files_count &&
         manifest.deleted_files_count && manifest.added_rows_count &&
         manifest.existing_rows_count && manifest.deleted_rows_count;
}

Result<ManifestFile> WithCounts(Call& call, io::FileSystem& files, const TableMetadata& metadata,
                                const ManifestFile& manifest) {
  MORAINE_ASSIGN(PartitionSpecPtr spec, SpecOf(metadata, manifest));
  ManifestReadOptions options;
  options.counts = options.bounds = false;
  options.deleted_entries = true;
  int32_t entries[3] = {};  // by status
  int64_t rows[3] = {};
  MORAINE_TRY(ReadManifest(call, files, manifest, *spec, metadata.CurrentSchema(), options,
                           [&](ManifestEntry& entry) {
                             const auto status = static_cast<size_t>(entry.status);
                             ++entries[status];
                             rows[status] = AddCapped(rows[status], entry.file.record_count);
                             return Status();
                           }));
  ManifestFile counted = manifest;
  counted.existing_files_count = entries[static_cast<size_t>(EntryStatus::kExisting)];
  counted.added_files_count = entries[static_cast<size_t>(EntryStatus::kAdded)];
  counted.deleted_files_count = entries[static_cast<size_t>(EntryStatus::kDeleted)];
  counted.existing_rows_count = rows[static_cast<size_t>(EntryStatus::kExisting)];
  counted.added_rows_count = rows[static_cast<size_t>(EntryStatus::kAdded)];
  counted.deleted_rows_count = rows[static_cast<size_t>(EntryStatus::kDeleted)];
  return counted;
}

}  // namespace moraine::iceberg
