// What would help a table, and why. Computed when it is asked for, from what is there then; nothing
// is kept, and nothing is done.

#include "moraine/upkeep/advice.h"

#include <atomic>
#include <memory>

#include <fmt/format.h>

#include "moraine/api/impl_internal.h"
#include "moraine/base/text.h"
#include "moraine/maintenance/controls.h"

namespace moraine::api {
namespace {

constexpr int64_t kDefaultDays = 7;
constexpr int64_t kMostDays = 366;
constexpr int64_t kDayMs = 86'400'000;
/// Requests that read manifests, of all tables: the threads that they take answer everybody else.
constexpr int kMostAtOnce = 2;
constexpr Millis kSurveyLimit{20'000};

/// A place among kMostAtOnce.
class Turn {
 public:
  explicit Turn(std::atomic<int>& taken) : taken_(taken), is_mine_(++taken <= kMostAtOnce) {}
  ~Turn() { --taken_; }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  bool is_mine() const { return is_mine_; }

 private:
  std::atomic<int>& taken_;
  const bool is_mine_;
};

Result<int64_t> DaysOf(const net::Request& request) {
  auto text = request.Query("days");
  if (!text) return kDefaultDays;
  auto days = ParseInt64(*text);
  if (days.ok() && *days >= 1 && *days <= kMostDays) return *days;
  return InvalidArgument(fmt::format("days: expected a number from 1 to {}", kMostDays));
}

/// As commands take it: a part with dots or quotes stands in double quotes.
std::string NameForCommands(const catalog::TableName& name) {
  std::string text;
  const auto add = [&](const std::string& part) {
    if (!text.empty()) text += ".";
    if (part.find_first_of(".\"") == std::string::npos) {
      text += part;
      return;
    }
    text += '"';
    for (char c : part) text += c == '"' ? std::string("\"\"") : std::string(1, c);
    text += '"';
  };
  for (const auto& level : name.ns) add(level);
  add(name.name);
  return text;
}

void WriteScans(const iceberg::ScanUsage& scans, JsonWriter* out) {
  out->Key("scans").BeginObject();
  out->Field("scans", scans.scans)
      .Field("filtered", scans.filtered)
      .Field("result-files", scans.result_files)
      .Field("skipped-files", scans.skipped_files)
      .Field("result-bytes", scans.result_bytes)
      .Field("result-delete-files", scans.result_deletes)
      .Field("planning-ms", scans.planning_ms)
      .Field("last-ms", scans.last_ms);
  out->Key("columns").BeginArray();
  for (const auto& [name, use] : scans.columns) {
    out->BeginObject()
        .Field("name", name)
        .Field("scans", use.scans)
        .Field("equality", use.equality)
        .Field("range", use.range)
        .Field("prefix", use.prefix)
        .Field("other", use.other)
        .Field("result-files", use.result_files)
        .Field("skipped-files", use.skipped_files)
        .EndObject();
  }
  out->EndArray().Key("projected").BeginObject();
  for (const auto& [name, count] : scans.projected) out->Field(name, count);
  out->EndObject().EndObject();
}

void WriteSurvey(const upkeep::TableSurvey& survey, JsonWriter* out) {
  out->Key("files").BeginObject();
  out->Field("snapshot-id", survey.snapshot_id)
      .Field("manifests", survey.manifests)
      .Field("manifests-read", survey.manifests_read)
      .Field("data-files", survey.data_files)
      .Field("data-bytes", survey.data_bytes)
      .Field("records", survey.records)
      .Field("partitions", survey.partitions)
      .Field("position-delete-files", survey.position_delete_files)
      .Field("deletion-vectors", survey.deletion_vectors)
      .Field("equality-delete-files", survey.equality_delete_files);
  out->Key("columns").BeginArray();
  for (const auto& column : survey.columns) {
    out->BeginObject().Field("name", column.name);
    out->Key("bounded").Double(column.bounded);
    out->Key("depth").Double(column.depth);
    out->Field("distinct-bounds", column.distinct).EndObject();
  }
  out->EndArray().EndObject();
}

std::string AdviceText(const upkeep::AdviceFacts& facts, const upkeep::AdviceReport& report) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject()
      .Field("now-ms", facts.now_ms)
      .Field("days", facts.days)
      .Key("advice")
      .BeginArray();
  for (const auto& advice : report.advice) {
    out.BeginObject()
        .Field("kind", upkeep::AdviceKindName(advice.kind))
        .Field("subject", advice.subject)
        .Field("why", advice.why)
        .Field("gain", advice.gain)
        .Field("score", int64_t{advice.score})
        .Key("commands")
        .BeginArray();
    for (const auto& command : advice.commands) out.String(command);
    out.EndArray().EndObject();
  }
  out.EndArray().Key("notes").BeginArray();
  for (const auto& note : report.notes) out.String(note);
  out.EndArray();
  WriteScans(facts.scans, &out);
  WriteSurvey(facts.survey, &out);
  out.EndObject();
  return text;
}

/// Exhausted where kMostAtOnce run, Deadline after kSurveyLimit.
Result<upkeep::TableSurvey> SurveyInTurn(Call& call, std::atomic<int>& taken, io::FileSystem& files,
                                         const catalog::LoadedTable& table,
                                         const upkeep::SurveyOptions& options) {
  const Turn turn(taken);
  if (!turn.is_mine()) {
    return Exhausted(
        fmt::format("advice reads many files: of no more than {} tables at once", kMostAtOnce));
  }
  Call limited(call, kSurveyLimit);
  auto survey = upkeep::SurveyTable(limited, files, *table.metadata, options);
  if (survey.status().code() == Code::kDeadline) {
    return DeadlineExceeded("the table's manifests could not be read in time: " + table.name.name);
  }
  return survey;
}

}  // namespace

void Service::Impl::AddAdvice(net::Router& router) {
  router.Add(net::Method::kGet,
             "/api/v1/warehouses/{warehouse}/namespaces/{namespace}/tables/{table}/advice",
             [this, taken = std::make_shared<std::atomic<int>>(0)](
                 Call& call, const net::Request& request, const net::PathParams& params) {
               return AnswerJson([&]() -> Result<std::string> {
                 MORAINE_ASSIGN(const int64_t days, DaysOf(request));
                 MORAINE_ASSIGN(const auto table, LoadTable(call, catalog, params));
                 MORAINE_ASSIGN(const auto policy, maintenance->PolicyOf(call, *table));
                 upkeep::AdviceFacts facts{*table->metadata, planning::ConfigOf(*table->metadata),
                                           policy->config};
                 facts.is_registered = table->origin == "registered";
                 facts.metadata_bytes =
                     table->metadata_json ? static_cast<int64_t>(table->metadata_json->size()) : 0;
                 facts.days = days;
                 facts.now_ms = ToMillis(call.clock().Wall());
                 facts.name = NameForCommands(table->name);
                 facts.warehouse = table->warehouse;
                 // Today counts as a day.
                 const int64_t since_ms = facts.now_ms - (days - 1) * kDayMs;
                 MORAINE_ASSIGN(facts.scans,
                                catalog.ScanUsageSince(call, table->table_id, since_ms));
                 upkeep::SurveyOptions options;
                 options.columns = upkeep::ColumnsForSurvey(facts.scans);
                 MORAINE_ASSIGN(facts.survey, SurveyInTurn(call, *taken, files, *table, options));
                 return AdviceText(facts, upkeep::Advise(facts));
               });
             });
}

}  // namespace moraine::api
