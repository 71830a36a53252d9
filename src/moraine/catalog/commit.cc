// A commit: load, check, apply, write the metadata file, swap the row, in this order. Errors are
// told apart by whether the swap had been sent (decision "HTTP", commit errors by phase).

#include <algorithm>

#include <fmt/format.h>

#include "moraine/catalog/claims.h"
#include "moraine/catalog/locations.h"
#include "moraine/catalog/state_internal.h"

namespace moraine::catalog {
namespace {

using iceberg::TableMetadata;
using store::Access;
using store::RunFor;
using store::Transaction;

constexpr int kServerRetries = 10;
constexpr Millis kSettleLimit{10'000};

bool IsCreate(const iceberg::CommitRequest& request) {
  return std::any_of(request.requirements.begin(), request.requirements.end(), [](const auto& r) {
    return std::holds_alternative<iceberg::requirement::AssertCreate>(r);
  });
}

/// All that the swap writes, decided before its transaction begins.
struct Swap {
  const TableRow& row;
  const TableMetadata& next;
  const std::string& metadata_location;
  std::vector<std::string> claims;
  bool claims_changed;
  std::vector<std::string> foreign_folders;
  int64_t now_ms;
};

Result<Swap> PlanSwap(const TableRow& row, const TableMetadata& base, const TableMetadata& next,
                      const std::string& metadata_location,
                      const std::vector<iceberg::TableUpdate>& updates, int64_t now_ms) {
  MORAINE_ASSIGN(auto before, ClaimsOf(base));
  MORAINE_ASSIGN(auto claims, ClaimsOf(next));
  MORAINE_ASSIGN(auto folders, FoldersOutside(claims, FilesNamedBy(updates)));
  bool changed = before != claims;
  return Swap{row, next, metadata_location, std::move(claims), changed, std::move(folders), now_ms};
}

/// Conflict, with *lost_race, when the row is not as it was.
Status DoSwap(Transaction& t, const Swap& swap, const std::string& principal, bool* lost_race) {
  if (swap.claims_changed) MORAINE_TRY(CheckUnclaimed(t, swap.claims, swap.row.id));
  MORAINE_TRY(CheckFoldersFree(t, swap.foreign_folders, swap.row.id));
  MORAINE_ASSIGN(
      int64_t changed,
      t.Execute(
          "UPDATE tabular SET version = version + 1, metadata_location = ?, previous = ?, "
          "location = ?, table_uuid = ?, format_version = ?, current_snapshot_id = ?, "
          "updated_ms = ?, updated_by = ? WHERE id = ? AND version = ? AND deleted_at = 0",
          {swap.metadata_location, swap.row.metadata_location, swap.claims.front(),
           swap.next.table_uuid, int64_t{swap.next.format_version}, swap.next.current_snapshot_id,
           swap.now_ms, principal, swap.row.id, swap.row.version}));
  if (changed == 0) {
    *lost_race = true;
    return Conflict(fmt::format("Commit lost the race: {} was changed by another commit",
                                ToText(swap.row.name)));
  }
  if (swap.claims_changed) MORAINE_TRY(PutClaims(t, swap.claims, swap.row.id));
  return AddChange(t, {.kind = "commit",
                       .table_id = swap.row.id,
                       .version = swap.row.version + 1,
                       .snapshot_id = swap.next.current_snapshot_id,
                       .changed_ms = swap.now_ms,
                       .metadata_location = swap.metadata_location});
}

}  // namespace

Catalog::State::Settled Catalog::State::Settle(Call& call, const TableRow* row,
                                               const std::string& metadata_location) {
  // The call may be over by now; the question is too important for that.
  Call again(call.env(), kSettleLimit);
  Settled settled;
  Status asked = database.Run(again, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto rows, t.Query("SELECT table_id FROM table_change WHERE metadata_location = "
                                      "? LIMIT 1",
                                      {metadata_location}));
    if (!rows.empty()) {
      MORAINE_ASSIGN(settled.table_id, rows[0].Int(0));
      settled.fate = Fate::kLanded;
      return {};
    }
    if (row == nullptr) return {};
    // Still on its way somewhere, it would wait for this version: it shall not find it.
    return t
        .Execute("UPDATE tabular SET version = version + 1 WHERE id = ? AND version = ?",
                 {row->id, row->version})
        .status();
  });
  if (settled.fate != Fate::kLanded && asked.ok() && row != nullptr) settled.fate = Fate::kRefused;
  return settled;
}

