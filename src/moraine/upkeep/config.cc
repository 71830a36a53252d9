#include "moraine/upkeep/config.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/upkeep/time_pattern.h"

namespace moraine::upkeep {
namespace {

/// Groups of properties in which a name that is not known is likely a mistake.
constexpr std::string_view kGroups[] = {
    "table-expire.",      "snapshot.keep.", "clean-orphan-file.", "clean-dangling-delete-files.",
    "rewrite-manifests.", "data-expire.",   "tag.auto-create.",   "statistics."};

class PropertyReader {
 public:
  PropertyReader(const iceberg::StringMap& properties, std::vector<ConfigProblem>* problems)
      : properties_(properties), problems_(problems) {}

  void Switch(std::string_view name, bool* out) {
    const std::string* text = Find(name);
    if (text == nullptr) return;
    const std::string lower = ToLowerAscii(*text);
    if (lower == "true" || lower == "false") {
      *out = lower == "true";
    } else {
      Problem(name, *text, "true or false");
    }
  }

  void Count(std::string_view name, int64_t* out) {
    const std::string* text = Find(name);
    if (text == nullptr) return;
    auto value = ParseInt64(*text);
    if (value.ok() && *value >= 1 && *value <= INT32_MAX) {
      *out = *value;
    } else {
      Problem(name, *text, "a number from 1 on");
    }
  }

  void Duration(std::string_view name, Millis* out) {
    const std::string* text = Find(name);
    if (text == nullptr) return;
    auto value = ParseRetention(*text);
    if (value.ok() && value->count() >= 0) {
      *out = *value;
    } else {
      Problem(name, *text, "a duration, such as 7d, 12h, 720min");
    }
  }

  /// A number of units of so many milliseconds, from least on; more than the clock counts: as many
  /// as it does.
  void Units(std::string_view name, int64_t unit_ms, int64_t least, Millis* out) {
    const std::string* text = Find(name);
    if (text == nullptr) return;
    auto value = ParseInt64(*text);
    if (value.ok() && *value >= least) {
      *out = Millis(std::min(*value, INT64_MAX / unit_ms / 4) * unit_ms);
    } else {
      Problem(name, *text, fmt::format("a number from {} on", least));
    }
  }

  bool Has(std::string_view name) const { return Find(name) != nullptr; }

  void Text(std::string_view name, std::string* out) {
    if (const std::string* text = Find(name); text != nullptr && !text->empty()) *out = *text;
  }

  /// Of dates and times.
  void Pattern(std::string_view name, std::string* out) {
    const std::string* text = Find(name);
    if (text == nullptr || text->empty()) return;
    if (TimePattern::Parse(*text).ok()) {
      *out = *text;
    } else {
      Problem(name, *text, "a pattern of dates and times, such as yyyy-MM-dd");
    }
  }

  template <typename T>
  void Choice(std::string_view name, const std::vector<std::pair<std::string_view, T>>& choices,
              T* out) {
    const std::string* text = Find(name);
    if (text == nullptr) return;
    const std::string lower = ToLowerAscii(*text);
    std::string expected;
    for (const auto& [word, value] : choices) {
      if (ToLowerAscii(word) == lower) {
        *out = value;
        return;
      }
      expected += (expected.empty() ? "" : " or ") + std::string(word);
    }
    Problem(name, *text, expected);
  }

  void List(std::string_view name, std::vector<std::string>* out) {
    const std::string* text = Find(name);
    if (text == nullptr) return;
    for (auto part : Split(*text, ',')) {
      if (!Trim(part).empty()) out->emplace_back(Trim(part));
    }
  }

 private:
  const std::string* Find(std::string_view name) const {
    auto found = properties_.find(std::string(name));
    return found == properties_.end() ? nullptr : &found->second;
  }
  void Problem(std::string_view name, std::string_view text, std::string_view expected) {
    problems_->push_back({.property = std::string(name),
                          .where = {},
                          .what = fmt::format("is '{}', expected {}", text.substr(0, 60), expected),
                          .stops = ReadersOf(name)});
  }

