#include "moraine/catalog/purges.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/clock.h"
#include "moraine/base/text.h"
#include "moraine/catalog/locations.h"

namespace moraine::catalog {

using store::Transaction;
using store::Value;

const std::vector<store::Migration>& PurgeMigrations() {
  static const std::vector<store::Migration> migrations = {{1, "purges", R"(
CREATE TABLE purge_request (
  table_id {bigint} NOT NULL PRIMARY KEY,
  warehouse {text} NOT NULL,
  name {text} NOT NULL,
  table_uuid {text} NOT NULL,
  metadata_location {path} NOT NULL
);
CREATE TABLE purge_place (
  id {id},
  table_id {bigint} NOT NULL,
  location {path} NOT NULL,
  busy_until_ms {bigint} NOT NULL
);
CREATE INDEX purge_place_location ON purge_place (location);
CREATE INDEX purge_place_table ON purge_place (table_id);
CREATE INDEX purge_place_end ON purge_place (busy_until_ms)
)"}};
  return migrations;
}

Status RequestPurge(Transaction& t, const PurgeRequest& request) {
  return t
      .Execute(
          "INSERT INTO purge_request (table_id, warehouse, name, table_uuid, metadata_location) "
          "VALUES (?, ?, ?, ?, ?)",
          {request.table_id, request.warehouse, request.name, request.table_uuid,
           request.metadata_location})
      .status();
}

Result<std::vector<PurgeRequest>> WaitingPurges(Transaction& t, int64_t after, size_t limit) {
  MORAINE_ASSIGN(auto rows,
                 t.Query("SELECT table_id, warehouse, name, table_uuid, metadata_location FROM "
                         "purge_request WHERE table_id > ? ORDER BY table_id LIMIT ?",
                         {after, static_cast<int64_t>(limit)}));
  std::vector<PurgeRequest> requests;
  for (const auto& row : rows) {
    PurgeRequest request;
    MORAINE_ASSIGN(request.table_id, row.Int(0));
    MORAINE_ASSIGN(request.warehouse, row.Text(1));
    MORAINE_ASSIGN(request.name, row.Text(2));
    MORAINE_ASSIGN(request.table_uuid, row.Text(3));
    MORAINE_ASSIGN(request.metadata_location, row.Text(4));
    requests.push_back(std::move(request));
  }
  return requests;
}

Status BeginPurge(Transaction& t, int64_t table_id, const std::vector<std::string>& places,
                  int64_t until_ms) {
  MORAINE_TRY(t.Execute("DELETE FROM purge_place WHERE table_id = ?", {table_id}));
  for (const auto& place : places) {
    MORAINE_TRY(
        t.Execute("INSERT INTO purge_place (table_id, location, busy_until_ms) VALUES (?, ?, ?)",
                  {table_id, place, until_ms}));
  }
  return {};
}

Status EndPurge(Transaction& t, int64_t table_id, int64_t busy_until_ms) {
  MORAINE_ASSIGN(const int64_t now_ms, t.NowMs());
  MORAINE_TRY(t.Execute("DELETE FROM purge_request WHERE table_id = ?", {table_id}));
  MORAINE_TRY(
      t.Execute("UPDATE purge_place SET busy_until_ms = ? WHERE table_id = ? AND "
                "busy_until_ms > ?",
                {busy_until_ms, table_id, busy_until_ms}));
  // Of whoever could not clean up, too.
  return t.Execute("DELETE FROM purge_place WHERE busy_until_ms <= ?", {now_ms}).status();
}

Status CheckNotBeingPurged(Transaction& t, const std::string& place, bool inside) {
  std::vector<Value> values;
  std::string marks;
  for (auto& location : SelfAndAncestors(place)) {
    values.emplace_back(std::move(location));
    marks += marks.empty() ? "?" : ", ?";
  }
  std::string where = fmt::format("location IN ({})", marks);
  if (inside) {
    // All that begins with "place/": '0' follows '/' in the order of bytes.
    where += " OR (location > ? AND location < ?)";
    values.emplace_back(place + "/");
    values.emplace_back(place + "0");
  }
  MORAINE_ASSIGN(auto rows, t.Query(fmt::format("SELECT location, busy_until_ms FROM purge_place "
                                                "WHERE {} ORDER BY busy_until_ms DESC LIMIT 1",
                                                where),
                                    values));
  if (rows.empty()) return {};
  MORAINE_ASSIGN(const std::string location, rows[0].Text(0));
  MORAINE_ASSIGN(const int64_t until_ms, rows[0].Int(1));
  MORAINE_ASSIGN(const int64_t now_ms, t.NowMs());
  if (until_ms <= now_ms) return {};
  return Conflict(fmt::format(
      "location: files of a dropped table are being deleted in {}; it is free again in {} at the "
      "latest, unless more is found to delete",
      location, FormatDuration(Millis(std::max<int64_t>(1'000, until_ms - now_ms)))));
}

}  // namespace moraine::catalog
