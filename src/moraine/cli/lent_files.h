#pragma once
// The files of a table of another catalog, reached with the keys that the catalog lends for a
// while: before they end, new ones are asked for. Used by `moraine compact`.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "moraine/base/call.h"
#include "moraine/catalog/rest/rest_catalog.h"
#include "moraine/io/file_system.h"

namespace moraine::cli {

struct LentFileSystem {
  std::shared_ptr<io::FileSystem> files;
  std::optional<WallTime> until;  ///< when the keys end
  bool anonymous = false;         ///< a store that is spoken to without keys
};

/// Local files, and those of the table's store by the table's and the catalog's properties (s3.*,
/// gcs.*, adls.*, hdfs.*). Errors: Unsupported for a location of no store that is known;
/// InvalidArgument naming a property.
Result<LentFileSystem> OpenTableFiles(const iceberg::StringMap& catalog_properties,
                                      const catalog::RestTable& table);

/// Asks again some minutes before the keys end; while that fails the old ones serve on. Files that
/// are open keep the keys they were opened with; what nobody uses any more goes.
std::unique_ptr<io::FileSystem> MakeRenewingFileSystem(
    LentFileSystem first, std::function<Result<LentFileSystem>(Call&)> renew);

}  // namespace moraine::cli
