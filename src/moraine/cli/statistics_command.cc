// moraine table statistics: which statistics a table has, of columns and of partitions.

#include <string>

#include <fmt/format.h>

#include "moraine/cli/commands.h"
#include "moraine/cli/names.h"
#include "moraine/cli/text_table.h"

namespace moraine::cli {
namespace {

using Align = TextTable::Align;

/// "123 (current)"
TextTable::Cell SnapshotCell(const Json& file) {
  const std::string id = std::to_string(IntOf(file, "snapshot-id"));
  if (!BoolOf(file, "current")) return id;
  return {id + " (current)", Colour::kCyan};
}

std::string AgeOf(const Json& file, int64_t now_ms) {
  return FormatAge(IntOf(file, "timestamp-ms"), now_ms);
}

std::string ColumnsText(const Json& answer, int64_t now_ms, const Console& console) {
  TextTable table({{"SNAPSHOT"},
                   {"AGE", Align::kRight},
                   {"COLUMN"},
                   {"DISTINCT VALUES", Align::kRight},
                   {"FILE"}});
  for (const auto& file : ListOf(answer, "column-statistics")) {
    for (const auto& blob : ListOf(file, "columns")) {
      const int64_t count = IntOf(blob, "distinct-values", -1);
      table.Add({SnapshotCell(file), AgeOf(file, now_ms), TextOf(blob, "column"),
                 count < 0 ? "-" : FormatCount(count), TextOf(file, "file")});
    }
  }
  return table.empty() ? "No counts of distinct values.\n" : table.Text(console);
}

std::string PartitionsText(const Json& answer, int64_t now_ms, const Console& console) {
  TextTable table({{"SNAPSHOT"}, {"AGE", Align::kRight}, {"SIZE", Align::kRight}, {"FILE"}});
  for (const auto& file : ListOf(answer, "partition-statistics")) {
    table.Add({SnapshotCell(file), AgeOf(file, now_ms), FormatMebibytes(IntOf(file, "bytes")),
               TextOf(file, "file")});
  }
  return table.empty() ? "No partition statistics.\n" : table.Text(console);
}

}  // namespace

Status ShowStatistics(Session& session, const TableOptions& options) {
  MORAINE_ASSIGN(auto name, ParseTableRef(options.table));
  MORAINE_ASSIGN(auto answer,
                 session.client.Get(TablePath(options.warehouse, name) + "/statistics"));
  if (session.PrintedJson(answer)) return {};
  const int64_t now_ms = session.client.now_ms();
  session.console.out(fmt::format("Columns\n{}\nPartitions\n{}",
                                  ColumnsText(answer.json, now_ms, session.console),
                                  PartitionsText(answer.json, now_ms, session.console)));
  return {};
}

}  // namespace moraine::cli
