#pragma once
// How a catalog that is not ours is named on a command line: its URI, properties, and what the
// environment says of storage. Used by `moraine compact` and `moraine catalog import`.

#include <string>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/types/snapshot.h"

namespace moraine::cli {

/// "key=value" each. Errors: InvalidArgument.
Status AddProperties(const std::vector<std::string>& pairs, iceberg::StringMap* properties);

/// MORAINE_S3_*, MORAINE_GCS_*, MORAINE_ADLS_* and MORAINE_HDFS_* variables, as of the server and
/// of optimizers, where nothing else is said.
Status AddStorageEnvironment(iceberg::StringMap* properties);

/// The URI without its query, whose parameters are properties of the catalog. Errors:
/// InvalidArgument.
Result<std::string> ReadCatalogUri(const std::string& text, iceberg::StringMap* properties);

}  // namespace moraine::cli
