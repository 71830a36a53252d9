#include "moraine/planning/digest.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/planning/health.h"

namespace moraine::planning {
namespace {

using iceberg::DataFile;
using iceberg::FileContent;
using iceberg::ManifestFile;
using iceberg::PartitionTuple;
using iceberg::Value;

DataFile File(PartitionTuple partition, int64_t size, FileContent content = FileContent::kData) {
  DataFile file;
  file.content = content;
  file.spec_id = 1;
  file.partition = std::move(partition);
  file.file_size_in_bytes = size;
  file.record_count = 10;
  return file;
}

TEST(PartitionKey, IsEqualExactlyForTheSameTuple) {
  std::string a = PartitionKey(1, {Value(std::string("x")), Value(int32_t{1})});
  EXPECT_EQ(a, PartitionKey(1, {Value(std::string("x")), Value(int32_t{1})}));
  EXPECT_NE(a, PartitionKey(2, {Value(std::string("x")), Value(int32_t{1})}));
  EXPECT_NE(a, PartitionKey(1, {Value(), Value(int32_t{1})}));
  EXPECT_EQ(PartitionKey(0, {Value(std::nan("1"))}), PartitionKey(0, {Value(-std::nan("2"))}));
  EXPECT_NE(PartitionKey(0, {Value(0.0)}), PartitionKey(0, {Value(-0.0)}));
}

TEST(Digest, ClaimsBeyondAllNumbersDoNotWrap) {
  ManifestDigest digest;
  DataFile file = File({}, INT64_MAX - 5);
  file.record_count = INT64_MAX - 5;
  for (FileContent content :
       {FileContent::kData, FileContent::kPositionDeletes, FileContent::kEqualityDeletes}) {
    file.content = content;
    for (int i = 0; i < 3; ++i) AddToDigest(file, &digest);
  }
  PartitionCounts sum = digest.begin()->second;
  EXPECT_EQ(sum.data_bytes, INT64_MAX);
  EXPECT_EQ(sum.equality_delete_records, INT64_MAX);
  EXPECT_EQ(DigestFromText(DigestToText(digest)).value(), digest);
  sum.Merge(digest.begin()->second, 1);
  EXPECT_EQ(sum.delete_bytes, INT64_MAX);
  EXPECT_EQ(sum.sizes.AtMost(INT64_MAX).bytes, INT64_MAX);
  EXPECT_EQ(sum.data_files, 6);
  for (int i = 0; i < 4; ++i) sum.Merge(digest.begin()->second, -1);
  EXPECT_EQ(sum.delete_bytes, -INT64_MAX);
}

TEST(PartitionKey, ReadsBack) {
  PartitionTuple tuple = {Value(true), Value(int32_t{-7}),         Value(int64_t{1} << 60),
                          Value(1.5f), Value(iceberg::Int128{-5}), Value(std::string("ä\0b", 4)),
                          Value()};
  auto id = PartitionIdFromKey(PartitionKey(300, tuple));
  ASSERT_TRUE(id.ok());
  EXPECT_EQ(id->spec_id, 300);
  EXPECT_TRUE(iceberg::SameTuple(id->partition, tuple));
}

ManifestDigest Example() {
  ManifestDigest digest;
  for (int i = 0; i < 20; ++i) {
    AddToDigest(File({Value(int32_t{i % 3})}, 1000 << i % 10), &digest);
  }
  AddToDigest(File({Value(int32_t{1})}, 50, FileContent::kPositionDeletes), &digest);
  AddToDigest(File({Value(int32_t{1})}, 60, FileContent::kEqualityDeletes), &digest);
  return digest;
}

TEST(Digest, ReadsBackFromText) {
  auto read = DigestFromText(DigestToText(Example()));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(*read, Example());
}

TEST(Digest, RefusesBrokenText) {
  std::string text = DigestToText(Example());
  for (size_t length = 0; length < text.size(); length += 4) {
    EXPECT_EQ(DigestFromText(text.substr(0, length)).status().code(), Code::kCorruption);
  }
  EXPECT_FALSE(DigestFromText("%%%%").ok());
}

ManifestFile Manifest(std::string path) {
  ManifestFile manifest;
  manifest.manifest_path = std::move(path);
  return manifest;
}

TEST(HealthSum, EqualsTheSumOfTheCurrentManifestsAfterAnyHistory) {
  std::map<std::string, HealthSum::DigestPtr> all;
  for (int m = 0; m < 6; ++m) {
    ManifestDigest digest;
    for (int i = 0; i < 5; ++i)
      AddToDigest(File({Value(int32_t{(m + i) % 4})}, 1000 * (m + 1)), &digest);
    all["m" + std::to_string(m)] = std::make_shared<const ManifestDigest>(std::move(digest));
  }
  int loads = 0;
  auto load = [&](const ManifestFile& manifest) -> Result<HealthSum::DigestPtr> {
    ++loads;
    return all.at(manifest.manifest_path);
  };
  HealthSum moving;
  std::vector<std::vector<int>> history = {{0}, {0, 1}, {0, 1, 2}, {3}, {3, 4}, {0, 1}, {}, {5, 0}};
  for (const auto& step : history) {
    std::vector<ManifestFile> manifests;
    for (int m : step) manifests.push_back(Manifest("m" + std::to_string(m)));
    ASSERT_TRUE(moving.Update(manifests, load).ok());
    HealthSum fresh;
    ASSERT_TRUE(fresh.Update(manifests, load).ok());
    EXPECT_EQ(moving.total(), fresh.total());
    EXPECT_EQ(moving.partitions(), fresh.partitions());
  }
}

TEST(HealthSum, LoadsOnlyWhatIsNew) {
  auto digest = std::make_shared<const ManifestDigest>(Example());
  int loads = 0;
  auto load = [&](const ManifestFile&) -> Result<HealthSum::DigestPtr> {
    ++loads;
    return digest;
  };
  HealthSum sum;
  ASSERT_TRUE(sum.Update({Manifest("a"), Manifest("b")}, load).ok());
  EXPECT_EQ(loads, 2);
  ASSERT_TRUE(sum.Update({Manifest("b"), Manifest("a"), Manifest("c")}, load).ok());
  EXPECT_EQ(loads, 3);
}

TEST(Health, ScoresSmallFilesAndDeletes) {
  OptimizingConfig config;
  PartitionCounts healthy;
  healthy.data_files = 3;
  healthy.data_bytes = int64_t{3} << 27;
  healthy.data_records = 1000;
  for (int i = 0; i < 3; ++i) healthy.sizes.Add(1 << 27);
  EXPECT_EQ(ScorePartition(healthy, config).total, 100);

  PartitionCounts shredded;
  shredded.data_files = 1000;
  shredded.data_bytes = 1000 * 200'000;
  shredded.data_records = 1'000'000;
  for (int i = 0; i < 1000; ++i) shredded.sizes.Add(200'000);
  auto score = ScorePartition(shredded, config);
  EXPECT_EQ(score.small_files, 1);
  EXPECT_EQ(score.equality_deletes, 40);
  shredded.equality_delete_files = 5;
  shredded.equality_delete_records = 200'000;
  EXPECT_EQ(ScorePartition(shredded, config).equality_deletes, 0);
}

HealthSum SumOf(const ManifestDigest& digest) {
  HealthSum sum;
  auto shared = std::make_shared<const ManifestDigest>(digest);
  EXPECT_TRUE(
      sum.Update({Manifest("a")},
                 [&](const ManifestFile&) -> Result<HealthSum::DigestPtr> { return shared; })
          .ok());
  return sum;
}

TEST(Health, ScoresAHundredExactlyWhenThereIsNothingToDo) {
  OptimizingConfig config;
  // 298 of 298 files are tiny: no bytes to speak of, and yet as bad as small files can be.
  ManifestDigest tiny;
  for (int i = 0; i < 298; ++i) AddToDigest(File({Value(int32_t{1})}, 3'000), &tiny);
  Health shredded = DecideHealth(SumOf(tiny), {}, config, false, 10);
  EXPECT_LE(shredded.score.small_files, 1);
  EXPECT_LE(shredded.score.total, 61);

  // One position delete file of a large partition hardly counts, but it is something.
  ManifestDigest slight;
  for (int i = 0; i < 50; ++i) {
    auto file = File({Value(int32_t{1})}, 1 << 27);
    file.record_count = 1'000'000'000;
    AddToDigest(file, &slight);
  }
  AddToDigest(File({Value(int32_t{1})}, 50, FileContent::kPositionDeletes), &slight);
  Health almost = DecideHealth(SumOf(slight), {}, config, false, 10);
  EXPECT_EQ(almost.candidate_count, 1);
  EXPECT_EQ(almost.score.total, 99);
  EXPECT_EQ(almost.score.position_deletes, 19);

  // Two files that fill no file of the target size are nothing to do.
  ManifestDigest fine;
  for (int i = 0; i < 2; ++i) AddToDigest(File({Value(int32_t{1})}, 40 << 20), &fine);
  Health nothing = DecideHealth(SumOf(fine), {}, config, false, 10);
  EXPECT_EQ(nothing.candidate_count, 0);
  EXPECT_EQ(nothing.score.total, 100);
}

/// Two partitions of spec 1, of which one is newer than the deletes of the unpartitioned spec 0.
TEST(Health, SmallFilesOfWhichNoTwoFitIntoOneAreNothingToDo) {
  OptimizingConfig config;  // target 128 MiB, small up to 96 MiB
  struct {
    std::vector<int64_t> mib;
    int64_t candidates;
  } cases[] = {
      {{70, 70}, 0},      // what remains of 140 MiB
      {{90, 90, 90}, 0},  // known by their class of sizes only
      {{60, 90, 90}, 0}, {{60, 60, 30}, 1}, {{50, 60, 70}, 1}, {{64, 64}, 1},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.mib[0]);
    ManifestDigest digest;
    for (int64_t size : c.mib) AddToDigest(File({Value(int32_t{1})}, size << 20), &digest);
    Health health = DecideHealth(SumOf(digest), {}, config, false, 10);
    EXPECT_EQ(health.candidate_count, c.candidates);
    EXPECT_EQ(health.score.total == 100, c.candidates == 0);
  }
}

TEST(SizeHistogram, KnowsALeastForAnyTwoFiles) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 2000; ++round) {
    SizeHistogram sizes;
    std::vector<int64_t> all;
    for (uint64_t i = random() % 6; i > 0; --i) {
      all.push_back(static_cast<int64_t>(random() >> (1 + random() % 62)));
      sizes.Add(all.back());
    }
    std::sort(all.begin(), all.end());
    int64_t least = sizes.LeastOfTwo();
    if (all.size() < 2) {
      EXPECT_EQ(least, INT64_MAX);
    } else {
      EXPECT_LE(least, iceberg::AddCapped(all[0], all[1]));
      EXPECT_TRUE(all.size() > 2 || least == iceberg::AddCapped(all[0], all[1]));
    }
  }
}

TEST(Health, GlobalEqualityDeletesMakeOlderPartitionsCandidates) {
  ManifestDigest old_data, new_data, global, dangling;
  AddToDigest(File({Value(int32_t{1})}, 1 << 27), &old_data);
  AddToDigest(File({Value(int32_t{2})}, 1 << 27), &new_data);
  DataFile deletes = File({}, 10, FileContent::kEqualityDeletes);
  deletes.spec_id = 0;
  AddToDigest(deletes, &global);
  AddToDigest(File({Value(int32_t{3})}, 10, FileContent::kEqualityDeletes), &dangling);
  std::map<std::string, ManifestDigest> digests = {
      {"old", old_data}, {"new", new_data}, {"global", global}, {"dangling", dangling}};
  auto manifest = [](std::string path, int32_t spec_id, int64_t first, int64_t last) {
    ManifestFile file = Manifest(std::move(path));
    file.partition_spec_id = spec_id;
    file.min_sequence_number = first;
    file.sequence_number = last;
    return file;
  };
  auto load = [&](const ManifestFile& file) -> Result<HealthSum::DigestPtr> {
    return std::make_shared<const ManifestDigest>(digests.at(file.manifest_path));
  };
  HealthSum sum;
  std::vector<ManifestFile> manifests = {manifest("old", 1, 1, 7), manifest("new", 1, 5, 5),
                                         manifest("dangling", 1, 9, 9)};
  ASSERT_TRUE(sum.Update(manifests, load).ok());
  EXPECT_TRUE(sum.ReachedByGlobalDeletes({0}).empty());
  manifests.push_back(manifest("global", 0, 4, 5));
  ASSERT_TRUE(sum.Update(manifests, load).ok());
  EXPECT_TRUE(sum.ReachedByGlobalDeletes({}).empty());
  auto reached = sum.ReachedByGlobalDeletes({0});
  std::vector<std::string> old_partition = {PartitionKey(1, {Value(int32_t{1})})};
  EXPECT_EQ(std::vector<std::string>(reached.begin(), reached.end()), old_partition);
  EXPECT_EQ(DecideHealth(sum, reached, OptimizingConfig(), false, 10).candidates, old_partition);
  EXPECT_EQ(DecideHealth(sum, reached, OptimizingConfig(), true, 10).candidates.size(), 2u);
  EXPECT_EQ(DecideHealth(sum, {}, OptimizingConfig(), false, 10).candidates.size(), 0u);
}

}  // namespace
}  // namespace moraine::planning
