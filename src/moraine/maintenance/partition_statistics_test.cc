// The second half of compute-statistics after a first half that is made up; commits are applied and
// tasks run on the spot.

#include "moraine/maintenance/partition_statistics.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/json.h"
#include "moraine/iceberg/metadata/table_update.h"
#include "moraine/maintenance/testing/driver_fixture.h"

namespace moraine::maintenance {
namespace {

using ::testing::HasSubstr;

/// Does what its steps say, one after the other; its state is the number of the next one.
class MadeUp final : public Action {
 public:
  explicit MadeUp(std::vector<Step> steps) : steps_(std::move(steps)) {}
  upkeep::Action action() const override { return upkeep::Action::kComputeStatistics; }
  Result<Step> Start(Call&, const RunContext&) override { return steps_.at(0); }
  Result<Step> Continue(Call&, const RunContext& context,
                        const std::vector<TaskResult>& results) override {
    for (const TaskResult& result : results) MORAINE_TRY(result.status);
    return steps_.at(static_cast<size_t>(std::stoi(context.state.substr(1))));
  }

 private:
  std::vector<Step> steps_;
};

class PartitionsOfStatistics : public DriverFixture {
 protected:
  PartitionsOfStatistics() { config_.compute_statistics = true; }

  Result<tasks::MaintenanceOutput> Work(const tasks::MaintenanceTask& task) override {
    if (task.kind == failing_) return Internal("Exhausted: " + failing_);
    if (task.kind == "made-up") return tasks::MaintenanceOutput{};
    return DriverFixture::Work(task);
  }

  RunEnd Run(std::vector<Step> columns, const std::function<void()>& meanwhile = nullptr) {
    const auto action = WithPartitionStatistics(std::make_unique<MadeUp>(std::move(columns)));
    if (failing_.empty()) return DriverFixture::Run(*action, meanwhile);
    RunEnd end = Follow(*action, meanwhile);
    EXPECT_EQ(end.error.code(), Code::kInternal) << end.error.ToString();
    return end;
  }

  static Step NothingToDo() { return Nothing{"no columns", "{\"m\":1}"}; }
  static std::vector<Step> Columns() {
    RunTasks tasks;
    tasks.tasks.emplace_back().kind = "made-up";
    tasks.state = "#1";
    TableChange change;
    change.change = iceberg::CommitRequest{};
    change.state = "#2";
    Done done;
    done.summary = "columns counted";
    done.files_removed = 1;
    done.details = R"({"columns":3})";
    done.memory = "{}";
    return {tasks, change, done};
  }
  const std::vector<iceberg::PartitionStatisticsFile>& Known() {
    return table_.metadata()->partition_statistics;
  }

