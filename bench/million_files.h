#pragma once
// A table of a million data files in a thousand manifests, for plan_bench and health_bench: 8
// columns with counts and bounds, deflate, about 320 bytes an entry. Made once, in a folder of the
// temporary directory that all runs share.

#include <cstdint>

#include "moraine/base/call.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"

namespace moraine::bench {

inline constexpr int64_t kFiles = 1'000'000;
inline constexpr int64_t kManifests = 1000;
inline constexpr int32_t kFirstDay = 19000;  ///< the partition of manifest 0; one day a manifest

struct MillionFiles {
  iceberg::TableMetadata table;
  iceberg::Snapshot snapshot;  ///< its manifest list and manifests are on disk
};

/// Makes the manifests if they are not there (half a minute). Dies when it can't.
MillionFiles OpenMillionFiles(Call& call, io::FileSystem& files);

/// File i of a day, with values that do not compress to nothing.
iceberg::DataFile MakeDataFile(const iceberg::Schema& schema, int32_t day, int64_t i,
                               uint64_t noise);

}  // namespace moraine::bench
