#include "moraine/cli/import_command.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/config.h"
#include "moraine/base/executor.h"
#include "moraine/base/json.h"
#include "moraine/base/text.h"
#include "moraine/catalog/locations.h"
#include "moraine/catalog/rest/rest_catalog.h"
#include "moraine/cli/catalog_uri.h"
#include "moraine/cli/client.h"
#include "moraine/cli/live_line.h"
#include "moraine/cli/names.h"
#include "moraine/cli/run.h"
#include "moraine/cli/text_table.h"
#include "moraine/importing/import.h"
#include "moraine/io/location.h"
#include "moraine/io/routing_file_system.h"
#include "moraine/store/foreign_database.h"

namespace moraine::cli {
namespace {

using catalog::RestCatalog;
using importing::ImportedTable;
using importing::ImportOutcome;
using importing::ImportReport;
using importing::ObjectKind;

constexpr std::chrono::hours kRunLimit{30 * 24};
constexpr Millis kRedraw{200};
constexpr Millis kLineEvery{5'000};  // where nothing is redrawn
constexpr size_t kShown = 50;        // problems

/// The source, and what it stands on.
struct OpenSource {
  std::unique_ptr<RestCatalog> rest;
  std::unique_ptr<io::FileSystem> files;
  std::unique_ptr<store::Database> database;
  std::unique_ptr<importing::CatalogSource> tables;
};

bool HasScheme(const std::string& source, std::initializer_list<std::string_view> schemes) {
  for (std::string_view scheme : schemes) {
    if (source.starts_with(std::string(scheme) + "://")) return true;
  }
  return false;
}

Result<OpenSource> Open(World& world, Call& call, const ImportFlags& flags) {
  OpenSource source;
  iceberg::StringMap properties;
  MORAINE_TRY(AddProperties(flags.properties, &properties));
  if (HasScheme(flags.source, {"http", "https"})) {
    MORAINE_ASSIGN(const std::string uri, ReadCatalogUri(flags.source, &properties));
    MORAINE_ASSIGN(source.rest, RestCatalog::Open(call, world.http, {uri, properties}));
    source.tables = importing::MakeRestSource(*source.rest);
    return source;
  }
  if (HasScheme(flags.source, {"sqlite", "postgresql", "postgres", "mysql", "mariadb"})) {
    MORAINE_ASSIGN(source.database, store::OpenForeignDatabase(call, flags.source, {}));
    source.tables = importing::MakeSqlSource(*source.database, flags.catalog_name);
    return source;
  }
  auto root = io::NormalizeLocation(flags.source);
  if (!root.ok()) {
    return InvalidArgument(fmt::format(
        "SOURCE: expected http://HOST/PATH of a REST catalog, sqlite:///FILE, postgresql:// or "
        "mariadb:// of a SQL catalog, or the folder of a Hadoop warehouse, got {}",
        store::RedactUrl(flags.source)));
  }
  MORAINE_TRY(AddStorageEnvironment(&properties));
  MORAINE_ASSIGN(source.files, io::MakeFileSystemFor({flags.source}, properties));
  source.tables = importing::MakeFolderSource(*source.files, flags.source);
  return source;
}

Result<std::unique_ptr<RestCatalog>> OpenTarget(World& world, Call& call,
                                                const ImportFlags& flags) {
  iceberg::StringMap properties{{"warehouse", flags.warehouse}};
  MORAINE_ASSIGN(const std::string token, ReadTokenFile(flags.target.token_file));
  if (!token.empty()) properties["token"] = token;
  auto target = RestCatalog::Open(call, world.http, {flags.target.server + "/iceberg", properties});
  if (target.ok()) return target;
  return std::move(target).status().Annotate(fmt::format(
      "the server at {}, warehouse {}, can't be used", flags.target.server, flags.warehouse));
}

importing::ImportTarget TargetOf(RestCatalog& rest) {
  importing::ImportTarget target;
  target.create_namespace = [&rest](Call& call, const catalog::NamespaceName& name,
                                    const iceberg::StringMap& properties) {
    return rest.CreateNamespace(call, name, properties);
  };
  target.namespace_properties = [&rest](Call& call, const catalog::NamespaceName& name) {
    return rest.LoadNamespace(call, name);
  };
  target.metadata_location = [&rest](Call& call, ObjectKind kind,
                                     const catalog::TableName& name) -> Result<std::string> {
    if (kind == ObjectKind::kView) return rest.ViewMetadataLocation(call, name);
    MORAINE_ASSIGN(auto table, rest.LoadTable(call, name, nullptr));
    return table->metadata_location;
  };
  target.register_object = [&rest](Call& call, ObjectKind kind, const catalog::TableName& name,
                                   const std::string& location) {
    if (kind == ObjectKind::kView) return rest.RegisterView(call, name, location);
    return rest.RegisterTable(call, name, location).status();
  };
  return target;
}

/// What the server says of the warehouse, for the check that it makes when a file is registered.
Result<catalog::Warehouse> LoadWarehouse(World& world, const ImportFlags& flags) {
  MORAINE_ASSIGN(const std::string token, ReadTokenFile(flags.target.token_file));
  Client client(world.env, world.stop, world.http, flags.target.server, token);
  MORAINE_ASSIGN(const auto answer,
                 client.Get("/api/v1/warehouses/" + net::EncodePart(flags.warehouse)));
  catalog::Warehouse warehouse;
  warehouse.name = flags.warehouse;
  for (const auto& location : ListOf(answer.json, "allowed-locations")) {
    if (location.is_string()) warehouse.allowed_locations.push_back(location.as_string());
  }
  return warehouse;
}

constexpr std::string_view kNotAllowed = "is outside the locations";

std::string HowToAllow(const ImportReport& report, const ImportFlags& flags) {
  const bool any = std::any_of(report.tables.begin(), report.tables.end(), [](const auto& table) {
    return table.problem.find(kNotAllowed) != std::string::npos;
  });
  if (!any) return "";
  if (flags.warehouse == "default")
    return "To allow a location, add it to the server's setting warehouse.allowed-locations.\n";
  return fmt::format(
      "To allow a location, add it to those of the warehouse: moraine warehouse set {} "
      "--allowed-location LOCATION (all of them).\n",
      flags.warehouse);
}

/// The tables that a dry run would register, by name.
std::string WouldRegister(const ImportReport& report) {
  std::string text;
  size_t shown = 0, left_out = 0;
  for (const ImportedTable& table : report.tables) {
    if (table.outcome != ImportOutcome::kRegistered) continue;
    if (shown == kShown) {
      ++left_out;
      continue;
    }
    ++shown;
    text += fmt::format("would register {} {}\n", importing::ObjectKindName(table.kind),
                        ShowTable({table.name.ns, table.name.name}));
  }
  if (left_out > 0) text += fmt::format("... and {} more (--json shows all)\n", left_out);
  return text;
}

std::string ProgressLine(const importing::ImportCounts& counts) {
  const int percent = counts.tables == 0 ? 0 : static_cast<int>(counts.done * 100 / counts.tables);
  if (counts.tables == 0) return "listing the source";
  return fmt::format("{} {} of {} tables, {} not imported", ProgressBar(percent, 20), counts.done,
                     counts.tables, counts.taken + counts.failed);
}

void Follow(World& world, const importing::ImportProgress& progress, const std::stop_token& stop) {
  LiveLine line(world.console);
  const Millis pause = world.console.terminal ? kRedraw : kLineEvery;
  while (!stop.stop_requested()) {
    line.Show(ProgressLine(progress.counts()));
    world.env.clock.SleepFor(pause, stop);
  }
}

std::string ShowName(const ImportedTable& table) {
  return ShowTable({table.name.ns, table.name.name});
}

/// "tables", or "tables and views" where there are some.
std::string_view WhatOf(const ImportReport& report) {
  const bool views = std::any_of(report.tables.begin(), report.tables.end(),
                                 [](const auto& table) { return table.kind == ObjectKind::kView; });
  return views ? "tables and views" : "tables";
}

std::string NamespacesText(const ImportReport& report, const ImportFlags& flags) {
  std::string text;
  int64_t made = 0;
  size_t shown = 0;
  for (const auto& ns : report.namespaces) {
    made += ns.made ? 1 : 0;
    if (ns.note.empty() || ++shown > kShown) continue;
    text += fmt::format("namespace {}: {}\n", ShowLevels(ns.name), ns.note);
  }
  return text + fmt::format("{} {} of {} namespaces.\n", flags.dry_run ? "Would make" : "Made",
                            made, report.namespaces.size());
}

std::string ReportText(const ImportReport& report, const ImportFlags& flags, Console& console) {
  TextTable problems({{"TABLE OR VIEW"}, {"OUTCOME"}, {"WHY"}});
  size_t left_out = 0, shown = 0;
  for (const ImportedTable& table : report.tables) {
    if (table.problem.empty()) continue;
    if (shown == kShown) {
      ++left_out;
      continue;
    }
    ++shown;
    problems.Add({ShowName(table), std::string(ImportOutcomeName(table.outcome)), table.problem});
  }
  std::string text = flags.dry_run ? WouldRegister(report) : "";
  if (shown > 0) text += problems.Text(console);
  if (left_out > 0) text += fmt::format("... and {} more (--json shows all)\n", left_out);
  text += HowToAllow(report, flags);
  const auto& counts = report.counts;
  text += NamespacesText(report, flags);
  text += fmt::format("{} {} of {} {} in warehouse {}; {} were there already",
                      flags.dry_run ? "Would register" : "Registered", counts.registered,
                      counts.tables, WhatOf(report), flags.warehouse, counts.there);
  if (counts.taken > 0) text += fmt::format(", {} names are taken", counts.taken);
  if (counts.failed > 0) text += fmt::format(", {} failed", counts.failed);
  return text + ".\n";
}

/// "tables": [...], or "views".
void WriteOutcomes(const ImportReport& report, ObjectKind kind, JsonWriter* out) {
  const std::string_view name = importing::ObjectKindName(kind);
  out->Key(fmt::format("{}s", name)).BeginArray();
  for (const ImportedTable& table : report.tables) {
    if (table.kind != kind) continue;
    out->BeginObject().Field(name, ShowName(table));
    out->Field("outcome", ImportOutcomeName(table.outcome));
    out->Field("metadata-location", table.metadata_location);
    if (!table.problem.empty()) out->Field("problem", table.problem);
    out->EndObject();
  }
  out->EndArray();
}

std::string ReportJson(const ImportReport& report, const ImportFlags& flags) {
  std::string text;
  JsonWriter out(&text);
  const auto& counts = report.counts;
  out.BeginObject()
      .Field("dry-run", flags.dry_run)
      .Field("registered", counts.registered)
      .Field("there", counts.there)
      .Field("taken", counts.taken)
      .Field("failed", counts.failed)
      .Key("namespaces")
      .BeginArray();
  for (const auto& ns : report.namespaces) {
    out.BeginObject().Field("namespace", ShowLevels(ns.name));
    out.Field("outcome", ns.made ? "made" : "there").Key("properties");
    iceberg::WriteStringMap(ns.properties, &out);
    if (!ns.note.empty()) out.Field("note", ns.note);
    out.EndObject();
  }
  out.EndArray();
  WriteOutcomes(report, ObjectKind::kTable, &out);
  WriteOutcomes(report, ObjectKind::kView, &out);
  out.EndObject();
  return text + "\n";
}

}  // namespace

Status RunImportCommand(World& world, const ImportFlags& flags) {
  Call call(world.env, kRunLimit, world.stop);
  importing::ImportOptions options;
  options.dry_run = flags.dry_run;
  options.threads = flags.threads;
  if (!flags.ns.empty()) {
    MORAINE_ASSIGN(options.below, ParseLevels(flags.ns));
  }
  MORAINE_ASSIGN(OpenSource source, Open(world, call, flags));
  MORAINE_ASSIGN(auto rest, OpenTarget(world, call, flags));
  importing::ImportTarget target = TargetOf(*rest);
  if (flags.dry_run) {
    MORAINE_ASSIGN(auto warehouse, LoadWarehouse(world, flags));
    target.allows = [warehouse = std::move(warehouse)](const std::string& location) {
      return catalog::CheckAllowed(warehouse, "metadata-location", location);
    };
  }
  importing::ImportProgress progress;
  Result<ImportReport> report = Internal("nothing was done");
  {
    Thread display;
    if (!flags.target.json) {
      display = Thread("display", [&](std::stop_token stop) { Follow(world, progress, stop); });
    }
    report = importing::RunImport(call, *source.tables, target, options, &progress);
  }
  if (!report.ok()) {
    const auto counts = progress.counts();
    if (counts.done == 0 || flags.dry_run) return report.status();
    return std::move(report).status().Annotate(fmt::format(
        "after {} of {} tables (again, it goes on from here)", counts.done, counts.tables));
  }
  world.console.out(flags.target.json ? ReportJson(*report, flags)
                                      : ReportText(*report, flags, world.console));
  const int64_t missing = report->counts.taken + report->counts.failed;
  if (missing == 0) return {};
  return Conflict(fmt::format("{} of {} {} {} not imported", missing, report->counts.tables,
                              WhatOf(*report), flags.dry_run ? "would be" : "were"));
}

}  // namespace moraine::cli
