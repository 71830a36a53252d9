// moraine table ...: list, show, health, files, snapshots, optimize.

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/cli/commands.h"
#include "moraine/cli/text_table.h"
#include "moraine/cli/watch.h"

namespace moraine::cli {
namespace {

using Align = TextTable::Align;
using Cell = TextTable::Cell;

constexpr int64_t kTablesPage = 1'000;

enum class More { kNo, kYes };
enum class LastPage { kNo, kYes };

Colour ColourOfStatus(std::string_view status) {
  if (status == "failed") return Colour::kRed;
  if (status == "skipped" || status == "pending") return Colour::kYellow;
  if (status == "idle") return Colour::kGreen;
  return Colour::kCyan;
}

Colour ColourOfScore(int64_t score) {
  return score >= 80 ? Colour::kGreen : score >= 50 ? Colour::kYellow : Colour::kRed;
}

/// A count, or a dash where health is not known yet.
std::string CountOf(const Json& json, std::string_view key) {
  const Json* found = json.is_object() ? json.Find(key) : nullptr;
  return found != nullptr ? FormatCount(IntOf(json, key)) : "-";
}

std::string SizeOf(const Json& json, std::string_view key) {
  const Json* found = json.is_object() ? json.Find(key) : nullptr;
  return found != nullptr ? FormatMebibytes(IntOf(json, key)) : "-";
}

std::string SnapshotOf(const Json& json, std::string_view key) {
  int64_t id = IntOf(json, key, -1);
  return id < 0 ? "none" : std::to_string(id);
}

Result<std::string> PathOf(const TableOptions& options) {
  MORAINE_ASSIGN(auto table, ParseTableRef(options.table));
  return TablePath(options.warehouse, table);
}

/// {"type": "struct"} and its like by their names; simple types are text already.
std::string TypeOf(const Json& type) {
  return type.is_string() ? type.as_string() : TextOf(type, "type");
}

std::string SchemaText(const Json& schema, const Console& console) {
  TextTable table({{"ID", Align::kRight}, {"COLUMN"}, {"TYPE"}, {"NULL"}});
  for (const auto& field : ListOf(schema, "fields")) {
    table.Add({std::to_string(IntOf(field, "id")), TextOf(field, "name"),
               TypeOf(ObjectOf(field, "type")), BoolOf(field, "required") ? "no" : "yes"});
  }
  return table.Text(console);
}

void AddHealth(const Json& table, int64_t now_ms, FactList* facts) {
  const Json& health = ObjectOf(table, "health");
  int64_t score = IntOf(table, "score");
  std::string status = TextOf(table, "status");
  facts->Add("status", {status, ColourOfStatus(status)});
  facts->Add("reason", TextOf(table, "reason"));
  bool known = health.is_object() && health.Find("data-files") != nullptr;
  facts->Add("score",
             known ? Cell(fmt::format("{} of 100", score), ColourOfScore(score)) : Cell("-"));
  if (known && health.Find("score") != nullptr) {
    facts->Add("  small files", fmt::format("{} of 40", IntOf(health, "small-files-score")));
    facts->Add("  equality deletes",
               fmt::format("{} of 40", IntOf(health, "equality-deletes-score")));
    facts->Add("  position deletes",
               fmt::format("{} of 20", IntOf(health, "position-deletes-score")));
  }
  std::string why = TextOf(health, "explanation");
  if (!why.empty()) facts->Add("why", why);
  facts->Add("group", TextOf(table, "group"));
  facts->Add("looked at", FormatAgo(IntOf(table, "refreshed-ms"), now_ms));
  // Before the first run the timers begin with the table, which would read as if there had been
  // one.
  bool has_run = IntOf(table, "written-bytes") > 0;
  auto last = [&](std::string_view key) {
    return FormatAgo(has_run ? IntOf(table, key) : 0, now_ms);
  };
  facts->Add("last minor", last("last-minor-ms"));
  facts->Add("last major", last("last-major-ms"));
  facts->Add("last full", last("last-full-ms"));
  facts->Add("rewritten so far", FormatMebibytes(IntOf(table, "written-bytes")));
  if (int64_t failures = IntOf(table, "failures"); failures > 0) {
    facts->Add("failures in a row", {std::to_string(failures), Colour::kRed});
    facts->Add("last failure", {TextOf(table, "last-failure"), Colour::kRed});
  }
}

std::string CountsText(const Json& health, const Console& console) {
  TextTable table(
      {{"FILES"}, {"COUNT", Align::kRight}, {"RECORDS", Align::kRight}, {"SIZE", Align::kRight}});
  table.Add({"data", CountOf(health, "data-files"), CountOf(health, "records"),
             SizeOf(health, "data-bytes")});
  table.Add({"  of them small", CountOf(health, "small-files"), "", SizeOf(health, "small-bytes")});
  table.Add({"position deletes", CountOf(health, "position-delete-files"),
             CountOf(health, "position-delete-records"), ""});
  table.Add({"equality deletes", CountOf(health, "equality-delete-files"),
             CountOf(health, "equality-delete-records"), SizeOf(health, "delete-bytes")});
  table.Add({"manifests", CountOf(health, "manifests"), "", ""});
  table.Add({"partitions", CountOf(health, "partitions"), "", ""});
  table.Add({"  that need work", CountOf(health, "candidate-partitions"), "", ""});
  return table.Text(console);
}

/// Tables as lines, a page at a time under one heading.
class TableLines {
 public:
  explicit TableLines(Session& session)
      : session_(session),
        table_({{"WAREHOUSE", Align::kLeft, TextTable::Cut::kYes},
                {"TABLE", Align::kLeft, TextTable::Cut::kYes},
                {"STATUS"},
                {"SCORE", Align::kRight},
                {"FILES", Align::kRight},
                {"SMALL", Align::kRight},
                {"DELETES", Align::kRight},
                {"SIZE", Align::kRight},
                {"LOOKED AT", Align::kRight},
                {"REASON"}}) {}

