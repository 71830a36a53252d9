// Tables by name and by number: list, load, rename, drop; the feed of changes.

#include <map>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/catalog/change_detail.h"
#include "moraine/catalog/claims.h"
#include "moraine/catalog/paging_internal.h"
#include "moraine/catalog/state_internal.h"

namespace moraine::catalog {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;

Result<TableChange> ChangeFromRow(const store::Row& row) {
  TableChange change;
  MORAINE_ASSIGN(change.feed_seq, row.Int(0));
  MORAINE_ASSIGN(change.table_id, row.Int(1));
  MORAINE_ASSIGN(change.kind, row.Text(2));
  MORAINE_ASSIGN(change.version, row.Int(3));
  MORAINE_ASSIGN(change.snapshot_id, row.Int(4));
  MORAINE_ASSIGN(change.changed_ms, row.Int(5));
  MORAINE_ASSIGN(change.metadata_location, row.Text(6));
  MORAINE_ASSIGN(auto detail, row.Text(7));
  MORAINE_ASSIGN(change.detail, ChangeDetailFromText(detail));
  return change;
}

Result<std::vector<TableChange>> SelectChanges(Transaction& t, int64_t after, size_t limit) {
  MORAINE_ASSIGN(auto rows, t.Query("SELECT feed_seq, table_id, kind, version, snapshot_id, "
                                    "changed_ms, metadata_location, detail FROM table_change "
                                    "WHERE feed_seq > ? ORDER BY feed_seq LIMIT ?",
                                    {after, static_cast<int64_t>(limit)}));
  std::vector<TableChange> changes;
  if (rows.empty()) return changes;
  std::map<int64_t, std::string> warehouses;
  MORAINE_ASSIGN(auto names, t.Query("SELECT id, name FROM warehouse", {}));
  for (const auto& row : names) {
    MORAINE_ASSIGN(int64_t id, row.Int(0));
    MORAINE_ASSIGN(warehouses[id], row.Text(1));
  }
  for (const auto& row : rows) {
    MORAINE_ASSIGN(auto change, ChangeFromRow(row));
    auto warehouse = warehouses.find(change.detail.warehouse_id);
    if (warehouse != warehouses.end()) change.warehouse = warehouse->second;
    changes.push_back(std::move(change));
  }
  return changes;
}

}  // namespace

Result<Page<TableName>> Catalog::State::ListTabulars(Call& call, const std::string& warehouse,
                                                     const NamespaceName& ns,
                                                     const PageRequest& page, TabularKind kind) {
  MORAINE_ASSIGN(auto home, FindWarehouse(call, warehouse));
  std::string kind_name(TabularKindName(kind));
  return RunFor(call, database, Access::kRead, [&](Transaction& t) -> Result<Page<TableName>> {
    MORAINE_ASSIGN(auto row, GetNamespace(t, home.id, ns));
    MORAINE_ASSIGN(auto names, PageOfNames(kind_name + "s:" + PathKey(ns), page,
                                           [&](const std::string& after, int64_t limit) {
                                             return t.Query(
                                                 "SELECT name FROM tabular WHERE namespace_id "
                                                 "= ? AND deleted_at = 0 AND kind = ? AND name "
                                                 "> ? ORDER BY name LIMIT ?",
                                                 {row.id, kind_name, after, limit});
                                           }));
    Page<TableName> result;
    result.next_token = names.next_token;
    for (auto& name : names.items) result.items.push_back({ns, std::move(name)});
    return result;
  });
}

Result<Page<TableName>> Catalog::ListTables(Call& call, const std::string& warehouse,
                                            const NamespaceName& ns, const PageRequest& page) {
  return state_->ListTabulars(call, warehouse, ns, page, TabularKind::kTable);
}

Result<TabularRow> Catalog::State::GetRow(Call& call, int64_t warehouse_id, const TableName& name,
                                          TabularKind kind) {
  if (auto known = live->Find(warehouse_id, name, kind)) return std::move(*known);
  uint64_t moment = live->Moment();
  MORAINE_ASSIGN(auto row, RunFor(call, database, Access::kRead, [&](Transaction& t) {
                   return GetTabular(t, warehouse_id, name, kind);
                 }));
  live->Put(moment, &row);
  return row;
}

Result<LoadedTablePtr> Catalog::Load(Call& call, const std::string& warehouse,
                                     const TableName& name) {
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  MORAINE_ASSIGN(auto row, state_->GetRow(call, home.id, name, TabularKind::kTable));
  return state_->Load(call, row, State::Freshness::kFilePresent);
}

Status Catalog::TableExists(Call& call, const std::string& warehouse, const TableName& name) {
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  return state_->GetRow(call, home.id, name, TabularKind::kTable).status();
}

Result<LoadedTablePtr> Catalog::LoadById(Call& call, int64_t table_id) {
  MORAINE_ASSIGN(auto row, RunFor(call, state_->database, Access::kRead,
                                  [&](Transaction& t) { return FindTableById(t, table_id); }));
  if (!row) return NotFound(fmt::format("{}number {}", kNoTable, table_id));
  return state_->Load(call, *row, State::Freshness::kCached);
}

void Catalog::AskWhetherSame(const KnownRow& row, std::function<void(bool same)> done) {
  state_->checks.Ask(row, std::move(done));
}

