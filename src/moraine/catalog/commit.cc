// Where tables change: create, register, commit. A commit is load, check, apply, write the metadata
// file, swap the row, in this order; errors are told apart by whether the swap had been sent.

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "moraine/base/gzip.h"
#include "moraine/catalog/locations.h"
#include "moraine/catalog/state_internal.h"
#include "moraine/iceberg/commit/file_deletion.h"
#include "moraine/io/location.h"

namespace moraine::catalog {
namespace {

using iceberg::TableMetadata;
using store::Access;
using store::RunFor;
using store::Transaction;

constexpr int kServerRetries = 10;
constexpr int kGzipLevel = 6;

Status TableExists(const TableName& name) {
  return AlreadyExists(fmt::format("Table already exists: {}", ToText(name)));
}

bool IsCreate(const iceberg::CommitRequest& request) {
  return std::any_of(request.requirements.begin(), request.requirements.end(), [](const auto& r) {
    return std::holds_alternative<iceberg::requirement::AssertCreate>(r);
  });
}

}  // namespace

Result<CachedMetadata> Catalog::State::WriteMetadata(Call& call, const TableMetadata& metadata,
                                                     const std::string& location) {
  CachedMetadata written;
  written.json = std::make_shared<const std::string>(iceberg::TableMetadataToJson(metadata));
  written.metadata = std::make_shared<const TableMetadata>(metadata);
  if (location.ends_with(".gz.metadata.json") || location.ends_with(".metadata.json.gz")) {
    std::string_view text = *written.json;
    MORAINE_TRY(io::WriteFile(call, files, location, GzipCompress({&text, 1}, kGzipLevel)));
  } else {
    MORAINE_TRY(io::WriteFile(call, files, location, *written.json));
  }
  cache.Put(location, written);
  return written;
}

Result<int64_t> Catalog::State::InsertRow(Transaction& t, Call& call, const Warehouse& warehouse,
                                          const TableName& name, const TableMetadata& metadata,
                                          const std::string& metadata_location,
                                          std::string_view origin, std::string_view change_kind) {
  MORAINE_ASSIGN(auto ns, GetNamespace(t, warehouse.id, name.ns));
  MORAINE_ASSIGN(auto existing, FindTable(t, warehouse.id, name));
  if (existing) return TableExists(name);
  MORAINE_ASSIGN(auto location, io::NormalizeLocation(metadata.location));
  MORAINE_TRY(CheckNoOverlap(t, location, 0));
  int64_t now_ms = ToMillis(call.clock().Wall());
  MORAINE_TRY(
      t.Execute("INSERT INTO tabular (warehouse_id, namespace_id, kind, name, table_uuid, version, "
                "metadata_location, previous,"
                " location, format_version, current_snapshot_id, origin, deleted_at, protected, "
                "created_ms, updated_ms,"
                " created_by, updated_by) VALUES (?, ?, 'table', ?, ?, 1, ?, '', ?, ?, ?, ?, 0, 0, "
                "?, ?, ?, ?)",
                {warehouse.id, ns.id, name.name, metadata.table_uuid, metadata_location, location,
                 int64_t{metadata.format_version}, metadata.current_snapshot_id,
                 std::string(origin), now_ms, now_ms, call.principal(), call.principal()}));
  MORAINE_ASSIGN(int64_t table_id, t.LastInsertId());
  MORAINE_TRY(AddChange(t, change_kind, table_id, 1, metadata.current_snapshot_id, now_ms, "{}"));
  return table_id;
}

Result<bool> Catalog::State::HasLanded(Call& call, int64_t warehouse_id, const TableName& name,
                                       const std::string& metadata_location) {
  // The call may be over by now; the question is too important for that.
  Call again(call.env(), Millis(10'000));
  MORAINE_ASSIGN(auto row, RunFor(again, database, Access::kRead, [&](Transaction& t) {
                   return FindTable(t, warehouse_id, name);
                 }));
  if (!row) return false;
  if (row->metadata_location == metadata_location) return true;
  // Others may have committed on top of ours.
  MORAINE_ASSIGN(auto table, Load(again, *row));
  const auto& log = table->metadata->metadata_log;
  return std::any_of(log.begin(), log.end(),
                     [&](const auto& entry) { return entry.metadata_file == metadata_location; });
}

void Catalog::State::DiscardMetadata(Call& call, const Status& refusal,
                                     const std::string& metadata_location) {
  auto proof = iceberg::DeletionProof::CommitRefused(refusal);
  if (!proof.ok()) return;
  auto deleted =
      iceberg::DeleteFiles(call, files, *proof, std::vector<std::string>{metadata_location});
  if (!deleted.ok()) {
    call.log().Warn("the metadata file of a refused commit stays",
                    {{"file", metadata_location}, {"error", deleted.status().ToString()}});
  }
}

Result<LoadedTablePtr> Catalog::State::Insert(Call& call, const Warehouse& warehouse,
                                              const TableName& name, TableMetadata metadata,
                                              const std::function<Status(Transaction&)>& note) {
  MORAINE_TRY(CheckMetadataLocations(warehouse, metadata));
  std::string location = iceberg::MetadataFileLocation(metadata, 0, MakeUuid(call.random()));
  MORAINE_TRY(WriteMetadata(call, metadata, location).status());
  int64_t table_id = 0;
  Status swapped = database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(table_id,
                   InsertRow(t, call, warehouse, name, metadata, location, "created", "create"));
    return note ? note(t) : Status();
  });
  if (swapped.code() == Code::kCommitUnknown) {
    auto landed = HasLanded(call, warehouse.id, name, location);
    if (!landed.ok() || !*landed) return swapped;
    MORAINE_ASSIGN(auto row, RunFor(call, database, Access::kRead, [&](Transaction& t) {
                     return FindTable(t, warehouse.id, name);
                   }));
    if (!row) return swapped;
    table_id = row->id;
  } else if (!swapped.ok()) {
    DiscardMetadata(call, swapped, location);
    return swapped;
  }
  MORAINE_TRY(Announce());
  return Load(call, {table_id, warehouse.id, warehouse.name, name, 1, location,
                     metadata.format_version, metadata.current_snapshot_id, "created"});
}

Result<LoadedTablePtr> Catalog::Create(Call& call, const std::string& warehouse,
                                       const CreateTable& request) {
  MORAINE_TRY(CheckName("name", request.name.name));
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  MORAINE_ASSIGN(
      auto ns,
      RunFor(call, state_->database, Access::kRead, [&](Transaction& t) -> Result<NamespaceRow> {
        MORAINE_ASSIGN(auto row, GetNamespace(t, home.id, request.name.ns));
        MORAINE_ASSIGN(auto existing, FindTable(t, home.id, request.name));
        if (existing) return TableExists(request.name);
        return row;
      }));
  iceberg::TableCreation creation;
  creation.table_uuid = MakeUuid(call.random());
  if (request.location && !request.location->empty()) {
    creation.location = *request.location;
  } else if (auto base = ns.properties.find("location"); base != ns.properties.end()) {
    creation.location = DefaultLocation(base->second, {{}, request.name.name}, creation.table_uuid);
  } else {
    creation.location = DefaultLocation(home.root, request.name, creation.table_uuid);
  }
  while (creation.location.size() > 1 && creation.location.back() == '/')
    creation.location.pop_back();
  MORAINE_TRY(CheckAllowed(home, "location", creation.location));
  MORAINE_TRY(CheckPropertyLocations(home, request.properties));
  creation.schema = request.schema;
  creation.spec = request.spec;
  creation.sort_order = request.sort_order;
  creation.properties = request.properties;
  creation.now_ms = ToMillis(call.clock().Wall());
  MORAINE_ASSIGN(auto metadata, iceberg::MakeTableMetadata(creation));
  if (!request.stage) return state_->Insert(call, home, request.name, std::move(metadata), nullptr);
  auto staged = std::make_shared<LoadedTable>();
  staged->warehouse = warehouse;
  staged->name = request.name;
  staged->metadata_json =
      std::make_shared<const std::string>(iceberg::TableMetadataToJson(metadata));
  staged->metadata = std::make_shared<const TableMetadata>(std::move(metadata));
  return LoadedTablePtr(std::move(staged));
}

Result<LoadedTablePtr> Catalog::Register(Call& call, const std::string& warehouse,
                                         const TableName& name,
                                         const std::string& metadata_location) {
  MORAINE_TRY(CheckName("name", name.name));
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  MORAINE_TRY(CheckAllowed(home, "metadata-location", metadata_location));
  TableRow row{0,           home.id, home.name, name, 1, metadata_location, 0, iceberg::kNoSnapshot,
               "registered"};
  auto loaded = state_->Load(call, row);
  if (!loaded.ok()) {
    if (loaded.status().code() == Code::kCorruption)
      return std::move(loaded).status().WithCode(Code::kInvalidArgument);
    return loaded.status();
  }
  const auto& metadata = *(*loaded)->metadata;
  MORAINE_TRY(CheckMetadataLocations(home, metadata));
  MORAINE_TRY(state_->database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(row.id, state_->InsertRow(t, call, home, name, metadata, metadata_location,
                                             "registered", "register"));
    return Status();
  }));
  MORAINE_TRY(state_->Announce());
  return state_->Load(call, row);
}

