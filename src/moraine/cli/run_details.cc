#include "moraine/cli/run_details.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/cli/client.h"

namespace moraine::cli {
namespace {

using Align = TextTable::Align;

constexpr size_t kShownSingly = 3;  ///< snapshots of one fate for one reason

/// Snapshots with the same fate for the same reason.
struct Fate {
  bool expires = false;
  std::string reason;
  std::vector<const Json*> snapshots;
};

std::vector<Fate> FatesOf(const Json::Array& decisions) {
  std::vector<Fate> fates;
  for (const auto& one : decisions) {
    const bool expires = BoolOf(one, "expires");
    const std::string reason = TextOf(one, "reason");
    auto found = std::find_if(fates.begin(), fates.end(), [&](const Fate& fate) {
      return fate.expires == expires && fate.reason == reason;
    });
    if (found == fates.end()) found = fates.insert(fates.end(), {expires, reason, {}});
    found->snapshots.push_back(&one);
  }
  return fates;
}

TextTable::Cell FateCell(bool expires) {
  return expires ? TextTable::Cell("goes", Colour::kYellow) : TextTable::Cell("stays");
}

/// "2 h", or "2 h to 5 d" for several.
std::string AgesOf(const Fate& fate, int64_t now_ms) {
  int64_t first_ms = IntOf(*fate.snapshots[0], "timestamp-ms"), last_ms = first_ms;
  for (const Json* one : fate.snapshots) {
    first_ms = std::min(first_ms, IntOf(*one, "timestamp-ms"));
    last_ms = std::max(last_ms, IntOf(*one, "timestamp-ms"));
  }
  const std::string youngest = FormatAge(last_ms, now_ms), oldest = FormatAge(first_ms, now_ms);
  return youngest == oldest ? oldest : fmt::format("{} to {}", youngest, oldest);
}

std::string SnapshotsText(const Json::Array& decisions, int64_t now_ms, const Console& console) {
  TextTable table({{"SNAPSHOT"}, {"AGE", Align::kRight}, {"FATE"}, {"REASON"}});
  for (const auto& fate : FatesOf(decisions)) {
    if (fate.snapshots.size() > kShownSingly) {
      table.Add({fmt::format("{} and {} more", IntOf(*fate.snapshots[0], "snapshot-id"),
                             FormatCount(static_cast<int64_t>(fate.snapshots.size()) - 1)),
                 AgesOf(fate, now_ms), FateCell(fate.expires), fate.reason});
      continue;
    }
    for (const Json* one : fate.snapshots) {
      table.Add({std::to_string(IntOf(*one, "snapshot-id")),
                 FormatAge(IntOf(*one, "timestamp-ms"), now_ms), FateCell(fate.expires),
                 fate.reason});
    }
  }
  return table.empty() ? "" : "\n" + table.Text(console);
}

std::string RefsText(const Json::Array& decisions, const Console& console) {
  TextTable table({{"REF", Align::kLeft, TextTable::Cut::kYes}, {"FATE"}, {"REASON"}});
  for (const auto& one : decisions) {
    table.Add({TextOf(one, "name"), FateCell(BoolOf(one, "expires")), TextOf(one, "reason")});
  }
  return table.empty() ? "" : "\n" + table.Text(console);
}

/// Counts by kind of file: {"data": {"files": 3, "bytes": 9}, ...}.
std::string KindsText(const Json::Object& kinds, const Console& console) {
  TextTable table({{"FILES OF"}, {"FILES", Align::kRight}, {"SIZE", Align::kRight}});
  for (const auto& [kind, counts] : kinds) {
    if (!counts.is_object() || IntOf(counts, "files") == 0) continue;
    table.Add({kind, FormatCount(IntOf(counts, "files")), FormatByteSize(IntOf(counts, "bytes"))});
  }
  return table.empty() ? "" : "\n" + table.Text(console);
}

std::string ValueText(std::string_view name, const Json& value) {
  if (value.is_string()) return value.as_string();
  if (value.is_bool()) return value.as_bool() ? "yes" : "no";
  const auto number = value.is_number() ? value.int64() : std::nullopt;
  if (!number || name.ends_with("id")) return value.ToString();
  return name.ends_with("bytes") ? FormatByteSize(*number) : FormatCount(*number);
}

std::string Title(std::string_view name) {
  std::string title(name == "bytes" ? "size" : name);
  for (char& c : title)
    c = c == '-' ? ' ' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return title;
}

/// Objects that are alike, a row each.
std::string RowsText(const Json::Array& rows, const Console& console) {
  std::vector<TextTable::Column> columns;
  for (const auto& [name, value] : rows[0].as_object()) {
    columns.push_back({Title(name), value.is_number() ? Align::kRight : Align::kLeft});
  }
  TextTable table(std::move(columns));
  for (const auto& row : rows) {
    std::vector<TextTable::Cell> cells;
    for (const auto& [name, _] : rows[0].as_object()) {
      const Json* value = row.is_object() ? row.Find(name) : nullptr;
      cells.emplace_back(value == nullptr ? "" : ValueText(name, *value));
    }
    table.Add(std::move(cells));
  }
  return "\n" + table.Text(console);
}

bool IsRows(const Json& value) {
  return value.is_array() && !value.as_array().empty() && value.as_array()[0].is_object() &&
         !value.as_array()[0].as_object().empty();
}

bool IsByKind(const Json& value) {
  if (!value.is_object()) return false;
  const auto& kinds = value.as_object();
  return std::any_of(kinds.begin(), kinds.end(), [](const auto& kind) {
    return kind.second.is_object() && kind.second.Find("files") != nullptr;
  });
}

/// What counts nothing says nothing.
bool IsEmpty(const Json& value) {
  if (value.is_array()) return value.as_array().empty();
  if (value.is_string()) return value.as_string().empty();
  return value.is_number() && value.ToString() == "0";
}

}  // namespace

std::string DetailsText(const Json& details, int64_t now_ms, const Console& console,
                        FactList* facts) {
  std::string tables;
  if (!details.is_object()) return tables;
  for (const auto& [key, value] : details.as_object()) {
    if (key == "decisions" && value.is_object()) {
      tables += SnapshotsText(ListOf(value, "snapshots"), now_ms, console);
      tables += RefsText(ListOf(value, "refs"), console);
    } else if (IsByKind(value)) {
      tables += KindsText(value.as_object(), console);
      for (const char* count : {"elsewhere", "missing"}) {
        if (const int64_t files = IntOf(value, count); files > 0)
          facts->Add(fmt::format("  {}", count), FormatFiles(files));
      }
    } else if (IsRows(value)) {
      tables += RowsText(value.as_array(), console);
    } else if (value.is_object()) {
      for (const auto& [name, inner] : value.as_object()) {
        if (!IsEmpty(inner)) facts->Add(fmt::format("  {} {}", key, name), ValueText(name, inner));
      }
    } else if (!IsEmpty(value)) {
      facts->Add("  " + key, ValueText(key, value));
    }
  }
  return tables;
}

}  // namespace moraine::cli
