#include "moraine/iceberg/scan/plan_files.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/testing/test_table.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::iceberg {
namespace {

using ::testing::ElementsAre;

class Planning : public testing::Test {
 protected:
  Planning() : table_(files_, {.properties = {{"commit.manifest-merge.enabled", "false"}}}) {
    for (int day = 0; day < 10; ++day) {
      std::vector<std::string> names;
      for (char c = 'a'; c < 'e'; ++c) names.push_back(std::string(1, c) + std::to_string(day));
      EXPECT_TRUE(table_.Append(call_, names, day).ok());
    }
  }
  ScanCounts Plan(const std::string& filter, const ScanOptions& options,
                  std::vector<std::string>* seen) {
    ExpressionPtr expression = filter.empty() ? nullptr : ParseFilter(filter).value();
    auto visit = [&](FileTask& task) -> Status {
      seen->push_back(ShortName(task.file().file_path) + " " + task.residual->ToString());
      return {};
    };
    return PlanFiles(call_, files_, *table_.metadata(), table_.current(), expression, options,
                     visit)
        .value();
  }

  testing::TestEnv env_;
  Call call_ = env_.call();
  io::MemoryFileSystem files_;
  TestTable table_;
};

TEST_F(Planning, PrunesManifestsFilesAndResiduals) {
  std::vector<std::string> seen;
  ScanCounts counts = Plan("day = 3 and id > 50", {}, &seen);
  EXPECT_THAT(seen, ElementsAre("a3 #1 > 50", "b3 #1 > 50", "c3 #1 > 50", "d3 #1 > 50"));
  EXPECT_EQ(counts.data_manifests, 10);
  EXPECT_EQ(counts.data_manifests_read, 1);
  seen.clear();
  counts = Plan("id > 100", {}, &seen);
  EXPECT_TRUE(seen.empty());
  EXPECT_EQ(counts.data_manifests_read, 10);
  EXPECT_EQ(counts.data_files_left_out, 40);
  seen.clear();
  Plan("day >= 8 or name = 'x'", {}, &seen);
  EXPECT_EQ(seen.size(), 40u);
  EXPECT_EQ(seen[0], "a9 true");
  EXPECT_EQ(seen[39], "d0 #3 = x");
}

TEST_F(Planning, GivesTheSameOnSeveralThreads) {
  SnapshotChanges delta;
  delta.operation = SnapshotOperation::kRowDelta;
  delta.added = {{table_.PositionDeletes("p", "", 3), {}},
                 {table_.EqualityDeletes("e", 4, 0, 9), {}}};
  ASSERT_TRUE(table_.Commit(call_, delta).ok());
  std::vector<std::string> alone, together;
  ScanCounts a = Plan("", {}, &alone);
  ThreadPool pool({"plan", 3, 64});
  ScanOptions options;
  options.executor = &pool;
  options.helpers = 3;
  options.bytes_in_flight = 6000;
  ScanCounts b = Plan("", options, &together);
  EXPECT_EQ(alone, together);
  EXPECT_EQ(a.data_files, b.data_files);
  EXPECT_EQ(b.delete_files, 2);
}

TEST_F(Planning, CarriesMetricsWhereAsked) {
  for (auto metrics : {ScanOptions::Metrics::kAsNeeded, ScanOptions::Metrics::kAll}) {
    ScanOptions options;
    options.metrics = metrics;
    auto visit = [&](FileTask& task) -> Status {
      EXPECT_EQ(task.file().lower_bounds.size(), metrics == ScanOptions::Metrics::kAll ? 2u : 0u);
      EXPECT_EQ(task.file().record_count, 100);
      return {};
    };
    EXPECT_TRUE(
        PlanFiles(call_, files_, *table_.metadata(), table_.current(), nullptr, options, visit)
            .ok());
  }
}

TEST_F(Planning, StopsWithTheVisitorsError) {
  int visited = 0;
  auto visit = [&](FileTask&) -> Status { return ++visited == 3 ? Exhausted("enough") : Status(); };
  auto counts = PlanFiles(call_, files_, *table_.metadata(), table_.current(), nullptr, {}, visit);
  EXPECT_EQ(counts.status().code(), Code::kExhausted);
  EXPECT_EQ(visited, 3);
}

TEST_F(Planning, NamesTheManifestThatIsBroken) {
  std::string path = table_.Manifests(call_)->at(4).manifest_path;
  files_.Remove(path);
  auto visit = [](FileTask&) -> Status { return {}; };
  auto counts = PlanFiles(call_, files_, *table_.metadata(), table_.current(), nullptr, {}, visit);
  EXPECT_EQ(counts.status().code(), Code::kNotFound);
  files_.Put(path, "not avro", 0);
  counts = PlanFiles(call_, files_, *table_.metadata(), table_.current(), nullptr, {}, visit);
  EXPECT_EQ(counts.status().code(), Code::kCorruption);
  EXPECT_THAT(std::string(counts.status().message()), testing::HasSubstr(path));
}

TEST(PlanningOfEvolvedSpecs, UsesEachFilesOwn) {
  testing::TestEnv env;
  Call call = env.call();
  io::MemoryFileSystem files;
  TestTable table(files, {});
  ASSERT_TRUE(table.Append(call, {"old1"}, 1).ok());
  ASSERT_TRUE(table.Append(call, {"old2"}, 2).ok());
  PartitionSpec spec;
  spec.fields.push_back({{1}, 1001, "id_bucket", *Transform::FromString("bucket[4]")});
  ASSERT_TRUE(
      table.Apply({{}, {update::AddPartitionSpec{spec}, update::SetDefaultSpec{kLastAdded}}}).ok());
  ASSERT_EQ(table.metadata()->default_spec_id, 1);
  ASSERT_TRUE(table.Append(call, {"new0"}, 0).ok());
  ASSERT_TRUE(table.Append(call, {"new1"}, 1).ok());
  // The tuple of "new" files is the bucket of id; day is told by metrics alone.
  int32_t bucket = std::get<int32_t>(
      spec.fields[0].transform.Apply(*Type::Primitive(TypeKind::kLong), int64_t{34}));
  auto scan = [&](const std::string& filter) {
    auto lines = table.Scan(call, filter).value();
    for (std::string& line : lines) line = line.substr(0, line.find(' '));
    return lines;
  };
  std::vector<std::string> expected = {"old1", "old2"};
  if (bucket < 2) expected.insert(expected.begin(), "new" + std::to_string(bucket));
  EXPECT_EQ(scan("id = 34"), expected);
  EXPECT_THAT(scan("day = 1"), ElementsAre("new1", "old1"));
}

}  // namespace
}  // namespace moraine::iceberg
