#include "moraine/cli/compact_view.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/base/text.h"
#include "moraine/cli/live_line.h"
#include "moraine/cli/text_table.h"

namespace moraine::cli {
namespace {

using compact::CompactionReport;
using compact::Phase;
using compact::TableTotals;
using Align = TextTable::Align;

constexpr double kLeastSeconds = 1;
constexpr int kBarCells = 16;

double Seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

std::string Rate(int64_t bytes, std::chrono::nanoseconds duration) {
  double seconds = std::max(Seconds(duration), 0.001);
  return FormatByteSize(static_cast<int64_t>(static_cast<double>(bytes) / seconds)) + "/s";
}

std::string Plural(int64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", FormatCount(count), count == 1 ? one : many);
}

/// "1 file", "1 data file and 2 delete files".
std::string OutputFiles(const CompactionReport& report) {
  const int64_t deletes = report.output_delete_files;
  if (deletes == 0) return FormatFiles(report.output_files);
  return fmt::format("{} and {}", Plural(report.output_files - deletes, "data file", "data files"),
                     Plural(deletes, "delete file", "delete files"));
}

std::string TotalsText(const CompactionReport& report, const Console& console) {
  const TableTotals& before = report.before;
  const TableTotals& after = *report.after;
  TextTable table({{""}, {"BEFORE", Align::kRight}, {"AFTER", Align::kRight}});
  table.Add({"data files", FormatCount(before.data_files), FormatCount(after.data_files)});
  table.Add({"data size", FormatByteSize(before.data_bytes), FormatByteSize(after.data_bytes)});
  auto average = [](const TableTotals& totals) {
    return totals.data_files == 0 ? std::string("-")
                                  : FormatByteSize(totals.data_bytes / totals.data_files);
  };
  table.Add({"average file", average(before), average(after)});
  table.Add({"delete files", FormatCount(before.delete_files), FormatCount(after.delete_files)});
  table.Add({"rows in data files", FormatCount(before.records), FormatCount(after.records)});
  return table.Text(console);
}

std::string Notes(const CompactionReport& report, const Console& console) {
  std::string text;
  for (const auto& why : report.left_out) {
    text += console.Paint(Colour::kYellow, "left out: ") + Printable(why) + "\n";
  }
  for (const auto& note : report.notes) {
    text += console.Paint(Colour::kYellow, "note: ") + Printable(note) + "\n";
  }
  if (report.partitions_left > 0) {
    text += fmt::format("{} left for another run: they did not fit into one plan\n",
                        Plural(report.partitions_left, "partition is", "partitions are"));
  }
  return text;
}

void WriteTotals(std::string_view key, const TableTotals& totals, JsonWriter* out) {
  out->Key(key)
      .BeginObject()
      .Field("data-files", totals.data_files)
      .Field("data-bytes", totals.data_bytes)
      .Field("delete-files", totals.delete_files)
      .Field("delete-bytes", totals.delete_bytes)
      .Field("records", totals.records)
      .EndObject();
}

void WriteList(std::string_view key, const std::vector<std::string>& list, JsonWriter* out) {
  out->Key(key).BeginArray();
  for (const auto& text : list) out->String(text);
  out->EndArray();
}

}  // namespace

std::string CompactionLine(const compact::ProgressFigures& figures,
                           std::chrono::nanoseconds rewriting) {
  switch (figures.phase) {
    case Phase::kLoading:
      return "loading the table";
    case Phase::kPlanning:
      return "planning";
    case Phase::kCommitting:
      return "committing";
    case Phase::kCleaning:
    case Phase::kEnded:
      return "cleaning up";
    case Phase::kRewriting:
      break;
  }
  int percent = 0;
  if (figures.bytes > 0) {
    percent = static_cast<int>(100.0 * static_cast<double>(figures.bytes_done) /
                               static_cast<double>(figures.bytes));
  }
  percent = std::clamp(percent, 0, 100);
  // What is cut on a narrow terminal stands last.
  std::string line = fmt::format("{} {:3}%  {} of {}", ProgressBar(percent, kBarCells), percent,
                                 FormatByteSize(figures.bytes_done), FormatByteSize(figures.bytes));
  if (Seconds(rewriting) >= kLeastSeconds && figures.bytes_done > 0) {
    line += "  " + Rate(figures.bytes_done, rewriting);
    double left = Seconds(rewriting) * static_cast<double>(figures.bytes - figures.bytes_done) /
                  static_cast<double>(figures.bytes_done);
    auto seconds = static_cast<int64_t>(std::min(left, 1e9)) + 1;
    line += seconds < 60 ? fmt::format("  {} s left", seconds)
                         : fmt::format("  {} left", FormatDuration(std::chrono::seconds(seconds)));
  }
  line += fmt::format("  {}/{} tasks", figures.tasks_done, figures.tasks);
  return line;
}

std::string CompactionSummary(const std::string& table, const CompactionReport& report,
                              std::chrono::nanoseconds took, const Console& console) {
  std::string name = Printable(table);
  if (report.type == planning::OptimizingType::kNone) {
    return fmt::format("{}: nothing to do: {}\n", name, Printable(report.reason)) +
           Notes(report, console);
  }
  std::string in = fmt::format("{} ({}) in {}", FormatFiles(report.input_files),
                               FormatByteSize(report.input_bytes),
                               Plural(report.partitions, "partition", "partitions"));
  if (!report.after) {
    const std::string layout =
        report.layout.empty() ? "" : ", laid out as " + Printable(report.layout);
    return fmt::format("{}: would rewrite {} in {}{}: {}\n", name, in,
                       Plural(report.tasks, "task", "tasks"), layout, Printable(report.reason)) +
           Notes(report, console);
  }
  std::string text = TotalsText(report, console) + Notes(report, console);
  std::string done = fmt::format("{}: {} became {} ({})", name, in, OutputFiles(report),
                                 FormatByteSize(report.output_bytes));
  if (!report.layout.empty()) done += ", laid out as " + Printable(report.layout);
  if (report.removed_delete_files > 0) {
    done += fmt::format(", {} removed",
                        Plural(report.removed_delete_files, "delete file", "delete files"));
  }
  if (report.deleted_rows > 0) {
    done += fmt::format(", {} dropped", Plural(report.deleted_rows, "deleted row", "deleted rows"));
  }
  done += fmt::format("; {} at {}, snapshot {}", FormatDuration(took),
                      Rate(report.input_bytes, took), report.snapshot_id);
  return text + console.Paint(Colour::kGreen, done) + "\n";
}

std::string CompactionJson(const std::string& table, const CompactionReport& report,
                           std::chrono::nanoseconds took) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject()
      .Field("table", table)
      .Field("type", planning::OptimizingTypeName(report.type))
      .Field("reason", report.reason)
      .Field("layout", report.layout)
      .Field("committed", report.after.has_value())
      .Field("tasks", report.tasks)
      .Field("partitions", report.partitions)
      .Field("partitions-left", report.partitions_left)
      .Field("input-files", report.input_files)
      .Field("input-bytes", report.input_bytes)
      .Field("output-files", report.output_files)
      .Field("output-delete-files", report.output_delete_files)
      .Field("output-bytes", report.output_bytes)
      .Field("removed-delete-files", report.removed_delete_files)
      .Field("deleted-rows", report.deleted_rows)
      .Field("duration-ms", std::chrono::duration_cast<Millis>(took).count());
  WriteTotals("before", report.before, &out);
  if (report.after) {
    WriteTotals("after", *report.after, &out);
    out.Field("snapshot-id", report.snapshot_id)
        .Field("commit-attempts", int64_t{report.commit_attempts});
  }
  WriteList("left-out", report.left_out, &out);
  WriteList("notes", report.notes, &out);
  out.EndObject();
  return text;
}

}  // namespace moraine::cli
