#include "moraine/catalog/testing/catalog_world.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/io/testing/faulty_file_system.h"
#include "moraine/store/testing/test_database.h"

namespace moraine::catalog {

using iceberg::Type;
using iceberg::TypeKind;

CreateTable SimpleTable(TableName name) {
  CreateTable create;
  create.name = std::move(name);
  create.schema = iceberg::Schema(
      0,
      {{.id = 1, .name = "id", .required = true, .type = Type::Primitive(TypeKind::kLong)},
       {.id = 2, .name = "data", .required = false, .type = Type::Primitive(TypeKind::kString)}});
  return create;
}

iceberg::CommitRequest AppendRequest(const LoadedTable& base, int64_t snapshot_id) {
  const auto& metadata = *base.metadata;
  iceberg::Snapshot snapshot;
  snapshot.snapshot_id = snapshot_id;
  snapshot.sequence_number = metadata.last_sequence_number + 1;
  snapshot.timestamp_ms = metadata.last_updated_ms + 1;
  snapshot.manifest_list =
      fmt::format("{}/metadata/snap-{}-1-aaaa.avro", metadata.location, snapshot_id);
  snapshot.summary = {{"operation", "append"}, {"added-records", "1"}};
  snapshot.schema_id = metadata.current_schema_id;
  std::optional<int64_t> head;
  if (const auto* main = metadata.FindRef(iceberg::kMainBranch)) {
    head = main->snapshot_id;
    snapshot.parent_snapshot_id = main->snapshot_id;
  }
  iceberg::CommitRequest request;
  request.requirements = {iceberg::requirement::AssertTableUuid{metadata.table_uuid},
                          iceberg::requirement::AssertRefSnapshotId{iceberg::kMainBranch, head}};
  request.updates = {
      iceberg::update::AddSnapshot{std::move(snapshot)},
      iceberg::update::SetSnapshotRef{iceberg::kMainBranch, {.snapshot_id = snapshot_id}}};
  return request;
}

iceberg::CommitRequest SetProperty(const LoadedTable& base, std::string key, std::string value) {
  return {{iceberg::requirement::AssertTableUuid{base.metadata->table_uuid}},
          {iceberg::update::SetProperties{{{std::move(key), std::move(value)}}}}};
}

CatalogWorld::CatalogWorld(testing::TestClock clock) : env_(1, clock) {
  Call call = env_.call();
  database_ = store::MakeTestDatabase(call);
  catalog_ = Another();
  Warehouse warehouse;
  warehouse.name = kTestWarehouse;
  warehouse.root = "file:///wh";
  Status made = catalog_->PutWarehouse(call, warehouse);
  MORAINE_CHECK(made.ok(), made.ToString());
  made = catalog_->CreateNamespace(call, kTestWarehouse, {"ns"}, {});
  MORAINE_CHECK(made.ok(), made.ToString());
}

std::unique_ptr<Catalog> CatalogWorld::Another() {
  Call call = env_.call();
  auto catalog = std::make_unique<Catalog>(*database_, files_, CatalogOptions());
  Status opened = catalog->Open(call);
  MORAINE_CHECK(opened.ok(), opened.ToString());
  return catalog;
}

Catalog& CatalogWorld::Faulty(testing::FaultInjector& faults) {
  faulty_files_ = std::make_unique<io::FaultyFileSystem>(files_, faults, &env_.clock());
  faulty_database_ = std::make_unique<store::FaultyDatabase>(*database_, faults);
  faulty_catalog_ = std::make_unique<Catalog>(*faulty_database_, *faulty_files_, CatalogOptions());
  return *faulty_catalog_;
}

LoadedTablePtr CatalogWorld::MakeTable(const std::string& name) {
  Call call = env_.call();
  return catalog_->Create(call, kTestWarehouse, SimpleTable({{"ns"}, name})).value();
}

LoadedTablePtr CatalogWorld::Reload(const std::string& name) {
  Call call = env_.call();
  auto loaded = Another()->Load(call, kTestWarehouse, {{"ns"}, name});
  if (loaded.status().code() == Code::kNotFound) return nullptr;
  return std::move(loaded).value();
}

size_t CatalogWorld::CountChanges(int64_t table_id, std::string_view kind) {
  Call call = env_.call();
  auto changes = catalog_->Changes(call, 0, 10'000).value();
  return static_cast<size_t>(std::count_if(changes.begin(), changes.end(), [&](const auto& c) {
    return c.table_id == table_id && c.kind == kind;
  }));
}

}  // namespace moraine::catalog
