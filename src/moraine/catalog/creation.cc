// Tables that come to be: created, created by a commit with assert-create, registered.

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

constexpr char kCreated[] = "created";
constexpr char kRegistered[] = "registered";

std::string WithoutTrailingSlashes(std::string location) {
  while (location.size() > 1 && location.back() == '/') location.pop_back();
  return location;
}

TableRow RegisteredRow(int64_t table_id, int64_t version, const Warehouse& warehouse,
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

}  // namespace

Result<int64_t> Catalog::State::InsertRow(Transaction& t, Call& call, const Warehouse& warehouse,
                                          const TableName& name, const CachedMetadata& cached,
                                          const std::string& metadata_location,
                                          std::string_view origin, std::string_view change_kind) {
  const TableMetadata& metadata = *cached.metadata;
  MORAINE_ASSIGN(auto claims, ClaimsOf(metadata));
  MORAINE_ASSIGN(auto folders, FoldersOutside(claims, FilesNamedBy(metadata)));
  MORAINE_ASSIGN(auto ns, GetNamespace(t, warehouse.id, name.ns));
  MORAINE_ASSIGN(auto existing, FindTable(t, warehouse.id, name));
  if (existing) return TableTaken(name);
  MORAINE_TRY(CheckUnclaimed(t, claims, 0));
  MORAINE_TRY(CheckFoldersFree(t, folders, 0));
  int64_t now_ms = ToMillis(call.clock().Wall());
  MORAINE_TRY(t.Execute(
      "INSERT INTO tabular (warehouse_id, namespace_id, kind, name, table_uuid, version, "
      "metadata_location, previous, location, format_version, current_snapshot_id, origin, "
      "deleted_at, protected, created_ms, updated_ms, created_by, updated_by) "
      "VALUES (?, ?, 'table', ?, ?, 1, ?, '', ?, ?, ?, ?, 0, 0, ?, ?, ?, ?)",
      {warehouse.id, ns.id, name.name, metadata.table_uuid, metadata_location, claims.front(),
       int64_t{metadata.format_version}, metadata.current_snapshot_id, std::string(origin), now_ms,
       now_ms, call.principal(), call.principal()}));
  MORAINE_ASSIGN(int64_t table_id, t.LastInsertId());
  MORAINE_TRY(PutClaims(t, claims, table_id));
  MORAINE_TRY(AddChange(t, {.kind = change_kind,
                            .table_id = table_id,
                            .version = 1,
                            .snapshot_id = metadata.current_snapshot_id,
                            .changed_ms = now_ms,
                            .metadata_location = metadata_location}));
  return table_id;
}

Result<LoadedTablePtr> Catalog::State::Insert(Call& call, const Warehouse& warehouse,
                                              const TableName& name, TableMetadata metadata,
                                              const Note& note) {
  MORAINE_TRY(CheckMetadataLocations(warehouse, metadata));
  std::string location = iceberg::MetadataFileLocation(metadata, 0, MakeUuid(call.random()));
  MORAINE_TRY(CheckAllowed(warehouse, "metadata location", location));
  auto written = WriteMetadata(call, std::move(metadata), location);
  if (!written.ok()) {
    DiscardMetadata(call, written.status(), location);
    return written.status();
  }
  int64_t table_id = 0;
  Status swapped = database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(table_id,
                   InsertRow(t, call, warehouse, name, *written, location, kCreated, "create"));
    return note ? note(t) : Status();
  });
  if (swapped.code() == Code::kCommitUnknown) {
    Settled settled = Settle(call, nullptr, location);
    if (settled.fate != Fate::kLanded) return swapped;
    table_id = settled.table_id;
  } else if (!swapped.ok()) {
    DiscardMetadata(call, swapped, location);
    return swapped;
  }
  cache.Put(location, *written);
  Announce();
  TableRow row{table_id,
               warehouse.id,
               warehouse.name,
               name,
               1,
               location,
               written->metadata->format_version,
               written->metadata->current_snapshot_id,
               kCreated};
  return MakeLoaded(row, *written);
}

