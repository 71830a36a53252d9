// moraine catalog ...: warehouses by the management API, namespaces and tables by the Iceberg one.

#include <fmt/format.h>

#include "moraine/cli/commands.h"
#include "moraine/cli/text_table.h"

namespace moraine::cli {
namespace {

/// Warehouses other than the default one stand as a prefix in the paths of the Iceberg protocol.
std::string NamespacesPath(const std::string& warehouse) {
  return warehouse == "default"
             ? "/iceberg/v1/namespaces"
             : fmt::format("/iceberg/v1/{}/namespaces", net::EncodePart(warehouse));
}

std::vector<std::string> TextsOf(const Json& list) {
  std::vector<std::string> texts;
  if (!list.is_array()) return texts;
  for (const auto& item : list.as_array()) {
    if (item.is_string()) texts.push_back(item.as_string());
  }
  return texts;
}

}  // namespace

Status ListWarehouses(Session& session) {
  MORAINE_ASSIGN(auto answer, session.client.Get("/api/v1/warehouses"));
  if (session.PrintedJson(answer)) return {};
  TextTable table({{"WAREHOUSE"}, {"ROOT"}, {"ALLOWED LOCATIONS"}});
  for (const auto& warehouse : ListOf(answer.json, "warehouses")) {
    std::string allowed;
    for (const auto& location : TextsOf(ObjectOf(warehouse, "allowed-locations"))) {
      allowed += (allowed.empty() ? "" : ", ") + location;
    }
    table.Add({TextOf(warehouse, "name"), TextOf(warehouse, "root"), allowed});
  }
  session.console.out(table.Text(session.console));
  return {};
}

Status ListNamespaces(Session& session, const CatalogOptions& options) {
  net::QueryParams query;
  if (!options.ns.empty()) {
    MORAINE_ASSIGN(auto levels, ParseLevels(options.ns));
    query.emplace_back("parent", JoinLevels(levels));
  }
  MORAINE_ASSIGN(auto answer, session.client.Get(NamespacesPath(options.warehouse), query));
  if (session.PrintedJson(answer)) return {};
  TextTable table({{"NAMESPACE"}});
  for (const auto& levels : ListOf(answer.json, "namespaces"))
    table.Add({ShowLevels(TextsOf(levels))});
  session.console.out(table.empty() ? "No namespaces.\n" : table.Text(session.console));
  return {};
}

Status ListNamespaceTables(Session& session, const CatalogOptions& options) {
  MORAINE_ASSIGN(auto levels, ParseLevels(options.ns));
  MORAINE_ASSIGN(auto answer,
                 session.client.Get(fmt::format("{}/{}/tables", NamespacesPath(options.warehouse),
                                                net::EncodePart(JoinLevels(levels)))));
  if (session.PrintedJson(answer)) return {};
  TextTable table({{"TABLE"}});
  for (const auto& item : ListOf(answer.json, "identifiers")) table.Add({ShowTable(TableOf(item))});
  session.console.out(table.empty() ? "No tables.\n" : table.Text(session.console));
  return {};
}

}  // namespace moraine::cli
