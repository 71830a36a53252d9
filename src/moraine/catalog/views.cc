#include "moraine/catalog/views.h"

#include <fmt/format.h>

#include "moraine/catalog/locations.h"
#include "moraine/catalog/state_internal.h"
#include "moraine/io/location.h"

namespace moraine::catalog {
namespace {

using iceberg::ViewMetadata;
using store::Access;
using store::RunFor;
using store::Transaction;

constexpr char kCreated[] = "created";
constexpr char kRegistered[] = "registered";
constexpr char kMetadataPath[] = "write.metadata.path";

LoadedViewPtr MakeLoadedView(const TabularRow& row, const std::string& location,
                             const CachedView& cached) {
  auto view = std::make_shared<LoadedView>();
  view->view_id = row.id;
  view->version = row.version;
  view->warehouse_id = row.warehouse_id;
  view->name = row.name;
  view->metadata_location = location;
  view->metadata_json = cached.json;
  view->metadata = cached.metadata;
  view->current = row.current;
  return view;
}

Status CheckPlaces(const Warehouse& warehouse, const ViewMetadata& metadata) {
  MORAINE_TRY(CheckAllowed(warehouse, "location", metadata.location));
  return CheckPropertyLocations(warehouse, metadata.properties);
}

/// The places that are the view's own: its location and the folder of its metadata.
Result<std::vector<std::string>> ClaimsOf(const ViewMetadata& metadata) {
  std::vector<std::string> claims;
  MORAINE_ASSIGN(auto location, io::NormalizeLocation(metadata.location));
  claims.push_back(std::move(location));
  auto folder = metadata.properties.find(kMetadataPath);
  if (folder == metadata.properties.end()) return claims;
  MORAINE_ASSIGN(auto elsewhere, io::NormalizeLocation(folder->second));
  if (!io::IsInside(elsewhere, claims.front())) claims.push_back(std::move(elsewhere));
  return claims;
}

Result<NewRow> PlanInsertion(Call& call, const std::string& metadata_location,
                             const ViewMetadata& metadata, std::string_view change_kind,
                             std::string_view origin) {
  NewRow row;
  row.kind = TabularKind::kView;
  row.change_kind = change_kind;
  row.origin = origin;
  row.metadata_location = metadata_location;
  row.uuid = metadata.view_uuid;
  row.format_version = iceberg::kViewFormatVersion;
  MORAINE_ASSIGN(row.claims, ClaimsOf(metadata));
  row.now_ms = ToMillis(call.clock().Wall());
  return row;
}

Result<Swap> PlanSwap(const ViewMetadata& base, const std::string& metadata_location,
                      const ViewMetadata& next, int64_t now_ms) {
  Swap swap;
  swap.change_kind = "view-commit";
  swap.metadata_location = metadata_location;
  swap.uuid = next.view_uuid;
  swap.format_version = iceberg::kViewFormatVersion;
  MORAINE_ASSIGN(auto before, ClaimsOf(base));
  MORAINE_ASSIGN(swap.claims, ClaimsOf(next));
  swap.claims_changed = before != swap.claims;
  swap.now_ms = now_ms;
  return swap;
}

TabularRow NewViewRow(const Warehouse& warehouse, const TableName& name, int64_t id,
                      std::string_view origin) {
  TabularRow row;
  row.id = id;
  row.warehouse_id = warehouse.id;
  row.warehouse = warehouse.name;
  row.name = name;
  row.version = 1;
  row.origin = origin;
  row.kind = TabularKind::kView;
  return row;
}

}  // namespace

struct Views::File {
  std::string location;
  CachedView content;
};

Result<Views::File> Views::WriteFile(Call& call, const Warehouse& warehouse, ViewMetadata metadata,
                                     int64_t version) {
  File file;
  file.location = iceberg::ViewMetadataFileLocation(metadata, version, MakeUuid(call.random()));
  MORAINE_TRY(CheckAllowed(warehouse, "metadata location", file.location));
  MORAINE_TRY(call.Check());
  file.content.json = std::make_shared<const std::string>(iceberg::ViewMetadataToJson(metadata));
  file.content.metadata = std::make_shared<const ViewMetadata>(std::move(metadata));
  Status written = state_.WriteMetadataText(call, *file.content.json, file.location);
  if (written.ok()) return file;
  state_.DiscardMetadata(call, written, file.location);
  return written;
}

Result<int64_t> Views::Land(Call& call, const Status& planned, Step step, const File& file,
                            const std::function<Status(Transaction&, int64_t*)>& swap) {
  step.metadata_location = file.location;
  std::vector<int64_t> ids = {step.id};
  Status swapped = planned;
  if (swapped.ok()) {
    Receipt receipt{.metadata_location = step.metadata_location};
    swapped = state_.Mutate(call, receipt, [&](Transaction& t) -> Status {
      MORAINE_TRY(swap(t, &ids.front()));
      receipt.tabular_id = ids.front();
      return {};
    });
    swapped = state_.SettledStatus(call, std::move(swapped), {step}, &ids);
  }
  if (!swapped.ok()) {
    state_.DiscardMetadata(call, swapped, step.metadata_location);
    return swapped;
  }
  state_.cache.PutView(file.location, file.content);
  state_.Announce();
  return ids.front();
}

Result<Page<TableName>> Views::List(Call& call, const std::string& warehouse,
                                    const NamespaceName& ns, const PageRequest& page) {
  return state_.ListTabulars(call, warehouse, ns, page, TabularKind::kView);
}

Result<LoadedViewPtr> Views::Create(Call& call, const std::string& warehouse,
                                    const CreateView& request) {
  MORAINE_TRY(CheckName("name", request.name.name));
  MORAINE_ASSIGN(auto home, state_.FindWarehouse(call, warehouse));
  MORAINE_ASSIGN(auto ns, RunFor(call, state_.database, Access::kRead, [&](Transaction& t) {
                   return GetFreeHome(t, home.id, request.name, TabularKind::kView);
                 }));
  iceberg::ViewCreation creation;
  creation.view_uuid = MakeUuid(call.random());
  if (request.location && !request.location->empty()) {
    creation.location = *request.location;
  } else {
    creation.location = LocationForNew(home, ns, request.name, creation.view_uuid);
  }
  creation.schema = request.schema;
  creation.version = request.version;
  creation.properties = request.properties;
  creation.now_ms = ToMillis(call.clock().Wall());
  MORAINE_ASSIGN(auto metadata, iceberg::MakeViewMetadata(creation));
  MORAINE_TRY(CheckPlaces(home, metadata));
  MORAINE_ASSIGN(auto file, WriteFile(call, home, std::move(metadata), 0));
  auto plan = PlanInsertion(call, file.location, *file.content.metadata, "view-create", kCreated);
  auto insert = [&](Transaction& t, int64_t* id) -> Status {
    MORAINE_ASSIGN(*id, InsertTabular(t, home.id, request.name, *plan, call.principal()));
    return {};
  };
  MORAINE_ASSIGN(int64_t id, Land(call, plan.status(), {}, file, insert));
  return MakeLoadedView(NewViewRow(home, request.name, id, kCreated), file.location, file.content);
}

Result<LoadedViewPtr> Views::Register(Call& call, const std::string& warehouse,
                                      const TableName& name, const std::string& metadata_location) {
  MORAINE_TRY(CheckName("name", name.name));
  MORAINE_ASSIGN(auto home, state_.FindWarehouse(call, warehouse));
  MORAINE_TRY(CheckAllowed(home, "metadata-location", metadata_location));
  TabularRow row = NewViewRow(home, name, 0, kRegistered);
  auto read = state_.ReadView(call, metadata_location);
  if (read.status().code() == Code::kCorruption) {
    return std::move(read).status().WithCode(Code::kInvalidArgument);
  }
  MORAINE_TRY(read.status());
  MORAINE_TRY(CheckPlaces(home, *read->metadata));
  MORAINE_ASSIGN(auto plan, PlanInsertion(call, metadata_location, *read->metadata, "view-register",
                                          kRegistered));
  state_.cache.ReplaceView(metadata_location, *read);
  Receipt receipt{.metadata_location = metadata_location};
  MORAINE_TRY(state_.Mutate(call, receipt, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(row.id, InsertTabular(t, home.id, name, plan, call.principal()));
    receipt.tabular_id = row.id;
    return {};
  }));
  state_.Announce();
  return MakeLoadedView(row, metadata_location, *read);
}