Result<LoadedTablePtr> Catalog::State::CommitOnce(Call& call, const Warehouse& warehouse,
                                                  const TableName& name,
                                                  const iceberg::CommitRequest& request,
                                                  const Note& note, const Turn* held,
                                                  bool* lost_race) {
  MORAINE_ASSIGN(auto row, GetTable(call, warehouse.id, name));
  std::optional<Turn> turn;
  if (held == nullptr || held->table_id() != row.id) {
    MORAINE_ASSIGN(auto taken, turns.Take(call, row.id));
    turn.emplace(std::move(taken));
    if (turn->waited()) {
      MORAINE_ASSIGN(row, GetTable(call, warehouse.id, name));
    }
  }
  MORAINE_ASSIGN(auto base, Load(call, row, Freshness::kCached));
  MORAINE_TRY(iceberg::CheckRequirements(base->metadata.get(), request.requirements));
  int64_t now_ms = ToMillis(call.clock().Wall());
  MORAINE_ASSIGN(auto next, iceberg::ApplyUpdates(*base->metadata, request.updates,
                                                  {now_ms, row.metadata_location}));
  if (next == *base->metadata) {
    if (note) MORAINE_TRY(database.Run(call, Access::kWrite, note));
    return base;
  }
  std::string location = iceberg::MetadataFileLocation(
      next, iceberg::MetadataFileVersion(row.metadata_location) + 1, MakeUuid(call.random()));
  MORAINE_TRY(CheckAllowed(warehouse, "metadata location", location));
  MORAINE_TRY(call.Check());
  auto written = WriteMetadata(call, std::move(next), location);
  if (!written.ok()) {
    DiscardMetadata(call, written.status(), location);
    return written.status();
  }
  auto swap = PlanSwap(row, *base->metadata, *written->metadata, location, request.updates, now_ms);
  Status swapped = swap.status();
  if (swap.ok()) {
    swapped = database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
      MORAINE_TRY(DoSwap(t, *swap, call.principal(), lost_race));
      return note ? note(t) : Status();
    });
  }
  if (swapped.code() == Code::kCommitUnknown) {
    Fate fate = Settle(call, &row, location).fate;
    if (fate == Fate::kUnknown) return swapped;
    swapped = fate == Fate::kLanded
                  ? Status()
                  : Conflict("the commit was refused: its transaction did not come through");
  }
  if (!swapped.ok()) {
    DiscardMetadata(call, swapped, location);
    return swapped;
  }
  // From here on the commit stands; nothing below may turn it into an error.
  cache.Put(location, *written);
  row.version += 1;
  row.metadata_location = location;
  row.current_snapshot_id = written->metadata->current_snapshot_id;
  Announce();
  auto committed = MakeLoaded(row, *written);
  TrimMetadata(call, *base->metadata, *committed);
  return committed;
}

Result<LoadedTablePtr> Catalog::State::CommitWithRetries(Call& call, const Warehouse& warehouse,
                                                         const TableName& name,
                                                         const iceberg::CommitRequest& request,
                                                         const Note& note, const Turn* turn) {
  for (int attempt = 0;; ++attempt) {
    MORAINE_TRY(call.Check());
    bool lost_race = false;
    auto committed = CommitOnce(call, warehouse, name, request, note, turn, &lost_race);
    if (lost_race) metrics.LostRace();
    if (committed.ok() || !lost_race || attempt == kServerRetries) return committed;
    // Another process won. A short, uneven pause keeps many losers from meeting again.
    call.clock().SleepFor(Millis(call.random().Below(static_cast<uint64_t>(5 * (attempt + 1))) + 1),
                          call.stop());
  }
}

Result<LoadedTablePtr> Catalog::Commit(Call& call, const std::string& warehouse,
                                       const TableName& name, const iceberg::CommitRequest& request,
                                       const Note& note, const TableTurns::Turn* turn) {
  MonoTime begun = call.clock().Mono();
  auto committed = [&]() -> Result<LoadedTablePtr> {
    MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
    MORAINE_TRY(CheckUpdateLocations(home, request.updates));
    if (IsCreate(request)) return state_->CommitCreate(call, home, name, request, note);
    return state_->CommitWithRetries(call, home, name, request, note, turn);
  }();
  state_->metrics.Committed(committed.status(), call.clock().Mono() - begun);
  return committed;
}

Result<TableTurns::Turn> Catalog::TakeTurn(Call& call, int64_t table_id) {
  return state_->turns.Take(call, table_id);
}

}  // namespace moraine::catalog
