#include "moraine/catalog/claims.h"

#include <optional>

#include <fmt/format.h>

#include "moraine/catalog/locations.h"
#include "moraine/store/execute_later.h"

namespace moraine::catalog {
namespace {

using store::Transaction;
using store::Value;

/// The name of another table that holds the place or an ancestor of it.
Result<std::optional<std::string>> HolderOf(Transaction& t, const std::string& place,
                                            int64_t table_id) {
  std::vector<Value> values = {table_id};
  std::string marks;
  for (auto& location : SelfAndAncestors(place)) {
    values.emplace_back(std::move(location));
    marks += marks.empty() ? "?" : ", ?";
  }
  MORAINE_ASSIGN(auto rows, t.Query(fmt::format("SELECT t.name FROM tabular_claim c JOIN tabular t "
                                                "ON t.id = c.table_id WHERE c.table_id <> ? AND "
                                                "c.location IN ({}) LIMIT 1",
                                                marks),
                                    values));
  if (rows.empty()) return std::optional<std::string>();
  MORAINE_ASSIGN(auto name, rows[0].Text(0));
  return std::optional<std::string>(std::move(name));
}

}  // namespace

Status CheckUnclaimed(Transaction& t, const std::vector<std::string>& claims, int64_t table_id) {
  for (const auto& place : claims) {
    MORAINE_ASSIGN(auto holder, HolderOf(t, place, table_id));
    if (holder) {
      return InvalidArgument(
          fmt::format("location: {} lies in a location of the table {}", place, *holder));
    }
    // All that begins with "place/": '0' follows '/' in the order of bytes.
    MORAINE_ASSIGN(auto rows,
                   t.Query("SELECT t.name FROM tabular_claim c JOIN tabular t ON t.id = c.table_id "
                           "WHERE c.location > ? AND c.location < ? AND c.table_id <> ? LIMIT 1",
                           {place + "/", place + "0", table_id}));
    if (rows.empty()) continue;
    MORAINE_ASSIGN(auto name, rows[0].Text(0));
    return InvalidArgument(
        fmt::format("location: {} holds a location of the table {}", place, name));
  }
  return {};
}

Status CheckFoldersFree(Transaction& t, const std::vector<std::string>& folders, int64_t table_id) {
  for (const auto& folder : folders) {
    MORAINE_ASSIGN(auto holder, HolderOf(t, folder, table_id));
    if (holder) {
      return InvalidArgument(
          fmt::format("the files in {} belong to the table {}", folder, *holder));
    }
  }
  return {};
}

Status PutClaims(Transaction& t, const std::vector<std::string>& claims, int64_t table_id) {
  MORAINE_TRY(RemoveClaims(t, table_id));
  return AddClaims(t, claims, table_id);
}

Status AddClaims(Transaction& t, const std::vector<std::string>& claims, int64_t table_id) {
  for (const auto& place : claims) {
    MORAINE_TRY(store::ExecuteLater(
        t, "INSERT INTO tabular_claim (table_id, location) VALUES (?, ?)", {table_id, place}));
  }
  return {};
}

Status RemoveClaims(Transaction& t, int64_t table_id) {
  return t.Execute("DELETE FROM tabular_claim WHERE table_id = ?", {table_id}).status();
}

}  // namespace moraine::catalog
