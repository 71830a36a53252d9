#include "moraine/cli/lifecycle_commands.h"

#include <chrono>
#include <cstdio>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/cli/text_table.h"

namespace moraine::cli {
namespace {

using Align = TextTable::Align;

std::string WarehousePath(const LifecycleOptions& options) {
  return "/api/v1/warehouses/" + net::EncodePart(options.warehouse);
}

LifecycleObject Tabular(const LifecycleOptions& options, LifecycleObject object) {
  return object == LifecycleObject::kTable && options.view ? LifecycleObject::kView : object;
}

/// What the name that was typed stands for.
Result<std::string> PathOf(const LifecycleOptions& options, LifecycleObject object) {
  if (object == LifecycleObject::kWarehouse ||
      (object == LifecycleObject::kNamespace && options.name.empty())) {
    return WarehousePath(options);
  }
  if (object == LifecycleObject::kNamespace) {
    MORAINE_ASSIGN(auto levels, ParseLevels(options.name));
    return WarehousePath(options) + "/namespaces/" + net::EncodePart(JoinLevels(levels));
  }
  MORAINE_ASSIGN(auto ref, ParseTableRef(options.name));
  if (object == LifecycleObject::kTable) return TablePath(options.warehouse, ref);
  return fmt::format("{}/namespaces/{}/views/{}", WarehousePath(options),
                     net::EncodePart(JoinLevels(ref.levels)), net::EncodePart(ref.name));
}

std::string_view Plural(LifecycleObject object) {
  if (object == LifecycleObject::kView) return "views";
  return object == LifecycleObject::kNamespace ? "namespaces" : "tables";
}

/// By its number, or by the name that was typed.
Result<std::string> DroppedPath(const LifecycleOptions& options, LifecycleObject object) {
  if (options.id != 0) return fmt::format("/api/v1/dropped/{}/{}", Plural(object), options.id);
  if (!options.name.empty()) return PathOf(options, object);
  return InvalidArgument("expected a name, or --id N as `moraine catalog dropped` shows it");
}

std::vector<std::string> LevelsOf(const Json& object) {
  std::vector<std::string> levels;
  for (const auto& level : ListOf(object, "namespace")) {
    if (level.is_string()) levels.push_back(level.as_string());
  }
  return levels;
}

/// "db.t", or "db" of a namespace.
std::string NameOf(const Json& object) {
  if (TextOf(object, "kind") == "namespace") return ShowLevels(LevelsOf(object));
  return ShowTable({LevelsOf(object), TextOf(object, "name")});
}

std::string Names(const Json::Array& objects, std::string_view before) {
  std::string text;
  for (const auto& object : objects) {
    text += fmt::format("{} {} {}\n", before, TextOf(object, "kind"), NameOf(object));
  }
  return text;
}

std::string TimeOf(const Json& json, std::string_view key) {
  int64_t time_ms = IntOf(json, key);
  if (time_ms <= 0) return "-";
  std::string text = FormatTime(FromMillis(time_ms));
  return text.substr(0, 10) + " " + text.substr(11, 8);
}

/// How long it can still be brought back.
std::string LeftOf(const Json& dropped, int64_t now_ms) {
  if (!TextOf(dropped, "place-taken").empty()) return "can't come back: its place is taken";
  int64_t left_ms = IntOf(dropped, "purge-after-ms") - now_ms;
  return left_ms > 0 ? "for " + FormatDuration(Millis(left_ms)) : "its hold has ended";
}

std::string ByOf(const Json& json, std::string_view key) {
  std::string by = TextOf(json, key);
  return by.empty() ? "-" : by;
}

std::string CountsOf(const Json& entry) {
  const Json& summary = ObjectOf(entry, "summary");
  std::string text;
  auto add = [&](std::string_view key, std::string_view sign, std::string_view what) {
    auto value = ParseInt64(TextOf(summary, key));
    if (!value.ok() || *value == 0) return;
    text += fmt::format("{}{}{} {}", text.empty() ? "" : ", ", sign, FormatCount(*value), what);
  };
  add("added-data-files", "+", "files");
  add("deleted-data-files", "-", "files");
  add("added-records", "+", "records");
  add("deleted-records", "-", "records");
  return text;
}

/// As the server lists it.
Result<Json> FindDropped(Session& session, const LifecycleOptions& options,
                         LifecycleObject object) {
  const std::string_view kind = Plural(object);
  net::QueryParams query = {{"limit", "1000"}};
  while (true) {
    MORAINE_ASSIGN(auto answer, session.client.Get("/api/v1/dropped", query));
    for (const auto& dropped : ListOf(answer.json, "dropped")) {
      if (IntOf(dropped, "id") == options.id && TextOf(dropped, "kind") + "s" == kind)
        return dropped;
    }
    std::string next = TextOf(answer.json, "next-page-token");
    if (next.empty()) break;
    query = {{"limit", "1000"}, {"page-token", std::move(next)}};
  }
  return NotFound(fmt::format("nothing among dropped {} has the number {}", kind, options.id));
}

/// What becomes of a table's files when its hold has ended.
std::string FilesAfterPurge(const Json& dropped) {
  if (!BoolOf(dropped, "purge-requested"))
    return "Its drop did not ask for purge: its files stay where they are.\n";
  if (!TextOf(dropped, "place-taken").empty())
    return "Its place is taken, so its files stay where they are.\n";
  return "Its drop asked for purge: maintenance then deletes its files.\n";
}

Status SetProtection(Session& session, const LifecycleOptions& options, LifecycleObject object,
                     bool on) {
  MORAINE_ASSIGN(auto path, PathOf(options, Tabular(options, object)));
  std::string body;
  JsonWriter out(&body);
  out.BeginObject().Field("protected", on);
  if (!options.reason.empty()) out.Field("reason", options.reason);
  out.EndObject();
  MORAINE_ASSIGN(auto answer, session.client.Post(path + "/protection", std::move(body)));
  if (session.PrintedJson(answer)) return {};
  std::string what = options.name.empty() ? "The warehouse " + options.warehouse : options.name;
  const std::string_view means = options.name.empty()
                                     ? "nothing in it can be dropped, and no hold ends"
                                     : "it can't be dropped";
  session.console.out(on ? fmt::format("{} is protected: {}\n", what, means)
                         : fmt::format("{} is not protected\n", what));
  return {};
}

}  // namespace

Result<int64_t> ParseTimeOrAge(const std::string& text, int64_t now_ms) {
  if (text.find('-') == text.npos) {
    auto age = ParseDuration(text);
    // A plain number is a time in milliseconds.
    if (age.ok() && text.find_first_not_of("0123456789") == text.npos) return age->count();
    if (age.ok()) return now_ms - age->count();
  }
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, end = 0;
  double second = 0;
  int read = std::sscanf(text.c_str(), "%4d-%2d-%2d%*1[T ]%2d:%2d%n", &year, &month, &day, &hour,
                         &minute, &end);
  bool whole = read == 5;
  if (whole && text[static_cast<size_t>(end)] == ':') {
    int more = 0;
    whole = std::sscanf(text.c_str() + end, ":%lf%n", &second, &more) == 1;
    end += more;
  }
  std::string_view rest = std::string_view(text).substr(whole ? static_cast<size_t>(end) : 0);
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!whole || !(rest.empty() || rest == "Z") || !date.ok() || hour > 23 || minute > 59 ||
      !(second >= 0 && second < 60)) {
    return InvalidArgument(fmt::format(
        "--time: expected a time in UTC such as 2026-11-22T19:31:00Z, or an age such as 2h, got {}",
        text));
  }
  int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return ((days * 24 + hour) * 60 + minute) * 60'000 + static_cast<int64_t>(second * 1'000 + 0.5);
}

