#pragma once
// Table properties as Parquet writer properties (facts: "write.parquet.*"). Pure.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/data/parquet_writer.h"

namespace arrow {
class KeyValueMetadata;
}

namespace parquet {
class SchemaDescriptor;
class WriterProperties;
}  // namespace parquet

namespace moraine::iceberg {

/// The delete variant "write.delete.parquet.NAME" for delete files when it is set, else
/// "write.parquet.NAME", else nullptr.
const std::string* FindParquetProperty(const WriteOptions& options, const std::string& name);
int64_t ParquetIntProperty(const WriteOptions& options, const std::string& name, int64_t fallback);
bool HasBloomFilter(const WriteOptions& options, const std::string& column);

/// Bytes of encoded data after which a row group is closed.
int64_t RowGroupBytes(const WriteOptions& options);

/// The same, however little memory there is.
int64_t WantedRowGroupBytes(const WriteOptions& options);

/// leaf_names: full names as in the table's schema, in the order of the descriptor's leaves. plain:
/// of those, the ones that get no dictionary whatever the properties say; none if empty.
Result<std::shared_ptr<parquet::WriterProperties>> MakeWriterProperties(
    const WriteOptions& options, const parquet::SchemaDescriptor& schema,
    const std::vector<std::string>& leaf_names, const std::vector<bool>& plain);

/// iceberg.schema and the options' own.
std::shared_ptr<const arrow::KeyValueMetadata> FileKeyValues(const WriteOptions& options);

}  // namespace moraine::iceberg
