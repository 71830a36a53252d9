#pragma once
// What else the store knows around a table's files: whose they may be besides the table's own.
// Asked by drivers that delete what nobody names.

#include <cstdint>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/store/database.h"

namespace moraine::maintenance {

struct Surroundings {
  /// Places of other tables that lie in the table's places, or hold them. Dropped tables count as
  /// long as they can come back.
  std::vector<std::string> taken;
  /// Ids of the processes and runs that work on the table: names of their files begin with one.
  std::vector<std::string> processes;
};

/// places: normalised, as catalog::ClaimsOf has them. Errors: Internal without a database.
Result<Surroundings> LookAround(Call& call, store::Database* database, int64_t table_id,
                                const std::vector<std::string>& places);

/// The places of others alone, and, where there are none, the places are busy until then: nobody
/// gets one there (catalog/purges.h).
Result<std::vector<std::string>> TakeForPurge(Call& call, store::Database* database,
                                              int64_t table_id,
                                              const std::vector<std::string>& places,
                                              Millis length);

}  // namespace moraine::maintenance
