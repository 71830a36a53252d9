// The driver of compute-statistics, with commits applied and tasks run on the spot.

#include "moraine/maintenance/compute_statistics.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/iceberg/testing/row_delta.h"
#include "moraine/maintenance/testing/driver_fixture.h"
#include "moraine/upkeep/sketch_task.h"

namespace moraine::maintenance {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class ComputeStatisticsTest : public DriverFixture {
 protected:
  ComputeStatisticsTest() { Append(R"([[1, 1, "x"], [2, 1, "y"], [2, 1, null]])"); }

  void Append(std::string rows, std::vector<int64_t> dropped = {}) {
    auto part = table_.Rows(1, std::move(rows));
    part.dropped = std::move(dropped);
    const Status committed = table_.CommitRows(call_, {part});
    ASSERT_TRUE(committed.ok()) << committed.ToString();
  }

  /// Whatever is written elsewhere is left to the cleaner if it is not committed.
  Result<tasks::MaintenanceOutput> Work(const tasks::MaintenanceTask& task) override {
    auto output = DriverFixture::Work(task);
    if (task.kind == upkeep::kComputeStatisticsKind && output.ok()) {
      EXPECT_THAT(output->result, AnyOf(HasSubstr("\"" + task.OutputPrefix() + "sketches.stats\""),
                                        HasSubstr("\"unusable\"")));
    }
    return output;
  }

  RunEnd Run(const std::function<void()>& meanwhile = nullptr) {
    return DriverFixture::Run(*MakeComputeStatistics(), meanwhile);
  }

  /// A snapshot that is read in three parts.
  void MakeLarge() {
    auto large = *table_.metadata()->CurrentSnapshot();
    large.summary["total-files-size"] = std::to_string((int64_t{2} << 30) + 5);
    large.snapshot_id = 77;
    large.parent_snapshot_id = table_.metadata()->current_snapshot_id;
    large.sequence_number += 1;
    iceberg::SnapshotRef ref;
    ref.snapshot_id = 77;
    ASSERT_TRUE(table_
                    .Apply({{},
                            {iceberg::update::AddSnapshot{large},
                             iceberg::update::SetSnapshotRef{"main", ref}}})
                    .ok());
  }

