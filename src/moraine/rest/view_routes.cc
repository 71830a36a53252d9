// Views (REST spec, "views" routes).

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/rest/listing.h"
#include "moraine/rest/service.h"
#include "moraine/rest/table_answers.h"

namespace moraine::rest {
namespace {

Result<catalog::CreateView> CreateViewFromJson(const JsonCursor& body, catalog::NamespaceName ns) {
  catalog::CreateView create;
  create.name.ns = std::move(ns);
  MORAINE_ASSIGN(create.name.name, body.String("name"));
  MORAINE_ASSIGN(auto schema, body.Get("schema"));
  MORAINE_ASSIGN(create.schema, iceberg::SchemaFromJson(schema));
  MORAINE_ASSIGN(auto version, body.Get("view-version"));
  MORAINE_ASSIGN(create.version, iceberg::ViewVersionFromJson(version));
  MORAINE_ASSIGN(create.location, body.OptString("location"));
  MORAINE_ASSIGN(auto properties, body.Find("properties"));
  if (properties) {
    MORAINE_ASSIGN(create.properties, iceberg::StringMapFromJson(*properties));
  }
  return create;
}

net::Response ViewAnswer(const catalog::LoadedView& view) {
  return LoadAnswer(view.metadata_location, view.metadata_json);
}

}  // namespace

Result<catalog::TableName> ViewOf(const net::PathParams& params) {
  MORAINE_ASSIGN(auto ns, NamespaceOf(params));
  return catalog::TableName{std::move(ns), params.Get("view")};
}

Result<net::Response> Service::ListViews(const Context& context) {
  MORAINE_ASSIGN(auto ns, NamespaceOf(context.params));
  return ListingOf(context.request, [&](const catalog::PageRequest& page) {
    return views_.List(context.call, context.warehouse, ns, page);
  });
}

Result<net::Response> Service::CreateView(const Context& context) {
  MORAINE_ASSIGN(auto ns, NamespaceOf(context.params));
  MORAINE_ASSIGN(auto json, ObjectFromBody(context.request));
  MORAINE_ASSIGN(auto create, CreateViewFromJson(JsonCursor(json), std::move(ns)));
  MORAINE_ASSIGN(auto view, views_.Create(context.call, context.warehouse, create));
  return ViewAnswer(*view);
}

Result<net::Response> Service::RegisterView(const Context& context) {
  MORAINE_ASSIGN(auto ns, NamespaceOf(context.params));
  MORAINE_ASSIGN(auto json, ObjectFromBody(context.request));
  JsonCursor body(json);
  MORAINE_ASSIGN(auto name, body.String("name"));
  MORAINE_ASSIGN(auto location, body.String("metadata-location"));
  MORAINE_ASSIGN(auto view, views_.Register(context.call, context.warehouse,
                                            {std::move(ns), std::move(name)}, location));
  return ViewAnswer(*view);
}

Result<net::Response> Service::LoadView(const Context& context) {
  MORAINE_ASSIGN(auto name, ViewOf(context.params));
  MORAINE_ASSIGN(auto view, views_.Load(context.call, context.warehouse, name));
  AnswerBasis basis{.row = {view->view_id, view->version, view->warehouse_id, view->name},
                    .current = view->current,
                    .metadata_location = view->metadata_location,
                    .tag = {},  // the protocol knows no 304 of views
                    .route = LoadRoute(context.request, options_.base_path, "views/{view}"),
                    .warehouses = nullptr,
                    .expires_ms = {}};
  return loads_.Keep(context.request, basis, [&] { return ViewAnswer(*view); });
}

Result<net::Response> Service::ViewExists(const Context& context) {
  MORAINE_ASSIGN(auto name, ViewOf(context.params));
  MORAINE_TRY(views_.Exists(context.call, context.warehouse, name));
  return net::Response::Empty(204);
}

Result<net::Response> Service::CommitView(const Context& context) {
  MORAINE_ASSIGN(auto name, ViewOf(context.params));
  MORAINE_ASSIGN(auto json, ObjectFromBody(context.request));
  JsonCursor body(json);
  MORAINE_TRY(CheckIdentifier(body, name, "view"));
  MORAINE_ASSIGN(auto request, iceberg::ViewCommitRequestFromJson(body));
  MORAINE_ASSIGN(auto view, views_.Commit(context.call, context.warehouse, name, request));
  return ViewAnswer(*view);
}

Result<net::Response> Service::DropView(const Context& context) {
  MORAINE_ASSIGN(auto name, ViewOf(context.params));
  MORAINE_TRY(views_.Drop(context.call, context.warehouse, name));
  return net::Response::Empty(204);
}

Result<net::Response> Service::RenameView(const Context& context) {
  MORAINE_ASSIGN(auto names, RenameFromBody(context.request));
  MORAINE_TRY(views_.Rename(context.call, context.warehouse, names.source, names.destination));
  return net::Response::Empty(204);
}

}  // namespace moraine::rest