Status Catalog::Rename(Call& call, const std::string& warehouse, const TableName& from,
                       const TableName& to) {
  MORAINE_TRY(CheckName("destination.name", to.name));
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  int64_t now_ms = ToMillis(call.clock().Wall());
  MORAINE_TRY(state_->Mutate(call, {}, [&](Transaction& t) {
    return RenameTabular(t, home.id, from, to, TabularKind::kTable, now_ms, call.principal());
  }));
  state_->Announce();
  return {};
}

Status Catalog::Drop(Call& call, const std::string& warehouse, const TableName& name, Purge purge) {
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  MORAINE_ASSIGN(auto seen, state_->GetRow(call, home.id, name, TabularKind::kTable));
  Removal removal = state_->RemovalOf(call, home, &seen);
  removal.purge = purge == Purge::kRequested;
  MORAINE_TRY(state_->Mutate(call, {}, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto row, GetTabular(t, home.id, name, TabularKind::kTable));
    return DropTabular(t, row, removal);
  }));
  state_->Announce();
  return {};
}

Result<LoadedTablePtr> Catalog::Unregister(Call& call, const std::string& warehouse,
                                           const TableName& name) {
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  return RetryLostRaces(call, state_->metrics, [&](bool* lost_race) -> Result<LoadedTablePtr> {
    MORAINE_ASSIGN(auto row, state_->GetRow(call, home.id, name, TabularKind::kTable));
    MORAINE_ASSIGN(auto turn, state_->turns.Take(call, row.id));
    if (turn.waited()) {
      MORAINE_ASSIGN(row, state_->GetRow(call, home.id, name, TabularKind::kTable));
    }
    MORAINE_ASSIGN(auto last, state_->Load(call, row, State::Freshness::kFilePresent));
    // Another catalog may look after the table from now on: it is not to be brought back here.
    Removal removal;
    removal.now_ms = ToMillis(call.clock().Wall());
    removal.principal = call.principal();
    const Receipt receipt{.tabular_id = row.id, .metadata_location = row.metadata_location};
    MORAINE_TRY(state_->Mutate(call, receipt, [&](Transaction& t) -> Status {
      MORAINE_TRY(CheckUnchanged(t, row, lost_race));
      return DropTabular(t, row, removal);
    }));
    state_->Announce();
    return last;
  });
}

Result<Page<TableSummary>> Catalog::AllTables(Call& call, const PageRequest& page) {
  constexpr std::string_view kListing = "all-tables";
  MORAINE_ASSIGN(int64_t after_id, ReadNumberToken(kListing, page.token, 0));
  size_t size = std::clamp<size_t>(page.size, 1, kMaxPage);
  MORAINE_ASSIGN(auto rows, RunFor(call, state_->database, Access::kRead, [&](Transaction& t) {
                   return TablesAfter(t, after_id, size + 1);
                 }));
  Page<TableSummary> result;
  for (const auto& row : rows) {
    if (result.items.size() == size) {
      result.next_token = MakeToken(kListing, std::to_string(result.items.back().table_id));
      break;
    }
    result.items.push_back({row.id, row.warehouse, row.name, row.version,
                            static_cast<int>(row.format_version), row.current_snapshot_id,
                            row.metadata_location, row.origin});
  }
  return result;
}

Status Catalog::State::NumberAllChanges(Call& call) {
  constexpr size_t kBatch = 500;
  for (;;) {
    MORAINE_ASSIGN(bool some, RunFor(call, database, Access::kRead, HasUnnumberedChanges));
    if (!some) return {};
    MORAINE_TRY(database.Run(call, Access::kWrite,
                             [&](Transaction& t) { return NumberChanges(t, kBatch); }));
  }
}

Result<std::vector<TableChange>> Catalog::Changes(Call& call, int64_t after_feed_seq,
                                                  size_t limit) {
  MORAINE_TRY(state_->NumberAllChanges(call));
  return RunFor(call, state_->database, Access::kRead,
                [&](Transaction& t) { return SelectChanges(t, after_feed_seq, limit); });
}

Result<int64_t> Catalog::LastChange(Call& call) {
  MORAINE_TRY(state_->NumberAllChanges(call));
  return RunFor(call, state_->database, Access::kRead, [&](Transaction& t) -> Result<int64_t> {
    MORAINE_ASSIGN(auto rows, t.Query("SELECT COALESCE(MAX(feed_seq), 0) FROM table_change", {}));
    return rows.at(0).Int(0);
  });
}

Status Catalog::TrimChanges(Call& call, int64_t before_ms, int64_t up_to_feed_seq) {
  // They are the history of the tables, too.
  int64_t history_ms = ToMillis(call.clock().Wall()) - state_->options.history_retention.count();
  before_ms = std::min(before_ms, history_ms);
  return state_->database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto rows, t.Query("SELECT COALESCE(MAX(feed_seq), 0) FROM table_change", {}));
    MORAINE_ASSIGN(int64_t newest, rows.at(0).Int(0));
    // The newest row stays: numbers go on from it.
    return t
        .Execute("DELETE FROM table_change WHERE changed_ms < ? AND feed_seq <= ?",
                 {before_ms, std::min(up_to_feed_seq, newest - 1)})
        .status();
  });
}

}  // namespace moraine::catalog