  /// "name=distinct" of the current snapshot's statistics, by column id.
  std::string Known() {
    for (const auto& file : table_.metadata()->statistics) {
      if (file.snapshot_id != table_.metadata()->current_snapshot_id) continue;
      std::string known;
      for (const auto& blob : file.blob_metadata)
        known += fmt::format("{}={} ", blob.fields[0], blob.properties.at("ndv"));
      return known;
    }
    return "";
  }
  std::vector<std::string> StatisticsFiles() {
    std::vector<std::string> found;
    auto listed = files_.List(call_, "file:///warehouse/t/metadata/", "", 1'000);
    EXPECT_TRUE(listed.ok());
    for (const auto& file : listed->files) {
      if (file.location.ends_with(".stats")) found.push_back(file.location);
    }
    return found;
  }
};

TEST_F(ComputeStatisticsTest, CountsThenFollowsWhatIsAdded) {
  RunEnd run = Run();
  EXPECT_EQ(run.rounds, 1);
  EXPECT_EQ(run.commits, 1);
  EXPECT_EQ(Known(), "1=2 2=1 3=2 ");
  EXPECT_EQ(run.done.summary, "distinct values of 3 columns counted: 3 rows of 1 files read");
  EXPECT_THAT(run.done.details, HasSubstr(R"({"name":"id","distinct-values":2})"));
  EXPECT_THAT(Run().nothing, HasSubstr("the current snapshot has statistics"));
  Append(R"([[3, 1, "y"], [4, 1, "z"]])");
  run = Run();
  EXPECT_EQ(Known(), "1=4 2=1 3=3 ");
  EXPECT_THAT(run.done.summary, HasSubstr("2 rows of 1 files read, the rest known from snapshot"));
  EXPECT_EQ(table_.metadata()->statistics.size(), 2u);
}

TEST_F(ComputeStatisticsTest, CountsAllAgainAfterDeletes) {
  Run();
  Append(R"([[5, 1, "gone"], [6, 1, "new"]])", {0});
  config_.statistics_min_changed_percent = 90;
  EXPECT_THAT(Run().nothing, HasSubstr("statistics.min-changed-percent is 90"));
  config_.statistics_min_changed_percent = 10;
  const RunEnd run = Run();
  EXPECT_EQ(Known(), "1=3 2=1 3=3 ");
  EXPECT_THAT(run.done.summary, HasSubstr("5 rows of 2 files read"));
}

TEST_F(ComputeStatisticsTest, ReplacesStatisticsAndTheirFile) {
  config_.statistics_columns = {"id"};
  Run();
  EXPECT_EQ(Known(), "1=2 ");
  const auto before = StatisticsFiles();
  ASSERT_EQ(before.size(), 1u);
  config_.statistics_columns = {"name"};
  const RunEnd run = Run();
  EXPECT_EQ(Known(), "1=2 3=2 ") << "what is known of other columns stays";
  EXPECT_EQ(run.rounds, 2);
  EXPECT_EQ(run.done.files_removed, 1);
  const auto after = StatisticsFiles();
  ASSERT_EQ(after.size(), 1u);
  EXPECT_NE(after, before);
  EXPECT_EQ(after[0], table_.metadata()->statistics[0].statistics_path);
  options_ = R"({"full": true})";
  config_.gc_enabled = false;
  EXPECT_EQ(Run().done.files_removed, 0);
  EXPECT_EQ(StatisticsFiles().size(), 2u);
}

TEST_F(ComputeStatisticsTest, DoesWithoutABaseThatIsBroken) {
  Run();
  const auto first = StatisticsFiles();
  ASSERT_EQ(first.size(), 1u);
  Append(R"([[3, 1, "y"], [4, 1, "z"]])");
  files_.Put(first[0], "no Puffin file", 0);
  RunEnd run = Run();
  EXPECT_EQ(Known(), "1=4 2=1 3=3 ");
  EXPECT_EQ(run.rounds, 2);
  EXPECT_THAT(run.done.summary, HasSubstr("5 rows of 2 files read; the statistics of snapshot"));
  EXPECT_THAT(run.done.summary, HasSubstr("could not be used"));
  // Nor does it need what the current snapshot's broken file has of other columns.
  const auto* now = table_.metadata()->CurrentSnapshot();
  for (const auto& file : table_.metadata()->statistics) {
    if (file.snapshot_id == now->snapshot_id) files_.Put(file.statistics_path, "broken", 0);
  }
  options_ = R"({"full": true})";
  run = Run();
  EXPECT_EQ(run.commits, 1);
  EXPECT_EQ(Known(), "1=4 2=1 3=3 ");
  EXPECT_THAT(run.done.summary, HasSubstr("is not in the new file"));
}

TEST_F(ComputeStatisticsTest, LeavesFilesElsewhereWhereTheyAre) {
  config_.statistics_columns = {"id"};
  Run();
  auto theirs = table_.metadata()->statistics[0];
  const std::string elsewhere = "file:///elsewhere/theirs.stats";
  auto bytes = io::ReadFile(call_, files_, theirs.statistics_path, 1 << 20);
  ASSERT_TRUE(bytes.ok()) << bytes.status().ToString();
  files_.Put(elsewhere, *bytes, 0);
  theirs.statistics_path = elsewhere;
  ASSERT_TRUE(table_.Apply({{}, {iceberg::update::SetStatistics{theirs}}}).ok());
  config_.statistics_columns = {"name"};
  const RunEnd run = Run();
  EXPECT_EQ(Known(), "1=2 3=2 ");
  EXPECT_EQ(run.rounds, 1) << "nothing is deleted";
  EXPECT_THAT(run.done.summary, HasSubstr("the file that was replaced stays"));
  EXPECT_TRUE(files_.Has(elsewhere));
}

TEST_F(ComputeStatisticsTest, LeavesEncryptedStatisticsAlone) {
  config_.statistics_columns = {"id"};
  Run();
  auto theirs = table_.metadata()->statistics[0];
  theirs.key_metadata = "a2V5";
  config_.statistics_columns = {"name"};
  const RunEnd run = Run([&] {
    ASSERT_TRUE(table_.Apply({{}, {iceberg::update::SetStatistics{theirs}}}).ok());
  });
  EXPECT_THAT(run.nothing, HasSubstr("encrypted statistics"));
  EXPECT_EQ(run.commits, 0);
  EXPECT_THAT(Run().nothing, HasSubstr("encrypted statistics"));
  EXPECT_TRUE(files_.Has(theirs.statistics_path));
}

TEST_F(ComputeStatisticsTest, ADryRunReadsNothing) {
  dry_run_ = true;
  const RunEnd run = Run();
  EXPECT_EQ(run.rounds, 0);
  EXPECT_EQ(run.commits, 0);
  EXPECT_THAT(run.done.summary, HasSubstr("would read 3 rows of 1 files"));
  EXPECT_THAT(run.done.details, HasSubstr(R"("only-new-files":false)"));
}

TEST_F(ComputeStatisticsTest, ASnapshotThatExpiredMeanwhileHasNone) {
  const int64_t snapshot_id = table_.metadata()->current_snapshot_id;
  const RunEnd run = Run([&] {
    Append(R"([[9, 1, "x"]])");
    ASSERT_TRUE(table_.Apply({{}, {iceberg::update::RemoveSnapshots{{snapshot_id}}}}).ok());
  });
  EXPECT_EQ(run.commits, 0);
  EXPECT_THAT(run.done.summary, HasSubstr("has expired meanwhile"));
}

TEST_F(ComputeStatisticsTest, KeepsWhatOthersHaveCountedMeanwhile) {
  config_.statistics_columns = {"name"};
  Run();
  const auto theirs = table_.metadata()->statistics[0];
  ASSERT_TRUE(table_.Apply({{}, {iceberg::update::RemoveStatistics{theirs.snapshot_id}}}).ok());
  config_.statistics_columns = {"id"};
  const RunEnd run = Run([&] {
    ASSERT_TRUE(table_.Apply({{}, {iceberg::update::SetStatistics{theirs}}}).ok());
  });
  EXPECT_EQ(run.rounds, 3) << "read, read again, delete";
  EXPECT_EQ(run.done.summary, "distinct values of 1 columns counted: 3 rows of 1 files read");
  EXPECT_EQ(Known(), "3=2 1=2 ");
}

TEST_F(ComputeStatisticsTest, LeavesOutColumnsThatHaveChangedMeanwhile) {
  MakeLarge();
  const RunEnd run = Run([&] {
    std::vector<iceberg::Field> fields = table_.metadata()->CurrentSchema().fields();
    fields[1].type = iceberg::Type::Primitive(iceberg::TypeKind::kLong);
    fields.pop_back();
    ASSERT_TRUE(table_
                    .Apply({{},
                            {iceberg::update::AddSchema{iceberg::Schema(5, fields), std::nullopt},
                             iceberg::update::SetCurrentSchema{-1}}})
                    .ok());
  });
  EXPECT_EQ(Known(), "1=2 ");
  EXPECT_THAT(run.done.summary, HasSubstr("2 columns were left out"));
}

TEST_F(ComputeStatisticsTest, MergesParts) {
  MakeLarge();
  const RunEnd run = Run();
  EXPECT_EQ(run.rounds, 2) << "parts, merge";
  EXPECT_EQ(run.tasks.size(), 4u);
  EXPECT_EQ(Known(), "1=2 2=1 3=2 ");
  EXPECT_THAT(run.done.summary, HasSubstr("3 rows of 1 files"));
}

TEST_F(ComputeStatisticsTest, LeavesTablesOfOthersAlone) {
  origin_ = "registered";
  EXPECT_THAT(Run().nothing, HasSubstr("statistics.enabled must be set"));
}

}  // namespace
}  // namespace moraine::maintenance
