// Tables that come to be: created, created by a commit with assert-create, registered.

#include <fmt/format.h>

#include "moraine/catalog/change_summary.h"
#include "moraine/catalog/claims.h"
#include "moraine/catalog/dropped_internal.h"
#include "moraine/catalog/locations.h"
#include "moraine/catalog/state_internal.h"

namespace moraine::catalog {
namespace {

using iceberg::TableMetadata;
using store::Access;
using store::RunFor;
using store::Transaction;

constexpr char kCreated[] = "created";
constexpr char kRegistered[] = "registered";

std::string WithoutTrailingSlashes(std::string location) {
  while (location.size() > 1 && location.back() == '/') location.pop_back();
  return location;
}

TabularRow RegisteredRow(int64_t table_id, int64_t version, const Warehouse& warehouse,
                         const TableName& name, const std::string& metadata_location,
                         const CachedMetadata& read) {
  return {table_id,
          warehouse.id,
          warehouse.name,
          name,
          version,
          metadata_location,
          read.metadata->format_version,
          read.metadata->current_snapshot_id,
          kRegistered};
}

/// A table that is made here, unless told otherwise.
Result<NewRow> PlanInsertion(Call& call, const CachedMetadata& cached,
                             const std::string& metadata_location) {
  const TableMetadata& metadata = *cached.metadata;
  NewRow row;
  row.change_kind = "create";
  row.origin = kCreated;
  row.metadata_location = metadata_location;
  row.uuid = metadata.table_uuid;
  row.format_version = metadata.format_version;
  row.snapshot_id = metadata.current_snapshot_id;
  if (const auto* snapshot = metadata.CurrentSnapshot()) row.operation = snapshot->operation();
  MORAINE_ASSIGN(row.claims, ClaimsOf(metadata));
  MORAINE_ASSIGN(row.foreign_folders, FoldersOutside(row.claims, FilesNamedBy(metadata)));
  if (const auto* snapshot = metadata.CurrentSnapshot()) row.summary = CountsOf(*snapshot);
  row.now_ms = ToMillis(call.clock().Wall());
  return row;
}

}  // namespace

Result<int64_t> Catalog::State::InsertRegistered(Transaction& t, Call& call,
                                                 const Warehouse& warehouse, const TableName& name,
                                                 const CachedMetadata& cached,
                                                 const std::string& metadata_location) {
  MORAINE_ASSIGN(auto row, PlanInsertion(call, cached, metadata_location));
  row.change_kind = "register";
  row.origin = kRegistered;
  return InsertTabular(t, warehouse.id, name, row, call.principal());
}

Result<Prepared> Catalog::State::PrepareNew(Call& call, const Warehouse& warehouse,
                                            const TableName& name, TableMetadata metadata) {
  MORAINE_TRY(CheckMetadataLocations(warehouse, metadata));
  Prepared prepared;
  prepared.location = iceberg::MetadataFileLocation(metadata, 0, MakeUuid(call.random()));
  MORAINE_TRY(CheckAllowed(warehouse, "metadata location", prepared.location));
  auto written = WriteMetadata(call, std::move(metadata), prepared.location);
  auto insertion = written.ok() ? PlanInsertion(call, *written, prepared.location)
                                : Result<NewRow>(written.status());
  if (!insertion.ok()) {
    DiscardMetadata(call, insertion.status(), prepared.location);
    return insertion.status();
  }
  prepared.row = {0,
                  warehouse.id,
                  warehouse.name,
                  name,
                  0,
                  prepared.location,
                  written->metadata->format_version,
                  written->metadata->current_snapshot_id,
                  kCreated};
  prepared.written = std::move(*written);
  prepared.insertion = std::move(*insertion);
  return prepared;
}

Result<LoadedTablePtr> Catalog::State::Insert(Call& call, const Warehouse& warehouse,
                                              const TableName& name, TableMetadata metadata,
                                              const Note& note) {
  MORAINE_ASSIGN(auto prepared, PrepareNew(call, warehouse, name, std::move(metadata)));
  bool lost_race = false;
  MORAINE_TRY(Land(call, {&prepared, 1}, note, &lost_race));
  return MakeLoaded(prepared.row, *prepared.written);
}

std::string LocationForNew(const Warehouse& warehouse, const NamespaceRow& ns,
                           const TableName& name, const std::string& table_uuid) {
  auto base = ns.properties.find("location");
  if (base == ns.properties.end()) return DefaultLocation(warehouse.root, name, table_uuid);
  return DefaultLocation(base->second, {{}, name.name}, table_uuid);
}

Status Catalog::State::MakeFolders(Call& call, const TableMetadata& metadata) {
  for (const auto& [property, folder] :
       {std::pair("write.metadata.path", "/metadata"), std::pair("write.data.path", "/data")}) {
    std::string location = metadata.Property(property, metadata.location + folder);
    if (!IsLocal(location)) continue;
    // A file that is begun makes its folder, and is gone when it is not closed.
    MORAINE_TRY(files.Create(call, location + "/staged-" + MakeUuid(call.random())).status());
  }
  return {};
}

Result<LoadedTablePtr> Catalog::Create(Call& call, const std::string& warehouse,
                                       const CreateTable& request) {
  MORAINE_TRY(CheckName("name", request.name.name));
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  MORAINE_ASSIGN(auto ns, RunFor(call, state_->database, Access::kRead, [&](Transaction& t) {
                   return GetFreeHome(t, home.id, request.name, TabularKind::kTable);
                 }));
  iceberg::TableCreation creation;
  creation.table_uuid = MakeUuid(call.random());
  if (request.location && !request.location->empty()) {
    creation.location = WithoutTrailingSlashes(*request.location);
  } else {
    creation.location = LocationForNew(home, ns, request.name, creation.table_uuid);
  }
  MORAINE_TRY(CheckAllowed(home, "location", creation.location));
  creation.properties = request.properties;
  ApplyTableProperties(home, &creation.properties);
  MORAINE_TRY(CheckPropertyLocations(home, creation.properties));
  creation.schema = request.schema;
  creation.spec = request.spec;
  creation.sort_order = request.sort_order;
  creation.now_ms = ToMillis(call.clock().Wall());
  MORAINE_ASSIGN(auto metadata, iceberg::MakeTableMetadata(creation));
  if (!request.stage) return state_->Insert(call, home, request.name, std::move(metadata), nullptr);
  MORAINE_TRY(state_->MakeFolders(call, metadata));
  CachedMetadata staged;
  staged.json = std::make_shared<const std::string>(iceberg::TableMetadataToJson(metadata));
  staged.metadata = std::make_shared<const TableMetadata>(std::move(metadata));
  TabularRow row;
  row.warehouse = warehouse;
  row.name = request.name;
  row.origin = kCreated;
  return MakeLoaded(row, staged);
}

Result<TableMetadata> Catalog::State::MetadataOfCreate(Call& call, const Warehouse& warehouse,
                                                       const TableName& name,
                                                       const iceberg::CommitRequest& request) {
  if (request.requirements.size() != 1) {
    return InvalidArgument("requirements: assert-create must be the only requirement");
  }
  MORAINE_TRY(CheckName("name", name.name));
  auto find = [&](Transaction& t) -> Result<NamespaceRow> {
    MORAINE_ASSIGN(auto home, FindHome(t, warehouse.id, name));
    if (home.taken == TabularKind::kTable) {
      return AlreadyExists(
          fmt::format("Requirement failed: table already exists: {}", ToText(name)));
    }
    if (home.taken) return NameTaken(name, *home.taken, TabularKind::kTable);
    return std::move(home.ns);
  };
  MORAINE_ASSIGN(auto ns, RunFor(call, database, Access::kRead, find));
  MORAINE_ASSIGN(auto metadata,
                 iceberg::ApplyCreateUpdates(request.updates, {ToMillis(call.clock().Wall()), ""}));
  if (metadata.table_uuid.empty()) metadata.table_uuid = MakeUuid(call.random());
  if (metadata.location.empty()) {
    metadata.location = LocationForNew(warehouse, ns, name, metadata.table_uuid);
  }
  return metadata;
}

Result<CachedMetadata> Catalog::State::ReadForeign(Call& call, const Warehouse& warehouse,
                                                   const std::string& metadata_location) {
  MORAINE_TRY(CheckAllowed(warehouse, "metadata-location", metadata_location));
  auto read = ReadMetadata(call, metadata_location);
  if (read.status().code() == Code::kCorruption) {
    return std::move(read).status().WithCode(Code::kInvalidArgument);
  }
  MORAINE_TRY(read.status());
  MORAINE_TRY(CheckMetadataLocations(warehouse, *read->metadata));
  return read;
}

Result<LoadedTablePtr> Catalog::Register(Call& call, const std::string& warehouse,
                                         const TableName& name,
                                         const std::string& metadata_location) {
  MORAINE_TRY(CheckName("name", name.name));
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  MORAINE_ASSIGN(auto read, state_->ReadForeign(call, home, metadata_location));
  int64_t table_id = 0;
  state_->cache.Replace(metadata_location, read);
  Receipt receipt{.metadata_location = metadata_location};
  MORAINE_TRY(state_->Mutate(call, receipt, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(table_id,
                   state_->InsertRegistered(t, call, home, name, read, metadata_location));
    receipt.tabular_id = table_id;
    return {};
  }));
  state_->Announce();
  return MakeLoaded(RegisteredRow(table_id, 1, home, name, metadata_location, read), read);
}

