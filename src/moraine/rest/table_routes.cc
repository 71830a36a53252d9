// Tables (REST spec, "tables" routes).

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/iceberg/metadata/table_update.h"
#include "moraine/rest/service.h"
#include "moraine/rest/table_answers.h"

namespace moraine::rest {
namespace {

/// Larger reports are taken, but not kept.
constexpr size_t kMaxReportBytes = 256 << 10;

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

}  // namespace

Result<net::Response> Service::ListTables(const Context& context) {
  MORAINE_ASSIGN(auto ns, NamespaceOf(context.params));
  MORAINE_ASSIGN(auto wish, PageFromQuery(context.request));
  std::string body;
  JsonWriter out(&body);
  out.BeginObject().Key("identifiers").BeginArray();
  do {
    MORAINE_ASSIGN(auto page, catalog_.ListTables(context.call, context.warehouse, ns, wish.page));
    for (const auto& table : page.items) {
      out.BeginObject().Key("namespace").BeginArray();
      for (const auto& level : table.ns) out.String(level);
      out.EndArray().Field("name", table.name).EndObject();
    }
    wish.page.token = std::move(page.next_token);
  } while (wish.everything && !wish.page.token.empty());
  out.EndArray().Key("next-page-token");
  wish.page.token.empty() ? out.Null() : out.String(wish.page.token);
  out.EndObject();
  return net::Response::Json(200, std::move(body));
}

Result<net::Response> Service::CreateTable(const Context& context) {
  MORAINE_ASSIGN(auto ns, NamespaceOf(context.params));
  MORAINE_ASSIGN(auto json, ObjectFromBody(context.request));
  MORAINE_ASSIGN(auto create, CreateTableFromJson(JsonCursor(json), std::move(ns)));
  MORAINE_ASSIGN(auto table, catalog_.Create(context.call, context.warehouse, create));
  return LoadAnswer(*table, Snapshots::kAll);
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
  return LoadAnswer(*table, Snapshots::kAll);
}

Result<net::Response> Service::LoadTable(const Context& context) {
  MORAINE_ASSIGN(auto name, TableOf(context.params));
  MORAINE_ASSIGN(auto snapshots, SnapshotsFromQuery(context.request));
  MORAINE_ASSIGN(auto table, catalog_.Load(context.call, context.warehouse, name));
  auto known = context.request.headers.Get("If-None-Match");
  if (known) {
    std::string tag = EtagOf(table->metadata_location, snapshots);
    if (MatchesEtag(*known, tag)) {
      net::Response response = net::Response::Empty(304);
      response.headers.Add("ETag", fmt::format("\"{}\"", tag));
      return response;
    }
  }
  return LoadAnswer(*table, snapshots);
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
  MORAINE_ASSIGN(auto identifier, body.Find("identifier"));
  if (identifier) {
    MORAINE_ASSIGN(auto named, TableNameFromJson(*identifier));
    if (!(named == name)) return identifier->Error("names another table than the path");
  }
  MORAINE_TRY(body.Get("requirements"));
  MORAINE_TRY(body.Get("updates"));
  MORAINE_ASSIGN(auto request, iceberg::CommitRequestFromJson(body));
  MORAINE_ASSIGN(auto table,
                 catalog_.Commit(context.call, context.warehouse, name, request, nullptr));
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
  MORAINE_ASSIGN(auto json, ObjectFromBody(context.request));
  JsonCursor body(json);
  MORAINE_ASSIGN(auto source, body.Get("source"));
  MORAINE_ASSIGN(auto destination, body.Get("destination"));
  MORAINE_ASSIGN(auto from, TableNameFromJson(source));
  MORAINE_ASSIGN(auto to, TableNameFromJson(destination));
  MORAINE_TRY(catalog_.Rename(context.call, context.warehouse, from, to));
  return net::Response::Empty(204);
}

Result<net::Response> Service::ReportMetrics(const Context& context) {
  MORAINE_ASSIGN(auto name, TableOf(context.params));
  MORAINE_ASSIGN(auto json, ObjectFromBody(context.request));
  MORAINE_TRY(JsonCursor(json).String("report-type"));
  if (context.request.body.size() > kMaxReportBytes) return net::Response::Empty(204);
  MORAINE_TRY(catalog_.ReportMetrics(context.call, context.warehouse, name, context.request.body));
  return net::Response::Empty(204);
}

}  // namespace moraine::rest
