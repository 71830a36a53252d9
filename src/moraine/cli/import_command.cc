#include "moraine/cli/import_command.h"

#include <memory>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/config.h"
#include "moraine/base/executor.h"
#include "moraine/base/json.h"
#include "moraine/base/text.h"
#include "moraine/catalog/rest/rest_catalog.h"
#include "moraine/cli/catalog_uri.h"
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
  target.create_namespace = [&rest](Call& call, const catalog::NamespaceName& name) {
    return rest.CreateNamespace(call, name, {});
  };
  target.metadata_location = [&rest](Call& call,
                                     const catalog::TableName& name) -> Result<std::string> {
    MORAINE_ASSIGN(auto table, rest.LoadTable(call, name, nullptr));
    return table->metadata_location;
  };
  target.register_table = [&rest](Call& call, const catalog::TableName& name,
                                  const std::string& location) {
    return rest.RegisterTable(call, name, location).status();
  };
  return target;
}

std::string ProgressLine(const importing::ImportCounts& counts) {
  const int percent = counts.tables == 0 ? 0 : static_cast<int>(counts.done * 100 / counts.tables);
  if (counts.tables == 0) return "listing the source";
  return fmt::format("{} {} of {} tables, {} not imported", ProgressBar(percent, 20), counts.done,
                     counts.tables, counts.taken + counts.failed);
}

/// Follows the import on a thread of its own until it goes out of scope.
class Display {
 public:
  Display(World& world, const importing::ImportProgress& progress, bool quiet)
      : world_(world), progress_(progress) {
    if (!quiet) thread_ = Thread("display", [this](std::stop_token stop) { Follow(stop); });
  }
  ~Display() {
    thread_.RequestStop();
    thread_.Join();
  }
  Display(const Display&) = delete;
  Display& operator=(const Display&) = delete;

 private:
  void Follow(const std::stop_token& stop) {
    LiveLine line(world_.console);
    const Millis pause = world_.console.terminal ? kRedraw : kLineEvery;
    while (!stop.stop_requested()) {
      line.Show(ProgressLine(progress_.counts()));
      world_.env.clock.SleepFor(pause, stop);
    }
  }

  World& world_;
  const importing::ImportProgress& progress_;
  Thread thread_;
};

std::string ShowName(const ImportedTable& table) {
  return ShowTable({table.name.ns, table.name.name});
}

std::string ReportText(const ImportReport& report, const ImportFlags& flags, Console& console) {
  TextTable problems({{"TABLE"}, {"OUTCOME"}, {"WHY"}});
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
  std::string text = shown == 0 ? "" : problems.Text(console);
  if (left_out > 0) text += fmt::format("... and {} more (--json shows all)\n", left_out);
  const auto& counts = report.counts;
  text += fmt::format("{} {} of {} tables in warehouse {}; {} were there already",
                      flags.dry_run ? "Would register" : "Registered", counts.registered,
                      counts.tables, flags.warehouse, counts.there);
  if (counts.taken > 0) text += fmt::format(", {} names are taken", counts.taken);
  if (counts.failed > 0) text += fmt::format(", {} failed", counts.failed);
  return text + ".\n";
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
      .Key("tables")
      .BeginArray();
  for (const ImportedTable& table : report.tables) {
    out.BeginObject().Field("table", ShowName(table));
    out.Field("outcome", ImportOutcomeName(table.outcome));
    out.Field("metadata-location", table.metadata_location);
    if (!table.problem.empty()) out.Field("problem", table.problem);
    out.EndObject();
  }
  out.EndArray().EndObject();
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
  importing::ImportProgress progress;
  Result<ImportReport> report = Internal("nothing was done");
  {
    Display display(world, progress, flags.target.json);
    report = importing::RunImport(call, *source.tables, TargetOf(*rest), options, &progress);
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
  return Conflict(fmt::format("{} of {} tables {} not imported", missing, report->counts.tables,
                              flags.dry_run ? "would be" : "were"));
}

}  // namespace moraine::cli
