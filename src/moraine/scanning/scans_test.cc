#include "moraine/scanning/scans.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/scanning/testing/scan_world.h"

namespace moraine::scanning {
namespace {

using iceberg::SnapshotChanges;
using iceberg::SnapshotOperation;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

const iceberg::TestTableOptions kNoMerge{
    .properties = {{"commit.manifest-merge.enabled", "false"}}};

ScanOptions SmallPages(int64_t files) {
  ScanOptions options;
  options.page.files = files;
  return options;
}

Json Parse(const std::string& text) { return Json::Parse(text).value(); }

/// Ten manifests of four files, one day each.
class ScansTest : public testing::Test {
 protected:
  ScansTest() : ScansTest(kNoMerge) {}
  explicit ScansTest(const iceberg::TestTableOptions& options) : world_(options) {
    for (int day = 0; day < 10; ++day) {
      std::vector<std::string> names;
      for (char c = 'a'; c < 'e'; ++c) names.push_back(std::string(1, c) + std::to_string(day));
      EXPECT_TRUE(world_.table().Append(world_.call(), names, day).ok());
    }
  }
  int64_t snapshot() const { return const_cast<ScanWorld&>(world_).table().current().snapshot_id; }
  std::vector<std::string> Tasks(Scans& scans, const std::string& request) {
    return PlanTasksOf(Parse(world_.Plan(scans, request).value()));
  }
  Code CodeOfTask(Scans& scans, const std::string& task, int64_t table_id = 7) {
    return scans.Tasks(world_.call(), world_.Loaded(table_id), task).status().code();
  }

