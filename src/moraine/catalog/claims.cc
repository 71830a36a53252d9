#include "moraine/catalog/claims.h"

#include <optional>
#include <set>

#include <fmt/format.h>

#include "moraine/catalog/locations.h"
#include "moraine/catalog/purges.h"
#include "moraine/store/execute_later.h"

namespace moraine::catalog {
namespace {

using store::Transaction;
using store::Value;

/// A table that holds a place.
struct Holder {
  int64_t id = 0;
  std::string name;
  bool dropped = false;
};

/// The first holder, one that is not dropped if there is one. where: of tabular_claim c.
Result<std::optional<Holder>> FirstHolder(Transaction& t, std::string_view where,
                                          const std::vector<Value>& values) {
  MORAINE_ASSIGN(auto rows,
                 t.Query(fmt::format("SELECT t.id, t.name, t.deleted_at FROM tabular_claim c JOIN "
                                     "tabular t ON t.id = c.table_id WHERE c.table_id <> ? AND {} "
                                     "ORDER BY t.deleted_at LIMIT 1",
                                     where),
                         values));
  if (rows.empty()) return std::optional<Holder>();
  Holder holder;
  MORAINE_ASSIGN(holder.id, rows[0].Int(0));
  MORAINE_ASSIGN(holder.name, rows[0].Text(1));
  MORAINE_ASSIGN(int64_t deleted_at, rows[0].Int(2));
  holder.dropped = deleted_at != 0;
  return std::optional<Holder>(std::move(holder));
}

/// The place is another's from now on.
Status GiveWay(Transaction& t, int64_t dropped_id, const std::string& place) {
  MORAINE_TRY(t.Execute("UPDATE dropped SET yielded_to = ? WHERE object_id = ? AND kind <> ?",
                        {place, dropped_id, std::string("namespace")}));
  return RemoveClaims(t, dropped_id);
}

/// The table that holds what is asked for; dropped ones give way.
Result<std::optional<Holder>> LiveHolder(Transaction& t, const std::string& place,
                                         std::string_view where, const std::vector<Value>& values) {
  while (true) {
    MORAINE_ASSIGN(auto holder, FirstHolder(t, where, values));
    if (!holder || !holder->dropped) return holder;
    MORAINE_TRY(GiveWay(t, holder->id, place));
  }
}

/// Another table that holds the place or an ancestor of it.
Result<std::optional<Holder>> HolderOf(Transaction& t, const std::string& place, int64_t table_id) {
  std::vector<Value> values = {table_id};
  std::string marks;
  for (auto& location : SelfAndAncestors(place)) {
    values.emplace_back(std::move(location));
    marks += marks.empty() ? "?" : ", ?";
  }
  return LiveHolder(t, place, fmt::format("c.location IN ({})", marks), values);
}

}  // namespace

Status CheckUnclaimed(Transaction& t, const std::vector<std::string>& claims, int64_t table_id) {
  for (const auto& place : claims) {
    MORAINE_ASSIGN(auto holder, HolderOf(t, place, table_id));
    if (holder) {
      return InvalidArgument(
          fmt::format("location: {} lies in a location of the table {}", place, holder->name));
    }
    // All that begins with "place/": '0' follows '/' in the order of bytes.
    MORAINE_ASSIGN(auto inside, LiveHolder(t, place, "c.location > ? AND c.location < ?",
                                           {table_id, place + "/", place + "0"}));
    if (inside) {
      return InvalidArgument(
          fmt::format("location: {} holds a location of the table {}", place, inside->name));
    }
    MORAINE_TRY(CheckNotBeingPurged(t, place, true));
  }
  return {};
}

Status CheckFoldersFree(Transaction& t, const std::vector<std::string>& folders, int64_t table_id) {
  for (const auto& folder : folders) {
    MORAINE_ASSIGN(auto holder, HolderOf(t, folder, table_id));
    if (holder) {
      return InvalidArgument(
          fmt::format("the files in {} belong to the table {}", folder, holder->name));
    }
    MORAINE_TRY(CheckNotBeingPurged(t, folder, false));
  }
  return {};
}

UnclaimedCondition WhereUnclaimed(const std::vector<std::string>& claims,
                                  const std::vector<std::string>& folders) {
  UnclaimedCondition condition;
  std::set<std::string> places;
  for (const auto* each : {&claims, &folders}) {
    for (const auto& place : *each) {
      for (auto& location : SelfAndAncestors(place)) places.insert(std::move(location));
    }
  }
  std::string marks;
  for (const auto& place : places) {
    condition.values.emplace_back(place);
    marks += marks.empty() ? "?" : ", ?";
  }
  const std::vector<Value> exact = condition.values;
  for (std::string_view table : {"tabular_claim", "purge_place"}) {
    if (!condition.sql.empty())
      condition.values.insert(condition.values.end(), exact.begin(), exact.end());
    condition.sql += fmt::format(" AND NOT EXISTS (SELECT c.id FROM {} c WHERE c.location IN ({}))",
                                 table, marks);
    for (const auto& place : claims) {
      condition.sql += fmt::format(
          " AND NOT EXISTS (SELECT c.id FROM {} c WHERE c.location > ? AND c.location < ?)", table);
      condition.values.emplace_back(place + "/");
      condition.values.emplace_back(place + "0");
    }
  }
  return condition;
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

Result<std::vector<std::string>> ClaimsOfTable(Transaction& t, int64_t table_id) {
  MORAINE_ASSIGN(auto rows, t.Query("SELECT location FROM tabular_claim WHERE table_id = ?"
                                    " ORDER BY id",
                                    {table_id}));
  std::vector<std::string> claims;
  for (const auto& row : rows) {
    MORAINE_ASSIGN(auto location, row.Text(0));
    claims.push_back(std::move(location));
  }
  return claims;
}

}  // namespace moraine::catalog
