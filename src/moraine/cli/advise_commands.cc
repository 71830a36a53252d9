#include "moraine/cli/advise_commands.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/cli/property_warnings.h"
#include "moraine/cli/text_table.h"

namespace moraine::cli {
namespace {

using Align = TextTable::Align;

constexpr int64_t kTablesPage = 1'000;
constexpr size_t kNarrowest = 40;
constexpr size_t kWidest = 100;

/// Lines of words, each after the indent.
std::string Wrapped(const std::string& text, const std::string& indent, size_t width) {
  std::string lines, line;
  for (auto word : Split(text, ' ')) {
    if (!line.empty() && line.size() + 1 + word.size() > width) {
      lines += indent + line + "\n";
      line.clear();
    }
    if (!line.empty()) line += " ";
    line += word;
  }
  return lines + indent + line + "\n";
}

Colour ColourOf(int64_t score) {
  constexpr int64_t kHigh = 50, kMiddle = 20;
  if (score >= kHigh) return Colour::kRed;
  return score >= kMiddle ? Colour::kYellow : Colour::kNone;
}

size_t WidthOf(const Console& console) {
  const auto columns = static_cast<size_t>(std::max(console.columns, 0));
  return std::clamp(columns, kNarrowest, kWidest) - 6;
}

void ShowAdvice(const Console& console, const Json& advice, size_t number) {
  const int64_t score = IntOf(advice, "score");
  const auto line = [&](const char* what, const std::string& text) {
    console.out(
        fmt::format("   {}\n{}", what, Wrapped(Printable(text), "      ", WidthOf(console))));
  };
  console.out(fmt::format("{}. {}: {}  {}\n", number, TextOf(advice, "kind"),
                          console.Paint(Colour::kBold, Printable(TextOf(advice, "subject"))),
                          console.Paint(ColourOf(score), fmt::format("(score {})", score))));
  line("why", TextOf(advice, "why"));
  line("gain", TextOf(advice, "gain"));
  console.out("   how\n");
  // Whole lines, to be copied.
  for (const auto& command : ListOf(advice, "commands")) {
    if (command.is_string()) console.out(fmt::format("      {}\n", Printable(command.as_string())));
  }
}

Status AdviseOne(Session& session, const AdviseOptions& options) {
  MORAINE_ASSIGN(auto table, ParseTableRef(options.table));
  MORAINE_ASSIGN(auto answer, session.client.Get(TablePath(options.warehouse, table) + "/advice",
                                                 {{"days", std::to_string(options.days)}}));
  if (session.PrintedJson(answer)) return {};
  const Json& files = ObjectOf(answer.json, "files");
  const Json& scans = ObjectOf(answer.json, "scans");
  session.console.out(fmt::format(
      "{}: {} in {}, {} in {} days\n", Printable(options.table),
      FormatFiles(IntOf(files, "data-files")), FormatMebibytes(IntOf(files, "data-bytes")),
      IntOf(scans, "scans") == 1 ? "1 scan" : FormatCount(IntOf(scans, "scans")) + " scans",
      options.days));
  size_t number = 0;
  for (const auto& advice : ListOf(answer.json, "advice")) {
    session.console.out("\n");
    ShowAdvice(session.console, advice, ++number);
  }
  const auto& notes = ListOf(answer.json, "notes");
  if (!notes.empty()) session.console.out("\n");
  for (const auto& note : notes) {
    if (note.is_string())
      session.console.out(Wrapped(Printable(note.as_string()), "   ", WidthOf(session.console)));
  }
  return {};
}

struct Ranked {
  std::string table;
  Json advice;
};

/// Whether it is of the warehouse and below the namespace.
bool IsMeant(const Json& table, const AdviseOptions& options,
             const std::vector<std::string>& levels) {
  if (TextOf(table, "warehouse") != options.warehouse) return false;
  const auto ref = TableOf(table);
  return ref.levels.size() >= levels.size() &&
         std::equal(levels.begin(), levels.end(), ref.levels.begin());
}

Status CollectPage(Session& session, const AdviseOptions& options, const Json& page,
                   const std::vector<std::string>& levels, std::vector<Ranked>* found,
                   int64_t* looked_at) {
  for (const auto& item : ListOf(page, "tables")) {
    if (!IsMeant(item, options, levels)) continue;
    const auto ref = TableOf(item);
    auto answer = session.client.Get(TablePath(options.warehouse, ref) + "/advice",
                                     {{"days", std::to_string(options.days)}});
    if (!answer.ok()) {
      const Status status = std::move(answer).status();
      // One table that can't be read, or is gone, says nothing of the others.
      if (!session.client.reached() || status.code() == Code::kCancelled) return status;
      session.console.err(
          fmt::format("moraine: {}: {}\n", ShowTable(ref), Printable(status.message())));
      continue;
    }
    ++*looked_at;
    for (const auto& advice : ListOf(answer->json, "advice"))
      found->push_back({ShowTable(ref), advice});
    // Only the best are shown: no need to keep those of a million tables.
    std::stable_sort(found->begin(), found->end(), [](const Ranked& a, const Ranked& b) {
      return IntOf(a.advice, "score") > IntOf(b.advice, "score");
    });
    const auto limit = static_cast<size_t>(options.limit);
    if (found->size() > limit) found->erase(found->begin() + options.limit, found->end());
  }
  return {};
}

void ShowRanked(const Session& session, const std::vector<Ranked>& found, int64_t looked_at) {
  if (session.json) {
    std::string text;
    JsonWriter out(&text);
    out.BeginObject().Field("tables", looked_at).Key("advice").BeginArray();
    for (const auto& each : found) {
      out.BeginObject().Field("table", each.table).Key("advice").Value(each.advice).EndObject();
    }
    out.EndArray().EndObject();
    session.console.out(text + "\n");
    return;
  }
  if (found.empty()) {
    session.console.out(fmt::format("Nothing to advise for {} table{}.\n", FormatCount(looked_at),
                                    looked_at == 1 ? "" : "s"));
    return;
  }
  TextTable table({{"SCORE", Align::kRight},
                   {"TABLE", Align::kLeft, TextTable::Cut::kYes},
                   {"ADVICE"},
                   {"ABOUT", Align::kLeft, TextTable::Cut::kYes},
                   {"GAIN"}});
  for (const auto& each : found) {
    const int64_t score = IntOf(each.advice, "score");
    table.Add({{std::to_string(score), ColourOf(score)},
               each.table,
               TextOf(each.advice, "kind"),
               TextOf(each.advice, "subject"),
               TextOf(each.advice, "gain")});
  }
  session.console.out(table.Text(session.console));
  session.console.out("Why and how: moraine table advise TABLE\n");
}

Status AdviseMany(Session& session, const AdviseOptions& options) {
  std::vector<std::string> levels;
  if (!options.ns.empty()) {
    MORAINE_ASSIGN(levels, ParseLevels(options.ns));
  }
  std::vector<Ranked> found;
  int64_t looked_at = 0;
  std::string token;
  do {
    net::QueryParams query = {{"limit", std::to_string(kTablesPage)}};
    if (!token.empty()) query.emplace_back("page-token", token);
    MORAINE_ASSIGN(auto page, session.client.Get("/api/v1/tables", query));
    MORAINE_TRY(CollectPage(session, options, page.json, levels, &found, &looked_at));
    token = TextOf(page.json, "next-page-token");
  } while (!token.empty());
  ShowRanked(session, found, looked_at);
  return {};
}

constexpr std::string_view kFormatVersion = "format-version";

/// The updates of a commit. "format-version" is none of the properties, but looks like one.
Result<std::string> UpdatesOf(const SetOptions& options) {
  std::string text, updates;
  JsonWriter out(&text);
  out.BeginObject().Key("requirements").BeginArray().EndArray().Key("updates").BeginArray();
  std::vector<std::pair<std::string, std::string>> properties;
  for (const auto& property : options.properties) {
    const size_t equals = property.find('=');
    if (equals == 0 || equals == std::string::npos)
      return InvalidArgument(fmt::format("expected NAME=VALUE, got {}", property));
    std::string name = property.substr(0, equals), value = property.substr(equals + 1);
    if (name != kFormatVersion) {
      properties.emplace_back(std::move(name), std::move(value));
      continue;
    }
    auto version = ParseInt64(value);
    if (!version.ok()) return InvalidArgument("format-version: expected a number");
    out.BeginObject()
        .Field("action", "upgrade-format-version")
        .Field(kFormatVersion, *version)
        .EndObject();
  }
  if (!properties.empty()) {
    out.BeginObject().Field("action", "set-properties").Key("updates").BeginObject();
    for (const auto& [name, value] : properties) out.Field(name, value);
    out.EndObject().EndObject();
  }
  if (!options.removals.empty()) {
    out.BeginObject().Field("action", "remove-properties").Key("removals").BeginArray();
    for (const auto& name : options.removals) out.String(name);
    out.EndArray().EndObject();
  }
  out.EndArray().EndObject();
  return text;
}

}  // namespace

Status AdviseTables(Session& session, const AdviseOptions& options) {
  return options.table.empty() ? AdviseMany(session, options) : AdviseOne(session, options);
}

Status SetTableProperties(Session& session, const SetOptions& options) {
  MORAINE_ASSIGN(auto table, ParseTableRef(options.table));
  if (options.properties.empty() && options.removals.empty())
    return InvalidArgument("expected NAME=VALUE, or --remove NAME");
  MORAINE_ASSIGN(auto body, UpdatesOf(options));
  MORAINE_ASSIGN(auto answer,
                 session.client.Post(IcebergTablePath(options.warehouse, table), std::move(body)));
  WarnOfProperties(session.console, options.properties);
  if (session.PrintedJson(answer)) return {};
  for (const auto& property : options.properties)
    session.console.out(fmt::format("set {}\n", Printable(property)));
  for (const auto& name : options.removals)
    session.console.out(fmt::format("removed {}\n", Printable(name)));
  return {};
}

}  // namespace moraine::cli
