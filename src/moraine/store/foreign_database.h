#pragma once
// Databases of others, read and never changed: what a catalog is imported from.

#include <memory>
#include <string>

#include "moraine/store/database.h"

namespace moraine::store {

/// By the URLs of OpenDatabase. A SQLite file must exist; it is neither locked nor configured, so
/// whoever owns it goes on with it. Errors: as OpenDatabase; of writing transactions, too:
/// InvalidArgument or Unavailable.
Result<std::unique_ptr<Database>> OpenForeignDatabase(Call& call, const std::string& url,
                                                      const StoreOptions& options);

}  // namespace moraine::store
