#include "moraine/upkeep/table_survey.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/testing/test_table.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/upkeep/bounds_sample.h"

namespace moraine::upkeep {
namespace {

using iceberg::SnapshotChanges;
using iceberg::SnapshotOperation;
using iceberg::Type;
using iceberg::TypeKind;

std::string Long(int64_t value) {
  return iceberg::ValueToBytes(*Type::Primitive(TypeKind::kLong), iceberg::Value(value));
}

SampledBounds Bounds(int64_t lower, int64_t upper, uint32_t manifest = 0) {
  return {SampledBounds::State::kBounds, lower, upper, manifest};
}

TEST(Overlap, IsThePartOfTheFilesThatHoldAValue) {
  std::vector<SampledBounds> sorted, wide, pairs, unknown(50), nulls(50);
  for (int64_t i = 0; i < 100; ++i) {
    sorted.push_back(Bounds(10 * i, 10 * i + 9));
    wide.push_back(Bounds(i % 7, 10'000 - i % 11));
    pairs.push_back(Bounds(10 * (i / 2), 10 * (i / 2) + 9));
  }
  for (auto& bounds : nulls) bounds.state = SampledBounds::State::kNoValues;
  EXPECT_EQ(EstimateOverlap(sorted, 1, 1).fraction, 0);
  EXPECT_EQ(EstimateOverlap(wide, 1, 1).fraction, 1);
  EXPECT_NEAR(EstimateOverlap(pairs, 1, 1).fraction, 1.0 / 99, 1e-9);
  EXPECT_EQ(EstimateOverlap(unknown, 1, 1).fraction, 1);
  EXPECT_EQ(EstimateOverlap({}, 0, 0).fraction, 0);
  EXPECT_EQ(EstimateOverlap(sorted, 1, 1).distinct, 100);
  EXPECT_EQ(EstimateOverlap(wide, 1, 1).distinct, 7);
  EXPECT_EQ(std::get<int64_t>(EstimateOverlap(sorted, 1, 1).greatest), 999);
  // Files without bounds may hold every value.
  sorted.insert(sorted.end(), unknown.begin(), unknown.end());
  EXPECT_NEAR(EstimateOverlap(sorted, 1, 1).fraction, 50.0 / 149, 1e-9);
  pairs.insert(pairs.end(), nulls.begin(), nulls.end());
  EXPECT_NEAR(EstimateOverlap(pairs, 1, 1).fraction, 1.0 / 149, 1e-9);
}

TEST(Overlap, HasAMiddleForEveryType) {
  const auto depth = [](std::vector<std::pair<iceberg::Value, iceberg::Value>> files) {
    std::vector<SampledBounds> sample;
    for (auto& [lower, upper] : files)
      sample.push_back({SampledBounds::State::kBounds, lower, upper, 0});
    return EstimateOverlap(sample, 1, 1).fraction;
  };
  const auto text = [](const char* value) { return iceberg::Value(std::string(value)); };
  EXPECT_EQ(depth({{text("user-00"), text("user-49")}, {text("user-50"), text("user-99")}}), 0);
  EXPECT_EQ(depth({{text("user-01"), text("user-99")}, {text("user-02"), text("user-98")}}), 1);
  EXPECT_EQ(depth({{text("a"), text("a")}, {text("a"), text("a")}}), 1);
  EXPECT_EQ(depth({{text(""), text("b")}, {text("c"), text("d")}}), 0);
  EXPECT_EQ(depth({{1.0, 2.0}, {3.0, std::numeric_limits<double>::quiet_NaN()}}), 0);
  EXPECT_EQ(depth({{-std::numeric_limits<double>::infinity(), 9.0}, {1.0, 2.0}}), 0.5);
  EXPECT_EQ(depth({{false, true}, {false, true}}), 1);
  EXPECT_EQ(
      depth({{iceberg::Int128(-5), iceberg::Int128(5)}, {iceberg::Int128(6), iceberg::Int128(7)}}),
      0);
  EXPECT_EQ(depth({{int32_t{1}, int32_t{9}}, {int32_t{2}, int32_t{8}}}), 1);
}

TEST(Overlap, FilesOfOneManifestDoNotStandForAll) {
  // Ten files of each manifest hold the same; those of different ones nothing in common.
  std::vector<SampledBounds> sample;
  for (uint32_t manifest = 0; manifest < 10; ++manifest) {
    for (int i = 0; i < 10; ++i)
      sample.push_back(Bounds(manifest * 10, manifest * 10 + 5, manifest));
  }
  EXPECT_NEAR(EstimateOverlap(sample, 10, 10).fraction, 9.0 / 99, 1e-9);
  EXPECT_NEAR(EstimateOverlap(sample, 10, 1'000).fraction, 1.0 / 1'000, 1e-9);
}

class SurveyTest : public ::testing::Test {
 protected:
  void Make(bool partitioned, iceberg::StringMap properties = {}) {
    table_ = std::make_unique<iceberg::TestTable>(
        files_, iceberg::TestTableOptions{2, partitioned, std::move(properties)});
  }
  /// Files with ids from to to, by name.
  void Append(const std::vector<std::pair<int64_t, int64_t>>& ids, int32_t day = 0) {
    SnapshotChanges changes;
    changes.operation = SnapshotOperation::kFastAppend;
    for (const auto& [from, to] : ids) {
      auto file = table_->Data(fmt::format("f{}", next_++), day);
      file.lower_bounds = {{1, Long(from)}};
      file.upper_bounds = {{1, Long(to)}};
      changes.added.push_back({file, {}});
    }
    ASSERT_TRUE(table_->Commit(call_, std::move(changes)).ok());
  }
  TableSurvey Survey(const SurveyOptions& options) {
    auto survey = SurveyTable(call_, files_, *table_->metadata(), options);
    EXPECT_TRUE(survey.ok()) << survey.status().ToString();
    return survey.ok() ? *survey : TableSurvey();
  }

  io::MemoryFileSystem files_;
  ::moraine::testing::TestEnv env_;
  Call call_{env_.env(), std::chrono::hours(1)};
  std::unique_ptr<iceberg::TestTable> table_;
  int next_ = 0;
};

TEST_F(SurveyTest, CountsFilesAndDeletes) {
  Make(true);
  EXPECT_EQ(Survey({}).data_files, 0);
  Append({{0, 9}, {10, 19}}, 1);
  Append({{0, 19}}, 2);
  SnapshotChanges changes;
  changes.operation = SnapshotOperation::kRowDelta;
  changes.added.push_back({table_->PositionDeletes("p", "f0", 1), {}});
  changes.added.push_back({table_->EqualityDeletes("e", 2, 0, 5), {}});
  ASSERT_TRUE(table_->Commit(call_, std::move(changes)).ok());
  const auto survey = Survey({.columns = {"id", "nothing", "name"}});
  EXPECT_EQ(survey.data_files, 3);
  EXPECT_EQ(survey.data_bytes, 3'000);
  EXPECT_EQ(survey.records, 300);
  EXPECT_EQ(survey.partitions, 2);
  EXPECT_EQ(survey.position_delete_files, 1);
  EXPECT_EQ(survey.equality_delete_files, 1);
  EXPECT_EQ(survey.oldest_equality_sequence, 3);
  EXPECT_EQ(survey.parquet_files, 3);
  EXPECT_TRUE(survey.is_complete());
  EXPECT_EQ(survey.sizes.FilesBelow(1'024), 3);
  EXPECT_EQ(survey.sizes.FilesBelow(512), 0);
  ASSERT_EQ(survey.columns.size(), 3u);  // id, name, and day as the partition's source
  EXPECT_EQ(survey.columns[0].name, "id");
  EXPECT_EQ(survey.columns[0].bounded, 1);
  EXPECT_NEAR(survey.columns[0].depth, 1 + 2 * 2.0 / 6, 1e-9);
  EXPECT_EQ(survey.Find("name")->bounded, 0);
  EXPECT_EQ(survey.Find("name")->depth, 3);
}

TEST_F(SurveyTest, ReadsOnlySomeManifestsOfManyAndTakesThemForAll) {
  Make(false);
  for (int64_t i = 0; i < 40; ++i) {
    std::vector<std::pair<int64_t, int64_t>> ids;
    for (int64_t k = 0; k < 5; ++k) ids.emplace_back(100 * i + 10 * k, 100 * i + 10 * k + 9);
    Append(ids);
  }
  const auto all = Survey({.columns = {"id"}});
  EXPECT_EQ(all.manifests_read, all.manifests);
  EXPECT_EQ(all.data_files, 200);
  EXPECT_NEAR(all.columns[0].depth, 1, 1e-9);
  SurveyOptions some{.columns = {"id"}, .manifest_bytes = 1, .sampled_files = 3};
  const auto part = Survey(some);
  EXPECT_LT(part.manifests_read, part.manifests);
  EXPECT_FALSE(part.is_complete());
  EXPECT_EQ(part.sampled_files, 3);
  EXPECT_EQ(part.data_files, 200);
  EXPECT_EQ(part.data_bytes, all.data_bytes);
  EXPECT_EQ(part.records, all.records);
  EXPECT_EQ(part.manifest_bytes, all.manifest_bytes);
  EXPECT_NEAR(part.columns[0].depth, 1, 1e-9);
  EXPECT_EQ(part.sizes.FilesBelow(1 << 20), 200);
}

TEST_F(SurveyTest, AManifestThatCantBeReadIsAnError) {
  Make(false);
  Append({{0, 9}});
  auto manifests = *table_->Manifests(call_);
  ASSERT_TRUE(io::WriteFile(call_, files_, manifests[0].manifest_path + "x", "").ok());
  std::vector<std::string> gone = {manifests[0].manifest_path};
  for (const auto& status : files_.DeleteMany(call_, gone)) ASSERT_TRUE(status.ok());
  EXPECT_EQ(SurveyTable(call_, files_, *table_->metadata(), {}).status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace moraine::upkeep
