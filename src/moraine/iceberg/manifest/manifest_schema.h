#pragma once
// The Iceberg schemas of manifest entries and manifest list lines, per format version, in the order
// in which Java writes them (table spec, "Manifests", "Manifest lists"). Readers resolve by the ids
// here; the writers in manifest_writer.cc and manifest_list_writer.cc encode in exactly this order.

#include <cstdint>
#include <vector>

#include "moraine/iceberg/types/partition_spec.h"
#include "moraine/iceberg/types/type.h"

namespace moraine::iceberg {

/// Field ids of manifest_entry, data_file, manifest_file and field_summary.
namespace manifest_id {
enum : int32_t {
  kStatus = 0,
  kSnapshotId = 1,
  kDataFile = 2,
  kSequenceNumber = 3,
  kFileSequenceNumber = 4,
  kFilePath = 100,
  kFileFormat = 101,
  kPartition = 102,
  kRecordCount = 103,
  kFileSize = 104,
  kBlockSize = 105,
  kColumnSizes = 108,
  kValueCounts = 109,
  kNullValueCounts = 110,
  kLowerBounds = 125,
  kUpperBounds = 128,
  kKeyMetadata = 131,
  kSplitOffsets = 132,
  kContent = 134,
  kEqualityIds = 135,
  kNanValueCounts = 137,
  kSortOrderId = 140,
  kFirstRowId = 142,
  kReferencedDataFile = 143,
  kContentOffset = 144,
  kContentSize = 145,

  kManifestPath = 500,
  kManifestLength = 501,
  kPartitionSpecId = 502,
  kAddedSnapshotId = 503,
  kAddedFilesCount = 504,
  kExistingFilesCount = 505,
  kDeletedFilesCount = 506,
  kPartitions = 507,
  kSummary = 508,
  kContainsNull = 509,
  kLowerBound = 510,
  kUpperBound = 511,
  kAddedRowsCount = 512,
  kExistingRowsCount = 513,
  kDeletedRowsCount = 514,
  kManifestSequenceNumber = 515,
  kMinSequenceNumber = 516,
  kManifestContent = 517,
  kContainsNan = 518,
  kManifestKeyMetadata = 519,
  kManifestFirstRowId = 520,
};
}  // namespace manifest_id

/// The struct of partition tuples: one optional field per spec field; types as PartitionTypes gives
/// them.
TypePtr PartitionStruct(const PartitionSpec& spec, const std::vector<TypePtr>& types);
/// The root struct of a manifest's records.
TypePtr ManifestEntryType(int format_version, const TypePtr& partition);
/// The root struct of a manifest list's records.
TypePtr ManifestFileType(int format_version);

}  // namespace moraine::iceberg
