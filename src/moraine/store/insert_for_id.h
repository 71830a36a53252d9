#pragma once
// INSERTs whose automatic key is wanted: where the store is a server that can say it with its
// answer (PostgreSQL), that saves a wait.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/store/database.h"

namespace moraine::store {

/// Runs an INSERT of one row, or of none (INSERT ... SELECT), into a table with the automatic key
/// "id". The row's id; nullopt: nothing was inserted.
inline Result<std::optional<int64_t>> InsertForId(Transaction& transaction, std::string_view sql,
                                                  const std::vector<Value>& parameters) {
  if (transaction.dialect() == "postgresql") {
    MORAINE_ASSIGN(auto rows, transaction.Query(std::string(sql) + " RETURNING id", parameters));
    if (rows.empty()) return std::optional<int64_t>();
    MORAINE_ASSIGN(int64_t id, rows[0].Int(0));
    return std::optional<int64_t>(id);
  }
  MORAINE_ASSIGN(int64_t inserted, transaction.Execute(sql, parameters));
  if (inserted == 0) return std::optional<int64_t>();
  MORAINE_ASSIGN(int64_t id, transaction.LastInsertId());
  return std::optional<int64_t>(id);
}

}  // namespace moraine::store
