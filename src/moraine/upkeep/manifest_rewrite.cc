#include "moraine/upkeep/manifest_rewrite.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/base/text.h"
#include "moraine/iceberg/scan/table_filter.h"
#include "moraine/upkeep/body_json.h"
#include "moraine/upkeep/manifest_overlap.h"
#include "moraine/upkeep/manifest_writing.h"

namespace moraine::upkeep {
namespace {

using iceberg::ManifestContent;
using iceberg::ManifestFile;

constexpr int64_t kLeastSaved = 16;        ///< manifests, for small ones to be worth a commit
constexpr size_t kMostManifests = 20'000;  ///< in one run

/// How many manifests a partition may be spread over when they are in order: its own, and those at
/// the seams of each field.
double ToleratedOverlap(size_t fields) { return 2.0 + 2.0 * static_cast<double>(fields); }

using BySpec = std::map<int32_t, std::vector<const ManifestFile*>>;

BySpec DataManifests(const std::vector<ManifestFile>& manifests) {
  BySpec by_spec;
  for (const ManifestFile& manifest : manifests) {
    if (manifest.content == ManifestContent::kData && manifest.has_live())
      by_spec[manifest.partition_spec_id].push_back(&manifest);
  }
  return by_spec;
}

/// Without its row ids what is inherited is not known yet; what is encrypted can't be written.
bool CanBeRewritten(const iceberg::TableMetadata& metadata, const ManifestFile& manifest) {
  if (manifest.key_metadata) return false;
  return metadata.format_version < 3 || manifest.first_row_id.has_value();
}

struct SpecChoice {
  std::set<const ManifestFile*> chosen;
  std::string reason;
};

SpecChoice ChooseOfSpec(const iceberg::TableMetadata& metadata,
                        const std::vector<const ManifestFile*>& manifests, double last) {
  SpecChoice choice;
  auto spec = metadata.FindSpec(manifests[0]->partition_spec_id);
  if (!spec) return choice;
  const int64_t target = TargetManifestBytes(metadata);
  std::vector<const ManifestFile*> small;
  int64_t small_bytes = 0;
  for (const auto* manifest : manifests) {
    if (manifest->manifest_length >= target / 4 || !CanBeRewritten(metadata, *manifest)) continue;
    small.push_back(manifest);
    small_bytes += manifest->manifest_length;
  }
  const int64_t saved = static_cast<int64_t>(small.size()) - (small_bytes / target + 1);
  if (saved >= kLeastSaved) {
    choice.chosen.insert(small.begin(), small.end());
    choice.reason = fmt::format("{} manifests are small", small.size());
  }
  if (spec->is_unpartitioned()) return choice;
  const ManifestOverlap overlap(manifests,
                                iceberg::PartitionTypes(*spec, metadata.CurrentSchema()));
  const double limit = std::max(ToleratedOverlap(spec->fields.size()), last * 1.5);
  if (overlap.mean() <= limit) return choice;
  const auto crowded = overlap.Crowded(limit);
  for (size_t i = 0; i < manifests.size(); ++i) {
    if (crowded[i] && CanBeRewritten(metadata, *manifests[i])) choice.chosen.insert(manifests[i]);
  }
  choice.chosen.insert(small.begin(), small.end());
  choice.reason = fmt::format("a filter on one partition reads {:.1f} manifests", overlap.mean());
  return choice;
}

void WriteLine(const ManifestFile& line, JsonWriter* out) {
  out->BeginObject().Field("path", line.manifest_path).Field("length", line.manifest_length);
  out->Field("spec", line.partition_spec_id).Field("min-sequence", line.min_sequence_number);
  out->Field("files", int64_t{line.existing_files_count.value_or(0)});
  out->Field("rows", line.existing_rows_count.value_or(0)).Key("partitions").BeginArray();
  if (line.partitions) {
    for (const auto& summary : *line.partitions) {
      out->BeginObject().Field("null", summary.contains_null);
      if (summary.contains_nan) out->Field("nan", *summary.contains_nan);
      if (summary.lower_bound) out->Field("lower", Base64Encode(*summary.lower_bound));
      if (summary.upper_bound) out->Field("upper", Base64Encode(*summary.upper_bound));
      out->EndObject();
    }
  }
  out->EndArray().EndObject();
}

Result<std::optional<std::string>> ReadBytes(const JsonCursor& json, std::string_view key) {
  MORAINE_ASSIGN(auto text, json.OptString(key));
  if (!text) return std::optional<std::string>();
  MORAINE_ASSIGN(std::string bytes, Base64Decode(*text));
  return std::optional<std::string>(std::move(bytes));
}

Result<ManifestFile> ReadLine(const JsonCursor& json) {
  ManifestFile line;
  MORAINE_ASSIGN(line.manifest_path, json.String("path"));
  MORAINE_ASSIGN(line.manifest_length, json.Int64("length"));
  MORAINE_ASSIGN(line.partition_spec_id, json.Int32("spec"));
  MORAINE_ASSIGN(line.min_sequence_number, json.Int64("min-sequence"));
  MORAINE_ASSIGN(line.existing_files_count, json.Int32("files"));
  MORAINE_ASSIGN(line.existing_rows_count, json.Int64("rows"));
  line.added_files_count = line.deleted_files_count = 0;
  line.added_rows_count = line.deleted_rows_count = 0;
  MORAINE_ASSIGN(const JsonCursor partitions, json.Get("partitions"));
  MORAINE_TRY(partitions.ExpectArray());
  auto& summaries = line.partitions.emplace();
  for (size_t i = 0; i < partitions.size(); ++i) {
    const JsonCursor one = partitions.At(i);
    iceberg::FieldSummary summary;
    MORAINE_ASSIGN(summary.contains_null, one.Bool("null"));
    MORAINE_ASSIGN(summary.contains_nan, one.OptBool("nan"));
    MORAINE_ASSIGN(summary.lower_bound, ReadBytes(one, "lower"));
    MORAINE_ASSIGN(summary.upper_bound, ReadBytes(one, "upper"));
    summaries.push_back(std::move(summary));
  }
  return line;
}

std::string ToResult(const RewrittenManifests& rewritten) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("snapshot-id", rewritten.snapshot_id).Field("files", rewritten.files);
  out.Key("reads-before").Double(rewritten.reads_before);
  out.Key("reads-after").Double(rewritten.reads_after);
  WriteStrings("replaced", rewritten.replaced, &out);
  out.Key("written").BeginArray();
  for (const auto& line : rewritten.written) WriteLine(line, &out);
  out.EndArray().EndObject();
  return text;
}

/// The chosen manifests by spec; the others go to kept.
Result<BySpec> Choose(const OpenedSnapshot& opened, const std::vector<std::string>& wanted,
                      std::vector<ManifestFile>* kept) {
  const std::unordered_set<std::string_view> paths(wanted.begin(), wanted.end());
  BySpec chosen;
  size_t found = 0;
  for (const ManifestFile& manifest : opened.manifests) {
    const bool is_chosen = manifest.content == ManifestContent::kData && manifest.has_live() &&
                           paths.contains(manifest.manifest_path);
    if (is_chosen) {
      chosen[manifest.partition_spec_id].push_back(&manifest);
      ++found;
    } else {
      kept->push_back(manifest);
    }
  }
  if (found != paths.size()) return InvalidArgument("the snapshot lacks a manifest to write again");
  return chosen;
}

}  // namespace

