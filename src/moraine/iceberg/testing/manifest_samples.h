#pragma once
// Manifests for tests and benchmarks: a spec over every type and transform with null and extreme
// values, delete files, plain tables of any size. Used by the manifest tests, the fuzz entries and
// the bench.

#include <vector>

#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/types/partition_spec.h"
#include "moraine/iceberg/types/type.h"

namespace moraine::iceberg {

struct ManifestSample {
  SchemaPtr schema;
  PartitionSpecPtr spec;
  std::vector<ManifestEntry> entries;
};

/// Identity over every type that may partition, then every other transform; entries with usual,
/// null and extreme values in each status.
ManifestSample AllTypesSample();
/// Position deletes, equality deletes and deletion vectors.
ManifestSample DeletesSample();
/// entries data files of 8 long, double and string columns with all counts and bounds, partitioned
/// by day.
ManifestSample PlainSample(int entries, int first);
/// Lines for a list of this version: data and (from version 2) deletes, with and without assigned
/// numbers.
std::vector<ManifestFile> SampleLines(int format_version);

/// What a reader should make of an entry that was written in a manifest with this line.
ManifestEntry ExpectedAfterRead(ManifestEntry entry, int format_version, const ManifestFile& line);

}  // namespace moraine::iceberg