Result<LoadedViewPtr> Views::Load(Call& call, const std::string& warehouse, const TableName& name) {
  MORAINE_ASSIGN(auto home, state_.FindWarehouse(call, warehouse));
  MORAINE_ASSIGN(auto row, state_.GetRow(call, home.id, name, TabularKind::kView));
  MORAINE_ASSIGN(auto cached, state_.LoadView(call, row, Catalog::State::Freshness::kFilePresent));
  return MakeLoadedView(row, row.metadata_location, cached);
}

Status Views::Exists(Call& call, const std::string& warehouse, const TableName& name) {
  MORAINE_ASSIGN(auto home, state_.FindWarehouse(call, warehouse));
  return state_.GetRow(call, home.id, name, TabularKind::kView).status();
}

Result<LoadedViewPtr> Views::CommitOnce(Call& call, const Warehouse& warehouse,
                                        const TableName& name,
                                        const iceberg::ViewCommitRequest& request,
                                        bool* lost_race) {
  MORAINE_ASSIGN(auto row, state_.GetRow(call, warehouse.id, name, TabularKind::kView));
  MORAINE_ASSIGN(auto turn, state_.turns.Take(call, row.id));
  if (turn.waited()) {
    MORAINE_ASSIGN(row, state_.GetRow(call, warehouse.id, name, TabularKind::kView));
  }
  MORAINE_ASSIGN(auto base, state_.LoadView(call, row, Catalog::State::Freshness::kCached));
  MORAINE_TRY(iceberg::CheckViewRequirements(*base.metadata, request));
  int64_t now_ms = ToMillis(call.clock().Wall());
  MORAINE_ASSIGN(auto next, iceberg::ApplyViewUpdates(*base.metadata, request.updates, now_ms));
  if (next == *base.metadata) {
    MORAINE_TRY(state_.KeepUnchanged(call, row, nullptr));
    return MakeLoadedView(row, row.metadata_location, base);
  }
  MORAINE_TRY(CheckPlaces(warehouse, next));
  MORAINE_ASSIGN(auto file, WriteFile(call, warehouse, std::move(next),
                                      iceberg::MetadataFileVersion(row.metadata_location) + 1));
  auto plan = PlanSwap(*base.metadata, file.location, *file.content.metadata, now_ms);
  auto swap = [&](Transaction& t, int64_t*) {
    return DoSwap(t, row, *plan, call.principal(), lost_race);
  };
  MORAINE_TRY(Land(call, plan.status(), {.id = row.id, .version = row.version}, file, swap));
  row.version += 1;
  row.current = nullptr;
  return MakeLoadedView(row, file.location, file.content);
}