int64_t TargetManifestBytes(const iceberg::TableMetadata& metadata) {
  constexpr int64_t kDefault = 8388608;
  return std::max<int64_t>(1024,
                           metadata.IntProperty("commit.manifest.target-size-bytes", kDefault));
}

double ManifestsPerPartition(const iceberg::TableMetadata& metadata,
                             const std::vector<ManifestFile>& manifests) {
  double sum = 0;
  int64_t points = 0;
  for (const auto& [spec_id, of_spec] : DataManifests(manifests)) {
    auto spec = metadata.FindSpec(spec_id);
    if (!spec) continue;
    const ManifestOverlap overlap(of_spec,
                                  iceberg::PartitionTypes(*spec, metadata.CurrentSchema()));
    sum += overlap.mean() * static_cast<double>(overlap.points());
    points += overlap.points();
  }
  return points == 0 ? 0 : sum / static_cast<double>(points);
}

ManifestDecision DecideManifestRewrite(const iceberg::TableMetadata& metadata,
                                       const std::vector<ManifestFile>& manifests, double last) {
  ManifestDecision decision;
  std::set<const ManifestFile*> chosen;
  for (const auto& [_, of_spec] : DataManifests(manifests)) {
    SpecChoice choice = ChooseOfSpec(metadata, of_spec, last);
    if (choice.chosen.size() < 2) continue;
    chosen.merge(choice.chosen);
    if (decision.reason.empty()) decision.reason = choice.reason;
  }
  for (const ManifestFile& manifest : manifests) {
    if (!chosen.contains(&manifest) || decision.manifests.size() >= kMostManifests) continue;
    decision.manifests.push_back(manifest.manifest_path);
    decision.bytes += manifest.manifest_length;
    decision.files +=
        manifest.added_files_count.value_or(0) + manifest.existing_files_count.value_or(0);
  }
  if (decision.manifests.empty()) {
    decision.reason = fmt::format(
        "planning would not gain: {} manifests, of which a filter on one "
        "partition reads {:.1f}",
        manifests.size(), ManifestsPerPartition(metadata, manifests));
  }
  return decision;
}