Status ListDropped(Session& session, const LifecycleOptions& options) {
  MORAINE_ASSIGN(auto answer,
                 session.client.Get("/api/v1/dropped", {{"limit", std::to_string(options.limit)}}));
  if (session.PrintedJson(answer)) return {};
  TextTable table({{"ID", Align::kRight},
                   {"KIND"},
                   {"WAREHOUSE"},
                   {"NAME"},
                   {"DROPPED", Align::kRight},
                   {"BY"},
                   {"CAN COME BACK"}});
  int64_t now_ms = session.client.now_ms();
  for (const auto& dropped : ListOf(answer.json, "dropped")) {
    table.Add({std::to_string(IntOf(dropped, "id")), TextOf(dropped, "kind"),
               TextOf(dropped, "warehouse"), NameOf(dropped),
               FormatAgo(IntOf(dropped, "dropped-ms"), now_ms), ByOf(dropped, "dropped-by"),
               LeftOf(dropped, now_ms)});
  }
  session.console.out(table.empty() ? "Nothing that was dropped can be brought back.\n"
                                    : table.Text(session.console));
  if (!TextOf(answer.json, "next-page-token").empty()) {
    session.console.out(fmt::format("The last {}; more with --limit\n", options.limit));
  }
  return {};
}

Status Undrop(Session& session, const LifecycleOptions& options, LifecycleObject object) {
  MORAINE_ASSIGN(auto path, DroppedPath(options, Tabular(options, object)));
  std::string body;
  JsonWriter out(&body);
  out.BeginObject();
  if (!options.to.empty()) {
    MORAINE_ASSIGN(auto to, ParseTableRef(options.to));
    out.Key("to").BeginObject().Key("namespace").BeginArray();
    for (const auto& level : to.levels) out.String(level);
    out.EndArray().Field("name", to.name).EndObject();
  }
  out.Field("dry-run", options.dry_run).EndObject();
  MORAINE_ASSIGN(auto answer, session.client.Post(path + "/undrop", std::move(body)));
  if (session.PrintedJson(answer)) return {};
  session.console.out(Names(ListOf(answer.json, "restored"),
                            options.dry_run ? "would bring back" : "brought back"));
  session.console.out(Names(ListOf(answer.json, "left"), "left out, its place is taken:"));
  return {};
}