  void Add(const Json::Array& tables) {
    for (const auto& item : tables) table_.Add(LineOf(item));
    shown_ += static_cast<int64_t>(tables.size());
    if (shown_ > 0) session_.console.out(table_.TakeText(session_.console));
  }

  void End(More more) {
    if (shown_ == 0) {
      session_.console.out("No tables yet. Engines make them through " + session_.client.server() +
                           "/iceberg\n");
    } else if (more == More::kYes) {
      session_.console.out(
          fmt::format("The first {}; there are more without --limit\n", FormatCount(shown_)));
    }
  }

 private:
  std::vector<Cell> LineOf(const Json& item) const {
    const Json& health = ObjectOf(item, "health");
    std::string status = TextOf(item, "status");
    int64_t score = IntOf(item, "score");
    bool known = health.is_object() && health.Find("data-files") != nullptr;
    int64_t deletes =
        IntOf(health, "position-delete-files") + IntOf(health, "equality-delete-files");
    return {TextOf(item, "warehouse"),
            ShowTable(TableOf(item)),
            {status, ColourOfStatus(status)},
            known ? Cell(std::to_string(score), ColourOfScore(score)) : Cell("-"),
            CountOf(health, "data-files"),
            CountOf(health, "small-files"),
            known ? FormatCount(deletes) : "-",
            SizeOf(health, "data-bytes"),
            FormatAge(IntOf(item, "refreshed-ms"), session_.client.now_ms()),
            TextOf(item, "reason")};
  }

  Session& session_;
  TextTable table_;
  int64_t shown_ = 0;
};

/// The pages of a listing as one JSON answer, written as they come; a single page as it came.
class JsonLines {
 public:
  explicit JsonLines(Console& console) : console_(console) {}

  void Add(const Answer& answer, LastPage last) {
    if (last == LastPage::kYes && !begun_) return console_.out(answer.text + "\n");
    std::string text = begun_ ? "" : "{\"tables\":[";
    for (const auto& table : ListOf(answer.json, "tables")) {
      text += (first_ ? "" : ",\n") + table.ToString();
      first_ = false;
    }
    begun_ = true;
    console_.out(text + (last == LastPage::kYes ? "]}\n" : ""));
  }

