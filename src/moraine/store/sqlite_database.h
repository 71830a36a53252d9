#pragma once
// The embedded store: one SQLite file, one process, one writing connection with group commit, some
// for reading. Opened by OpenDatabase.

#include <memory>
#include <string>

#include "moraine/store/database.h"

namespace moraine::store {

/// An absolute path or ":memory:" (all transactions then share one connection).
Result<std::unique_ptr<Database>> OpenSqlite(Call& call, const std::string& path,
                                             const StoreOptions& options);

/// A file of someone else's: it is there, is not locked, and can't be changed through this.
Result<std::unique_ptr<Database>> OpenForeignSqlite(Call& call, const std::string& path,
                                                    const StoreOptions& options);

}  // namespace moraine::store
