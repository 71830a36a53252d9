#pragma once
// Column metrics of a data_file from the footer of the file just written (facts: "Bounds and counts
// rules"). NaN counts come from the writer, which saw the values.

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/data/leaf_levels_internal.h"
#include "moraine/iceberg/data/metrics_mode.h"
#include "moraine/iceberg/manifest/data_file.h"

namespace parquet {
class FileMetaData;
}

namespace moraine::iceberg {

/// Fills in record_count, column_sizes, the counts, the bounds and split_offsets.
void SetMetrics(const parquet::FileMetaData& metadata, const std::vector<LeafColumn>& leaves,
                const std::vector<LeafCounts>& counts,
                const std::unordered_map<int32_t, MetricsMode>& modes, DataFile* file);

}  // namespace moraine::iceberg
