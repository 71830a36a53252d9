// moraine process ... and moraine optimizer list.

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/cli/commands.h"
#include "moraine/cli/text_table.h"
#include "moraine/cli/watch.h"

namespace moraine::cli {
namespace {

using Align = TextTable::Align;

Colour ColourOfState(std::string_view state) {
  if (state == "failed") return Colour::kRed;
  if (state == "cancelled" || state == "planned") return Colour::kYellow;
  if (state == "succeeded") return Colour::kGreen;
  return Colour::kCyan;
}

std::string TookOf(const Json& process, int64_t now_ms) {
  int64_t end_ms = IntOf(process, "finished-ms");
  if (end_ms <= 0) end_ms = now_ms;
  return FormatDuration(Millis(std::max<int64_t>(0, end_ms - IntOf(process, "created-ms"))));
}

std::string DuplicatesText(const Json& process) {
  const int64_t rows = IntOf(process, "deduplicated-rows");
  return rows > 0 ? fmt::format("; {} duplicates left out", FormatCount(rows)) : std::string();
}

std::string PathOf(const std::string& process_id) {
  return "/api/v1/processes/" + net::EncodePart(process_id);
}

Status CheckId(const std::string& process_id) {
  return process_id.empty() ? InvalidArgument("ID: expected the id of a process") : Status();
}

std::string TasksText(const Json& process, const Console& console) {
  TextTable table({{"TASK", Align::kRight},
                   {"STATE"},
                   {"ATTEMPT", Align::kRight},
                   {"FAILURES", Align::kRight},
                   {"FILES", Align::kRight},
                   {"SIZE", Align::kRight},
                   {"READ", Align::kRight},
                   {"OPTIMIZER"},
                   {"ERROR"}});
  for (const auto& task : ListOf(process, "task-list")) {
    std::string state = TextOf(task, "state");
    table.Add({std::to_string(IntOf(task, "task-id")),
               {state, ColourOfState(state)},
               std::to_string(IntOf(task, "attempt")),
               std::to_string(IntOf(task, "failures")),
               FormatCount(IntOf(task, "input-files")),
               FormatMebibytes(IntOf(task, "input-bytes")),
               FormatMebibytes(IntOf(task, "bytes-read")),
               TextOf(task, "optimizer"),
               {TextOf(task, "error"), Colour::kRed}});
  }
  return table.empty() ? "" : "\n" + table.Text(console);
}

}  // namespace

Status ListProcesses(Session& session, const ProcessOptions& options) {
  net::QueryParams query = {{"limit", std::to_string(options.limit)}};
  if (!options.table.empty()) {
    MORAINE_ASSIGN(auto name, ParseTableRef(options.table));
    MORAINE_ASSIGN(auto table, session.client.Get(TablePath(options.warehouse, name)));
    query.emplace_back("table-id", std::to_string(IntOf(table.json, "id")));
  }
  MORAINE_ASSIGN(auto answer, session.client.Get("/api/v1/processes", query));
  if (session.PrintedJson(answer)) return {};
  int64_t now_ms = session.client.now_ms();
  TextTable table({{"PROCESS"},
                   {"TABLE", Align::kLeft, TextTable::Cut::kYes},
                   {"TYPE"},
                   {"STATE"},
                   {"STARTED", Align::kRight},
                   {"TOOK", Align::kRight},
                   {"TASKS", Align::kRight},
                   {"FILES", Align::kRight},
                   {"SIZE", Align::kRight},
                   {"REASON OR ERROR"}});
  for (const auto& process : ListOf(answer.json, "processes")) {
    std::string state = TextOf(process, "state");
    std::string error = TextOf(process, "error");
    std::string files = FormatCount(IntOf(process, "input-files"));
    if (state == "succeeded") files += " -> " + FormatCount(IntOf(process, "output-files"));
    table.Add({TextOf(process, "process-id"),
               TextOf(process, "table"),
               TextOf(process, "type"),
               {state, ColourOfState(state)},
               FormatAge(IntOf(process, "created-ms"), now_ms),
               TookOf(process, now_ms),
               FormatCount(IntOf(process, "tasks")),
               files,
               FormatMebibytes(IntOf(process, "input-bytes")),
               error.empty() ? TextOf(process, "reason") + DuplicatesText(process) : error});
  }
  session.console.out(table.empty() ? "No processes.\n" : table.Text(session.console));
  return {};
}

Status ShowProcess(Session& session, const ProcessOptions& options) {
  MORAINE_TRY(CheckId(options.process_id));
  if (options.watch) return WatchProcess(session, options.process_id);
  MORAINE_ASSIGN(auto answer, session.client.Get(PathOf(options.process_id)));
  if (session.PrintedJson(answer)) return {};
  const Json& process = answer.json;
  int64_t now_ms = session.client.now_ms();
  std::string state = TextOf(process, "state");
  FactList facts;
  facts.Add("process", {TextOf(process, "process-id"), Colour::kBold});
  facts.Add("table", TextOf(process, "table"));
  facts.Add("type", TextOf(process, "type"));
  if (const std::string branch = TextOf(process, "branch"); !branch.empty() && branch != "main")
    facts.Add("branch", branch);
  facts.Add("group", TextOf(process, "group"));
  facts.Add("state", {state, ColourOfState(state)});
  facts.Add("reason", TextOf(process, "reason"));
  if (!TextOf(process, "error").empty())
    facts.Add("error", {TextOf(process, "error"), Colour::kRed});
  facts.Add("started", FormatAgo(IntOf(process, "created-ms"), now_ms));
  facts.Add(HasEnded(process) ? "took" : "running for", TookOf(process, now_ms));
  facts.Add("snapshot planned", std::to_string(IntOf(process, "snapshot-id")));
  if (int64_t id = IntOf(process, "committed-snapshot-id", -1); id >= 0) {
    facts.Add("snapshot committed", std::to_string(id));
  }
  facts.Add("input", fmt::format("{}, {}", FormatFiles(IntOf(process, "input-files")),
                                 FormatMebibytes(IntOf(process, "input-bytes"))));
  if (state == "succeeded") {
    facts.Add("output", fmt::format("{}, {}", FormatFiles(IntOf(process, "output-files")),
                                    FormatMebibytes(IntOf(process, "output-bytes"))));
  }
  if (int64_t rows = IntOf(process, "deduplicated-rows"); rows > 0)
    facts.Add("duplicates left out", FormatCount(rows));
  if (!HasEnded(process)) facts.Add("progress", ProgressLine(process));
  session.console.out(facts.Text(session.console) + TasksText(process, session.console));
  return {};
}

Status CancelProcess(Session& session, const ProcessOptions& options) {
  MORAINE_TRY(CheckId(options.process_id));
  MORAINE_TRY(session.client.Post(PathOf(options.process_id) + "/cancel", "{}"));
  if (!session.json) {
    session.console.out(
        fmt::format("Cancelled {}. Its files will be removed.\n", options.process_id));
  }
  return {};
}

Status ListOptimizers(Session& session) {
  MORAINE_ASSIGN(auto answer, session.client.Get("/api/v1/optimizers"));
  if (session.PrintedJson(answer)) return {};
  int64_t now_ms = session.client.now_ms();
  TextTable table({{"OPTIMIZER"},
                   {"GROUP"},
                   {"THREADS", Align::kRight},
                   {"BUSY", Align::kRight},
                   {"MEMORY A THREAD", Align::kRight},
                   {"HEARD FROM", Align::kRight},
                   {"UP", Align::kRight},
                   {"VERSION"},
                   {"WHERE"}});
  for (const auto& optimizer : ListOf(answer.json, "optimizers")) {
    std::string where =
        BoolOf(optimizer, "embedded")
            ? "in the server"
            : fmt::format("{}, process {}", TextOf(optimizer, "host"), IntOf(optimizer, "pid"));
    table.Add({TextOf(optimizer, "token"), TextOf(optimizer, "group"),
               std::to_string(IntOf(optimizer, "threads")),
               std::to_string(IntOf(optimizer, "running-tasks")),
               FormatMebibytes(IntOf(optimizer, "memory-bytes")),
               FormatAge(IntOf(optimizer, "heartbeat-ms"), now_ms),
               FormatAge(IntOf(optimizer, "registered-ms"), now_ms), TextOf(optimizer, "version"),
               where});
  }
  session.console.out(table.empty()
                          ? "No optimizers: start one with moraine optimizer, or the server "
                            "with --optimizer-threads 1\n"
                          : table.Text(session.console));
  return {};
}

}  // namespace moraine::cli