Result<LoadedTablePtr> Catalog::State::CommitCreate(
    Call& call, const Warehouse& warehouse, const TableName& name,
    const iceberg::CommitRequest& request, const std::function<Status(Transaction&)>& note) {
  if (request.requirements.size() != 1) {
    return InvalidArgument("requirements: assert-create must be the only requirement");
  }
  MORAINE_TRY(CheckName("name", name.name));
  MORAINE_TRY(RunFor(call, database, Access::kRead, [&](Transaction& t) -> Result<bool> {
    MORAINE_TRY(GetNamespace(t, warehouse.id, name.ns));
    MORAINE_ASSIGN(auto existing, FindTable(t, warehouse.id, name));
    if (existing) return TableExists(name);
    return true;
  }));
  MORAINE_ASSIGN(auto metadata,
                 iceberg::ApplyCreateUpdates(request.updates, {ToMillis(call.clock().Wall()), ""}));
  return Insert(call, warehouse, name, std::move(metadata), note);
}

Result<LoadedTablePtr> Catalog::State::CommitOnce(Call& call, const Warehouse& warehouse,
                                                  const TableName& name,
                                                  const iceberg::CommitRequest& request,
                                                  const std::function<Status(Transaction&)>& note,
                                                  bool* lost_race) {
  *lost_race = false;
  MORAINE_ASSIGN(auto row, RunFor(call, database, Access::kRead, [&](Transaction& t) {
                   return FindTable(t, warehouse.id, name);
                 }));
  if (!row) return NoTable(name);
  MORAINE_ASSIGN(auto base, Load(call, *row));
  MORAINE_TRY(iceberg::CheckRequirements(base->metadata.get(), request.requirements));
  int64_t now_ms = ToMillis(call.clock().Wall());
  MORAINE_ASSIGN(auto metadata, iceberg::ApplyUpdates(*base->metadata, request.updates,
                                                      {now_ms, row->metadata_location}));
  bool unchanged = metadata.last_updated_ms == base->metadata->last_updated_ms &&
                   metadata.metadata_log.size() == base->metadata->metadata_log.size() &&
                   iceberg::TableMetadataToJson(metadata) == *base->metadata_json;
  if (unchanged) {
    if (note) MORAINE_TRY(database.Run(call, Access::kWrite, note));
    return base;
  }
  std::string location = iceberg::MetadataFileLocation(
      metadata, iceberg::MetadataFileVersion(row->metadata_location) + 1, MakeUuid(call.random()));
  MORAINE_TRY(CheckAllowed(warehouse, "metadata location", location));
  MORAINE_ASSIGN(auto table_location, io::NormalizeLocation(metadata.location));
  MORAINE_TRY(WriteMetadata(call, metadata, location).status());
  Status swapped = database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    if (metadata.location != base->metadata->location)
      MORAINE_TRY(CheckNoOverlap(t, table_location, row->id));
    // The name is part of the condition: a commit by the old name after a rename must not land.
    MORAINE_ASSIGN(
        int64_t changed,
        t.Execute("UPDATE tabular SET version = version + 1, metadata_location = ?, previous = ?, "
                  "location = ?, table_uuid = ?,"
                  " format_version = ?, current_snapshot_id = ?, updated_ms = ?, updated_by = ?"
                  " WHERE id = ? AND version = ? AND deleted_at = 0",
                  {location, row->metadata_location, table_location, metadata.table_uuid,
                   int64_t{metadata.format_version}, metadata.current_snapshot_id, now_ms,
                   call.principal(), row->id, row->version}));
    if (changed == 0) {
      *lost_race = true;
      return Conflict(
          fmt::format("Commit lost the race: {} was changed by another commit", ToText(name)));
    }
    MORAINE_TRY(AddChange(t, "commit", row->id, row->version + 1, metadata.current_snapshot_id,
                          now_ms, "{}"));
    return note ? note(t) : Status();
  });
  if (swapped.code() == Code::kCommitUnknown) {
    auto landed = HasLanded(call, warehouse.id, name, location);
    if (!landed.ok() || !*landed) return swapped;
  } else if (!swapped.ok()) {
    DiscardMetadata(call, swapped, location);
    return swapped;
  }
  row->version += 1;
  row->metadata_location = location;
  MORAINE_TRY(Announce());
  MORAINE_ASSIGN(auto committed, Load(call, *row));
  TrimMetadata(call, *base->metadata, *committed);
  return committed;
}

