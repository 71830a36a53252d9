#include "moraine/cli/watch.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/cli/live_line.h"
#include "moraine/cli/patience.h"
#include "moraine/cli/text_table.h"

namespace moraine::cli {
namespace {

constexpr int kBarCells = 24;

int64_t DoneBytes(const Json& process) {
  int64_t bytes = 0;
  for (const auto& task : ListOf(process, "task-list")) {
    int64_t size = IntOf(task, "input-bytes");
    bytes +=
        TextOf(task, "state") == "succeeded" ? size : std::min(size, IntOf(task, "bytes-read"));
  }
  return bytes;
}

/// Files that several tasks read, each a range of their rows, count for each.
int64_t AllBytes(const Json& process) {
  int64_t bytes = 0;
  for (const auto& task : ListOf(process, "task-list")) bytes += IntOf(task, "input-bytes");
  return std::max(bytes, IntOf(process, "input-bytes"));
}

std::string EndLine(const Json& process) {
  std::string state = TextOf(process, "state");
  if (state != "succeeded") {
    std::string error = TextOf(process, "error");
    return fmt::format("{}{}", state, error.empty() ? "" : ": " + error);
  }
  return fmt::format(
      "succeeded in {}: {}, {} -> {}, {}",
      FormatDuration(Millis(
          std::max<int64_t>(0, IntOf(process, "finished-ms") - IntOf(process, "created-ms")))),
      FormatFiles(IntOf(process, "input-files")), FormatMebibytes(IntOf(process, "input-bytes")),
      FormatFiles(IntOf(process, "output-files")), FormatMebibytes(IntOf(process, "output-bytes")));
}

std::string ProcessPath(const std::string& process_id) {
  return "/api/v1/processes/" + net::EncodePart(process_id);
}

/// The newest process of a table, or null.
Result<Json> NewestProcess(Session& session, int64_t table_id) {
  MORAINE_ASSIGN(auto answer, PatientGet(session, "/api/v1/processes",
                                         {{"table-id", std::to_string(table_id)}, {"limit", "1"}}));
  const auto& processes = ListOf(answer.json, "processes");
  if (processes.empty()) return Json();
  return processes[0];
}

}  // namespace

bool HasEnded(const Json& process) {
  std::string state = TextOf(process, "state");
  return state != "running" && state != "committing";
}

std::string ProgressLine(const Json& process) {
  const Json& progress = ObjectOf(process, "progress");
  int64_t tasks = IntOf(process, "tasks");
  int64_t done = IntOf(progress, "succeeded") + IntOf(progress, "failed");
  int64_t all_bytes = AllBytes(process);
  int64_t bytes = DoneBytes(process);
  std::string state = TextOf(process, "state");
  if (state == "committing" || state == "succeeded") {
    done = tasks;
    bytes = all_bytes;
  }
  int percent = 0;
  if (all_bytes > 0) {
    percent = static_cast<int>(100.0 * static_cast<double>(bytes) / static_cast<double>(all_bytes));
  } else if (tasks > 0) {
    percent = static_cast<int>(100 * done / tasks);
  }
  percent = std::clamp(percent, 0, 100);
  std::string line = fmt::format(
      "{} {:3}%  {}/{} tasks  {} / {}  {}", ProgressBar(percent, kBarCells), percent, done, tasks,
      FormatMebibytes(bytes), FormatMebibytes(all_bytes), Printable(state));
  if (int64_t failed = IntOf(progress, "failed"); failed > 0)
    line += fmt::format(", {} failed", failed);
  return line;
}

Status WatchProcess(Session& session, const std::string& process_id) {
  LiveLine line(session.console);
  bool introduced = false;
  while (true) {
    MORAINE_ASSIGN(auto answer, PatientGet(session, ProcessPath(process_id)));
    const Json& process = answer.json;
    if (!introduced && !session.json) {
      session.console.out(
          Printable(fmt::format("{} {} of {}: {}", TextOf(process, "type"), process_id,
                                TextOf(process, "table"), TextOf(process, "reason"))) +
          "\n");
      introduced = true;
    }
    if (HasEnded(process)) {
      line.End();
      bool good = TextOf(process, "state") == "succeeded";
      if (session.PrintedJson(answer))
        return good ? Status() : Conflict("the process did not succeed");
      std::string end = Printable(EndLine(process));
      if (!good) return Conflict(end);
      session.console.out(session.console.Paint(Colour::kGreen, end) + "\n");
      return {};
    }
    if (!session.json) line.Show(ProgressLine(process));
    Status pause = PauseBetweenLooks(session);
    if (!pause.ok()) {
      return Cancelled(fmt::format("stopped watching; the process goes on: moraine process show {}",
                                   process_id));
    }
  }
}

Status WatchRequest(Session& session, const std::string& table_path, int64_t table_id,
                    const std::string& newest_before) {
  LiveLine line(session.console);
  while (true) {
    // The table first: what it says is then older than the list, so an end between the two is seen.
    MORAINE_ASSIGN(auto table, PatientGet(session, table_path));
    MORAINE_ASSIGN(auto newest, NewestProcess(session, table_id));
    std::string newest_id = TextOf(newest, "process-id");
    if (!newest_id.empty() && (newest_id != newest_before)) {
      line.End();
      return WatchProcess(session, newest_id);
    }
    if (!newest_id.empty() && !HasEnded(newest)) {
      // It goes on from before; what was asked for comes after it.
      if (!session.json) {
        MORAINE_ASSIGN(auto running, PatientGet(session, ProcessPath(newest_id)));
        line.Show("a run is going: " + ProgressLine(running.json));
      }
      MORAINE_TRY(PauseBetweenLooks(session));
      continue;
    }
    std::string status = TextOf(table.json, "status");
    std::string reason = TextOf(table.json, "reason");
    bool looked_at = IntOf(table.json, "refreshed-ms") > 0;
    if (looked_at && (status == "idle" || status == "skipped")) {
      line.End();
      if (!session.PrintedJson(table)) {
        session.console.out(Printable(fmt::format("nothing to do: {}", reason)) + "\n");
      }
      return {};
    }
    if (looked_at && status == "failed") {
      line.End();
      return Conflict(Printable(fmt::format("{} {}", reason, TextOf(table.json, "last-failure"))));
    }
    if (!session.json) line.Show(Printable(fmt::format("waiting ({}): {}", status, reason)));
    MORAINE_TRY(PauseBetweenLooks(session));
  }
}

}  // namespace moraine::cli
