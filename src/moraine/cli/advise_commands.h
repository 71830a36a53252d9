#pragma once
// moraine table advise: what would help a table, and why; of many tables the most worthwhile first.
// moraine table set: its properties, which much of the advice is about.

#include <cstdint>
#include <string>
#include <vector>

#include "moraine/cli/commands.h"

namespace moraine::cli {

struct AdviseOptions {
  std::string table;  ///< as typed; empty: all of the warehouse
  std::string warehouse = "default";
  std::string ns;  ///< as typed; empty: all
  int64_t days = 7;
  int64_t limit = 20;  ///< lines, of many tables
};
Status AdviseTables(Session& session, const AdviseOptions& options);

struct SetOptions {
  std::string table;  ///< as typed
  std::string warehouse = "default";
  std::vector<std::string> properties;  ///< NAME=VALUE
  std::vector<std::string> removals;
};
/// One commit. Errors: InvalidArgument for what is no NAME=VALUE.
Status SetTableProperties(Session& session, const SetOptions& options);

}  // namespace moraine::cli