std::string ToBody(const ManifestRewriteTask& task) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject();
  WriteSnapshotPlace(task.place, &out);
  WriteStrings("manifests", task.manifests, &out);
  out.EndObject();
  return text;
}

Result<RewrittenManifests> RewrittenManifestsOf(const tasks::MaintenanceOutput& output) {
  MORAINE_ASSIGN(const Json document, Json::Parse(output.result));
  const JsonCursor json(document);
  RewrittenManifests rewritten;
  MORAINE_ASSIGN(rewritten.snapshot_id, json.Int64("snapshot-id"));
  MORAINE_ASSIGN(rewritten.files, json.Int64("files"));
  MORAINE_ASSIGN(const JsonCursor before, json.Get("reads-before"));
  MORAINE_ASSIGN(rewritten.reads_before, before.Double());
  MORAINE_ASSIGN(const JsonCursor after, json.Get("reads-after"));
  MORAINE_ASSIGN(rewritten.reads_after, after.Double());
  MORAINE_ASSIGN(rewritten.replaced, StringsOf(json, "replaced"));
  MORAINE_ASSIGN(const JsonCursor written, json.Get("written"));
  MORAINE_TRY(written.ExpectArray());
  for (size_t i = 0; i < written.size(); ++i) {
    MORAINE_ASSIGN(ManifestFile line, ReadLine(written.At(i)));
    rewritten.written.push_back(std::move(line));
  }
  return rewritten;
}

iceberg::SnapshotChanges ReplaceManifests(const RewrittenManifests& rewritten) {
  iceberg::SnapshotChanges changes;
  changes.operation = iceberg::SnapshotOperation::kRewriteManifests;
  changes.rewrite_manifests = rewritten.replaced;
  changes.replacements = rewritten.written;
  changes.checks.starting_snapshot_id = rewritten.snapshot_id;
  changes.summary["snapshot.producer"] = "REWRITE_MANIFESTS";
  return changes;
}

Result<tasks::MaintenanceOutput> RunWriteManifests(Call& call, io::FileSystem& files,
                                                   const tasks::MaintenanceTask& task,
                                                   const JobOptions& options,
                                                   JobProgress* progress) {
  MORAINE_ASSIGN(const Json document, Json::Parse(task.body));
  const JsonCursor body(document);
  RewrittenManifests rewritten;
  MORAINE_ASSIGN(rewritten.replaced, StringsOf(body, "manifests"));
  MORAINE_ASSIGN(const OpenedSnapshot opened, OpenSnapshot(call, files, task, body));
  rewritten.snapshot_id = opened.snapshot.snapshot_id;
  std::vector<ManifestFile> after;
  MORAINE_ASSIGN(const BySpec chosen, Choose(opened, rewritten.replaced, &after));
  ManifestWriting writing(call, files, opened, task, options.memory_bytes);
  for (const auto& [_, of_spec] : chosen) {
    MORAINE_ASSIGN(auto written, writing.WriteInOrder(of_spec, progress));
    for (auto& line : written) {
      rewritten.files += line.existing_files_count.value_or(0);
      after.push_back(line);
      rewritten.written.push_back(std::move(line));
    }
  }
  rewritten.reads_before = ManifestsPerPartition(opened.metadata, opened.manifests);
  rewritten.reads_after = ManifestsPerPartition(opened.metadata, after);
  tasks::MaintenanceOutput output;
  output.files = rewritten.files;
  output.result = ToResult(rewritten);
  return output;
}

}  // namespace moraine::upkeep