Result<LoadedTablePtr> Catalog::RegisterOver(Call& call, const std::string& warehouse,
                                             const TableName& name,
                                             const std::string& metadata_location) {
  MORAINE_TRY(CheckName("name", name.name));
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  MORAINE_ASSIGN(auto read, state_->ReadForeign(call, home, metadata_location));
  TabularRow row;
  state_->cache.Replace(metadata_location, read);
  Receipt receipt{.metadata_location = metadata_location};
  MORAINE_TRY(state_->Mutate(call, receipt, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto existing, FindTabular(t, home.id, name));
    if (existing && existing->kind == TabularKind::kTable) {
      receipt.tabular_id = existing->id;
      row = RegisteredRow(existing->id, existing->version + 1, home, name, metadata_location, read);
      return state_->OverwriteRow(t, call, *existing, read, metadata_location);
    }
    MORAINE_ASSIGN(int64_t table_id,
                   state_->InsertRegistered(t, call, home, name, read, metadata_location));
    row = RegisteredRow(table_id, 1, home, name, metadata_location, read);
    receipt.tabular_id = table_id;
    return {};
  }));
  state_->Announce();
  return MakeLoaded(row, read);
}

Status Catalog::State::OverwriteRow(Transaction& t, Call& call, const TabularRow& row,
                                    const CachedMetadata& cached,
                                    const std::string& metadata_location) {
  const TableMetadata& metadata = *cached.metadata;
  MORAINE_ASSIGN(auto claims, ClaimsOf(metadata));
  MORAINE_ASSIGN(auto folders, FoldersOutside(claims, FilesNamedBy(metadata)));
  MORAINE_TRY(CheckUnprotected(t, row));
  MORAINE_TRY(CheckUnclaimed(t, claims, row.id));
  MORAINE_TRY(CheckFoldersFree(t, folders, row.id));
  int64_t now_ms = ToMillis(call.clock().Wall());
  MORAINE_TRY(t.Execute(
      "UPDATE tabular SET version = version + 1, metadata_location = ?, previous = ?, "
      "location = ?, table_uuid = ?, format_version = ?, current_snapshot_id = ?, origin = ?, "
      "updated_ms = ?, updated_by = ? WHERE id = ?",
      {metadata_location, row.metadata_location, claims.front(), metadata.table_uuid,
       int64_t{metadata.format_version}, metadata.current_snapshot_id, std::string(kRegistered),
       now_ms, call.principal(), row.id}));
  MORAINE_TRY(PutClaims(t, claims, row.id));
  ChangeDetail detail = row.detail();
  detail.uuid = metadata.table_uuid;
  if (const auto* snapshot = metadata.CurrentSnapshot()) detail.operation = snapshot->operation();
  if (const auto* snapshot = metadata.CurrentSnapshot()) detail.summary = CountsOf(*snapshot);
  detail.by = call.principal();
  return AddChange(t, {.kind = "register",
                       .table_id = row.id,
                       .version = row.version + 1,
                       .snapshot_id = metadata.current_snapshot_id,
                       .changed_ms = now_ms,
                       .metadata_location = metadata_location,
                       .detail = std::move(detail)});
}

}  // namespace moraine::catalog
