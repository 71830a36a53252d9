#include "moraine/upkeep/orphan_rules.h"

#include <algorithm>
#include <set>
#include <utility>

#include "moraine/base/text.h"
#include "moraine/io/location.h"
#include "moraine/upkeep/orphan_task.h"

namespace moraine::upkeep {

namespace {
/// Where runs of maintenance leave their lists, below the table's location.
constexpr std::string_view kListsFolder = "/.maintenance/";

bool IsMarked(std::string_view name) {
  return !name.empty() && (name.front() == '.' || name.front() == '_');
}

/// ".moraine-<32 hex>.tmp": what a local disk has of a file that we were writing when we died.
bool IsLeftByUs(std::string_view name) {
  constexpr std::string_view kBegin = ".moraine-", kEnd = ".tmp";
  if (name.size() != kBegin.size() + 32 + kEnd.size() || !name.starts_with(kBegin) ||
      !name.ends_with(kEnd)) {
    return false;
  }
  return name.substr(kBegin.size(), 32).find_first_not_of("0123456789abcdef") == name.npos;
}

/// is_partition: of the part of a name before its "=".
template <typename IsPartition>
bool HasHiddenSegment(std::string_view relative_key, const IsPartition& is_partition) {
  if (relative_key.starts_with(kListsFolder)) relative_key.remove_prefix(kListsFolder.size());
  const size_t slash = relative_key.rfind('/');
  const std::string_view name = relative_key.substr(slash == relative_key.npos ? 0 : slash + 1);
  if (IsLeftByUs(name)) relative_key.remove_suffix(name.size());
  for (std::string_view segment : Split(relative_key, '/')) {
    if (!IsMarked(segment)) continue;
    const size_t equals = segment.find('=');
    if (equals == segment.npos || !is_partition(segment.substr(0, equals))) return true;
  }
  return false;
}
}  // namespace

bool IsHidden(std::string_view relative_key) {
  return HasHiddenSegment(relative_key, [](std::string_view) { return true; });
}

bool IsHidden(std::string_view relative_key, const std::set<std::string, std::less<>>& fields) {
  return HasHiddenSegment(relative_key,
                          [&](std::string_view field) { return fields.contains(field); });
}

OrphanRules::OrphanRules(const OrphanBody& body, const iceberg::TableMetadata& metadata)
    : older_than_ms_(body.older_than_ms), metadata_older_than_ms_(body.older_than_ms) {
  if (body.metadata_older_than_ms > 0)
    metadata_older_than_ms_ = std::min(body.metadata_older_than_ms, body.older_than_ms);
  std::set<std::string> jobs;
  for (const auto& snapshot : metadata.snapshots) {
    auto job = snapshot->summary.find("flink.job-id");
    if (job != snapshot->summary.end() && !job->second.empty()) jobs.insert(job->second);
  }
  names_.assign(jobs.begin(), jobs.end());
  for (const auto& spec : metadata.partition_specs) {
    for (const auto& field : spec->fields) {
      if (IsMarked(field.name)) hidden_fields_.insert(field.name);
    }
  }
  for (const std::string& name : body.keep_names) {
    if (!name.empty()) names_.push_back(name);
  }
}

OrphanRules::Verdict OrphanRules::Of(const io::FileInfo& file, std::string_view key,
                                     std::string_view root_key) const {
  const std::string_view name = io::BaseName(key);
  const bool spared = IsHidden(key.substr(std::min(root_key.size(), key.size())), hidden_fields_) ||
                      name == "version-hint.text" ||
                      std::any_of(names_.begin(), names_.end(), [&](const std::string& begin) {
                        return name.starts_with(begin);
                      });
  if (spared) return Verdict::kSpared;
  const int64_t limit = name.ends_with(".metadata.json") ? metadata_older_than_ms_ : older_than_ms_;
  return file.modified_ms >= limit ? Verdict::kYoung : Verdict::kCandidate;
}

}  // namespace moraine::upkeep