 private:
  Console& console_;
  bool begun_ = false;
  bool first_ = true;
};

}  // namespace

bool Session::PrintedJson(const Answer& answer) const {
  if (json) console.out(answer.text + "\n");
  return json;
}

Status ListTables(Session& session, const TableOptions& options) {
  TableLines lines(session);
  JsonLines json(session.console);
  int64_t left = options.tables > 0 ? options.tables : INT64_MAX;
  std::string token;
  while (true) {
    net::QueryParams query = {{"limit", std::to_string(std::min(left, kTablesPage))}};
    if (!token.empty()) query.emplace_back("page-token", token);
    MORAINE_ASSIGN(auto answer, session.client.Get("/api/v1/tables", query));
    const auto& tables = ListOf(answer.json, "tables");
    std::string next = TextOf(answer.json, "next-page-token");
    left -= static_cast<int64_t>(tables.size());
    bool last = next.empty() || tables.empty() || left <= 0;
    if (session.json) {
      json.Add(answer, last ? LastPage::kYes : LastPage::kNo);
    } else {
      lines.Add(tables);
    }
    if (last) {
      if (!session.json) lines.End(next.empty() ? More::kNo : More::kYes);
      return {};
    }
    token = std::move(next);
  }
}

Status ShowTable(Session& session, const TableOptions& options) {
  MORAINE_ASSIGN(auto path, PathOf(options));
  MORAINE_ASSIGN(auto answer, session.client.Get(path));
  if (session.PrintedJson(answer)) return {};
  const Json& table = answer.json;
  int64_t now_ms = session.client.now_ms();
  FactList facts;
  facts.Add("table", {ShowTable(TableOf(table)), Colour::kBold});
  facts.Add("warehouse", TextOf(table, "warehouse"));
  facts.Add("id", std::to_string(IntOf(table, "id")));
  if (table.Find("uuid") == nullptr) {  // its metadata can't be read
    AddHealth(table, now_ms, &facts);
    session.console.out(facts.Text(session.console));
    return {};
  }
  facts.Add("uuid", TextOf(table, "uuid"));
  facts.Add("location", TextOf(table, "location"));
  facts.Add("metadata", TextOf(table, "metadata-location"));
  facts.Add("format version", std::to_string(IntOf(table, "format-version")));
  facts.Add("origin", TextOf(table, "origin"));
  facts.Add("snapshots", FormatCount(IntOf(table, "snapshots")));
  facts.Add("current snapshot", SnapshotOf(table, "current-snapshot-id"));
  facts.Add("last commit", FormatAgo(IntOf(table, "last-updated-ms"), now_ms));
  if (const Json& protection = ObjectOf(table, "protection"); protection.is_object()) {
    std::string by = TextOf(protection, "by"), reason = TextOf(protection, "reason");
    facts.Add("protected",
              fmt::format("{}{}{}{}", FormatAgo(IntOf(protection, "since-ms"), now_ms),
                          by.empty() ? "" : " by " + by, reason.empty() ? "" : ": ", reason));
  }
  AddHealth(table, now_ms, &facts);
  std::string text = facts.Text(session.console);
  text += "\n" + SchemaText(ObjectOf(table, "schema"), session.console);
  const auto& partitions = ListOf(ObjectOf(table, "partition-spec"), "fields");
  if (!partitions.empty()) {
    TextTable spec({{"PARTITION"}, {"TRANSFORM"}, {"SOURCE ID", Align::kRight}});
    for (const auto& field : partitions) {
      spec.Add({TextOf(field, "name"), TextOf(field, "transform"),
                std::to_string(IntOf(field, "source-id"))});
    }
    text += "\n" + spec.Text(session.console);
  }
  const Json& properties = ObjectOf(table, "properties");
  if (properties.is_object() && !properties.as_object().empty()) {
    TextTable list({{"PROPERTY"}, {"VALUE"}});
    for (const auto& [key, value] : properties.as_object()) {
      list.Add({key, value.is_string() ? value.as_string() : value.ToString()});
    }
    text += "\n" + list.Text(session.console);
  }
  session.console.out(text);
  return {};
}

Status ShowHealth(Session& session, const TableOptions& options) {
  MORAINE_ASSIGN(auto path, PathOf(options));
  MORAINE_ASSIGN(auto answer, session.client.Get(path));
  if (session.json) {
    session.console.out(ObjectOf(answer.json, "health").ToString() + "\n");
    return {};
  }
  FactList facts;
  facts.Add("table", {ShowTable(TableOf(answer.json)), Colour::kBold});
  AddHealth(answer.json, session.client.now_ms(), &facts);
  session.console.out(facts.Text(session.console));
  const Json& health = ObjectOf(answer.json, "health");
  if (health.is_object() && health.Find("data-files") != nullptr) {
    session.console.out("\n" + CountsText(health, session.console));
  }
  return {};
}

Status ShowFiles(Session& session, const TableOptions& options) {
  MORAINE_ASSIGN(auto path, PathOf(options));
  MORAINE_ASSIGN(auto answer,
                 session.client.Get(path + "/files", {{"limit", std::to_string(options.limit)}}));
  if (session.PrintedJson(answer)) return {};
  TextTable table({{"CONTENT"},
                   {"FORMAT"},
                   {"PARTITION"},
                   {"RECORDS", Align::kRight},
                   {"SIZE", Align::kRight},
                   {"SEQUENCE", Align::kRight},
                   {"PATH"}});
  for (const auto& file : ListOf(answer.json, "files")) {
    table.Add({TextOf(file, "content"), TextOf(file, "format"), TextOf(file, "partition"),
               FormatCount(IntOf(file, "records")), FormatMebibytes(IntOf(file, "bytes")),
               std::to_string(IntOf(file, "sequence-number")), TextOf(file, "path")});
  }
  if (table.empty()) {
    session.console.out("The table has no files.\n");
    return {};
  }
  session.console.out(table.Text(session.console));
  if (!BoolOf(answer.json, "complete")) {
    session.console.out(fmt::format("The first {} files; more with --limit\n", options.limit));
  }
  return {};
}

Status ShowSnapshots(Session& session, const TableOptions& options) {
  MORAINE_ASSIGN(auto path, PathOf(options));
  MORAINE_ASSIGN(auto answer, session.client.Get(path + "/snapshots"));
  if (session.PrintedJson(answer)) return {};
  TextTable table({{"SNAPSHOT", Align::kRight},
                   {"SEQUENCE", Align::kRight},
                   {"AGE", Align::kRight},
                   {"OPERATION"},
                   {"ADDED", Align::kRight},
                   {"REMOVED", Align::kRight},
                   {"FILES", Align::kRight},
                   {"RECORDS", Align::kRight},
                   {""}});
  auto count = [](const Json& summary, std::string_view key) {
    auto value = ParseInt64(TextOf(summary, key));
    return value.ok() ? FormatCount(*value) : std::string("-");
  };
  for (const auto& snapshot : ListOf(answer.json, "snapshots")) {
    const Json& summary = ObjectOf(snapshot, "summary");
    std::string note = BoolOf(snapshot, "current") ? "current" : "";
    if (TextOf(summary, "snapshot.producer") == "OPTIMIZE")
      note += note.empty() ? "optimizing" : ", optimizing";
    table.Add({std::to_string(IntOf(snapshot, "snapshot-id")),
               std::to_string(IntOf(snapshot, "sequence-number")),
               FormatAge(IntOf(snapshot, "timestamp-ms"), session.client.now_ms()),
               TextOf(snapshot, "operation"),
               count(summary, "added-data-files"),
               count(summary, "deleted-data-files"),
               count(summary, "total-data-files"),
               count(summary, "total-records"),
               {note, Colour::kCyan}});
  }
  session.console.out(table.empty() ? "The table has no snapshots.\n"
                                    : table.Text(session.console));
  return {};
}

Status OptimizeTable(Session& session, const TableOptions& options) {
  MORAINE_ASSIGN(auto path, PathOf(options));
  std::string newest;
  int64_t table_id = 0;
  if (options.watch) {
    MORAINE_ASSIGN(auto table, session.client.Get(path));
    table_id = IntOf(table.json, "id");
    MORAINE_ASSIGN(auto before,
                   session.client.Get("/api/v1/processes",
                                      {{"table-id", std::to_string(table_id)}, {"limit", "1"}}));
    const auto& processes = ListOf(before.json, "processes");
    if (!processes.empty()) newest = TextOf(processes[0], "process-id");
  }
  std::string type = options.type;
  const bool arranges = !options.layout.empty() || !options.dedup_key.empty();
  if (type.empty()) type = arranges ? "full" : "major";
  std::string body;
  JsonWriter out(&body);
  out.BeginObject().Field("type", type);
  if (!options.layout.empty()) out.Field("layout", options.layout);
  if (!options.branch.empty()) out.Field("branch", options.branch);
  if (!options.dedup_key.empty()) {
    out.Key("dedup").BeginObject().Field("key", options.dedup_key);
    if (!options.dedup_by.empty()) out.Field("keep-last-by", options.dedup_by);
    out.EndObject();
  }
  out.EndObject();
  MORAINE_TRY(session.client.Post(path + "/optimize", std::move(body)));
  if (options.watch) return WatchRequest(session, path, table_id, newest);
  if (!session.json) {
    session.console.out(fmt::format(
        "Asked for a {} run of {}{}. Follow it: moraine process list --table {}\n", type,
        options.table, options.layout.empty() ? "" : " in the layout " + options.layout,
        options.table));
  }
  return {};
}

}  // namespace moraine::cli
