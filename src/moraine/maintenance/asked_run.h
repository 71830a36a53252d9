#pragma once
// A run that somebody wants now, checked against the table's properties and written to its
// schedule. Called by Controls (the API) and by Service.

#include <string>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/catalog/catalog.h"
#include "moraine/store/database.h"
#include "moraine/upkeep/config.h"

namespace moraine::maintenance {

struct RunWish {
  bool dry_run = false;
  std::string by;  ///< "person", or "person: NAME"; "": a person
  std::string options = "{}";
  std::string waits{};  ///< as AskedRun has it
};

/// config: with what the table inherits. The id of the run to be. Errors: Conflict when
/// one is wanted or runs already, or the properties forbid it (but not to try it out), or one that
/// it goes by can't be read (not even that).
Result<std::string> AskForRunNow(Call& call, store::Database& database,
                                 const catalog::LoadedTable& table,
                                 const upkeep::MaintenanceConfig& config, upkeep::Action action,
                                 const RunWish& wish);

}  // namespace moraine::maintenance
