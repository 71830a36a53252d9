// Tables (REST spec, "tables" routes).

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/iceberg/metadata/table_update.h"
#include "moraine/rest/listing.h"
#include "moraine/rest/service.h"
#include "moraine/rest/table_answers.h"

namespace moraine::rest {
namespace {

Result<catalog::CreateTable> CreateTableFromJson(const JsonCursor& body,
                                                 catalog::NamespaceName ns) {
  catalog::CreateTable create;
  create.name.ns = std::move(ns);
  MORAINE_ASSIGN(create.name.name, body.String("name"));
  MORAINE_ASSIGN(auto schema, body.Get("schema"));
  MORAINE_ASSIGN(create.schema, iceberg::SchemaFromJson(schema));
  MORAINE_ASSIGN(create.location, body.OptString("location"));
  MORAINE_ASSIGN(auto spec, body.Find("partition-spec"));
  if (spec) {
    MORAINE_ASSIGN(create.spec, iceberg::PartitionSpecFromJson(*spec));
  }
  MORAINE_ASSIGN(auto order, body.Find("write-order"));
  if (order) {
    MORAINE_ASSIGN(create.sort_order, iceberg::SortOrderFromJson(*order));
  }
  MORAINE_ASSIGN(auto properties, body.Find("properties"));
  if (properties) {
    MORAINE_ASSIGN(create.properties, iceberg::StringMapFromJson(*properties));
  }
  MORAINE_ASSIGN(auto stage, body.OptBool("stage-create"));
  create.stage = stage.value_or(false);
  return create;
}

Result<bool> BoolFromQuery(const net::Request& request, std::string_view name) {
  auto text = request.Query(name);
  if (!text || text->empty() || *text == "false" || *text == "False") return false;
  if (*text == "true" || *text == "True") return true;
  return InvalidArgument(
      fmt::format("{}: expected true or false, got '{}'", name, text->substr(0, 40)));
}

Result<Snapshots> SnapshotsFromQuery(const net::Request& request) {
  auto mode = request.Query("snapshots");
  if (!mode || mode->empty() || *mode == "all") return Snapshots::kAll;
  if (*mode == "refs") return Snapshots::kRefs;
  return InvalidArgument(
      fmt::format("snapshots: expected all or refs, got '{}'", mode->substr(0, 40)));
}

/// Both members must be there, if only empty.
Result<iceberg::CommitRequest> WholeCommitFromJson(const JsonCursor& json) {
  MORAINE_TRY(json.Get("requirements"));
  MORAINE_TRY(json.Get("updates"));
  return iceberg::CommitRequestFromJson(json);
}

}  // namespace

Result<net::Response> Service::ListTables(const Context& context) {
  MORAINE_ASSIGN(auto ns, NamespaceOf(context.params));
  return ListingOf(context.request, [&](const catalog::PageRequest& page) {
    return catalog_.ListTables(context.call, context.warehouse, ns, page);
  });
}

Result<net::Response> Service::CreateTable(const Context& context) {
  MORAINE_ASSIGN(auto ns, NamespaceOf(context.params));
  MORAINE_ASSIGN(auto json, ObjectFromBody(context.request));
  MORAINE_ASSIGN(auto create, CreateTableFromJson(JsonCursor(json), std::move(ns)));
  if (create.stage && context.takes_no_key != nullptr) *context.takes_no_key = true;
  MORAINE_ASSIGN(auto table, catalog_.Create(context.call, context.warehouse, create));
  auto granted = GrantOf(context, *table, catalog::StorageUse::kWrite);
  return LoadAnswer(*table, Snapshots::kAll, granted.told);
}

Result<net::Response> Service::RegisterTable(const Context& context) {
  MORAINE_ASSIGN(auto ns, NamespaceOf(context.params));
  MORAINE_ASSIGN(auto json, ObjectFromBody(context.request));
  JsonCursor body(json);
  MORAINE_ASSIGN(auto name, body.String("name"));
  MORAINE_ASSIGN(auto location, body.String("metadata-location"));
  MORAINE_ASSIGN(auto overwrite, body.OptBool("overwrite"));
  catalog::TableName table_name{std::move(ns), std::move(name)};
  auto registered =
      overwrite.value_or(false)
          ? catalog_.RegisterOver(context.call, context.warehouse, table_name, location)
          : catalog_.Register(context.call, context.warehouse, table_name, location);
  MORAINE_ASSIGN(auto table, std::move(registered));
  auto granted = GrantOf(context, *table, catalog::StorageUse::kWrite);
  return LoadAnswer(*table, Snapshots::kAll, granted.told);
}

Result<net::Response> Service::LoadTable(const Context& context) {
  MORAINE_ASSIGN(auto name, TableOf(context.params));
  MORAINE_ASSIGN(auto snapshots, SnapshotsFromQuery(context.request));
  MORAINE_ASSIGN(auto table, catalog_.Load(context.call, context.warehouse, name));
  auto granted = GrantOf(context, *table, catalog::StorageUse::kWrite);
  const catalog::StorageGrant& told = granted.told;
  // Keys that are over are told as they are: they may soon be others.
  if (told.expires_ms && *told.expires_ms <= ToMillis(context.call.clock().Wall())) {
    return LoadAnswer(*table, snapshots, told);
  }
  AnswerBasis basis{.row = {table->table_id, table->version, table->warehouse_id, table->name},
                    .current = table->current,
                    .metadata_location = table->metadata_location,
                    .tag = EtagOf(table->metadata_location, snapshots, told.Mark()),
                    .route = LoadRoute(context.request, options_.base_path, "tables/{table}"),
                    .warehouses = std::move(granted.by),
                    .expires_ms = told.expires_ms};
  return loads_.Keep(context.request, basis, [&] { return LoadAnswer(*table, snapshots, told); });
}

Result<net::Response> Service::TableExists(const Context& context) {
  MORAINE_ASSIGN(auto name, TableOf(context.params));
  MORAINE_TRY(catalog_.TableExists(context.call, context.warehouse, name));
  return net::Response::Empty(204);
}

Result<net::Response> Service::CommitTable(const Context& context) {
  MORAINE_ASSIGN(auto name, TableOf(context.params));
  MORAINE_ASSIGN(auto json, ObjectFromBody(context.request));
  JsonCursor body(json);
  MORAINE_TRY(CheckIdentifier(body, name, "table"));
  MORAINE_ASSIGN(auto request, WholeCommitFromJson(body));
  MORAINE_ASSIGN(auto table,
                 catalog_.Commit(context.call, context.warehouse, name, request, nullptr));
  return CommitAnswer(*table);
}

Result<net::Response> Service::CommitTransaction(const Context& context) {
  MORAINE_ASSIGN(auto json, ObjectFromBody(context.request));
  JsonCursor body(json);
  MORAINE_ASSIGN(auto changes, body.Get("table-changes"));
  MORAINE_TRY(changes.ExpectArray());
  std::vector<catalog::TableCommit> commits;
  for (size_t i = 0; i < changes.size(); ++i) {
    JsonCursor change = changes.At(i);
    MORAINE_ASSIGN(auto identifier, change.Get("identifier"));
    MORAINE_ASSIGN(auto name, TableNameFromJson(identifier));
    MORAINE_ASSIGN(auto request, WholeCommitFromJson(change));
    commits.push_back({std::move(name), std::move(request)});
  }
  MORAINE_TRY(catalog_.CommitAll(context.call, context.warehouse, commits, nullptr));
  return net::Response::Empty(204);
}

Result<net::Response> Service::UnregisterTable(const Context& context) {
  MORAINE_ASSIGN(auto name, TableOf(context.params));
  MORAINE_ASSIGN(auto table, catalog_.Unregister(context.call, context.warehouse, name));
  return CommitAnswer(*table);
}

Result<net::Response> Service::DropTable(const Context& context) {
  using Purge = catalog::Catalog::Purge;
  MORAINE_ASSIGN(auto name, TableOf(context.params));
  MORAINE_ASSIGN(bool purge, BoolFromQuery(context.request, "purgeRequested"));
  MORAINE_TRY(
      catalog_.Drop(context.call, context.warehouse, name, purge ? Purge::kRequested : Purge::kNo));
  return net::Response::Empty(204);
}

Result<net::Response> Service::RenameTable(const Context& context) {
  MORAINE_ASSIGN(auto names, RenameFromBody(context.request));
  MORAINE_TRY(catalog_.Rename(context.call, context.warehouse, names.source, names.destination));
  return net::Response::Empty(204);
}

}  // namespace moraine::rest
