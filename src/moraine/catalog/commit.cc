// A commit: load, check, apply, write the metadata file, swap the row, in this order. Errors are
// told apart by whether the swap had been sent (decision "HTTP", commit errors by phase).

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "moraine/catalog/change_summary.h"
#include "moraine/catalog/claims.h"
#include "moraine/catalog/locations.h"
#include "moraine/catalog/state_internal.h"

namespace moraine::catalog {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;

constexpr Millis kSettleLimit{10'000};

bool IsCreate(const iceberg::CommitRequest& request) {
  return std::any_of(request.requirements.begin(), request.requirements.end(), [](const auto& r) {
    return std::holds_alternative<iceberg::requirement::AssertCreate>(r);
  });
}

Result<Swap> PlanSwap(const LoadedTable& base, const CachedMetadata& written,
                      const std::string& location, const std::vector<iceberg::TableUpdate>& updates,
                      int64_t now_ms) {
  const iceberg::TableMetadata& next = *written.metadata;
  Swap swap;
  swap.change_kind = "commit";
  swap.metadata_location = location;
  swap.uuid = next.table_uuid;
  swap.format_version = next.format_version;
  swap.snapshot_id = next.current_snapshot_id;
  const auto* snapshot = next.CurrentSnapshot();
  if (snapshot != nullptr && swap.snapshot_id != base.metadata->current_snapshot_id)
    swap.operation = snapshot->operation();
  MORAINE_ASSIGN(auto before, ClaimsOf(*base.metadata));
  MORAINE_ASSIGN(swap.claims, ClaimsOf(next));
  swap.claims_changed = before != swap.claims;
  MORAINE_ASSIGN(swap.foreign_folders, FoldersOutside(swap.claims, FilesNamedBy(updates)));
  swap.summary = CountsOfCommit(*base.metadata, next);
  swap.updates = DescribeUpdates(*base.metadata, next, updates);
  swap.now_ms = now_ms;
  return swap;
}

std::vector<Step> StepsOf(std::span<const Prepared> all) {
  std::vector<Step> steps;
  for (const Prepared& p : all) {
    if (p.written) steps.push_back({p.row.id, p.row.version, p.location});
  }
  return steps;
}

/// ids gets those of the rows that were made.
Status Apply(Transaction& t, std::span<const Prepared> all, const std::string& principal,
             std::vector<int64_t>* ids, bool* lost_race) {
  ids->clear();
  *lost_race = false;
  for (const Prepared& p : all) {
    if (p.swap) {
      MORAINE_TRY(DoSwap(t, p.row, *p.swap, principal, lost_race));
      ids->push_back(p.row.id);
    } else if (p.insertion) {
      MORAINE_ASSIGN(int64_t id,
                     InsertTabular(t, p.row.warehouse_id, p.row.name, *p.insertion, principal));
      ids->push_back(id);
    } else {
      MORAINE_TRY(CheckUnchanged(t, p.row, lost_race));
    }
  }
  return Status();
}

}  // namespace

Catalog::State::Settled Catalog::State::Settle(Call& call, const std::vector<Step>& steps) {
  // The call may be over by now; the question is too important for that.
  Call again(call.env(), kSettleLimit);
  Settled settled;
  bool fenced = false;
  Status asked = database.Run(again, Access::kWrite, [&](Transaction& t) -> Status {
    settled.ids.clear();
    fenced = false;
    // A swap still on its way somewhere waits for these versions: it shall not find them. One that
    // landed has left them behind. Only then is it asked which of the two it was.
    for (const Step& step : steps) {
      if (step.id == 0) continue;
      fenced = true;
      MORAINE_TRY(t.Execute("UPDATE tabular SET version = version + 1 WHERE id = ? AND version = ?",
                            {step.id, step.version}));
    }
    for (const Step& step : steps) {
      MORAINE_ASSIGN(auto rows, t.Query("SELECT table_id FROM table_change WHERE "
                                        "metadata_location = ? LIMIT 1",
                                        {step.metadata_location}));
      if (rows.empty()) {  // its row of the feed may be trimmed
        MORAINE_ASSIGN(rows, t.Query("SELECT id FROM tabular WHERE id = ? AND "
                                     "(metadata_location = ? OR previous = ?)",
                                     {step.id, step.metadata_location, step.metadata_location}));
      }
      if (rows.empty()) return {};
      MORAINE_ASSIGN(int64_t id, rows[0].Int(0));
      settled.ids.push_back(id);
    }
    return {};
  });
  if (settled.ids.size() == steps.size()) {
    settled.fate = Fate::kLanded;
  } else if (asked.ok() && fenced) {
    settled.fate = Fate::kRefused;
  }
  return settled;
}

Status Catalog::State::SettledStatus(Call& call, Status swapped, const std::vector<Step>& steps,
                                     std::vector<int64_t>* ids) {
  if (swapped.code() != Code::kCommitUnknown || steps.empty()) return swapped;
  Settled settled = Settle(call, steps);
  if (settled.fate == Fate::kUnknown) return swapped;
  if (settled.fate == Fate::kRefused) {
    return Conflict("the commit was refused: its transaction did not come through");
  }
  *ids = std::move(settled.ids);
  return Status();
}

Result<Prepared> Catalog::State::PrepareChange(Call& call, const Warehouse& warehouse,
                                               TabularRow row,
                                               const iceberg::CommitRequest& request) {
  Prepared prepared;
  MORAINE_ASSIGN(prepared.base, Load(call, row, Freshness::kCached));
  const iceberg::TableMetadata& base = *prepared.base->metadata;
  MORAINE_TRY(iceberg::CheckRequirements(&base, request.requirements));
  int64_t now_ms = ToMillis(call.clock().Wall());
  MORAINE_ASSIGN(auto next,
                 iceberg::ApplyUpdates(base, request.updates, {now_ms, row.metadata_location}));
  prepared.row = std::move(row);
  if (next == base) return prepared;
  prepared.location = iceberg::MetadataFileLocation(
      next, iceberg::MetadataFileVersion(prepared.row.metadata_location) + 1,
      MakeUuid(call.random()));
  MORAINE_TRY(CheckAllowed(warehouse, "metadata location", prepared.location));
  MORAINE_TRY(call.Check());
  auto written = WriteMetadata(call, std::move(next), prepared.location);
  auto swap = written.ok()
                  ? PlanSwap(*prepared.base, *written, prepared.location, request.updates, now_ms)
                  : Result<Swap>(written.status());
  if (!swap.ok()) {
    DiscardMetadata(call, swap.status(), prepared.location);
    return swap.status();
  }
  prepared.written = std::move(*written);
  prepared.swap = std::move(*swap);
  return prepared;
}

Status Catalog::State::Land(Call& call, std::span<Prepared> all, const Note& note,
                            bool* lost_race) {
  std::vector<Step> steps = StepsOf(all);
  std::vector<int64_t> ids;
  Receipt receipt;
  if (steps.size() == 1) receipt.metadata_location = steps[0].metadata_location;
  Status swapped = Mutate(call, receipt, [&](Transaction& t) -> Status {
    MORAINE_TRY(Apply(t, all, call.principal(), &ids, lost_race));
    if (ids.size() == 1) receipt.tabular_id = ids[0];
    return note ? note(t) : Status();
  });
  swapped = SettledStatus(call, std::move(swapped), steps, &ids);
  if (!swapped.ok()) {
    for (const Step& step : steps) DiscardMetadata(call, swapped, step.metadata_location);
    return swapped;
  }
  // From here on the commit stands; nothing below may turn it into an error.
  size_t landed = 0;
  for (Prepared& p : all) {
    if (!p.written) continue;
    cache.Put(p.location, *p.written);
    p.row.id = ids[landed++];
    p.row.version += 1;
    p.row.metadata_location = p.location;
    p.row.current_snapshot_id = p.written->metadata->current_snapshot_id;
    p.row.current = nullptr;
  }
  Announce();
  for (const Prepared& p : all) {
    if (p.written && p.base) TrimMetadata(call, *p.base->metadata, *MakeLoaded(p.row, *p.written));
  }
  return Status();
}

Status Catalog::State::KeepUnchanged(Call& call, const TabularRow& row, const Note& note) {
  if (!note && !keys.Keeps(call)) return Status();
  return Mutate(call, {.tabular_id = row.id, .metadata_location = row.metadata_location},
                [&](Transaction& t) { return note ? note(t) : Status(); });
}

Result<LoadedTablePtr> Catalog::State::CommitOnce(Call& call, const Warehouse& warehouse,
                                                  const TableName& name,
                                                  const iceberg::CommitRequest& request,
                                                  const Note& note, const Turn* held,
                                                  bool* lost_race) {
  MORAINE_ASSIGN(auto row, GetRow(call, warehouse.id, name, TabularKind::kTable));
  std::optional<Turn> turn;
  if (held == nullptr || held->table_id() != row.id) {
    MORAINE_ASSIGN(auto taken, turns.Take(call, row.id));
    turn.emplace(std::move(taken));
    if (turn->waited()) {
      MORAINE_ASSIGN(row, GetRow(call, warehouse.id, name, TabularKind::kTable));
    }
  }
  MORAINE_ASSIGN(auto prepared, PrepareChange(call, warehouse, std::move(row), request));
  if (!prepared.written) {
    MORAINE_TRY(KeepUnchanged(call, prepared.row, note));
    return prepared.base;
  }
  MORAINE_TRY(Land(call, {&prepared, 1}, note, lost_race));
  return MakeLoaded(prepared.row, *prepared.written);
}

Result<LoadedTablePtr> Catalog::Commit(Call& call, const std::string& warehouse,
                                       const TableName& name, const iceberg::CommitRequest& request,
                                       const Note& note, const TableTurns::Turn* turn) {
  MonoTime begun = call.clock().Mono();
  auto committed = [&]() -> Result<LoadedTablePtr> {
    MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
    MORAINE_TRY(CheckUpdateLocations(home, request.updates));
    if (IsCreate(request)) {
      MORAINE_ASSIGN(auto metadata, state_->MetadataOfCreate(call, home, name, request));
      return state_->Insert(call, home, name, std::move(metadata), note);
    }
    return RetryLostRaces(call, state_->metrics, [&](bool* lost_race) {
      return state_->CommitOnce(call, home, name, request, note, turn, lost_race);
    });
  }();
  state_->metrics.Committed(committed.status(), call.clock().Mono() - begun);
  return committed;
}

Status Catalog::State::CommitAllOnce(Call& call, const Warehouse& warehouse,
                                     const std::vector<TableCommit>& commits, const Note& note,
                                     bool* lost_race) {
  struct Part {
    const TableCommit* commit;
    TabularRow row;  // id 0: to be made
  };
  auto read_rows = [&]() -> Result<std::vector<Part>> {
    return RunFor(call, database, Access::kRead, [&](Transaction& t) -> Result<std::vector<Part>> {
      std::vector<Part> parts;
      for (const TableCommit& commit : commits) {
        parts.push_back({&commit, {}});
        if (IsCreate(commit.request)) continue;
        MORAINE_ASSIGN(parts.back().row,
                       GetTabular(t, warehouse.id, commit.name, TabularKind::kTable));
      }
      // One order for everybody: who waits for a turn, or a row, never holds a later one.
      std::sort(parts.begin(), parts.end(),
                [](const auto& a, const auto& b) { return a.row.id < b.row.id; });
      return parts;
    });
  };
  MORAINE_ASSIGN(auto parts, read_rows());
  std::vector<Turn> held;
  bool waited = false;
  for (const Part& part : parts) {
    if (part.row.id == 0) continue;
    MORAINE_ASSIGN(auto turn, turns.Take(call, part.row.id));
    waited = waited || turn.waited();
    held.push_back(std::move(turn));
  }
  if (waited) {
    MORAINE_ASSIGN(parts, read_rows());
  }
  std::vector<Prepared> all;
  auto prepare = [&](Part& part) -> Result<Prepared> {
    const TableCommit& commit = *part.commit;
    if (part.row.id != 0) {
      return PrepareChange(call, warehouse, std::move(part.row), commit.request);
    }
    MORAINE_ASSIGN(auto metadata, MetadataOfCreate(call, warehouse, commit.name, commit.request));
    return PrepareNew(call, warehouse, commit.name, std::move(metadata));
  };
  for (Part& part : parts) {
    auto prepared = prepare(part);
    if (!prepared.ok()) {
      for (const Step& step : StepsOf(all)) {
        DiscardMetadata(call, prepared.status(), step.metadata_location);
      }
      // Other errors name the table, and are told apart by how they begin.
      Code code = prepared.status().code();
      if (code != Code::kConflict && code != Code::kInvalidArgument) return prepared.status();
      return std::move(prepared).status().Annotate("in " + ToText(part.commit->name));
    }
    all.push_back(std::move(*prepared));
  }
  return Land(call, all, note, lost_race);
}

Status Catalog::CommitAll(Call& call, const std::string& warehouse,
                          const std::vector<TableCommit>& commits, const Note& note) {
  MonoTime begun = call.clock().Mono();
  Status committed = [&]() -> Status {
    MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
    std::set<std::string> names;
    for (const TableCommit& commit : commits) {
      MORAINE_TRY(CheckUpdateLocations(home, commit.request.updates));
      if (names.insert(PathKey(commit.name.ns) + '\0' + commit.name.name).second) continue;
      return InvalidArgument(fmt::format("table-changes: {} is there twice", ToText(commit.name)));
    }
    return RetryLostRaces(call, state_->metrics, [&](bool* lost_race) {
      return state_->CommitAllOnce(call, home, commits, note, lost_race);
    });
  }();
  state_->metrics.Committed(committed, call.clock().Mono() - begun);
  return committed;
}

Result<TableTurns::Turn> Catalog::TakeTurn(Call& call, int64_t table_id) {
  return state_->turns.Take(call, table_id);
}

}  // namespace moraine::catalog
