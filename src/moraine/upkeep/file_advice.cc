// Sizes of files, deletes, manifests: what optimizing and maintenance do by themselves is advised
// only where they are off.

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/upkeep/advice_rules.h"

namespace moraine::upkeep {
namespace {

/// Files of the target size that would hold all rows: one for each partition at least.
int64_t LeastFiles(const AdviceFacts& facts) {
  const int64_t target = std::max<int64_t>(1, facts.optimizing.target_size);
  return std::max({int64_t{1}, facts.survey.partitions,
                   facts.survey.data_bytes / target + (facts.survey.data_bytes % target > 0)});
}

void AdviseSmallFiles(const AdviceFacts& facts, AdviceReport* report) {
  const TableSurvey& survey = facts.survey;
  const auto small =
      static_cast<int64_t>(survey.sizes.FilesBelow(facts.optimizing.undersized_size()));
  const int64_t spared = survey.data_files - LeastFiles(facts);
  if (small < kLeastSmallFiles || Share(spared, survey.data_files) < kManySmallFiles) return;
  const std::string why =
      fmt::format("{} of {} files are smaller than {}; {} would do", small, survey.data_files,
                  FormatByteSize(facts.optimizing.undersized_size()), LeastFiles(facts));
  const std::string off = WhyNotOptimized(facts);
  if (off.empty()) {
    report->notes.push_back(why + ": optimizing is on and merges them");
    return;
  }
  Advice advice{AdviceKind::kSmallFiles, "self-optimizing.enabled"};
  advice.why = fmt::format("{}, and nobody merges them: {}", why, off);
  if (facts.scans.scans > 0) {
    advice.why += fmt::format(". {} opened {} files each", ScansText(facts),
                              facts.scans.result_files / facts.scans.scans);
  }
  advice.gain = fmt::format("{} fewer files to plan and to open",
                            PercentText(Share(spared, survey.data_files)));
  advice.score = ScoreOf(Share(spared, survey.data_files) / 2);
  advice.commands = {SetCommand(facts, "self-optimizing.enabled", "true")};
  report->advice.push_back(std::move(advice));
}

void AdviseTargetSize(const AdviceFacts& facts, AdviceReport* report) {
  const TableSurvey& survey = facts.survey;
  const int64_t target = std::max<int64_t>(1, facts.optimizing.target_size);
  const int64_t then = survey.data_bytes / kLargerTarget;
  if (target >= kLargerTarget || LeastFiles(facts) < kManyFiles || then < survey.partitions) return;
  Advice advice{AdviceKind::kFileSize, "self-optimizing.target-size"};
  advice.why = fmt::format(
      "the table has {} in {} partitions: even files of the target size, {}, "
      "are {} files to plan",
      FormatByteSize(survey.data_bytes), survey.partitions, FormatByteSize(target),
      LeastFiles(facts));
  if (facts.scans.planned > 0) {
    advice.why += fmt::format("; planning took {} ms on average over {}",
                              facts.scans.planning_ms / facts.scans.planned, ScansText(facts));
  }
  const double spared = 1 - Share(then, LeastFiles(facts));
  advice.gain = fmt::format("{} fewer files and manifest entries", PercentText(spared));
  advice.score = ScoreOf(spared / 4);
  advice.commands = {
      SetCommand(facts, "self-optimizing.target-size", std::to_string(kLargerTarget)),
      SetCommand(facts, "write.target-file-size-bytes", std::to_string(kLargerTarget)),
      TableCommand(facts, "optimize", "--type full")};
  report->advice.push_back(std::move(advice));
}

/// Time since the snapshot that brought the oldest equality deletes; since the oldest snapshot if
/// that is gone.
std::optional<int64_t> AgeOfEqualityMs(const AdviceFacts& facts) {
  if (!facts.survey.oldest_equality_sequence) return std::nullopt;
  int64_t since_ms = facts.now_ms;
  for (const auto& snapshot : facts.metadata.snapshots) {
    if (snapshot->sequence_number >= *facts.survey.oldest_equality_sequence)
      since_ms = std::min(since_ms, snapshot->timestamp_ms);
  }
  return std::max<int64_t>(0, facts.now_ms - since_ms);
}

void AdviseMerging(const AdviceFacts& facts, AdviceReport* report) {
  const TableSurvey& survey = facts.survey;
  const double part = Share(survey.position_deletes + survey.equality_deletes, survey.records);
  const auto age = AgeOfEqualityMs(facts);
  const bool is_old = age && *age >= kOldEqualityMs;
  if (part < kManyDeletes && !is_old) return;
  std::string why = fmt::format(
      "{} position deletes and {} equality deletes stand in {} files against {} rows",
      survey.position_deletes, survey.equality_deletes,
      survey.position_delete_files + survey.deletion_vectors + survey.equality_delete_files,
      survey.records);
  if (is_old)
    why += fmt::format("; the oldest equality deletes are {} old", FormatDuration(Millis(*age)));
  if (facts.scans.scans > 0) {
    why += fmt::format("; {} read {} delete files each", ScansText(facts),
                       facts.scans.result_deletes / facts.scans.scans);
  }
  const std::string off = WhyNotOptimized(facts);
  Advice advice{AdviceKind::kDeletes, "self-optimizing.enabled"};
  advice.gain = "readers apply each delete file to every data file that it may be about";
  advice.score = ScoreOf(std::max(0.2, std::min(part, 0.8)));
  if (!off.empty()) {
    advice.why = fmt::format("{}, and nobody merges them: {}", why, off);
    advice.commands = {SetCommand(facts, "self-optimizing.enabled", "true")};
  } else {
    const int64_t interval_ms = facts.optimizing.full_trigger_interval.count();
    if (interval_ms > 0 && interval_ms <= kOldEqualityMs) return;
    advice.subject = "self-optimizing.full.trigger.interval";
    advice.why = fmt::format(
        "{}, although optimizing is on: it merges deletes where they are many "
        "for a file, or when a full run is due, and none is",
        why);
    advice.commands = {
        TableCommand(facts, "optimize", "--type full"),
        SetCommand(facts, advice.subject, std::to_string(kOldEqualityMs)) + "   # each day"};
  }
  report->advice.push_back(std::move(advice));
}

void AdviseVectors(const AdviceFacts& facts, AdviceReport* report) {
  constexpr int kScore = 15;
  constexpr int kFirstVersionWithVectors = 3;
  const int64_t files = facts.survey.position_delete_files;
  if (facts.metadata.format_version >= kFirstVersionWithVectors || files < kManyDeleteFiles) return;
  Advice advice{AdviceKind::kFormatVersion, "format-version"};
  advice.why = fmt::format(
      "{} position delete files with {} rows: a reader of version {} sorts them out for each data "
      "file",
      files, facts.survey.position_deletes, facts.metadata.format_version);
  advice.gain =
      "version 3 has one deletion vector for a data file at most, in a fraction of the bytes; all "
      "engines that read the table must know version 3";
  advice.score = kScore;
  advice.commands = {SetCommand(facts, "format-version", "3")};
  report->advice.push_back(std::move(advice));
}

}  // namespace

void AdviseFileSizes(const AdviceFacts& facts, AdviceReport* report) {
  AdviseSmallFiles(facts, report);
  AdviseTargetSize(facts, report);
}

void AdviseDeletes(const AdviceFacts& facts, AdviceReport* report) {
  AdviseMerging(facts, report);
  AdviseVectors(facts, report);
}

void AdviseManifests(const AdviceFacts& facts, AdviceReport* report) {
  const TableSurvey& survey = facts.survey;
  if (survey.manifests < kManyManifests) return;
  const int64_t average = survey.manifest_bytes / survey.manifests;
  if (average >= kSmallManifest) return;
  const int64_t then = std::max<int64_t>(1, survey.manifest_bytes / (int64_t{8} << 20));
  const std::string why = fmt::format("{} manifests of {} on average; {} would do",
                                      survey.manifests, FormatByteSize(average), then);
  if (facts.maintenance.rewrite_manifests) {
    report->notes.push_back(why + ": rewrite-manifests is on and merges them when planning gains");
    return;
  }
  Advice advice{AdviceKind::kManifests, "rewrite-manifests.enabled"};
  advice.why = why + ", and rewrite-manifests.enabled is false";
  if (facts.scans.planned > 0) {
    advice.why += fmt::format("; planning took {} ms on average over {}",
                              facts.scans.planning_ms / facts.scans.planned, ScansText(facts));
  }
  advice.gain = fmt::format("planning opens {} instead of {} where nothing is filtered", then,
                            survey.manifests);
  advice.score = ScoreOf((1 - Share(then, survey.manifests)) / 5);
  advice.commands = {TableCommand(facts, "maintain", "--action rewrite-manifests --wait"),
                     SetCommand(facts, "rewrite-manifests.enabled", "true")};
  report->advice.push_back(std::move(advice));
}

}  // namespace moraine::upkeep