Result<std::string> Catalog::State::LocationForNew(Call& call, const Warehouse& warehouse,
                                                   const TableName& name,
                                                   const std::string& table_uuid) {
  MORAINE_ASSIGN(auto ns, RunFor(call, database, Access::kRead, [&](Transaction& t) {
                   return GetNamespace(t, warehouse.id, name.ns);
                 }));
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
  MORAINE_TRY(RunFor(call, state_->database, Access::kRead, [&](Transaction& t) -> Result<bool> {
    MORAINE_TRY(GetNamespace(t, home.id, request.name.ns));
    MORAINE_ASSIGN(auto existing, FindTable(t, home.id, request.name));
    if (existing) return TableTaken(request.name);
    return true;
  }));
  iceberg::TableCreation creation;
  creation.table_uuid = MakeUuid(call.random());
  if (request.location && !request.location->empty()) {
    creation.location = WithoutTrailingSlashes(*request.location);
  } else {
    MORAINE_ASSIGN(creation.location,
                   state_->LocationForNew(call, home, request.name, creation.table_uuid));
  }
  MORAINE_TRY(CheckAllowed(home, "location", creation.location));
  MORAINE_TRY(CheckPropertyLocations(home, request.properties));
  creation.schema = request.schema;
  creation.spec = request.spec;
  creation.sort_order = request.sort_order;
  creation.properties = request.properties;
  creation.now_ms = ToMillis(call.clock().Wall());
  MORAINE_ASSIGN(auto metadata, iceberg::MakeTableMetadata(creation));
  if (!request.stage) return state_->Insert(call, home, request.name, std::move(metadata), nullptr);
  MORAINE_TRY(state_->MakeFolders(call, metadata));
  CachedMetadata staged;
  staged.json = std::make_shared<const std::string>(iceberg::TableMetadataToJson(metadata));
  staged.metadata = std::make_shared<const TableMetadata>(std::move(metadata));
  TableRow row;
  row.warehouse = warehouse;
  row.name = request.name;
  row.origin = kCreated;
  return MakeLoaded(row, staged);
}

Result<LoadedTablePtr> Catalog::State::CommitCreate(Call& call, const Warehouse& warehouse,
                                                    const TableName& name,
                                                    const iceberg::CommitRequest& request,
                                                    const Note& note) {
  if (request.requirements.size() != 1) {
    return InvalidArgument("requirements: assert-create must be the only requirement");
  }
  MORAINE_TRY(CheckName("name", name.name));
  MORAINE_TRY(RunFor(call, database, Access::kRead, [&](Transaction& t) -> Result<bool> {
    MORAINE_TRY(GetNamespace(t, warehouse.id, name.ns));
    MORAINE_ASSIGN(auto existing, FindTable(t, warehouse.id, name));
    if (existing) return TableTaken(name);
    return true;
  }));
  MORAINE_ASSIGN(auto metadata,
                 iceberg::ApplyCreateUpdates(request.updates, {ToMillis(call.clock().Wall()), ""}));
  if (metadata.table_uuid.empty()) metadata.table_uuid = MakeUuid(call.random());
  if (metadata.location.empty()) {
    MORAINE_ASSIGN(metadata.location, LocationForNew(call, warehouse, name, metadata.table_uuid));
  }
  return Insert(call, warehouse, name, std::move(metadata), note);
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
  MORAINE_TRY(state_->database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(table_id, state_->InsertRow(t, call, home, name, read, metadata_location,
                                               kRegistered, "register"));
    return {};
  }));
  state_->cache.Put(metadata_location, read);
  state_->Announce();
  return MakeLoaded(RegisteredRow(table_id, 1, home, name, metadata_location, read), read);
}

Result<LoadedTablePtr> Catalog::RegisterOver(Call& call, const std::string& warehouse,
                                             const TableName& name,
                                             const std::string& metadata_location) {
  MORAINE_TRY(CheckName("name", name.name));
  MORAINE_ASSIGN(auto home, state_->FindWarehouse(call, warehouse));
  MORAINE_ASSIGN(auto read, state_->ReadForeign(call, home, metadata_location));
  TableRow row;
  MORAINE_TRY(state_->database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto existing, FindTable(t, home.id, name));
    if (existing) {
      row = RegisteredRow(existing->id, existing->version + 1, home, name, metadata_location, read);
      return state_->OverwriteRow(t, call, *existing, read, metadata_location);
    }
    MORAINE_ASSIGN(int64_t table_id, state_->InsertRow(t, call, home, name, read, metadata_location,
                                                       kRegistered, "register"));
    row = RegisteredRow(table_id, 1, home, name, metadata_location, read);
    return {};
  }));
  state_->cache.Put(metadata_location, read);
  state_->Announce();
  return MakeLoaded(row, read);
}

Status Catalog::State::OverwriteRow(Transaction& t, Call& call, const TableRow& row,
                                    const CachedMetadata& cached,
                                    const std::string& metadata_location) {
  const TableMetadata& metadata = *cached.metadata;
  MORAINE_ASSIGN(auto claims, ClaimsOf(metadata));
  MORAINE_ASSIGN(auto folders, FoldersOutside(claims, FilesNamedBy(metadata)));
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
  return AddChange(t, {.kind = "register",
                       .table_id = row.id,
                       .version = row.version + 1,
                       .snapshot_id = metadata.current_snapshot_id,
                       .changed_ms = now_ms,
                       .metadata_location = metadata_location});
}

}  // namespace moraine::catalog
