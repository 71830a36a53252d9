#include "moraine/planning/config.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/tasks/layout_text.h"

namespace moraine::planning {
namespace {

constexpr int kHighestFormatVersion = 3;

constexpr std::string_view kPrefix = "self-optimizing.";

/// All names of the reference system, those that mean nothing here among them, and our own.
const std::vector<std::string>& KnownNames() {
  static const std::vector<std::string> names = {
      "enabled",
      "allow-partial-commit",
      "group",
      "quota",
      "execute.num-retries",
      "target-size",
      "max-file-count",
      "max-task-size-bytes",
      "fragment-ratio",
      "min-target-size-ratio",
      "minor.trigger.file-count",
      "minor.trigger.interval",
      "major.trigger.duplicate-ratio",
      "full.trigger.interval",
      "full.rewrite-all-files",
      "full.move-to-current-spec",
      "layout",
      "dedup.key",
      "dedup.keep-last-by",
      "filter",
      "min-plan-interval",
      "hot-partition-delay",
      "evaluation.fallback-interval",
      "evaluation.file-size.mse-tolerance",
      "refresh-table.adaptive.max-interval-ms",
      "refresh-table.adaptive.increase-step-ms",
      "rewrite.use-parquet-row-group-merge.enabled",
      "rewrite.use-parquet-row-group-merge.min-avg-row-group-size-bytes"};
  return names;
}

std::string UnknownName(std::string_view name) {
  std::string nearest = Nearest(name, KnownNames());
  return fmt::format("{}{} is not a property of self-optimizing{}", kPrefix, name.substr(0, 60),
                     nearest.empty() ? "" : fmt::format("; did you mean {}{}?", kPrefix, nearest));
}

/// Properties of writers that rewrites follow, beside those of single columns.
const std::vector<std::string>& WriterNames() {
  static const std::vector<std::string> names = {"write.parquet.row-group-size-bytes",
                                                 "write.parquet.page-size-bytes",
                                                 "write.parquet.page-row-limit",
                                                 "write.parquet.page-version",
                                                 "write.parquet.dict-size-bytes",
                                                 "write.parquet.compression-codec",
                                                 "write.parquet.compression-level",
                                                 "write.parquet.row-group-check-min-record-count",
                                                 "write.parquet.row-group-check-max-record-count",
                                                 "write.parquet.bloom-filter-max-bytes"};
  return names;
}

/// What a property that nobody knows may have been meant as; "" for most: people have their own.
std::string MeantName(const std::string& key) {
  const std::string first = key.substr(0, key.find('.'));
  const std::string own(kPrefix.substr(0, kPrefix.size() - 1));
  if (first != own && first.size() < key.size() && Nearest(first, {own}) == own)
    return own + key.substr(first.size());
  const auto& names = WriterNames();
  const bool of_columns = key.find(".column.") != std::string::npos;
  const bool is_known = std::find(names.begin(), names.end(), key) != names.end();
  if (!key.starts_with("write.parquet.") || of_columns || is_known) return "";
  const auto longer = std::find_if(names.begin(), names.end(), [&](const std::string& name) {
    return name.starts_with(key + "-");
  });
  return longer != names.end() ? *longer : Nearest(key, names);
}

/// Reads properties one by one and collects a sentence for each that can't be read.
class PropertyReader {
 public:
  PropertyReader(const iceberg::StringMap& properties, std::vector<std::string>* problems)
      : properties_(properties), problems_(problems) {}

  void Bool(std::string_view key, bool* out) {
    const std::string* text = Find(key);
    if (text == nullptr) return;
    std::string lower = ToLowerAscii(*text);
    if (lower == "true" || lower == "false") {
      *out = lower == "true";
    } else {
      Problem(key, *text, "true or false");
    }
  }

  template <typename T>
  void Number(std::string_view key, T low, T high, T* out) {
    const std::string* text = Find(key);
    if (text == nullptr) return;
    auto value = ParseDouble(*text);
    if (!value.ok() || !(*value >= static_cast<double>(low)) ||
        !(*value <= static_cast<double>(high))) {
      Problem(key, *text, fmt::format("a number from {} to {}", low, high));
      return;
    }
    *out = static_cast<T>(*value);
  }

  void Interval(std::string_view key, Millis* out) {
    int64_t millis = out->count();
    Number<int64_t>(key, -1, int64_t{1} << 50, &millis);
    *out = Millis(millis);
  }

  void Text(std::string_view key, std::string* out) {
    if (const std::string* text = Find(key); text != nullptr && !text->empty()) *out = *text;
  }

  bool Has(std::string_view key) const { return Find(key) != nullptr; }

 private:
  const std::string* Find(std::string_view key) const {
    auto found = properties_.find(std::string(kPrefix) + std::string(key));
    return found == properties_.end() ? nullptr : &found->second;
  }
  void Problem(std::string_view key, std::string_view text, std::string_view expected) {
    problems_->push_back(fmt::format("{}{} is '{}', expected {}; its default is used", kPrefix, key,
                                     text.substr(0, 60), expected));
  }