Status PurgeDropped(Session& session, const LifecycleOptions& options, LifecycleObject object) {
  if (options.id == 0)
    return InvalidArgument("expected --id N, as `moraine catalog dropped` shows it");
  MORAINE_ASSIGN(auto path, DroppedPath(options, Tabular(options, object)));
  MORAINE_ASSIGN(const auto dropped, FindDropped(session, options, Tabular(options, object)));
  if (!options.dry_run) MORAINE_TRY(session.client.Post(path + "/purge", "{}"));
  if (session.json) {
    if (options.dry_run) session.console.out(dropped.ToString() + "\n");
    return {};
  }
  const std::string name = NameOf(dropped);
  session.console.out(
      options.dry_run ? fmt::format("would end the hold of {} {}\n", TextOf(dropped, "kind"), name)
                      : fmt::format("{} can't be brought back any more.\n", name));
  if (TextOf(dropped, "kind") == "table") session.console.out(FilesAfterPurge(dropped));
  return {};
}

Status DropNamespace(Session& session, const LifecycleOptions& options) {
  MORAINE_ASSIGN(auto path, PathOf(options, LifecycleObject::kNamespace));
  std::string body;
  JsonWriter(&body)
      .BeginObject()
      .Field("recursive", options.recursive)
      .Field("dry-run", options.dry_run)
      .EndObject();
  auto dropped = session.client.Post(path + "/drop", std::move(body));
  // Where all of it could be dropped, that it is not empty was the obstacle.
  const bool is_refused = dropped.status().code() == Code::kConflict && !options.recursive;
  if (is_refused &&
      session.client.Post(path + "/drop", R"({"recursive":true,"dry-run":true})").ok()) {
    return Status(dropped.status().code(),
                  fmt::format("{}; --recursive drops all that is in it, too (--dry-run says what)",
                              dropped.status().message()));
  }
  MORAINE_ASSIGN(const auto answer, std::move(dropped));
  if (session.PrintedJson(answer)) return {};
  session.console.out(
      Names(ListOf(answer.json, "dropped"), options.dry_run ? "would drop" : "dropped"));
  if (!options.dry_run) {
    session.console.out(
        fmt::format("Bring it back: moraine catalog undrop {}{}\n", options.name,
                    options.warehouse == "default" ? "" : " --warehouse " + options.warehouse));
  }
  return {};
}

