#include "moraine/iceberg/scan/scan_usage.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <vector>

namespace moraine::iceberg {
namespace {

/// Sums stay far from the end of their range, whatever reports say.
constexpr int64_t kMostOfReport = int64_t{1} << 50;
constexpr int64_t kMostOfSum = int64_t{1} << 60;
constexpr size_t kMostCombined = 4;  // columns of a combination

enum Way : uint8_t { kUseless = 0, kEquality = 1, kRange = 2, kPrefix = 4, kNull = 8 };
/// How a filter may rule out files by each column that it names.
using Ways = std::map<std::string, uint8_t>;

Ways Both(Ways a, const Ways& b) {
  for (const auto& [column, ways] : b) a[column] |= ways;
  return a;
}

/// A column rules something out only where both sides do.
Ways Either(const Ways& a, const Ways& b) {
  Ways result;
  for (const auto& [column, _] : b) result[column] = kUseless;
  for (const auto& [column, ways] : a) {
    auto other = b.find(column);
    const bool is_useful = other != b.end() && ways != kUseless && other->second != kUseless;
    result[column] = is_useful ? ways | other->second : uint8_t{kUseless};
  }
  return result;
}

std::string_view TextIn(const Json& object, std::string_view key) {
  const Json* found = object.is_object() ? object.Find(key) : nullptr;
  return found != nullptr && found->is_string() ? std::string_view(found->as_string())
                                                : std::string_view();
}

struct Term {
  std::string column;
  std::string transform;  ///< "": the column itself
};

/// "a", a reference to it, or a transform of either.
std::optional<Term> TermOf(const Json& json) {
  if (json.is_string()) return Term{json.as_string(), ""};
  if (!json.is_object()) return std::nullopt;
  Term term;
  term.transform = TextIn(json, "transform");
  const Json* inner = json.Find("term");
  if (inner == nullptr) inner = json.Find("name");
  if (inner == nullptr) return std::nullopt;
  auto named = TermOf(*inner);
  if (!named) return std::nullopt;
  term.column = std::move(named->column);
  if (term.transform.empty()) term.transform = std::move(named->transform);
  return term;
}

std::optional<Term> TermOfPredicate(const Json& predicate) {
  for (std::string_view key : {"term", "child", "left"}) {
    if (const Json* found = predicate.Find(key)) return TermOf(*found);
  }
  return std::nullopt;
}

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

/// Nothing for what names no column in any useful sense: "is not null" comes with everything.
std::optional<uint8_t> WayOf(std::string_view type, bool negated) {
  if (IsOneOf(type, {"lt", "lt-eq", "gt", "gt-eq"})) return kRange;
  if (IsOneOf(type, {"eq", "in"})) return negated ? kUseless : kEquality;
  if (IsOneOf(type, {"not-eq", "not-in"})) return negated ? kEquality : kUseless;
  if (type == "starts-with") return negated ? kUseless : kPrefix;
  if (type == "not-starts-with") return negated ? kPrefix : kUseless;
  if (type == "is-null" || type == "not-null")
    return negated == (type == "not-null") ? std::optional<uint8_t>(kNull) : std::nullopt;
  if (IsOneOf(type, {"is-nan", "not-nan"})) return kUseless;
  return std::nullopt;
}

uint8_t Transformed(uint8_t way, std::string_view transform) {
  if (transform.empty() || transform == "identity") return way;
  const bool keeps_order =
      transform.starts_with("truncate") ||
      IsOneOf(transform, {"year", "month", "day", "hour", "years", "months", "days", "hours"});
  return keeps_order && way != kUseless ? uint8_t{kRange} : uint8_t{kUseless};
}

Ways WaysOf(const Json& filter, bool negated) {
  if (!filter.is_object()) return {};
  const std::string_view type = TextIn(filter, "type");
  const auto of = [&](std::string_view key, bool is_negated) {
    const Json* child = filter.Find(key);
    return child == nullptr ? Ways() : WaysOf(*child, is_negated);
  };
  if (type == "not") return of("child", !negated);
  if (type == "and" || type == "or") {
    const Ways left = of("left", negated);
    const Ways right = of("right", negated);
    return (type == "and") != negated ? Both(left, right) : Either(left, right);
  }
  const auto way = WayOf(type, negated);
  const auto term = way ? TermOfPredicate(filter) : std::nullopt;
  if (!term || term->column.empty() || term->column.size() > kLongestUsedName) return {};
  return {{term->column, Transformed(*way, term->transform)}};
}

int64_t Bounded(int64_t value) { return std::clamp(value, int64_t{0}, kMostOfReport); }
void AddTo(int64_t* sum, int64_t value) { *sum = std::min(*sum + value, kMostOfSum); }

const Json* MetricOf(const Json& report, std::string_view name) {
  const Json* metrics = report.Find("metrics");
  const Json* metric = metrics != nullptr && metrics->is_object() ? metrics->Find(name) : nullptr;
  return metric != nullptr && metric->is_object() ? metric : nullptr;
}

int64_t CounterOf(const Json& report, std::string_view name) {
  const Json* metric = MetricOf(report, name);
  const Json* value = metric == nullptr ? nullptr : metric->Find("value");
  return value == nullptr || !value->is_number() ? 0 : Bounded(value->int64().value_or(0));
}

std::optional<int64_t> MillisOf(const Json& report, std::string_view name) {
  const Json* metric = MetricOf(report, name);
  const Json* total = metric == nullptr ? nullptr : metric->Find("total-duration");
  if (total == nullptr || !total->is_number()) return std::nullopt;
  const int64_t value = Bounded(total->int64().value_or(0));
  const std::string_view unit = TextIn(*metric, "time-unit");
  if (unit == "seconds") return Bounded(value * 1'000);
  if (unit == "milliseconds") return value;
  return value / (unit == "microseconds" ? 1'000 : 1'000'000);
}

int64_t CountOfEntry(int64_t count) { return count; }
int64_t CountOfEntry(const ColumnUse& use) { return use.scans + use.other; }

void Inherit(int64_t count, int64_t* entry) { *entry = count; }
void Inherit(int64_t count, ColumnUse* entry) { entry->other = count; }  // never as useful scans

/// The entry of a name. Where there is none left the rarest name gives way, and its count is where
/// the newcomer's begins (the space-saving algorithm): a name that makes up more than one part in
/// `most` of all stays, however late it comes.
template <typename T>
T& PlaceOf(std::map<std::string, T>* all, const std::string& name, size_t most, int64_t* left_out) {
  auto found = all->find(name);
  if (found != all->end()) return found->second;
  int64_t inherited = 0;
  if (all->size() >= most) {
    auto rarest = std::min_element(all->begin(), all->end(), [](const auto& a, const auto& b) {
      return CountOfEntry(a.second) < CountOfEntry(b.second);
    });
    AddTo(left_out, 1);
    inherited = CountOfEntry(rarest->second);
    all->erase(rarest);
  }
  T& place = (*all)[name];
  Inherit(inherited, &place);
  return place;
}

void AddUse(const ColumnUse& use, ColumnUse* sum) {
  AddTo(&sum->scans, use.scans);
  AddTo(&sum->equality, use.equality);
  AddTo(&sum->range, use.range);
  AddTo(&sum->prefix, use.prefix);
  AddTo(&sum->other, use.other);
  AddTo(&sum->result_files, use.result_files);
  AddTo(&sum->skipped_files, use.skipped_files);
}

void CountColumns(const Ways& ways, ScanUsage* usage) {
  std::string together;
  size_t combined = 0;
  for (const auto& [column, way] : ways) {
    if (usage->columns.size() >= kMostUsedColumns) {
      AddTo(&usage->left_out, 1);
      continue;
    }
    ColumnUse* use = &usage->columns[column];
    if (way == kUseless) {
      use->other = 1;
      continue;
    }
    use->scans = 1;
    use->equality = (way & kEquality) != 0 ? 1 : 0;
    use->range = (way & kRange) != 0 ? 1 : 0;
    use->prefix = (way & kPrefix) != 0 ? 1 : 0;
    use->result_files = usage->result_files;
    use->skipped_files = usage->skipped_files;
    // A name with a comma would read as two.
    if (combined < kMostCombined && column.find(',') == std::string::npos) {
      together += (together.empty() ? "" : ",") + column;
      ++combined;
    }
  }
  if (!together.empty()) usage->combinations[together] = 1;
}

void CountProjected(const Json& report, ScanUsage* usage) {
  const Json* names = report.Find("projected-field-names");
  if (names == nullptr || !names->is_array()) return;
  for (const Json& name : names->as_array()) {
    if (usage->projected.size() >= kMostProjected) {
      AddTo(&usage->left_out, 1);
      return;
    }
    if (name.is_string() && name.as_string().size() <= kLongestUsedName)
      usage->projected[name.as_string()] = 1;
  }
}

struct Sum {
  std::string_view key;
  int64_t ScanUsage::*member;
};
constexpr Sum kSums[] = {
    {"scans", &ScanUsage::scans},
    {"filtered", &ScanUsage::filtered},
    {"result-files", &ScanUsage::result_files},
    {"skipped-files", &ScanUsage::skipped_files},
    {"result-bytes", &ScanUsage::result_bytes},
    {"result-deletes", &ScanUsage::result_deletes},
    {"scanned-manifests", &ScanUsage::scanned_manifests},
    {"skipped-manifests", &ScanUsage::skipped_manifests},
    {"planning-ms", &ScanUsage::planning_ms},
    {"planned", &ScanUsage::planned},
    {"left-out", &ScanUsage::left_out},
};

Result<std::map<std::string, int64_t>> CountsFromJson(const JsonCursor& json,
                                                      std::string_view key) {
  std::map<std::string, int64_t> counts;
  MORAINE_ASSIGN(auto list, json.Find(key));
  if (!list) return counts;
  MORAINE_TRY(list->ExpectObject());
  for (size_t i = 0; i < list->member_count(); ++i) {
    MORAINE_ASSIGN(counts[list->member_key(i)], list->Member(i).Int64());
  }
  return counts;
}

void WriteCounts(std::string_view key, const std::map<std::string, int64_t>& counts,
                 JsonWriter* out) {
  out->Key(key).BeginObject();
  for (const auto& [name, count] : counts) out->Field(name, count);
  out->EndObject();
}

Result<ColumnUse> UseFromJson(const JsonCursor& json) {
  ColumnUse use;
  size_t next = 0;
  for (int64_t* member : {&use.scans, &use.equality, &use.range, &use.prefix, &use.other,
                          &use.result_files, &use.skipped_files}) {
    if (next >= json.size()) return json.Expected("seven numbers");
    MORAINE_ASSIGN(*member, json.At(next++).Int64());
  }
  return use;
}

}  // namespace

void ScanUsage::Add(const ScanUsage& other) {
  for (const auto& sum : kSums) AddTo(&(this->*sum.member), other.*sum.member);
  last_ms = std::max(last_ms, other.last_ms);
  for (const auto& [name, use] : other.columns) {
    AddUse(use, &PlaceOf(&columns, name, kMostUsedColumns, &left_out));
  }
  for (const auto& [name, count] : other.combinations) {
    AddTo(&PlaceOf(&combinations, name, kMostCombinations, &left_out), count);
  }
  for (const auto& [name, count] : other.projected) {
    AddTo(&PlaceOf(&projected, name, kMostProjected, &left_out), count);
  }
}

ScanUsage UsageOfReport(const Json& report, int64_t reported_ms) {
  ScanUsage usage;
  if (!report.is_object() || TextIn(report, "report-type") != "scan-report") return usage;
  usage.scans = 1;
  usage.last_ms = reported_ms;
  usage.result_files = CounterOf(report, "result-data-files");
  usage.skipped_files = CounterOf(report, "skipped-data-files");
  usage.result_bytes = CounterOf(report, "total-file-size-in-bytes");
  usage.result_deletes = CounterOf(report, "result-delete-files");
  usage.scanned_manifests = CounterOf(report, "scanned-data-manifests");
  usage.skipped_manifests = CounterOf(report, "skipped-data-manifests");
  if (auto millis = MillisOf(report, "total-planning-duration")) {
    usage.planning_ms = *millis;
    usage.planned = 1;
  }
  const Json* filter = report.Find("filter");
  const Ways ways = filter == nullptr ? Ways() : WaysOf(*filter, false);
  usage.filtered = ways.empty() ? 0 : 1;
  CountColumns(ways, &usage);
  CountProjected(report, &usage);
  return usage;
}

std::string ScanUsageToJson(const ScanUsage& usage) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject();
  for (const auto& sum : kSums) out.Field(sum.key, usage.*sum.member);
  out.Field("last-ms", usage.last_ms);
  out.Key("columns").BeginObject();
  for (const auto& [name, use] : usage.columns) {
    out.Key(name).BeginArray();
    for (int64_t count : {use.scans, use.equality, use.range, use.prefix, use.other,
                          use.result_files, use.skipped_files}) {
      out.Int(count);
    }
    out.EndArray();
  }
  out.EndObject();
  WriteCounts("combinations", usage.combinations, &out);
  WriteCounts("projected", usage.projected, &out);
  out.EndObject();
  return text;
}

Result<ScanUsage> ScanUsageFromJson(std::string_view text) {
  MORAINE_ASSIGN(const Json document, Json::Parse(text));
  const JsonCursor json(document);
  ScanUsage usage;
  for (const auto& sum : kSums) {
    MORAINE_ASSIGN(auto value, json.OptInt64(sum.key));
    usage.*sum.member = value.value_or(0);
  }
  MORAINE_ASSIGN(usage.last_ms, json.Int64("last-ms"));
  MORAINE_ASSIGN(const JsonCursor columns, json.Get("columns"));
  MORAINE_TRY(columns.ExpectObject());
  for (size_t i = 0; i < columns.member_count(); ++i) {
    MORAINE_ASSIGN(usage.columns[columns.member_key(i)], UseFromJson(columns.Member(i)));
  }
  MORAINE_ASSIGN(usage.combinations, CountsFromJson(json, "combinations"));
  MORAINE_ASSIGN(usage.projected, CountsFromJson(json, "projected"));
  return usage;
}

}  // namespace moraine::iceberg