  const iceberg::StringMap& properties_;
  std::vector<std::string>* problems_;
};

}  // namespace

OptimizingConfig ConfigOf(const iceberg::StringMap& properties) {
  OptimizingConfig config;
  PropertyReader read(properties, &config.problems);
  constexpr int64_t kMaxSize = int64_t{1} << 40;
  read.Bool("enabled", &config.enabled);
  config.enabled_is_explicit = read.Has("enabled");
  read.Bool("allow-partial-commit", &config.allow_partial_commit);
  read.Text("group", &config.group);
  read.Number("quota", 0.0, 100'000.0, &config.quota);
  read.Number("execute.num-retries", 0, 1000, &config.num_retries);
  read.Number("target-size", int64_t{1}, kMaxSize, &config.target_size);
  read.Number("max-task-size-bytes", int64_t{1}, kMaxSize, &config.max_task_size);
  read.Number("fragment-ratio", int64_t{1}, int64_t{1'000'000}, &config.fragment_ratio);
  read.Number("min-target-size-ratio", 0.0, 1.0, &config.min_target_size_ratio);
  read.Number("minor.trigger.file-count", int64_t{1}, int64_t{1'000'000'000},
              &config.minor_trigger_file_count);
  read.Interval("minor.trigger.interval", &config.minor_trigger_interval);
  read.Number("major.trigger.duplicate-ratio", 0.0, 1.0, &config.major_trigger_duplicate_ratio);
  read.Interval("full.trigger.interval", &config.full_trigger_interval);
  read.Bool("full.rewrite-all-files", &config.full_rewrite_all_files);
  read.Bool("full.move-to-current-spec", &config.full_moves_to_current_spec);
  read.Text("layout", &config.layout_text);
  read.Text("dedup.key", &config.dedup_key_text);
  read.Text("dedup.keep-last-by", &config.dedup_by_text);
  read.Text("filter", &config.filter);
  read.Interval("min-plan-interval", &config.min_plan_interval);
  read.Interval("hot-partition-delay", &config.hot_partition_delay);
  for (const auto& [key, _] : properties) {
    if (const std::string meant = MeantName(key); !meant.empty()) {
      config.problems.push_back(fmt::format("{} is not a property that is known; did you mean {}?",
                                            key.substr(0, 60), meant));
    }
    if (!key.starts_with(kPrefix)) continue;
    std::string name = key.substr(kPrefix.size());
    const auto& known = KnownNames();
    if (std::find(known.begin(), known.end(), name) == known.end())
      config.problems.push_back(UnknownName(name));
  }
  return config;
}

Result<tasks::Layout> LayoutOf(std::string_view text, const iceberg::TableMetadata& metadata) {
  return tasks::ParseLayout(text, metadata.CurrentSchema(), metadata.sort_orders,
                            metadata.default_sort_order_id);
}

Status SetDedup(std::string_view key, std::string_view by, const iceberg::TableMetadata& metadata,
                OptimizingConfig* config) {
  constexpr int kFirstVersionWithSequences = 2;
  constexpr int kFirstVersionWithLineage = 3;
  MORAINE_ASSIGN(auto dedup, tasks::ParseDedup(key, by, metadata.CurrentSchema()));
  if (!dedup.order_by && metadata.format_version < kFirstVersionWithSequences) {
    return InvalidArgument(
        "tables of format version 1 do not tell which row was written last: name a column to keep "
        "the last row by");
  }
  config->dedup = std::move(dedup);
  config->dedup_by_file_age =
      !config->dedup.order_by && metadata.format_version < kFirstVersionWithLineage;
  return {};
}

namespace {

void ReadDedup(const iceberg::TableMetadata& metadata, OptimizingConfig* config) {
  const std::string& key = config->dedup_key_text;
  if (key.empty()) {
    if (!config->dedup_by_text.empty())
      config->problems.push_back(
          fmt::format("{0}dedup.keep-last-by is set and {0}dedup.key is not: rows stay", kPrefix));
    return;
  }
  Status status = SetDedup(key, config->dedup_by_text, metadata, config);
  if (status.ok() && config->dedup_by_file_age && config->full_moves_to_current_spec) {
    config->problems.push_back(fmt::format(
        "{0}full.move-to-current-spec is set, and {0}dedup.key without a column to keep the last "
        "row by: rows stay in their spec, as they would become younger than they are",
        kPrefix));
  }
  if (status.ok()) return;
  config->problems.push_back(fmt::format(
      "{}dedup.key is '{}', to keep the last by '{}': {}; rows "
      "stay",
      kPrefix, key.substr(0, 60), config->dedup_by_text.substr(0, 60), status.message()));
}

}  // namespace

OptimizingConfig ConfigOf(const iceberg::TableMetadata& metadata) {
  OptimizingConfig config = ConfigOf(metadata.properties);
  auto layout = LayoutOf(config.layout_text, metadata);
  if (layout.ok()) {
    config.layout = std::move(*layout);
  } else {
    config.problems.push_back(fmt::format("{}layout is '{}': {}; its default is used", kPrefix,
                                          config.layout_text.substr(0, 60),
                                          layout.status().message()));
  }
  ReadDedup(metadata, &config);
  return config;
}

int64_t QuotaThreads(const OptimizingConfig& config, int64_t group_threads) {
  double threads = config.quota > 1 ? config.quota
                                    : std::ceil(config.quota * static_cast<double>(group_threads));
  return std::max<int64_t>(1, static_cast<int64_t>(threads));
}

std::string Obstacle(const iceberg::TableMetadata& metadata, const OptimizingConfig& config,
                     bool registered) {
  if (!config.enabled) return "self-optimizing.enabled is false";
  if (registered && !config.enabled_is_explicit) {
    return "the table was registered, not created here: set self-optimizing.enabled=true to have "
           "it optimized";
  }
  if (metadata.format_version > kHighestFormatVersion) {
    return fmt::format("optimizing tables of format version {} is not there yet",
                       metadata.format_version);
  }
  if (!metadata.encryption_keys.empty() || metadata.properties.contains("encryption.key-id")) {
    return "the table is encrypted";
  }
  if (!metadata.BoolProperty("gc.enabled", true)) {
    return "gc.enabled is false: the files of the table belong to another table, too";
  }
  if (metadata.CurrentSnapshot() == nullptr) return kNoSnapshotYet;
  return "";
}

}  // namespace moraine::planning