Status Protect(Session& session, const LifecycleOptions& options, LifecycleObject object) {
  return SetProtection(session, options, object, true);
}

Status Unprotect(Session& session, const LifecycleOptions& options, LifecycleObject object) {
  return SetProtection(session, options, object, false);
}

Status ShowHistory(Session& session, const LifecycleOptions& options) {
  MORAINE_ASSIGN(auto path, PathOf(options, Tabular(options, LifecycleObject::kTable)));
  MORAINE_ASSIGN(auto answer,
                 session.client.Get(path + "/history", {{"limit", std::to_string(options.limit)}}));
  if (session.PrintedJson(answer)) return {};
  TextTable table({{"VERSION", Align::kRight},
                   {"TIME (UTC)"},
                   {"BY"},
                   {"CHANGE"},
                   {"OPERATION", Align::kLeft, TextTable::Cut::kYes},
                   {"SNAPSHOT", Align::kRight},
                   {"WHAT"}});
  for (const auto& entry : ListOf(answer.json, "history")) {
    int64_t snapshot = IntOf(entry, "snapshot-id", -1);
    std::string what = CountsOf(entry);
    if (std::string old_name = TextOf(entry, "old-name"); !old_name.empty()) {
      what = fmt::format("{} to {}", old_name, TextOf(entry, "name"));
    }
    table.Add({std::to_string(IntOf(entry, "version")), TimeOf(entry, "changed-ms"),
               ByOf(entry, "changed-by"), TextOf(entry, "kind"), TextOf(entry, "operation"),
               snapshot < 0 ? "-" : std::to_string(snapshot), what});
  }
  session.console.out(table.empty() ? "Nothing is kept of its history.\n"
                                    : table.Text(session.console));
  if (!TextOf(answer.json, "next-page-token").empty()) {
    session.console.out(fmt::format("The last {}; more with --limit\n", options.limit));
  }
  return {};
}

Status RollBackTable(Session& session, const LifecycleOptions& options) {
  MORAINE_ASSIGN(auto path, PathOf(options, LifecycleObject::kTable));
  std::string body;
  JsonWriter out(&body);
  out.BeginObject();
  if (options.snapshot_id >= 0) out.Field("snapshot-id", options.snapshot_id);
  if (options.version > 0) out.Field("version", options.version);
  if (!options.time.empty()) {
    MORAINE_ASSIGN(int64_t time_ms, ParseTimeOrAge(options.time, session.client.now_ms()));
    out.Field("timestamp-ms", time_ms);
  }
  if (!options.branch.empty()) out.Field("branch", options.branch);
  out.Field("force", options.force).Field("dry-run", options.dry_run).EndObject();
  MORAINE_ASSIGN(auto answer, session.client.Post(path + "/rollback", std::move(body)));
  if (session.PrintedJson(answer)) return {};
  auto shown = [&](std::string_view key) {
    int64_t id = IntOf(answer.json, key, -1);
    return id < 0 ? std::string("no snapshot") : fmt::format("snapshot {}", id);
  };
  std::string changes = TextOf(answer.json, "changes");
  if (changes.empty()) {
    session.console.out(
        fmt::format("{} is there already: {}\n", options.name, shown("to-snapshot-id")));
    return {};
  }
  session.console.out(fmt::format("{} {}, branch {}: from {} to {} ({})\n",
                                  options.dry_run ? "would roll back" : "rolled back", options.name,
                                  TextOf(answer.json, "branch"), shown("from-snapshot-id"),
                                  shown("to-snapshot-id"), changes));
  return {};
}

}  // namespace moraine::cli