void Catalog::State::TrimMetadata(Call& call, const TableMetadata& base,
                                  const LoadedTable& committed) {
  if (!committed.metadata->BoolProperty("write.metadata.delete-after-commit.enabled", false))
    return;
  std::set<std::string> kept;
  for (const auto& entry : committed.metadata->metadata_log) kept.insert(entry.metadata_file);
  std::vector<std::string> trimmed;
  for (const auto& entry : base.metadata_log) {
    bool ours = io::IsInside(entry.metadata_file, committed.metadata->location);
    if (ours && !kept.contains(entry.metadata_file)) trimmed.push_back(entry.metadata_file);
  }
  if (trimmed.empty()) return;
  auto proof =
      iceberg::DeletionProof::MetadataLogTrimmed(committed.metadata, committed.metadata_location);
  auto deleted = iceberg::DeleteFiles(call, files, proof, trimmed);
  if (!deleted.ok())
    call.log().Warn("old metadata files stay", {{"error", deleted.status().ToString()}});
}

Result<LoadedTablePtr> Catalog::Commit(Call& call, const std::string& warehouse,
                                       const TableName& name, const iceberg::CommitRequest& request,
                                       const std::function<Status(Transaction&)>& note) {
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  MORAINE_TRY(CheckUpdateLocations(home, request.updates));
  if (IsCreate(request)) return state_->CommitCreate(call, home, name, request, note);
  for (int attempt = 0;; ++attempt) {
    MORAINE_TRY(call.Check());
    bool lost_race = false;
    auto committed = state_->CommitOnce(call, home, name, request, note, &lost_race);
    if (committed.ok() || !lost_race || attempt == kServerRetries) return committed;
    // Whoever won is done; a short, uneven pause keeps many losers from meeting again.
    call.clock().SleepFor(Millis(call.random().Below(static_cast<uint64_t>(5 * (attempt + 1))) + 1),
                          call.stop());
  }
}

}  // namespace moraine::catalog
