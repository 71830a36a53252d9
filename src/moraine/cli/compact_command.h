#pragma once
// `moraine compact URI TABLE`: one table of any Iceberg REST catalog, rewritten with no Moraine
// server. Wires catalog/rest, the files of the table and compact/ together.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/cli/names.h"
#include "moraine/iceberg/types/snapshot.h"

namespace moraine::cli {

struct World;

/// As typed.
struct CompactFlags {
  std::string uri;
  std::string table;
  std::string warehouse;
  std::string credential;
  std::string token;
  std::string token_file;
  std::vector<std::string> properties;  ///< "key=value"
  bool full = false;
  bool dry_run = false;
  bool json = false;
  std::string target_file_size;
  std::string filter;
  std::string layout;
  std::string spill_folder;
  std::string memory = "1GiB";
  int32_t threads = 2;
};

/// As understood.
struct CompactRequest {
  std::string uri;
  iceberg::StringMap properties;  ///< of the catalog's client
  TableRef table;
  bool full = false;
  bool dry_run = false;
  bool json = false;
  std::optional<int64_t> target_file_size;
  std::optional<std::string> filter;
  std::optional<std::string> layout;  ///< then every file is rewritten
  std::string spill_folder;
  int64_t memory_bytes = 0;
  int threads = 2;
};

/// Reads the flags and the token file. A query of the URI ("?warehouse=w") gives properties, too;
/// flags of their own win. Errors: InvalidArgument naming the flag.
Result<CompactRequest> ReadCompactFlags(const CompactFlags& flags);

/// Errors: as RestCatalog and RunCompaction, with what to do next.
Status RunCompact(World& world, const CompactRequest& request);

}  // namespace moraine::cli