  ScanWorld world_;
};

TEST_F(ScansTest, SmallPlansAreAnsweredAtOnce) {
  Json answer =
      Parse(world_
                .Plan(R"({"filter":{"type":"and","left":{"type":"eq","term":"day","value":3},)"
                      R"("right":{"type":"gt","term":"id","value":50}}})")
                .value());
  EXPECT_EQ(answer.Find("status")->as_string(), "completed");
  EXPECT_EQ(answer.Find("plan-id"), nullptr);
  EXPECT_EQ(answer.Find("plan-tasks"), nullptr);
  EXPECT_EQ(answer.Find("delete-files"), nullptr);
  const auto& tasks = answer.Find("file-scan-tasks")->as_array();
  ASSERT_EQ(tasks.size(), 4u);
  EXPECT_EQ(tasks[0].Find("residual-filter")->ToString(),
            R"({"type":"gt","term":"id","value":50})");
  EXPECT_EQ(tasks[0].Find("data-file")->Find("partition")->ToString(), "[3]");
  EXPECT_THAT(world_.PlanAll(R"({"filter":{"type":"gt","term":"id","value":100}})").files,
              IsEmpty());
  EXPECT_THAT(world_.PlanAll("{}").files, SizeIs(40));
}

TEST_F(ScansTest, TablesWithoutSnapshots) {
  ScanWorld empty;
  Json answer = Parse(empty.Plan(R"({"filter":true})").value());
  EXPECT_EQ(answer.ToString(), R"({"status":"completed","file-scan-tasks":[]})");
}

TEST_F(ScansTest, LargerPlansGoOnInTasks) {
  for (int64_t files : {1, 3, 4, 7, 39, 40}) {
    auto scans = world_.Another(SmallPages(files));
    WholePlan plan = world_.PlanAll(*scans, "{}");
    EXPECT_THAT(plan.files, SizeIs(40)) << files;
    EXPECT_EQ(plan.repeated, 0) << files;
    EXPECT_LE(plan.largest_page, files);
  }
  // Bytes bound a page as well.
  ScanOptions options;
  options.page.bytes = 1;
  auto narrow = world_.Another(options);
  WholePlan plan = world_.PlanAll(*narrow, "{}");
  EXPECT_THAT(plan.files, SizeIs(40));
  EXPECT_EQ(plan.repeated, 0);
  EXPECT_EQ(plan.largest_page, 1);
}

TEST_F(ScansTest, AnyReplicaServesTasksWhileTheTableGoesOn) {
  auto first = world_.Another(SmallPages(4));
  auto second = world_.Another(SmallPages(4));
  std::vector<std::string> tasks =
      Tasks(*first, R"({"filter":{"type":"gt","term":"day","value":2}})");
  ASSERT_THAT(tasks, SizeIs(7));
  ASSERT_TRUE(world_.table().Append(world_.call(), {"later"}, 9).ok());
  size_t files = 0;
  for (const std::string& task : tasks) {
    Json answer = Parse(second->Tasks(world_.call(), world_.Loaded(), task).value());
    files += answer.Find("file-scan-tasks")->as_array().size();
    EXPECT_THAT(answer.ToString(), Not(HasSubstr("later")));
  }
  EXPECT_EQ(files, 28u);
}

TEST_F(ScansTest, TasksAreOfOneTableAndPrincipalAndEnd) {
  auto scans = world_.Another(SmallPages(4));
  std::string task = Tasks(*scans, "{}").at(0);
  EXPECT_EQ(CodeOfTask(*scans, task), Code::kOk);
  EXPECT_EQ(CodeOfTask(*scans, task, 8), Code::kNotFound);
  EXPECT_EQ(CodeOfTask(*scans, "nonsense"), Code::kNotFound);
  Call bob(world_.call());
  bob.set_principal("bob");
  EXPECT_EQ(scans->Tasks(bob, world_.Loaded(), task).status().code(), Code::kNotFound);
  world_.env().clock().Advance(std::chrono::minutes(61));
  Call later = world_.env().call();
  EXPECT_EQ(scans->Tasks(later, world_.Loaded(), task).status().code(), Code::kNotFound);
}

TEST_F(ScansTest, TasksOfExpiredSnapshotsAreGone) {
  auto scans = world_.Another(SmallPages(4));
  std::string task = Tasks(*scans, "{}").at(0);
  auto metadata = std::make_shared<iceberg::TableMetadata>(*world_.table().metadata());
  metadata->snapshots.clear();
  catalog::LoadedTable table = world_.Loaded();
  table.metadata = metadata;
  auto gone = scans->Tasks(world_.call(), table, task);
  EXPECT_EQ(gone.status().code(), Code::kNotFound);
  EXPECT_THAT(std::string(gone.status().message()), HasSubstr("expired"));
  // Likewise when the files are gone already.
  auto fresh = world_.Another(SmallPages(4));
  world_.files().Remove(world_.table().current().manifest_list);
  EXPECT_EQ(CodeOfTask(*fresh, task), Code::kNotFound);
}

TEST_F(ScansTest, LongListsAreSubmittedAndFetchedFromAnyReplica) {
  ScanOptions options = SmallPages(4);
  options.submit_from_bytes = 0;
  auto scans = world_.Another(options);
  Json submitted = Parse(world_.Plan(*scans, "{}").value());
  EXPECT_EQ(submitted.Find("status")->as_string(), "submitted");
  std::string id = submitted.Find("plan-id")->as_string();
  EXPECT_EQ(submitted.as_object().size(), 2u);
  auto other = world_.Another(options);
  const std::string told = R"([{"config":{"k":"v"},"prefix":"s3://b/"}])";
  Json answer = Parse(other->Fetch(world_.call(), world_.Loaded(), id, told).value());
  EXPECT_EQ(answer.Find("status")->as_string(), "completed");
  EXPECT_EQ(answer.Find("storage-credentials")->ToString(), told);
  EXPECT_EQ(answer.Find("plan-id")->as_string(), id);
  std::vector<std::string> tasks = PlanTasksOf(answer);
  ASSERT_THAT(tasks, SizeIs(10));
  EXPECT_EQ(CodeOfTask(*scans, tasks[3]), Code::kOk);
  EXPECT_THAT(world_.PlanAll(*scans, "{}").files, SizeIs(40));
  // Of another table, cancelled, expired: not there.
  EXPECT_EQ(scans->Fetch(world_.call(), world_.Loaded(8), id, "").status().code(), Code::kNotFound);
  EXPECT_TRUE(other->Cancel(world_.call(), world_.Loaded(), id).ok());
  EXPECT_EQ(scans->Cancel(world_.call(), world_.Loaded(), id).code(), Code::kNotFound);
  EXPECT_EQ(scans->Fetch(world_.call(), world_.Loaded(), id, "").status().code(), Code::kNotFound);
  EXPECT_EQ(CodeOfTask(*scans, tasks[3]), Code::kNotFound);
}

TEST_F(ScansTest, SubmittedPlansThatCannotBeReadHaveFailed) {
  ScanOptions options;
  options.submit_from_bytes = 0;
  auto scans = world_.Another(options);
  std::string id = Parse(world_.Plan(*scans, "{}").value()).Find("plan-id")->as_string();
  world_.files().Put(world_.table().current().manifest_list, "not avro", 0);
  Json answer = Parse(scans->Fetch(world_.call(), world_.Loaded(), id, "[1]").value());
  EXPECT_EQ(answer.Find("status")->as_string(), "failed");
  EXPECT_EQ(answer.Find("storage-credentials"), nullptr);
  EXPECT_THAT(answer.Find("error")->Find("message")->as_string(), HasSubstr("snap-"));
}

TEST_F(ScansTest, LargeFiltersAreKeptForTheirTasks) {
  auto scans = world_.Another(SmallPages(4));
  std::string values = "3";
  for (int i = 0; i < 2'000; ++i) values += "," + std::to_string(1'000 + i);
  std::string request = R"({"filter":{"type":"in","term":"day","values":[1,2,)" + values + "]}}";
  Json answer = Parse(world_.Plan(*scans, request).value());
  std::vector<std::string> tasks = PlanTasksOf(answer);
  ASSERT_THAT(tasks, SizeIs(10));
  EXPECT_LT(tasks[0].size(), 400u);
  EXPECT_THAT(world_.PlanAll(*scans, request).files, SizeIs(12));
  // The client says when it is done.
  std::string id = answer.Find("plan-id")->as_string();
  EXPECT_TRUE(scans->Cancel(world_.call(), world_.Loaded(), id).ok());
  EXPECT_EQ(CodeOfTask(*scans, tasks[0]), Code::kNotFound);
}

TEST_F(ScansTest, ManyPartsMakeTasksThatStandForSeveral) {
  ScanOptions options = SmallPages(1);
  options.plan_tasks = 3;
  auto scans = world_.Another(options);
  EXPECT_THAT(Tasks(*scans, "{}"), SizeIs(3));
  WholePlan plan = world_.PlanAll(*scans, "{}");
  EXPECT_THAT(plan.files, SizeIs(40));
  EXPECT_EQ(plan.repeated, 0);
}

TEST_F(ScansTest, FewRowsAreFoundAtOnce) {
  auto scans = world_.Another(SmallPages(20));
  WholePlan plan = world_.PlanAll(*scans, R"({"min-rows-requested":500})");
  EXPECT_EQ(plan.answers, 1);
  EXPECT_THAT(plan.files, SizeIs(5));
  // Rows that may not match don't count.
  plan = world_.PlanAll(
      *scans, R"({"min-rows-requested":500,"filter":{"type":"gt","term":"id","value":5}})");
  EXPECT_THAT(plan.files, SizeIs(40));
  EXPECT_EQ(plan.repeated, 0);
  EXPECT_THAT(world_.PlanAll(*scans, R"({"min-rows-requested":0})").files, SizeIs(40));
}

TEST_F(ScansTest, OpaquePredicatesGoBackInResiduals) {
  const std::string bucket =
      R"({"type":"eq","term":{"type":"transform","transform":"bucket[8]","term":"id"},"value":3})";
  WholePlan plan = world_.PlanAll(R"({"filter":{"type":"and","left":)" + bucket +
                                  R"(,"right":{"type":"eq","term":"day","value":1}}})");
  EXPECT_THAT(plan.names(), ElementsAre("a1", "b1", "c1", "d1"));
  EXPECT_EQ(plan.files["a1"].residual, bucket);
}

TEST_F(ScansTest, IncrementalScansGiveWhatWasAppended) {
  const int64_t start = snapshot();
  ASSERT_TRUE(world_.table().Append(world_.call(), {"n1"}, 1).ok());
  const int64_t middle = snapshot();
  SnapshotChanges overwrite;
  overwrite.operation = SnapshotOperation::kRowDelta;
  overwrite.added = {{world_.table().Data("o1", 1), {}},
                     {world_.table().PositionDeletes("p", "a1", 1), {}}};
  ASSERT_TRUE(world_.table().Commit(world_.call(), overwrite).ok());
  ASSERT_TRUE(world_.table().Append(world_.call(), {"n2", "n3"}, 2).ok());
  auto between = [&](int64_t from, int64_t to, const std::string& more = "") {
    return R"({"start-snapshot-id":)" + std::to_string(from) + R"(,"end-snapshot-id":)" +
           std::to_string(to) + more + "}";
  };
  EXPECT_THAT(world_.PlanAll(between(start, snapshot())).names(), ElementsAre("n1", "n2", "n3"));
  EXPECT_THAT(world_.PlanAll(between(middle, snapshot())).names(), ElementsAre("n2", "n3"));
  EXPECT_THAT(world_.PlanAll(between(start, middle)).names(), ElementsAre("n1"));
  EXPECT_THAT(world_.PlanAll(between(start, start)).names(), IsEmpty());
  EXPECT_THAT(
      world_
          .PlanAll(between(start, snapshot(), R"(,"filter":{"type":"eq","term":"day","value":2})"))
          .names(),
      ElementsAre("n2", "n3"));
  auto paged = world_.Another(SmallPages(1));
  EXPECT_THAT(world_.PlanAll(*paged, between(start, snapshot())).names(),
              ElementsAre("n1", "n2", "n3"));
}

TEST(IncrementalScans, PassOverWhatWasMerged) {
  ScanWorld world({.properties = {{"commit.manifest.min-count-to-merge", "2"}}});
  ASSERT_TRUE(world.table().Append(world.call(), {"a"}, 1).ok());
  const int64_t start = world.table().current().snapshot_id;
  ASSERT_TRUE(world.table().Append(world.call(), {"b"}, 1).ok());
  ASSERT_TRUE(world.table().Append(world.call(), {"c"}, 1).ok());
  EXPECT_THAT(
      world
          .PlanAll(R"({"start-snapshot-id":)" + std::to_string(start) + R"(,"end-snapshot-id":)" +
                   std::to_string(world.table().current().snapshot_id) + "}")
          .names(),
      ElementsAre("b", "c"));
}

TEST_F(ScansTest, DeletesGoWithTheFilesTheyApplyTo) {
  auto& table = world_.table();
  SnapshotChanges delta;
  delta.operation = SnapshotOperation::kRowDelta;
  delta.added = {{table.PositionDeletes("p3", "", 3), {}},
                 {table.PositionDeletes("pa4", "a4", 4), {}},
                 {table.EqualityDeletes("e5", 5, 0, 9), {}},
                 {table.EqualityDeletes("far5", 5, 500, 900), {}}};
  ASSERT_TRUE(table.Commit(world_.call(), delta).ok());
  ASSERT_TRUE(table.Append(world_.call(), {"late5"}, 5).ok());
  for (int64_t files : {2, 4, 100}) {
    auto scans = world_.Another(SmallPages(files));
    WholePlan plan = world_.PlanAll(*scans, "{}");
    ASSERT_THAT(plan.files, SizeIs(41));
    EXPECT_THAT(plan.files["b3"].deletes, UnorderedElementsAre("p3"));
    EXPECT_THAT(plan.files["a4"].deletes, UnorderedElementsAre("pa4"));
    EXPECT_THAT(plan.files["b4"].deletes, IsEmpty());
    EXPECT_THAT(plan.files["c5"].deletes, Contains("e5"));
    EXPECT_THAT(plan.files["late5"].deletes, IsEmpty());
    EXPECT_THAT(plan.files["a0"].deletes, IsEmpty());
  }
}

TEST(ScansOfVersion3, GiveDeletionVectorsAndRowIds) {
  ScanWorld world({.format_version = 3});
  auto& table = world.table();
  ASSERT_TRUE(table.Append(world.call(), {"a", "b"}, 1).ok());
  SnapshotChanges delta;
  delta.operation = SnapshotOperation::kRowDelta;
  delta.added = {{table.DeletionVector("v", "b", 1, 4), {}}};
  ASSERT_TRUE(table.Commit(world.call(), delta).ok());
  Json answer = Parse(world.Plan("{}").value());
  const Json& vector = answer.Find("delete-files")->as_array().at(0);
  EXPECT_EQ(vector.Find("content-offset")->int64(), 4);
  EXPECT_EQ(vector.Find("content-size-in-bytes")->int64(), 40);
  EXPECT_EQ(vector.Find("file-format")->as_string(), "puffin");
  EXPECT_EQ(vector.Find("referenced-data-file")->as_string(), table.Path("b"));
  WholePlan plan = world.PlanAll("{}");
  EXPECT_THAT(plan.files["a"].deletes, IsEmpty());
  EXPECT_THAT(plan.files["b"].deletes, UnorderedElementsAre("v"));
  EXPECT_NE(plan.files["a"].data_file.Find("first-row-id"), nullptr);
}

TEST(ScansOfVersion1, AreServedToo) {
  ScanWorld world({.format_version = 1});
  ASSERT_TRUE(world.table().Append(world.call(), {"a", "b"}, 1).ok());
  WholePlan plan = world.PlanAll(R"({"stats-fields":["id"]})");
  EXPECT_THAT(plan.names(), ElementsAre("a", "b"));
  EXPECT_EQ(plan.files["a"].data_file.Find("upper-bounds")->ToString(),
            R"({"keys":[1],"values":[99]})");
}

}  // namespace
}  // namespace moraine::scanning
