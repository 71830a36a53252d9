#include "moraine/cli/maintenance_commands.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "moraine/base/text.h"
#include "moraine/cli/live_line.h"
#include "moraine/cli/patience.h"
#include "moraine/cli/run_details.h"
#include "moraine/cli/text_table.h"

namespace moraine::cli {
namespace {

using Align = TextTable::Align;
using Cell = TextTable::Cell;

constexpr char kRunsPath[] = "/api/v1/maintenance/runs";

Result<std::string> PathOf(const MaintenanceOptions& options) {
  MORAINE_ASSIGN(auto table, ParseTableRef(options.table));
  return TablePath(options.warehouse, table);
}

Result<std::optional<int64_t>> LengthOf(const std::string& text) {
  if (text.empty()) return std::optional<int64_t>();
  auto length = ParseDuration(text);
  if (!length.ok()) {
    return InvalidArgument(
        fmt::format("--for: expected a duration such as 7d or 90s, got {}", text));
  }
  return std::optional<int64_t>(length->count());
}

Colour ColourOfState(std::string_view state) {
  if (state == "failed") return Colour::kRed;
  if (state == "cancelled" || state == "paused" || state == "blocked") return Colour::kYellow;
  if (state == "succeeded" || state == "nothing") return Colour::kGreen;
  return state == "running" || state == "asked for" ? Colour::kCyan : Colour::kNone;
}

/// In one word how it stands with an action.
std::string StateOf(const Json& action) {
  if (ObjectOf(action, "active-run").is_object()) return "running";
  if (!TextOf(action, "asked-run-id").empty()) return "asked for";
  if (BoolOf(action, "paused")) return "paused";
  if (!BoolOf(action, "enabled") || !TextOf(action, "disabled-reason").empty()) return "off";
  if (!TextOf(action, "blocked").empty()) return "blocked";
  return IntOf(action, "failures") > 0 ? "failed" : "on";
}

/// Why it is so, where there is something to say.
std::string WhyOf(const Json& action) {
  if (const Json& run = ObjectOf(action, "active-run"); run.is_object())
    return TextOf(run, "reason");
  if (BoolOf(action, "paused")) {
    std::string by = TextOf(action, "paused-by");
    return by.empty() ? "paused" : "paused by " + by;
  }
  for (std::string_view key :
       {"disabled-reason", "blocked", "reason", "last-failure", "last-reason"}) {
    if (std::string text = TextOf(action, key); !text.empty()) return text;
  }
  return "";
}

/// "every 1h", with where it was said unless nobody did.
std::string SaidOf(const Json& action, std::string_view key, std::string_view origin_key) {
  std::string text = TextOf(action, key);
  std::string origin = TextOf(action, origin_key);
  return text.empty() || origin == "default" ? text : fmt::format("{} ({})", text, origin);
}

std::string ActionsText(const Json& view, const Console& console) {
  const int64_t now_ms = IntOf(view, "now-ms");
  TextTable table({{"ACTION"},
                   {"STATE"},
                   {"SCHEDULE", Align::kLeft, TextTable::Cut::kYes},
                   {"WINDOW", Align::kLeft, TextTable::Cut::kYes},
                   {"NEXT", Align::kRight},
                   {"LAST RUN", Align::kRight},
                   {"RESULT", Align::kLeft, TextTable::Cut::kYes},
                   {"WHY"}});
  for (const auto& action : ListOf(view, "actions")) {
    const std::string state = StateOf(action);
    const std::string last = TextOf(action, "last-state");
    const bool runs = state != "off" && state != "paused";
    table.Add({TextOf(action, "action"),
               {state, ColourOfState(state)},
               SaidOf(action, "schedule", "schedule-origin"),
               SaidOf(action, "window", "window-origin"),
               runs ? FormatIn(IntOf(action, "due-ms"), now_ms) : "-",
               FormatAge(IntOf(action, "last-run-ms"), now_ms),
               {last.empty() ? "-" : last + (BoolOf(action, "last-dry-run") ? " (dry run)" : ""),
                ColourOfState(last)},
               WhyOf(action)});
  }
  return table.Text(console);
}

std::string PropertiesText(const Json& view, const Console& console) {
  TextTable table({{"PROPERTY"}, {"VALUE"}, {"FROM"}});
  for (const auto& property : ListOf(view, "properties")) {
    std::string origin = TextOf(property, "origin");
    std::string where = TextOf(property, "where");
    table.Add({TextOf(property, "name"),
               TextOf(property, "value"),
               {where.empty() ? origin : origin + " " + where,
                origin == "default" ? Colour::kNone : Colour::kCyan}});
  }
  return table.Text(console);
}

std::string HoldsText(const Json& answer, int64_t now_ms, const Console& console) {
  TextTable table({{"HOLD"},
                   {"SNAPSHOT", Align::kRight},
                   {"MADE", Align::kRight},
                   {"MOVED", Align::kRight},
                   {"ENDS", Align::kRight},
                   {"BY"},
                   {"REASON"}});
  for (const auto& hold : ListOf(answer, "holds")) {
    const std::string warning = TextOf(hold, "warning");
    std::string by = TextOf(hold, "set-by");
    table.Add(
        {TextOf(hold, "name"),
         std::to_string(IntOf(hold, "snapshot-id")) + (BoolOf(hold, "and-later") ? " on" : " only"),
         {FormatAge(IntOf(hold, "snapshot-ms"), now_ms),
          warning.empty() ? Colour::kNone : Colour::kYellow},
         FormatAge(IntOf(hold, "moved-ms"), now_ms),
         FormatIn(IntOf(hold, "expires-ms"), now_ms),
         by.empty() ? "-" : by,
         TextOf(hold, "reason")});
  }
  return table.empty() ? "" : table.Text(console);
}

std::string OperationsOf(const Json& blocker) {
  std::vector<std::string> names;
  for (const auto& name : ListOf(blocker, "operations")) {
    if (name.is_string()) names.push_back(name.as_string());
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string BlockersText(const Json& answer, int64_t now_ms, const Console& console) {
  TextTable table({{"BLOCKER"},
                   {"OWNER"},
                   {"TAKEN", Align::kRight},
                   {"ENDS", Align::kRight},
                   {"ALONE"},
                   {"KEEPS OFF"}});
  for (const auto& blocker : ListOf(answer, "blockers")) {
    table.Add({TextOf(blocker, "id"), TextOf(blocker, "owner"),
               FormatAge(IntOf(blocker, "taken-ms"), now_ms),
               FormatIn(IntOf(blocker, "expires-ms"), now_ms),
               BoolOf(blocker, "exclusive") ? "yes" : "no", OperationsOf(blocker)});
  }
  return table.empty() ? "" : table.Text(console);
}

std::string RemovedOf(const Json& run) {
  const int64_t files = IntOf(run, "files-removed");
  if (files == 0) return "";
  return fmt::format("{}, {}", FormatFiles(files), FormatMebibytes(IntOf(run, "bytes-removed")));
}

/// Who began it, and who ended it if somebody did.
std::string ByOf(const Json& run) {
  std::string by = TextOf(run, "started-by");
  std::string cancelled_by = TextOf(run, "cancelled-by");
  return cancelled_by.empty() ? by : fmt::format("{}, cancelled by {}", by, cancelled_by);
}

/// What the server decided to remove, and what became of it.
std::string DecisionsText(const Json& detail, const Console& console) {
  TextTable table({{"DECISION"},
                   {"FILES", Align::kRight},
                   {"SIZE", Align::kRight},
                   {"STATE"},
                   {"REMOVED", Align::kRight},
                   {"PROBLEM", Align::kLeft, TextTable::Cut::kYes},
                   {"LIST"}});
  for (const auto& row : ListOf(detail, "deletions")) {
    const int64_t failed = IntOf(row, "files-failed");
    Cell state = {TextOf(row, "state")};
    if (BoolOf(row, "given-again")) state = {"given again"};
    if (failed > 0) state = {FormatCount(failed) + " failed", Colour::kYellow};
    std::string problem = TextOf(row, "problem");
    if (const int64_t kept = IntOf(row, "files-kept"); problem.empty() && kept > 0)
      problem = FormatFiles(kept) + (kept == 1 ? " is" : " are") + " needed again";
    table.Add({TextOf(row, "proof"), FormatCount(IntOf(row, "files")),
               FormatMebibytes(IntOf(row, "bytes")), std::move(state),
               FormatCount(IntOf(row, "files-removed")), std::move(problem),
               TextOf(row, "list-location")});
  }
  return table.empty() ? "" : table.Text(console);
}

std::string TookOf(const Json& run, int64_t now_ms) {
  const int64_t end_ms = IntOf(run, "finished-ms");
  const int64_t took_ms = (end_ms > 0 ? end_ms : now_ms) - IntOf(run, "created-ms");
  return FormatDuration(Millis(std::max<int64_t>(0, took_ms)));
}

constexpr int kBarCells = 20;

/// "[####....]  45%  2 of 5 tasks  45,000 of 100,000 files": what its optimizers have told.
std::string FiguresOf(const Json& detail) {
  const Json& progress = ObjectOf(detail, "progress");
  if (!progress.is_object()) return "";
  const int64_t files = IntOf(progress, "files");
  const int64_t expected = IntOf(progress, "files-expected");
  const int64_t bytes = IntOf(progress, "bytes-read");
  const int64_t ended = IntOf(progress, "tasks-ended");
  const int64_t tasks = ended + IntOf(progress, "tasks-running") + IntOf(progress, "tasks-waiting");
  std::vector<std::string> parts;
  if (expected > 0 && files <= expected) {
    const int percent =
        static_cast<int>(100.0 * static_cast<double>(files) / static_cast<double>(expected));
    parts.push_back(fmt::format("{} {:3}%", ProgressBar(percent, kBarCells), percent));
  }
  parts.push_back(fmt::format("{} of {} task{}", ended, tasks, tasks == 1 ? "" : "s"));
  if (expected > 0 && files <= expected) {
    parts.push_back(fmt::format("{} of {}", FormatCount(files), FormatFiles(expected)));
  } else if (files > 0) {
    parts.push_back(FormatFiles(files));
  }
  if (bytes > 0) parts.push_back(FormatMebibytes(bytes) + " read");
  return fmt::format("{}", fmt::join(parts, "  "));
}

/// One line about a run that goes on.
std::string ProgressOf(const Json& detail) {
  const Json& run = ObjectOf(detail, "run");
  if (!run.is_object()) {
    std::string waits = TextOf(detail, "waits");
    return "waits" + (waits.empty() ? "" : ": " + waits);
  }
  std::string line = TextOf(run, "state");
  if (std::string figures = FiguresOf(detail); !figures.empty()) line += "  " + figures;
  if (std::string removed = RemovedOf(run); !removed.empty()) line += "  removed " + removed;
  if (std::string reason = TextOf(run, "reason"); !reason.empty()) line += "  " + reason;
  return line;
}

std::string EndOf(const Json& run) {
  const std::string state = TextOf(run, "state");
  std::string text = TextOf(run, state == "failed" ? "error" : "reason");
  std::string line = fmt::format("{} in {}{}", state == "nothing" ? "nothing to do" : state,
                                 TookOf(run, 0), text.empty() ? "" : ": " + text);
  if (std::string removed = RemovedOf(run); !removed.empty()) {
    line += fmt::format(" ({} {})", BoolOf(run, "dry-run") ? "would remove" : "removed", removed);
  }
  return line;
}

/// What keeps a run that was asked for from beginning; "" where it has begun or is about to.
std::string WaitsFor(Session& session, const std::string& run_id) {
  auto answer = session.client.Get(std::string(kRunsPath) + "/" + net::EncodePart(run_id));
  if (!answer.ok() || ObjectOf(answer->json, "run").is_object()) return "";
  return TextOf(answer->json, "waits");
}

/// Follows a run to its end. Conflict when it failed or was cancelled.
Status WaitFor(Session& session, const std::string& run_id) {
  const std::string path = std::string(kRunsPath) + "/" + net::EncodePart(run_id);
  LiveLine line(session.console);
  while (true) {
    MORAINE_ASSIGN(auto answer, PatientGet(session, path));
    const Json& run = ObjectOf(answer.json, "run");
    const std::string state = run.is_object() ? TextOf(run, "state") : "waiting";
    if (state == "waiting" || state == "running") {
      if (!session.json) line.Show(ProgressOf(answer.json));
      MORAINE_TRY(PauseBetweenLooks(session));
      continue;
    }
    line.End();
    const bool went_well = state == "succeeded" || state == "nothing";
    if (!session.PrintedJson(answer) && went_well) session.console.out(EndOf(run) + "\n");
    return went_well ? Status() : Conflict("the run " + EndOf(run));
  }
}

std::string ActionBody(const std::string& action) {
  Json body = Json::MakeObject();
  if (!action.empty()) body.Set("action", action);
  return body.ToString();
}

Status PauseOrResume(Session& session, const MaintenanceOptions& options, std::string_view verb,
                     std::string_view done) {
  MORAINE_ASSIGN(auto path, PathOf(options));
  MORAINE_TRY(session.client.Post(fmt::format("{}/maintenance/{}", path, verb),
                                  ActionBody(options.action)));
  if (session.json) return {};
  session.console.out(fmt::format("{} {} of {}.\n", done,
                                  options.action.empty() ? "all maintenance" : options.action,
                                  options.table));
  return {};
}

}  // namespace

Status ShowMaintenance(Session& session, const MaintenanceOptions& options) {
  MORAINE_ASSIGN(auto path, PathOf(options));
  MORAINE_ASSIGN(auto answer, session.client.Get(path + "/maintenance"));
  if (session.PrintedJson(answer)) return {};
  const Json& view = answer.json;
  const int64_t now_ms = IntOf(view, "now-ms");
  Console& console = session.console;
  console.out(options.settings ? PropertiesText(view, console) : ActionsText(view, console));
  for (const auto& problem : ListOf(view, "problems")) {
    if (problem.is_string()) console.out(Paragraph(console, "Problem", problem.as_string()));
  }
  for (const auto& hold : ListOf(view, "holds")) {
    if (std::string warning = TextOf(hold, "warning"); !warning.empty()) {
      console.out(Paragraph(console, "Warning", warning));
    }
  }
  for (const std::string& text :
       {HoldsText(view, now_ms, console), BlockersText(view, now_ms, console)}) {
    if (!text.empty()) console.out("\n" + text);
  }
  return {};
}

Status MaintainTable(Session& session, const MaintenanceOptions& options) {
  MORAINE_ASSIGN(auto path, PathOf(options));
  Json body = Json::MakeObject();
  if (options.dry_run) body.Set("dry-run", true);
  if (!options.options.empty()) {
    auto parsed = Json::Parse(options.options);
    if (!parsed.ok() || !parsed->is_object()) {
      return InvalidArgument("--options: expected a JSON object");
    }
    body.Set("options", std::move(*parsed));
  }
  MORAINE_ASSIGN(auto answer, session.client.Post(fmt::format("{}/maintenance/actions/{}/run", path,
                                                              net::EncodePart(options.action)),
                                                  body.ToString()));
  const std::string run_id = TextOf(answer.json, "run-id");
  if (options.wait) return WaitFor(session, run_id);
  if (session.PrintedJson(answer)) return {};
  session.console.out(fmt::format(
      "Asked for {}{} of {}: run {}\nFollow it with moraine maintenance show {} --wait\n",
      options.dry_run ? "a dry run of " : "", options.action, options.table, run_id, run_id));
  if (options.dry_run) return {};  // it waits for nobody
  if (std::string waits = WaitsFor(session, run_id); !waits.empty()) {
    session.console.out("It waits: " + Printable(waits) + "\n");
  }
  return {};
}

Status PauseMaintenance(Session& session, const MaintenanceOptions& options) {
  return PauseOrResume(session, options, "pause", "Paused");
}

Status ResumeMaintenance(Session& session, const MaintenanceOptions& options) {
  return PauseOrResume(session, options, "resume", "Resumed");
}

Status ListMaintenanceRuns(Session& session, const MaintenanceOptions& options) {
  std::string path = kRunsPath;
  if (!options.table.empty()) {
    MORAINE_ASSIGN(auto table, PathOf(options));
    path = table + "/maintenance/runs";
  }
  net::QueryParams query = {{"limit", std::to_string(options.limit)}};
  if (!options.action.empty()) query.emplace_back("action", options.action);
  MORAINE_ASSIGN(auto answer, session.client.Get(path, query));
  if (session.PrintedJson(answer)) return {};
  const int64_t now_ms = session.client.now_ms();
  TextTable table({{"RUN", Align::kLeft, TextTable::Cut::kId},
                   {"TABLE", Align::kLeft, TextTable::Cut::kYes},
                   {"ACTION"},
                   {"STATE"},
                   {"BEGAN", Align::kRight},
                   {"TOOK", Align::kRight},
                   {"REMOVED", Align::kRight},
                   {"BY"},
                   {"REASON"}});
  for (const auto& run : ListOf(answer.json, "runs")) {
    const std::string state = TextOf(run, "state");
    if (options.running && state != "running") continue;
    table.Add({TextOf(run, "id"),
               TextOf(run, "table"),
               TextOf(run, "action") + (BoolOf(run, "dry-run") ? " (dry run)" : ""),
               {state, ColourOfState(state)},
               FormatAge(IntOf(run, "created-ms"), now_ms),
               TookOf(run, now_ms),
               RemovedOf(run),
               ByOf(run),
               TextOf(run, state == "failed" ? "error" : "reason")});
  }
  if (options.running) {
    MORAINE_ASSIGN(const auto asked, AskedRuns(session, options));
    for (const auto& schedule : ListOf(asked.json, "schedules")) {
      table.Add({TextOf(schedule, "asked-run-id"),
                 TextOf(schedule, "table"),
                 TextOf(schedule, "action"),
                 {"waiting", Colour::kYellow},
                 "-",
                 "-",
                 "",
                 "",
                 TextOf(schedule, "reason")});
    }
  }
  session.console.out(table.empty()
                          ? options.running ? "Nothing runs now\n" : "No runs of maintenance yet\n"
                          : table.Text(session.console));
  return {};
}

Status ShowMaintenanceRun(Session& session, const MaintenanceOptions& options) {
  if (options.wait) return WaitFor(session, options.run_id);
  MORAINE_ASSIGN(auto answer, session.client.Get(std::string(kRunsPath) + "/" +
                                                 net::EncodePart(options.run_id)));
  if (session.PrintedJson(answer)) return {};
  const Json& run = ObjectOf(answer.json, "run");
  if (!run.is_object()) {
    const std::string waits = TextOf(answer.json, "waits");
    session.console.out(
        "It has not begun: " + (waits.empty() ? "it waits for its turn" : Printable(waits)) + "\n");
    return {};
  }
  const int64_t now_ms = session.client.now_ms();
  const std::string state = TextOf(run, "state");
  FactList facts;
  facts.Add("run", {TextOf(run, "id"), Colour::kBold});
  facts.Add("table", TextOf(run, "table"));
  facts.Add("action", TextOf(run, "action") + (BoolOf(run, "dry-run") ? " (dry run)" : ""));
  facts.Add("state", {state, ColourOfState(state)});
  facts.Add("reason", TextOf(run, "reason"));
  if (std::string error = TextOf(run, "error"); !error.empty()) {
    facts.Add("error", {error, Colour::kRed});
  }
  facts.Add("started by", TextOf(run, "started-by"));
  if (std::string by = TextOf(run, "cancelled-by"); !by.empty()) facts.Add("cancelled by", by);
  facts.Add("began", FormatAgo(IntOf(run, "created-ms"), now_ms));
  facts.Add("took", TookOf(run, now_ms));
  facts.Add("tasks", FormatCount(IntOf(run, "tasks")));
  if (std::string figures = FiguresOf(answer.json); !figures.empty()) {
    facts.Add("this step", std::move(figures));
  }
  if (std::string removed = RemovedOf(run); !removed.empty()) facts.Add("removed", removed);
  const Json& details = ObjectOf(answer.json, "details");
  const std::string tables = DetailsText(details, now_ms, session.console, &facts);
  session.console.out(facts.Text(session.console) + tables);
  if (std::string text = DecisionsText(answer.json, session.console); !text.empty()) {
    session.console.out("\n" + text);
  }
  return {};
}

namespace {

/// The only one of the table that goes on or was asked for.
Result<std::string> OpenRunOf(Session& session, const MaintenanceOptions& options) {
  MORAINE_ASSIGN(auto path, PathOf(options));
  MORAINE_ASSIGN(auto answer, session.client.Get(path + "/maintenance"));
  std::vector<std::string> ids, lines;
  for (const auto& action : ListOf(answer.json, "actions")) {
    const std::string name = TextOf(action, "action");
    if (!options.action.empty() && options.action != name) continue;
    std::string id = TextOf(ObjectOf(action, "active-run"), "id");
    if (id.empty()) id = TextOf(action, "asked-run-id");
    if (id.empty()) continue;
    lines.push_back(fmt::format("  {}  {}", id, name));
    ids.push_back(std::move(id));
  }
  if (ids.size() == 1) return ids[0];
  const std::string whose = (options.action.empty() ? "" : options.action + " of ") + options.table;
  if (ids.empty()) return NotFound(fmt::format("no run of {} goes on", whose));
  return InvalidArgument(fmt::format("{} runs of {} go on: name the one, or its --action\n{}",
                                     ids.size(), whose, fmt::join(lines, "\n")));
}

}  // namespace

Status CancelMaintenanceRun(Session& session, const MaintenanceOptions& options) {
  if (options.run_id.empty() == options.table.empty())
    return InvalidArgument("expected the id of a run, or --table TABLE for its run");
  std::string run_id = options.run_id;
  if (run_id.empty()) {
    MORAINE_ASSIGN(run_id, OpenRunOf(session, options));
  }
  MORAINE_ASSIGN(
      auto answer,
      session.client.Post(fmt::format("{}/{}/cancel", kRunsPath, net::EncodePart(run_id)), "{}"));
  if (session.PrintedJson(answer)) return {};
  session.console.out(fmt::format("Cancelled run {}: {} of {}\n", TextOf(answer.json, "id"),
                                  TextOf(answer.json, "action"),
                                  Printable(TextOf(answer.json, "table"))));
  return {};
}

Status HoldSnapshot(Session& session, const MaintenanceOptions& options) {
  MORAINE_ASSIGN(auto path, PathOf(options));
  MORAINE_ASSIGN(auto length, LengthOf(options.length));
  Json body = Json::MakeObject();
  if (options.snapshot_id >= 0) body.Set("snapshot-id", options.snapshot_id);
  if (options.only) body.Set("and-later", false);
  if (!options.reason.empty()) body.Set("reason", options.reason);
  if (length) body.Set("length-ms", *length);
  MORAINE_ASSIGN(auto answer, session.client.Put(path + "/holds/" + net::EncodePart(options.hold),
                                                 body.ToString()));
  if (session.PrintedJson(answer)) return {};
  session.console.out(fmt::format(
      "{} holds snapshot {}{} of {}, {}\n", options.hold, IntOf(answer.json, "snapshot-id"),
      BoolOf(answer.json, "and-later") ? " and all after it" : "", options.table,
      "until " + FormatTime(FromMillis(IntOf(answer.json, "expires-ms")))));
  return {};
}

Status ListHolds(Session& session, const MaintenanceOptions& options) {
  MORAINE_ASSIGN(auto path, PathOf(options));
  MORAINE_ASSIGN(auto answer, session.client.Get(path + "/holds"));
  if (session.PrintedJson(answer)) return {};
  std::string text = HoldsText(answer.json, session.client.now_ms(), session.console);
  session.console.out(text.empty() ? "Nothing of the table is held\n" : text);
  return {};
}

Status ReleaseHold(Session& session, const MaintenanceOptions& options) {
  MORAINE_ASSIGN(auto path, PathOf(options));
  MORAINE_TRY(session.client.Delete(path + "/holds/" + net::EncodePart(options.hold)));
  if (!session.json) session.console.out(fmt::format("Released {}.\n", options.hold));
  return {};
}

Status BlockTable(Session& session, const MaintenanceOptions& options) {
  MORAINE_ASSIGN(auto path, PathOf(options));
  MORAINE_ASSIGN(auto length, LengthOf(options.length));
  Json body = Json::MakeObject();
  body.Set("owner", options.owner);
  Json operations = Json::MakeArray();
  for (const auto& operation : options.operations) operations.Push(operation);
  if (options.operations.empty()) operations.Push("all");
  body.Set("operations", std::move(operations));
  if (options.exclusive) body.Set("exclusive", true);
  if (length) body.Set("length-ms", *length);
  MORAINE_ASSIGN(auto answer, session.client.Post(path + "/blockers", body.ToString()));
  if (session.PrintedJson(answer)) return {};
  const std::string id = TextOf(answer.json, "id");
  session.console.out(
      fmt::format("Blocked {} of {} until {}\nEnd it with moraine table unblock {} {}\n",
                  OperationsOf(answer.json), options.table,
                  FormatTime(FromMillis(IntOf(answer.json, "expires-ms"))), options.table, id));
  return {};
}

Status ListBlockers(Session& session, const MaintenanceOptions& options) {
  MORAINE_ASSIGN(auto path, PathOf(options));
  MORAINE_ASSIGN(auto answer, session.client.Get(path + "/blockers"));
  if (session.PrintedJson(answer)) return {};
  std::string text = BlockersText(answer.json, session.client.now_ms(), session.console);
  session.console.out(text.empty() ? "Nobody blocks the table\n" : text);
  return {};
}

Status UnblockTable(Session& session, const MaintenanceOptions& options) {
  MORAINE_ASSIGN(auto path, PathOf(options));
  MORAINE_TRY(session.client.Delete(path + "/blockers/" + net::EncodePart(options.blocker)));
  if (!session.json) session.console.out(fmt::format("Unblocked {}.\n", options.table));
  return {};
}

}  // namespace moraine::cli
