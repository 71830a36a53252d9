#include "moraine/upkeep/manifest_rewrite.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/base/text.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/scan/plan_files.h"
#include "moraine/iceberg/scan/table_filter.h"
#include "moraine/iceberg/testing/test_table.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::upkeep {
namespace {

using iceberg::AddedFile;
using iceberg::ManifestEntry;
using iceberg::ManifestFile;
using iceberg::SnapshotChanges;
using iceberg::SnapshotOperation;

class Fixture {
 public:
  explicit Fixture(int version, bool partitioned = true, std::string target = "8388608",
                   uint64_t seed = 1)
      : env_(seed),
        table_(files_, {.format_version = version,
                        .partitioned = partitioned,
                        .properties = {{"commit.manifest.target-size-bytes", std::move(target)}}}) {
  }

  iceberg::TestTable& table() { return table_; }
  Call& call() { return call_; }
  Random& random() { return env_.random(); }
  const iceberg::TableMetadata& metadata() { return *table_.metadata(); }
  std::vector<ManifestFile> Manifests() { return *table_.Manifests(call_); }

  /// Appends of files_each files of random days below days, each in a manifest of its own.
  void Append(int commits, int files_each, uint64_t days) {
    for (int i = 0; i < commits; ++i) {
      SnapshotChanges changes;
      changes.operation = SnapshotOperation::kFastAppend;
      for (int k = 0; k < files_each; ++k) {
        const auto day = static_cast<int32_t>(random().Below(days));
        changes.added.push_back({table_.Data(fmt::format("f{}", next_++), day), {}});
      }
      ASSERT_TRUE(table_.Commit(call_, std::move(changes)).ok());
    }
  }

  Result<RewrittenManifests> Write(const std::vector<std::string>& manifests,
                                   int64_t memory_bytes = int64_t{512} << 20) {
    MORAINE_ASSIGN(const std::string location, table_.WriteMetadata(call_));
    tasks::MaintenanceTask task;
    task.kind = kWriteManifests;
    task.process_id = "run";
    task.task_id = ++tasks_;
    task.attempt = 1;
    task.table_uuid = metadata().table_uuid;
    task.body = ToBody({{location, metadata().current_snapshot_id}, manifests});
    JobOptions options;
    options.memory_bytes = memory_bytes;
    MORAINE_ASSIGN(auto output, RunMaintenanceTask(call_, files_, task, options, nullptr));
    return RewrittenManifestsOf(output);
  }

  Status Replace(const RewrittenManifests& rewritten) {
    return table_.Commit(call_, ReplaceManifests(rewritten)).status();
  }

  /// Live entries without their status, by path.
  std::vector<std::string> Live() {
    std::vector<std::string> lines;
    for (const auto& manifest : Manifests()) {
      auto spec = *iceberg::SpecOf(metadata(), manifest);
      EXPECT_TRUE(
          iceberg::ReadManifest(call_, files_, manifest, *spec, metadata().CurrentSchema(), {},
                                [&](ManifestEntry& entry) -> Status {
                                  lines.push_back(fmt::format(
                                      "{} {} {} {} row {} bounds {}",
                                      iceberg::ShortName(entry.file.file_path), *entry.snapshot_id,
                                      *entry.sequence_number, *entry.file_sequence_number,
                                      entry.file.first_row_id.value_or(-1),
                                      HexEncode(entry.file.upper_bounds.at(0).second)));
                                  return {};
                                })
              .ok());
    }
    std::sort(lines.begin(), lines.end());
    return lines;
  }

  /// Data manifests that a scan of one day opens.
  int64_t ReadBy(const std::string& filter) {
    auto expression = *iceberg::ParseFilter(filter);
    auto counts = iceberg::PlanFiles(call_, files_, metadata(), table_.current(), expression, {},
                                     [](iceberg::FileTask&) { return Status(); });
    EXPECT_TRUE(counts.ok());
    return counts->data_manifests_read;
  }