Result<LoadedViewPtr> Views::Commit(Call& call, const std::string& warehouse, const TableName& name,
                                    const iceberg::ViewCommitRequest& request) {
  MORAINE_ASSIGN(auto home, state_.FindWarehouse(call, warehouse));
  return RetryLostRaces(call, state_.metrics, [&](bool* lost_race) {
    return CommitOnce(call, home, name, request, lost_race);
  });
}

Status Views::Rename(Call& call, const std::string& warehouse, const TableName& from,
                     const TableName& to) {
  MORAINE_TRY(CheckName("destination.name", to.name));
  MORAINE_ASSIGN(auto home, state_.FindWarehouse(call, warehouse));
  int64_t now_ms = ToMillis(call.clock().Wall());
  MORAINE_TRY(state_.Mutate(call, {}, [&](Transaction& t) {
    return RenameTabular(t, home.id, from, to, TabularKind::kView, now_ms, call.principal());
  }));
  state_.Announce();
  return {};
}

Status Views::Drop(Call& call, const std::string& warehouse, const TableName& name) {
  MORAINE_ASSIGN(auto home, state_.FindWarehouse(call, warehouse));
  MORAINE_ASSIGN(auto seen, state_.GetRow(call, home.id, name, TabularKind::kView));
  const Removal removal = state_.RemovalOf(call, home, &seen);
  MORAINE_TRY(state_.Mutate(call, {}, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto row, GetTabular(t, home.id, name, TabularKind::kView));
    return DropTabular(t, row, removal);
  }));
  state_.Announce();
  return {};
}

}  // namespace moraine::catalog
