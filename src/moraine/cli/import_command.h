#pragma once
// `moraine catalog import SOURCE`: tables of another catalog, registered in a Moraine server.
// Wires importing/ to the source and to the server's Iceberg protocol.

#include <string>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/cli/commands.h"

namespace moraine::cli {

struct World;

/// As typed.
struct ImportFlags {
  std::string source;
  ClientOptions target;
  std::string warehouse = "default";  ///< of the server
  std::string ns;                     ///< of the source; empty: all
  std::string catalog_name;           ///< of a SQL source
  std::vector<std::string> properties;
  bool dry_run = false;
  int threads = 4;
};

/// Errors: InvalidArgument naming the flag; those of the source and the server, with what to do
/// next; Conflict when some tables were not imported, after they were listed.
Status RunImportCommand(World& world, const ImportFlags& flags);

}  // namespace moraine::cli