  const iceberg::StringMap& properties_;
  std::vector<ConfigProblem>* problems_;
};

void FindUnknown(const iceberg::StringMap& properties, std::vector<ConfigProblem>* problems) {
  std::vector<std::string> known;
  for (const auto& property : KnownProperties()) known.emplace_back(property.name);
  for (const auto& [key, _] : properties) {
    const bool is_ours = std::any_of(std::begin(kGroups), std::end(kGroups),
                                     [&](auto group) { return key.starts_with(group); });
    if (!is_ours || std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string nearest = Nearest(key, known);
    problems->push_back(
        {.property = key,
         .where = {},
         .what = fmt::format("is not a property that is known{}",
                             nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest)),
         .stops = {}});
  }
}

/// Two systems' names for one thing: what keeps more wins where both are set.
void ReadSnapshotRetention(PropertyReader& read, MaintenanceConfig* config) {
  Millis age = config->snapshot_keep;
  read.Duration("snapshot.keep.duration", &age);
  Millis history_age{5LL * 24 * 3'600'000};
  read.Units("history.expire.max-snapshot-age-ms", 1, 0, &history_age);
  if (!read.Has("history.expire.max-snapshot-age-ms")) {
    config->snapshot_keep = age;
  } else {
    config->snapshot_keep =
        read.Has("snapshot.keep.duration") ? std::max(age, history_age) : history_age;
  }
  int64_t history_count = 1;
  read.Count("snapshot.keep.min-count", &config->snapshot_keep_min_count);
  read.Count("history.expire.min-snapshots-to-keep", &history_count);
  config->snapshot_keep_min_count = std::max(config->snapshot_keep_min_count, history_count);
  read.Units("history.expire.max-ref-age-ms", 1, 0, &config->ref_max_age);
}

void ReadDeletingActions(PropertyReader& read, MaintenanceConfig* config) {
  read.Switch("gc.enabled", &config->gc_enabled);
  read.Switch("table-expire.enabled", &config->expire_snapshots);
  read.Switch("table-expire.clean-schemas", &config->clean_schemas);
  ReadSnapshotRetention(read, config);
  read.Duration("snapshot.keep.flink.checkpoint-retention", &config->flink_checkpoint_retention);
  read.Switch("clean-orphan-file.enabled", &config->clean_orphan_files);
  read.Units("clean-orphan-file.min-existing-time-minutes", 60'000, 1, &config->orphan_min_age);
  read.Switch("clean-orphan-file.quarantine", &config->orphan_quarantine);
  read.Duration("clean-orphan-file.quarantine-hold", &config->orphan_quarantine_hold);
  read.Count("maintenance.delete-files-per-second", &config->delete_files_per_second);
  read.Switch("clean-dangling-delete-files.enabled", &config->clean_dangling_deletes);
  read.Switch("rewrite-manifests.enabled", &config->rewrite_manifests);
}

void ReadDataExpiry(PropertyReader& read, MaintenanceConfig* config) {
  read.Switch("data-expire.enabled", &config->expire_data);
  read.Choice<ExpireLevel>("data-expire.level",
                           {{"partition", ExpireLevel::kPartition},
                            {"file", ExpireLevel::kFile},
                            {"row", ExpireLevel::kRow}},
                           &config->data_expire_level);
  read.Text("data-expire.field", &config->data_expire_field);
  read.Pattern("data-expire.datetime-string-pattern", &config->data_expire_string_pattern);
  read.Choice<bool>("data-expire.datetime-number-format",
                    {{"TIMESTAMP_MS", false}, {"TIMESTAMP_S", true}}, &config->data_expire_seconds);
  read.Duration("data-expire.retention-time", &config->data_retention);
  read.Choice<ExpireBase>("data-expire.base-on-rule",
                          {{"LAST_COMMIT_TIME", ExpireBase::kLastCommitTime},
                           {"CURRENT_TIME", ExpireBase::kCurrentTime}},
                          &config->data_expire_base);
  read.Text("data-expire.time-zone", &config->data_expire_zone);
  read.Switch("data-expire.legal-hold", &config->legal_hold);
}

void ReadTagsAndStatistics(PropertyReader& read, MaintenanceConfig* config) {
  read.Switch("tag.auto-create.enabled", &config->create_tags);
  read.Choice<TagPeriod>("tag.auto-create.trigger.period",
                         {{"hourly", TagPeriod::kHourly},
                          {"daily", TagPeriod::kDaily},
                          {"weekly", TagPeriod::kWeekly},
                          {"monthly", TagPeriod::kMonthly}},
                         &config->tag_period);
  read.Units("tag.auto-create.trigger.offset.minutes", 60'000, 0, &config->tag_offset);
  read.Units("tag.auto-create.trigger.max-delay.minutes", 60'000, 0, &config->tag_max_delay);
  read.Pattern("tag.auto-create.tag-format", &config->tag_format);
  read.Units("tag.auto-create.max-age-ms", 1, -1, &config->tag_max_age);
  read.Text("tag.auto-create.time-zone", &config->tag_zone);
  read.Choice<bool>("tag.auto-create.kind", {{"tag", false}, {"branch", true}},
                    &config->tag_makes_branch);
  read.Switch("statistics.enabled", &config->compute_statistics);
  read.List("statistics.columns", &config->statistics_columns);
  read.Switch("statistics.partitions", &config->partition_statistics);
  read.Count("statistics.min-changed-percent", &config->statistics_min_changed_percent);
}

constexpr std::string_view kActionNames[] = {
    "expire-snapshots", "clean-orphan-files", "clean-dangling-delete-files", "rewrite-manifests",
    "expire-data",      "auto-create-tags",   "compute-statistics",          "purge-table"};

}  // namespace

std::string_view ActionName(Action action) { return kActionNames[static_cast<size_t>(action)]; }

Result<Action> ActionFromName(std::string_view name) {
  std::string names;
  for (Action action : kActions) {
    if (ActionName(action) == name) return action;
    names += (names.empty() ? "" : ", ") + std::string(ActionName(action));
  }
  return InvalidArgument(
      fmt::format("'{}' is nothing that maintenance does; it does {}", name.substr(0, 60), names));
}

const std::vector<KnownProperty>& KnownProperties() {
  static const std::vector<KnownProperty> properties = {
      {"gc.enabled", "true", "false: nothing of the table is deleted"},
      {"table-expire.enabled", "true", "old snapshots expire"},
      {"snapshot.keep.duration", "720min", "younger snapshots stay"},
      {"snapshot.keep.min-count", "1", "so many snapshots of each branch stay"},
      {"snapshot.keep.flink.checkpoint-retention", "7d",
       "how long the last snapshot of a Flink job stays"},
      {"history.expire.max-snapshot-age-ms", "",
       "as snapshot.keep.duration; the longer one where both are set"},
      {"history.expire.min-snapshots-to-keep", "",
       "as snapshot.keep.min-count; the larger one where both are set"},
      {"history.expire.max-ref-age-ms", "", "how long tags and branches stay; for ever if not set"},
      {"table-expire.clean-schemas", "false", "schemas that no snapshot has go, too"},
      {"clean-orphan-file.enabled", "false", "files that no snapshot reaches are removed"},
      {"clean-orphan-file.min-existing-time-minutes", "2880", "younger files stay"},
      {"clean-orphan-file.quarantine", "true",
       "orphans are moved away first, and deleted after a hold"},
      {"clean-orphan-file.quarantine-hold", "7d", "that hold"},
      {"maintenance.delete-files-per-second", "",
       "how many files of the table a worker deletes in a second at most"},
      {"clean-dangling-delete-files.enabled", "true",
       "delete files that apply to no data file are removed"},
      {"rewrite-manifests.enabled", "true", "manifests are ordered anew when planning gains by it"},
      {"data-expire.enabled", "false", "old data expires"},
      {"data-expire.level", "partition", "what expires as a whole: partition, file or row"},
      {"data-expire.field", "", "the column that holds the time"},
      {"data-expire.datetime-string-pattern", "yyyy-MM-dd", "how texts in it are to be read"},
      {"data-expire.datetime-number-format", "TIMESTAMP_MS",
       "what numbers in it are, or TIMESTAMP_S"},
      {"data-expire.retention-time", "", "data that is older expires: 90d"},
      {"data-expire.base-on-rule", "LAST_COMMIT_TIME", "from when age counts, or CURRENT_TIME"},
      {"data-expire.time-zone", "UTC", "of times without a zone"},
      {"data-expire.legal-hold", "false", "true: no data expires, whatever else is said"},
      {"tag.auto-create.enabled", "false", "a tag is made each period"},
      {"tag.auto-create.trigger.period", "daily", "hourly, daily, weekly or monthly"},
      {"tag.auto-create.trigger.offset.minutes", "0", "after the period's begin"},
      {"tag.auto-create.trigger.max-delay.minutes", "60",
       "later than that no tag is made for the period; 0: however late"},
      {"tag.auto-create.tag-format", "", "'tag-'yyyyMMdd (daily)"},
      {"tag.auto-create.max-age-ms", "-1", "how long the tags stay; -1: for ever"},
      {"tag.auto-create.time-zone", "UTC", "in which periods begin"},
      {"tag.auto-create.kind", "tag", "tag or branch"},
      {"statistics.enabled", "false", "counts of distinct values are kept"},
      {"statistics.partitions", "true", "and what each partition holds: rows, files, deletes"},
      {"statistics.columns", "",
       "of which columns (a, s.b for a field of a struct); all at the top, if it is not set"},
      {"statistics.min-changed-percent", "10",
       "after deletes all is read again once so many percent of the rows have changed"}};
  return properties;
}

MaintenanceConfig MaintenanceConfigOf(const iceberg::StringMap& properties) {
  MaintenanceConfig config;
  PropertyReader read(properties, &config.problems);
  ReadDeletingActions(read, &config);
  ReadDataExpiry(read, &config);
  ReadTagsAndStatistics(read, &config);
  FindUnknown(properties, &config.problems);
  return config;
}

Result<Millis> ParseRetention(std::string_view text) {
  text = Trim(text);
  constexpr std::string_view kMinutes = "min";
  if (text.ends_with(kMinutes)) {
    return ParseDuration(std::string(text.substr(0, text.size() - kMinutes.size())) + "m");
  }
  return ParseDuration(text);
}

}  // namespace moraine::upkeep
