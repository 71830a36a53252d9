#include "moraine/cli/compact_command.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/executor.h"
#include "moraine/base/text.h"
#include "moraine/catalog/rest/rest_catalog.h"
#include "moraine/cli/catalog_uri.h"
#include "moraine/cli/client.h"
#include "moraine/cli/compact_view.h"
#include "moraine/cli/lent_files.h"
#include "moraine/cli/live_line.h"
#include "moraine/cli/run.h"
#include "moraine/compact/compaction.h"

namespace moraine::cli {
namespace {

using catalog::RestCatalog;
using catalog::RestTablePtr;
using compact::CompactionReport;
using compact::Phase;

constexpr std::chrono::hours kRunLimit{30 * 24};
constexpr std::chrono::seconds kQuestionLimit{20};
constexpr Millis kRedraw{200};
constexpr Millis kLineEvery{5'000};  // where nothing is redrawn

/// The table as the door's two sides see it: what was loaded last is what a commit is about.
class CatalogDoor {
 public:
  CatalogDoor(RestCatalog& rest, catalog::TableName name, RestTablePtr loaded)
      : rest_(rest), name_(std::move(name)), loaded_(std::move(loaded)) {}

  iceberg::CommitDoor door() {
    iceberg::CommitDoor door;
    door.load = [this](Call& call) -> Result<iceberg::TablePtr> {
      MORAINE_ASSIGN(auto loaded, Load(call));
      return loaded->metadata;
    };
    door.commit = [this](Call& call,
                         const iceberg::CommitRequest& request) -> Result<iceberg::TablePtr> {
      MORAINE_ASSIGN(auto committed, rest_.Commit(call, *Last(), request));
      return committed->metadata;
    };
    return door;
  }
  /// A new load, with fresh keys to the files.
  Result<RestTablePtr> LoadAnew(Call& call) { return rest_.LoadTable(call, name_, nullptr); }

 private:
  RestTablePtr Last() {
    std::lock_guard lock(mutex_);
    return loaded_;
  }
  Result<RestTablePtr> Load(Call& call) {
    MORAINE_ASSIGN(auto loaded, rest_.LoadTable(call, name_, Last()));
    std::lock_guard lock(mutex_);
    loaded_ = loaded;
    return loaded;
  }

  RestCatalog& rest_;
  const catalog::TableName name_;
  std::mutex mutex_;
  RestTablePtr loaded_;
};

void Follow(World& world, const compact::Progress& progress, const std::stop_token& stop) {
  Clock& clock = world.env.clock;
  LiveLine line(world.console);
  std::optional<MonoTime> begun;
  std::optional<MonoTime> shown;
  Phase last = Phase::kLoading;
  while (!stop.stop_requested()) {
    auto figures = progress.figures();
    MonoTime now = clock.Mono();
    if (figures.phase == Phase::kRewriting && !begun) begun = now;
    bool due =
        world.console.terminal || figures.phase != last || !shown || now - *shown >= kLineEvery;
    if (due) {
      std::string text =
          CompactionLine(figures, begun ? now - *begun : std::chrono::nanoseconds(0));
      if (world.stop.stop_requested() && figures.phase != Phase::kCommitting)
        text = "interrupted: removing what was written";
      line.Show(text);
      shown = now;
      last = figures.phase;
    }
    clock.SleepFor(kRedraw, stop);
  }
}

constexpr const char* kWhichUri =
    "\n  the URI is that of the catalog, such as http://127.0.0.1:8181; for Moraine's own,"
    " http://127.0.0.1:1630/iceberg";
constexpr const char* kNoKeys =
    "\n  the files were asked for without keys, since the catalog lends none: set"
    " MORAINE_S3_ACCESS_KEY_ID\n  and MORAINE_S3_SECRET_ACCESS_KEY";

bool NamesWarehouse(const Status& status, const CompactRequest& request) {
  auto warehouse = request.properties.find("warehouse");
  return warehouse != request.properties.end() &&
         status.message().find(warehouse->second) != std::string_view::npos;
}

/// What to do about an error that is not about the work.
std::string NextStep(const Status& status, const CompactRequest& request) {
  bool has_login =
      request.properties.contains("token") || request.properties.contains("credential");
  switch (status.code()) {
    case Code::kUnauthenticated:
      return has_login ? "\n  the catalog does not accept this --credential or --token"
                       : "\n  log in with --credential ID:SECRET or --token TOKEN";
    case Code::kNotFound:  // of the catalog's config: a path that is not there, or a warehouse
      if (NamesWarehouse(status, request)) return "";
      return kWhichUri;
    case Code::kUnavailable:
      return kWhichUri;
    case Code::kInvalidArgument:
      if (request.properties.contains("warehouse")) return "";
      return "\n  some catalogs want to know the warehouse: --warehouse NAME";
    default:
      return "";
  }
}

/// Names of the namespace that are like the one that there is not.
std::string DidYouMean(Call& call, RestCatalog& rest, const TableRef& table) {
  Call question(call, kQuestionLimit);
  auto tables = rest.ListTables(question, table.levels);
  if (!tables.ok()) return "";
  std::vector<std::string> names;
  for (const auto& one : *tables) names.push_back(one.name);
  if (names.empty()) return fmt::format("\n  {} has no tables", ShowLevels(table.levels));
  std::string nearest = Nearest(table.name, names);
  if (nearest.empty()) {
    std::sort(names.begin(), names.end());
    names.resize(std::min<size_t>(names.size(), 5));
    return fmt::format("\n  {} has, for instance: {}", ShowLevels(table.levels),
                       fmt::join(names, ", "));
  }
  return fmt::format("\n  did you mean {}?", ShowTable({table.levels, nearest}));
}

compact::CompactionOptions OptionsOf(const CompactRequest& request) {
  compact::CompactionOptions options;
  options.table = ShowTable(request.table);
  options.wish = request.full ? planning::Wish::kFull : planning::Wish::kWorthwhile;
  options.target_size_bytes = request.target_file_size;
  options.filter = request.filter;
  options.layout = request.layout;
  options.spill_folder = request.spill_folder;
  options.threads = request.threads;
  options.memory_bytes = request.memory_bytes;
  options.run = request.dry_run ? compact::CompactionOptions::Run::kPlanOnly
                                : compact::CompactionOptions::Run::kYes;
  return options;
}

Result<CompactionReport> Compact(World& world, const CompactRequest& request, Call& call,
                                 RestCatalog& rest, RestTablePtr loaded) {
  const auto& properties = rest.properties();
  MORAINE_ASSIGN(auto first, OpenTableFiles(properties, *loaded));
  const bool anonymous = first.anonymous;
  CatalogDoor catalog(rest, {request.table.levels, request.table.name}, std::move(loaded));
  auto files =
      MakeRenewingFileSystem(std::move(first), [&](Call& renewing) -> Result<LentFileSystem> {
        MORAINE_ASSIGN(auto fresh, catalog.LoadAnew(renewing));
        return OpenTableFiles(properties, *fresh);
      });
  compact::Progress progress;
  auto door = catalog.door();
  Thread display;  // ends before what it shows
  if (!request.json) {
    display = Thread("display", [&](std::stop_token stop) { Follow(world, progress, stop); });
  }
  auto report = compact::RunCompaction(call, *files, door, OptionsOf(request), &progress);
  if (anonymous && report.status().code() == Code::kPermissionDenied) {
    return PermissionDenied(fmt::format("{}{}", report.status().message(), kNoKeys));
  }
  return report;
}

}  // namespace

Result<CompactRequest> ReadCompactFlags(const CompactFlags& flags) {
  CompactRequest request;
  MORAINE_ASSIGN(request.uri, ReadCatalogUri(flags.uri, &request.properties));
  MORAINE_ASSIGN(request.table, ParseTableRef(flags.table));
  MORAINE_TRY(AddProperties(flags.properties, &request.properties));
  MORAINE_ASSIGN(auto from_file, ReadTokenFile(flags.token_file));
  auto set = [&](const char* key, const std::string& value) {
    if (!value.empty()) request.properties[key] = value;
  };
  set("warehouse", flags.warehouse);
  set("credential", flags.credential);
  set("token", flags.token);
  set("token", from_file);
  MORAINE_TRY(AddStorageEnvironment(&request.properties));
  auto size = [](const std::string& text, const char* flag) -> Result<int64_t> {
    auto bytes = ParseByteSize(text);
    if (!bytes.ok()) return std::move(bytes).status().Annotate(flag);
    if (*bytes <= 0) return InvalidArgument(fmt::format("{}: expected more than 0", flag));
    return bytes;
  };
  if (!flags.target_file_size.empty()) {
    MORAINE_ASSIGN(request.target_file_size, size(flags.target_file_size, "--target-file-size"));
  }
  if (!flags.filter.empty()) request.filter = flags.filter;
  if (!flags.layout.empty()) request.layout = flags.layout;
  request.spill_folder = flags.spill_folder;
  MORAINE_ASSIGN(request.memory_bytes, size(flags.memory, "--memory"));
  constexpr int64_t kLeast = int64_t{64} << 20;
  if (request.memory_bytes < kLeast * flags.threads) {
    return InvalidArgument(fmt::format("--memory: {} threads need at least {}, got {}",
                                       flags.threads, FormatByteSize(kLeast * flags.threads),
                                       flags.memory));
  }
  request.threads = flags.threads;
  request.full = flags.full || request.layout;
  request.dry_run = flags.dry_run;
  request.json = flags.json;
  return request;
}

Status RunCompact(World& world, const CompactRequest& request) {
  MonoTime begun = world.env.clock.Mono();
  Call call(world.env, kRunLimit, world.stop);
  auto with_next_step = [&](const Status& status) {
    return Status(status.code(), fmt::format("{}{}", status.message(), NextStep(status, request)));
  };
  auto opened = RestCatalog::Open(call, world.http, {request.uri, request.properties});
  const bool wrong_uri =
      opened.status().code() == Code::kNotFound && !NamesWarehouse(opened.status(), request);
  if (wrong_uri) {
    return InvalidArgument(fmt::format("{} is no Iceberg REST catalog: {}{}", request.uri,
                                       opened.status().message(),
                                       NextStep(opened.status(), request)));
  }
  if (!opened.ok()) return with_next_step(opened.status());
  RestCatalog& rest = **opened;
  auto loaded = rest.LoadTable(call, {request.table.levels, request.table.name}, nullptr);
  if (loaded.status().code() == Code::kNotFound) {
    return NotFound(
        fmt::format("{}{}", loaded.status().message(), DidYouMean(call, rest, request.table)));
  }
  if (!loaded.ok()) return with_next_step(loaded.status());
  auto report = Compact(world, request, call, rest, *loaded);
  if (!report.ok()) return report.status();
  auto took = world.env.clock.Mono() - begun;
  std::string table = ShowTable(request.table);
  world.console.out(request.json ? CompactionJson(table, *report, took) + "\n"
                                 : CompactionSummary(table, *report, took, world.console));
  return {};
}

}  // namespace moraine::cli