  std::string failing_;  ///< a kind of tasks
};

TEST_F(PartitionsOfStatistics, FollowTheColumns) {
  ASSERT_TRUE(table_.Append(call_, {"a", "b"}, 1).ok());
  const auto outcome = Run(Columns());
  EXPECT_EQ(outcome.tasks, (std::vector<std::string>{"made-up", "compute-partition-statistics"}));
  EXPECT_EQ(outcome.commits, 2);
  EXPECT_EQ(outcome.done.summary, "columns counted; 1 partitions counted from 1 manifests");
  EXPECT_EQ(outcome.done.files_removed, 1);
  EXPECT_EQ(outcome.done.memory, "{}");
  const Json details = *Json::Parse(outcome.done.details);
  EXPECT_EQ(details.Find("columns")->int64(), 3);
  EXPECT_EQ(details.Find("partitions")->Find("data-files")->int64(), 2);
  ASSERT_EQ(Known().size(), 1u);
  EXPECT_EQ(Known()[0].snapshot_id, table_.current().snapshot_id);
  EXPECT_TRUE(files_.Has(Known()[0].statistics_path));
}

TEST_F(PartitionsOfStatistics, NeedNoColumnsAndBuildOnOlderOnes) {
  ASSERT_TRUE(table_.Append(call_, {"a"}, 1).ok());
  EXPECT_EQ(Run({NothingToDo()}).done.summary,
            "1 partitions counted from 1 manifests (no columns)");
  const auto again = Run({NothingToDo()});
  EXPECT_EQ(again.nothing, "no columns; of partitions: the snapshot has partition statistics");
  ASSERT_TRUE(table_.Append(call_, {"b"}, 2).ok());
  const auto next = Run({NothingToDo()});
  EXPECT_THAT(next.done.summary, HasSubstr("2 partitions"));
  EXPECT_THAT(next.done.summary, HasSubstr("on top of older statistics"));
  EXPECT_EQ(next.done.memory, "{\"m\":1}");
  EXPECT_EQ(Known().size(), 2u);
}

TEST_F(PartitionsOfStatistics, AreLeftOutForAReason) {
  EXPECT_THAT(Run({NothingToDo()}).nothing, HasSubstr("the table has no snapshot"));
  ASSERT_TRUE(table_.Append(call_, {"a"}, 1).ok());
  origin_ = "registered";
  EXPECT_THAT(Run({NothingToDo()}).nothing, HasSubstr("it may be another's"));
  origin_ = "created";
  config_.partition_statistics = false;
  EXPECT_THAT(Run({NothingToDo()}).nothing, HasSubstr("statistics.partitions is false"));
  EXPECT_EQ(Run(Columns()).done.summary, "columns counted");
  config_.partition_statistics = true;
  dry_run_ = true;
  const auto dry = Run({NothingToDo()});
  EXPECT_THAT(dry.done.summary, HasSubstr("would count"));
  EXPECT_EQ(dry.commits + static_cast<int>(dry.tasks.size()), 0);
  EXPECT_TRUE(Known().empty());
}

TEST_F(PartitionsOfStatistics, AreKeptWhereColumnsFailAndTheOtherWayRound) {
  ASSERT_TRUE(table_.Append(call_, {"a"}, 1).ok());
  EXPECT_TRUE(WithPartitionStatistics(std::make_unique<MadeUp>(Columns()))->TakesFailures());
  failing_ = "made-up";
  auto outcome = Run(Columns());
  EXPECT_EQ(outcome.error.message(),
            "of columns: Exhausted: made-up; of partitions: 1 partitions counted from 1 manifests");
  EXPECT_EQ(Known().size(), 1u);
  EXPECT_EQ(Run(Columns()).error.message(), "Exhausted: made-up") << "partitions are known by now";
  ASSERT_TRUE(table_.Append(call_, {"b"}, 1).ok());
  failing_ = "compute-partition-statistics";
  outcome = Run(Columns());
  EXPECT_EQ(outcome.commits, 1) << "that of the columns";
  EXPECT_EQ(outcome.error.message(),
            "of columns: columns counted; of partitions: Exhausted: compute-partition-statistics");
}

TEST_F(PartitionsOfStatistics, AreCountedAnewIfAsked) {
  ASSERT_TRUE(table_.Append(call_, {"a"}, 1).ok());
  ASSERT_EQ(Run({NothingToDo()}).commits, 1);
  const std::string before = Known()[0].statistics_path;
  // Of another's that is wrong nothing is taken on.
  files_.Put(before, "wrong", 0);
  options_ = R"({"full": true})";
  const auto outcome = Run({NothingToDo()});
  EXPECT_EQ(outcome.commits, 1);
  EXPECT_EQ(Json::Parse(outcome.done.details)->Find("partitions")->Find("reason")->as_string(),
            "all is counted anew");
  ASSERT_EQ(Known().size(), 1u);
  EXPECT_NE(Known()[0].statistics_path, before);
}

TEST_F(PartitionsOfStatistics, GiveWayToOthers) {
  ASSERT_TRUE(table_.Append(call_, {"a"}, 1).ok());
  const int64_t first = table_.current().snapshot_id;
  auto outcome = Run({NothingToDo()}, [&] {
    ASSERT_TRUE(
        table_.Apply({{}, {iceberg::update::SetPartitionStatistics{{first, "theirs", 1, {}}}}})
            .ok());
  });
  EXPECT_THAT(outcome.done.summary, HasSubstr("others have counted"));
  ASSERT_EQ(Known().size(), 1u);
  EXPECT_EQ(Known()[0].statistics_path, "theirs");
  ASSERT_TRUE(table_.Append(call_, {"b"}, 1).ok());
  const int64_t second = table_.current().snapshot_id;
  outcome = Run({NothingToDo()}, [&] {
    ASSERT_TRUE(table_.Append(call_, {"c"}, 1).ok());
    ASSERT_TRUE(table_.Apply({{}, {iceberg::update::RemoveSnapshots{{first, second}}}}).ok());
  });
  EXPECT_THAT(outcome.done.summary, HasSubstr("has expired"));
  EXPECT_TRUE(Known().empty());
}

}  // namespace
}  // namespace moraine::maintenance
