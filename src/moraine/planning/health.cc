#include "moraine/planning/health.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include <fmt/format.h>

#include "moraine/base/text.h"

namespace moraine::planning {
namespace {

constexpr double kSmallFileShare = 40;
constexpr double kEqualityDeleteShare = 40;
constexpr double kPositionDeleteShare = 20;
constexpr double kFullPenaltyFiles = 12;
constexpr double kWorstEqualityRatio = 0.1;
constexpr double kWorstPositionRatio = 0.2;

/// How much a number of files weighs: 0 for at most one, 1 for a dozen. Their bytes do not count:
/// a reader pays for each file that it opens.
double Penalty(int64_t files) {
  if (files <= 1) return 0;
  return std::min(static_cast<double>(files), kFullPenaltyFiles) / kFullPenaltyFiles;
}

int Share(double share, double penalty) {
  return static_cast<int>(std::ceil(share - share * penalty));
}

double DeletedRatio(int64_t deletes, int64_t rows) {
  if (rows <= 0) return deletes > 0 ? 1 : 0;
  return static_cast<double>(std::min(deletes, rows)) / static_cast<double>(rows);
}

bool MayNeedWork(const PartitionCounts& counts, const OptimizingConfig& config) {
  auto fragments = counts.sizes.AtMost(config.fragment_size());
  auto small = counts.sizes.AtMost(config.undersized_size());
  // Small files that fill a file of the target size are no work if no two of them fit into one.
  bool major = small.files > 1 && small.bytes >= config.target_size &&
               counts.sizes.LeastOfTwo() <= config.target_size;
  return counts.equality_delete_files > 0 || counts.position_delete_files > 0 ||
         fragments.files > 1 || major;
}

std::string Explain(const Health& health, const OptimizingConfig& config) {
  const auto& total = health.total;
  if (total.data_files == 0) return "the table has no data files";
  if (health.candidate_count == 0) {
    auto average = FormatByteSize(total.data_bytes / total.data_files);
    if (total.data_files == 1) return fmt::format("1 data file of {}: nothing to do", average);
    return fmt::format("{} data files of {} on average: nothing to do", total.data_files, average);
  }
  std::vector<std::string> parts;
  if (health.small_files > 1) {
    parts.push_back(fmt::format("{} of {} data files are smaller than {}", health.small_files,
                                total.data_files, FormatByteSize(config.undersized_size())));
  }
  if (total.equality_delete_files > 0) {
    parts.push_back(fmt::format("{} equality delete files", total.equality_delete_files));
  }
  if (total.position_delete_files > 0) {
    parts.push_back(fmt::format("{} position delete files", total.position_delete_files));
  }
  if (parts.empty()) {
    parts.push_back(!config.layout.is_none()  ? "files may lie in another order than is wanted"
                    : !config.dedup.is_none() ? "rows may have the keys of others"
                                              : "the full optimizing interval has passed");
  }
  return fmt::format("{} in {} of {} partitions", fmt::join(parts, ", "), health.candidate_count,
                     health.partitions);
}

}  // namespace

Status HealthSum::Update(
    const std::vector<iceberg::ManifestFile>& manifests,
    const std::function<Result<DigestPtr>(const iceberg::ManifestFile&)>& load) {
  std::unordered_map<std::string, Held> next;
  std::vector<DigestPtr> added;
  for (const auto& manifest : manifests) {
    if (!manifest.has_live()) continue;
    auto held = manifests_.find(manifest.manifest_path);
    if (held != manifests_.end()) {
      next.insert(*held);
      continue;
    }
    MORAINE_ASSIGN(auto digest, load(manifest));
    Held fresh{digest, manifest.partition_spec_id, manifest.sequence_number,
               manifest.min_sequence_number};
    if (next.emplace(manifest.manifest_path, std::move(fresh)).second)
      added.push_back(std::move(digest));
  }
  for (const auto& [path, held] : manifests_) {
    if (!next.contains(path)) Merge(*held.digest, -1);
  }
  for (const auto& digest : added) Merge(*digest, 1);
  manifests_ = std::move(next);
  return {};
}

const ManifestDigest* HealthSum::Find(const std::string& manifest_path) const {
  auto found = manifests_.find(manifest_path);
  return found == manifests_.end() ? nullptr : found->second.digest.get();
}

std::set<std::string> HealthSum::ReachedByGlobalDeletes(
    const std::set<int32_t>& unpartitioned_specs) const {
  int64_t newest_delete = -1;
  for (const auto& [_, held] : manifests_) {
    if (held.sequence_number <= newest_delete || !unpartitioned_specs.contains(held.spec_id))
      continue;
    for (const auto& [key, counts] : *held.digest) {
      if (counts.equality_delete_files > 0) newest_delete = held.sequence_number;
    }
  }
  std::set<std::string> reached;
  if (newest_delete < 0) return reached;
  for (const auto& [_, held] : manifests_) {
    // Equality deletes apply to data with a smaller sequence number only.
    if (held.min_sequence_number >= newest_delete) continue;
    for (const auto& [key, counts] : *held.digest) {
      if (counts.data_files > 0) reached.insert(key);
    }
  }
  return reached;
}

std::vector<std::string> HealthSum::ManifestPaths() const {
  std::vector<std::string> paths;
  paths.reserve(manifests_.size());
  for (const auto& [path, _] : manifests_) paths.push_back(path);
  return paths;
}

void HealthSum::Merge(const ManifestDigest& digest, int64_t sign) {
  for (const auto& [key, counts] : digest) {
    auto& mine = partitions_[key];
    mine.Merge(counts, sign);
    total_.Merge(counts, sign);
    if (mine.empty()) partitions_.erase(key);
  }
}

HealthScore ScorePartition(const PartitionCounts& counts, const OptimizingConfig& config) {
  auto threshold = static_cast<double>(config.undersized_size());
  auto small = counts.sizes.AtMost(config.undersized_size());
  HealthScore score;
  if (small.files > 0) {
    double average = static_cast<double>(small.bytes) / static_cast<double>(small.files);
    score.small_files = Share(
        kSmallFileShare, Penalty(small.files) * (1 - std::min(average, threshold) / threshold));
  }
  int64_t deletes = counts.position_delete_files + counts.equality_delete_files;
  double penalty = Penalty(counts.data_files + deletes);
  double equality = DeletedRatio(counts.equality_delete_records, counts.data_records);
  double position = DeletedRatio(counts.position_delete_records, counts.data_records);
  score.equality_deletes =
      Share(kEqualityDeleteShare,
            penalty * std::min(equality, kWorstEqualityRatio) / kWorstEqualityRatio);
  score.position_deletes =
      Share(kPositionDeleteShare,
            penalty * std::min(position, kWorstPositionRatio) / kWorstPositionRatio);
  score.total = score.small_files + score.equality_deletes + score.position_deletes;
  return score;
}

/// Takes one point from the part that the work is about.
void LowerOne(const PartitionCounts& total, HealthScore* score) {
  if (total.equality_delete_files > 0) {
    --score->equality_deletes;
  } else if (total.position_delete_files > 0) {
    --score->position_deletes;
  } else {
    --score->small_files;
  }
}

Health DecideHealth(const HealthSum& sum, const std::set<std::string>& reached,
                    const OptimizingConfig& config, bool full_due, size_t max_candidates) {
  Health health;
  health.total = sum.total();
  health.partitions = static_cast<int64_t>(sum.partitions().size());
  health.manifests = static_cast<int64_t>(sum.manifest_count());
  auto small = sum.total().sizes.AtMost(config.undersized_size());
  health.small_files = small.files;
  health.small_bytes = small.bytes;

  bool any_work = false;
  int64_t small_score = 0;
  int64_t equality_score = 0;
  int64_t position_score = 0;
  std::vector<std::pair<int, const std::string*>> ranked;
  for (const auto& [key, counts] : sum.partitions()) {
    bool has_data = counts.data_files > 0;  // deletes without data are no work for anybody
    bool needs_work = has_data && (MayNeedWork(counts, config) || reached.contains(key));
    HealthScore score = needs_work ? ScorePartition(counts, config) : HealthScore();
    small_score += score.small_files;
    equality_score += score.equality_deletes;
    position_score += score.position_deletes;
    any_work |= needs_work;
    if (needs_work || (full_due && has_data)) ranked.emplace_back(score.total, &key);
  }
  if (health.partitions > 0) {
    auto mean = [&](int64_t scores) {
      return static_cast<int>((scores + health.partitions - 1) / health.partitions);
    };
    health.score.small_files = mean(small_score);
    health.score.equality_deletes = mean(equality_score);
    health.score.position_deletes = mean(position_score);
    // 100 is for tables that need nothing, however small the need is by the numbers.
    bool perfect =
        health.score.small_files + health.score.equality_deletes + health.score.position_deletes ==
        100;
    if (any_work && perfect) LowerOne(sum.total(), &health.score);
    health.score.total =
        health.score.small_files + health.score.equality_deletes + health.score.position_deletes;
  }
  health.candidate_count = static_cast<int64_t>(ranked.size());
  std::sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : *a.second < *b.second;
  });
  if (ranked.size() > max_candidates) ranked.resize(max_candidates);
  for (const auto& [_, key] : ranked) health.candidates.push_back(*key);
  health.explanation = Explain(health, config);
  return health;
}

}  // namespace moraine::planning