 private:
  testing::TestEnv env_;
  Call call_ = env_.call();
  io::MemoryFileSystem files_;
  iceberg::TestTable table_;
  int next_ = 0;
  int tasks_ = 0;
};

TEST(ManifestRewrite, IsForManySmallOnes) {
  Fixture f(2, false);
  f.Append(10, 1, 1);
  EXPECT_TRUE(DecideManifestRewrite(f.metadata(), f.Manifests(), 0).manifests.empty());
  f.Append(7, 1, 1);
  const auto decision = DecideManifestRewrite(f.metadata(), f.Manifests(), 0);
  EXPECT_EQ(decision.manifests.size(), 17u);
  EXPECT_EQ(decision.files, 17);
  EXPECT_NE(decision.reason.find("17 manifests are small"), std::string::npos);
  const auto before = f.Live();
  auto written = f.Write(decision.manifests);
  ASSERT_TRUE(written.ok()) << written.status().ToString();
  EXPECT_EQ(written->written.size(), 1u);
  ASSERT_TRUE(f.Replace(*written).ok());
  EXPECT_EQ(f.Live(), before);
  EXPECT_EQ(f.Manifests().size(), 1u);
  EXPECT_TRUE(DecideManifestRewrite(f.metadata(), f.Manifests(), 0).manifests.empty());
  EXPECT_EQ(f.table().current().summary.at("operation"), "replace");
}

class ManifestRewriteVersions : public ::testing::TestWithParam<int> {};

TEST_P(ManifestRewriteVersions, MakesAFilterOnOnePartitionReadFew) {
  // 1500 files of 50 days; some 10 entries a kilobyte.
  Fixture f(GetParam(), true, "4000");
  f.Append(30, 50, 50);
  const auto decision = DecideManifestRewrite(f.metadata(), f.Manifests(), 0);
  EXPECT_EQ(decision.manifests.size(), 30u);
  EXPECT_NE(decision.reason.find("a filter on one partition reads"), std::string::npos)
      << decision.reason;
  const auto before = f.Live();
  const auto rows = *f.table().Scan(f.call());
  EXPECT_GE(f.ReadBy("day = 7"), 15);
  auto written = f.Write(decision.manifests);
  ASSERT_TRUE(written.ok()) << written.status().ToString();
  EXPECT_GT(written->reads_before, 20);
  EXPECT_LT(written->reads_after, 3);
  ASSERT_TRUE(f.Replace(*written).ok());
  EXPECT_EQ(f.Live(), before);
  EXPECT_EQ(*f.table().Scan(f.call()), rows);
  EXPECT_LE(f.ReadBy("day = 7"), 3);
  const auto again = DecideManifestRewrite(f.metadata(), f.Manifests(), written->reads_after);
  EXPECT_TRUE(again.manifests.empty()) << again.reason;
}

TEST_P(ManifestRewriteVersions, FitsIntoLittleMemory) {
  Fixture f(GetParam(), true, "1024");
  f.Append(10, 50, 50);
  std::vector<std::string> all;
  for (const auto& manifest : f.Manifests()) all.push_back(manifest.manifest_path);
  EXPECT_EQ(f.Write(all, 1000).status().code(), Code::kExhausted);
  const auto before = f.Live();
  auto written = f.Write(all, 64 * 1024);  // a manifest at a time
  ASSERT_TRUE(written.ok()) << written.status().ToString();
  EXPECT_GT(written->written.size(), 1u);
  ASSERT_TRUE(f.Replace(*written).ok());
  EXPECT_EQ(f.Live(), before);
}
INSTANTIATE_TEST_SUITE_P(All, ManifestRewriteVersions, ::testing::Values(1, 2, 3));

TEST(ManifestRewrite, GivesWayToOthers) {
  Fixture f(2);
  f.Append(20, 3, 10);
  const auto decision = DecideManifestRewrite(f.metadata(), f.Manifests(), 0);
  auto written = f.Write(decision.manifests);
  ASSERT_TRUE(written.ok());
  auto other = f.Write(decision.manifests);
  ASSERT_TRUE(other.ok());
  // What was appended since stays as it is.
  f.Append(1, 2, 10);
  auto before = f.Live();
  ASSERT_TRUE(f.Replace(*written).ok());
  EXPECT_EQ(f.Live(), before);
  EXPECT_EQ(f.Manifests().size(), written->written.size() + 1);
  // A manifest that is gone takes the whole change with it.
  EXPECT_EQ(f.Replace(*other).code(), Code::kConflict);
  EXPECT_EQ(f.Live(), before);
}

TEST(ManifestRewrite, RefusesManifestsThatLackFiles) {
  Fixture f(2);
  f.Append(20, 3, 10);
  auto written = f.Write(DecideManifestRewrite(f.metadata(), f.Manifests(), 0).manifests);
  ASSERT_TRUE(written.ok());
  --*written->written[0].existing_files_count;
  EXPECT_EQ(f.Replace(*written).code(), Code::kInvalidArgument);
  EXPECT_EQ(f.Write({"file:///warehouse/t/metadata/none.avro"}).status().code(),
            Code::kInvalidArgument);
}

TEST(ManifestRewrite, LeavesWhatIsInOrderAlone) {
  Fixture f(2);
  // Each manifest has a day of its own, and they are large.
  std::vector<ManifestFile> manifests;
  for (int32_t day = 0; day < 40; ++day) {
    ManifestFile manifest;
    manifest.manifest_path = fmt::format("m{}", day);
    manifest.manifest_length = 8388608;
    const auto bound = iceberg::ValueToBytes(*iceberg::Type::Primitive(iceberg::TypeKind::kInt),
                                             iceberg::Value(day));
    manifest.partitions = {{.contains_null = false, .lower_bound = bound, .upper_bound = bound}};
    manifests.push_back(manifest);
  }
  EXPECT_TRUE(DecideManifestRewrite(f.metadata(), manifests, 0).manifests.empty());
  EXPECT_DOUBLE_EQ(ManifestsPerPartition(f.metadata(), manifests), 1);
  // Late data: manifests that have all days.
  for (size_t i = 0; i < 8; ++i)
    manifests[i].partitions->at(0).upper_bound = manifests[39].partitions->at(0).upper_bound;
  const auto decision = DecideManifestRewrite(f.metadata(), manifests, 0);
  EXPECT_GE(decision.manifests.size(), 8u);
  // The last rewrite could do no better.
  EXPECT_TRUE(DecideManifestRewrite(f.metadata(), manifests, 8).manifests.empty());
}

}  // namespace
}  // namespace moraine::upkeep
