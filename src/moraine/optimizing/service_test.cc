#include "moraine/optimizing/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/io/testing/hooked_files.h"
#include "moraine/optimizing/testing/optimizing_world.h"

namespace moraine::optimizing {
namespace {

using testing::HasSubstr;

class ServiceTest : public testing::Test {
 protected:
  ServiceTest()
      : files_(world_.disk()), service_(world_.engine(), files_, world_.store(), Quick()) {}
  Options Quick() {
    Options options;
    options.refresh_interval = Millis(0);
    return options;
  }
  void Tick() {
    Call call = world_.call();
    ASSERT_TRUE(service_.Tick(call).ok());
  }
  void Request(int64_t id, const std::string& type, const std::string& layout = "") {
    Call call = world_.call();
    Status status = service_.Request(call, id, {.type = type, .layout = layout});
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  static iceberg::StringMap Patient() {
    return {{"self-optimizing.minor.trigger.file-count", "12"}};
  }

  OptimizingWorld world_;
  io::HookedFiles files_;
  Service service_;
};

TEST_F(ServiceTest, AWishThatComesDuringALookIsNotForgotten) {
  int64_t id = world_.MakeTable("t", Patient());
  ASSERT_TRUE(world_.Append("t", {"a"}).ok());
  Tick();
  Request(id, "minor");
  // The look finds one file: nothing to do. Meanwhile a second file comes, and the same wish.
  files_.hook = [&] {
    files_.hook = nullptr;
    ASSERT_TRUE(world_.Append("t", {"b"}).ok());
    Request(id, "minor");
  };
  Tick();
  EXPECT_FALSE(files_.hook);
  EXPECT_EQ(world_.State(id)->requested_type, "minor");
  EXPECT_LE(world_.State(id)->due_ms.value_or(INT64_MAX), ToMillis(world_.call().clock().Wall()));
  world_.token();
  Tick();
  ASSERT_TRUE(world_.LastProcess());
  EXPECT_EQ(world_.LastProcess()->input_files, 2);
  EXPECT_EQ(world_.LastProcess()->started_by, kByPerson);
  EXPECT_EQ(world_.LastProcess()->reason, "asked for by a person: 2 files in 1 partition");
  EXPECT_EQ(world_.State(id)->requested_type, "");
}

TEST_F(ServiceTest, AWishThatComesWhileATableIsPlannedIsNotForgotten) {
  int64_t id = world_.MakeTable("t");
  ASSERT_TRUE(world_.Append("t", {"a", "b"}).ok());
  Tick();
  ASSERT_EQ(world_.State(id)->status, TableStatus::kPending);
  world_.token();
  files_.hook = [&] {
    files_.hook = nullptr;
    Request(id, "full");
  };
  Tick();
  EXPECT_FALSE(world_.LastProcess());
  EXPECT_EQ(world_.State(id)->requested_type, "full");
  Tick();
  ASSERT_TRUE(world_.LastProcess());
  EXPECT_EQ(world_.LastProcess()->type, planning::OptimizingType::kFull);
}

TEST_F(ServiceTest, AWishThatFindsNothingToDoEnds) {
  int64_t id = world_.MakeTable("t", Patient());
  // One file a partition, of which the cheap look can't tell that a full run changes nothing.
  ASSERT_TRUE(world_.Append("t", {"a"}, 1).ok());
  world_.token();
  Tick();
  Request(id, "full");
  Tick();
  Tick();
  EXPECT_FALSE(world_.LastProcess());
  EXPECT_EQ(world_.State(id)->requested_type, "");
  EXPECT_EQ(world_.State(id)->status, TableStatus::kIdle);
  EXPECT_THAT(world_.State(id)->reason, HasSubstr("was asked for by a person, but: "));
  Call call = world_.call();
  EXPECT_FALSE(service_.Tick(call).value());
}

TEST_F(ServiceTest, ALayoutThatAPersonAsksForIsThatOfTheRun) {
  int64_t id = world_.MakeTable("t", Patient());
  ASSERT_TRUE(world_.Append("t", {"a"}).ok());
  world_.token();
  Tick();
  Call call = world_.call();
  EXPECT_EQ(service_.Request(call, id, {.type = "full", .layout = "zorder(nothing)"}).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(service_.Request(call, id, {.type = "minor", .layout = "zorder(id)"}).code(),
            Code::kInvalidArgument);
  Request(id, "full", "zorder(id)");
  EXPECT_EQ(world_.State(id)->requested_layout, "zorder(id)");
  Tick();
  ASSERT_TRUE(world_.LastProcess());
  EXPECT_EQ(world_.LastProcess()->type, planning::OptimizingType::kFull);
  EXPECT_EQ(world_.LastProcess()->started_by, kByPerson);
  EXPECT_EQ(world_.State(id)->requested_layout, "");
}

TEST_F(ServiceTest, OldRowsOfTheFeedGoOnceTheyWereRead) {
  world_.MakeTable("t");
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(world_.Append("t", {name}).ok());
  Tick();
  auto rows = [&] {
    Call call = world_.call();
    return world_.engine().Changes(call, 0, 100)->size();
  };
  EXPECT_EQ(rows(), 5u);
  world_.Advance(Quick().feed_retention + Millis(3'600'000));
  ASSERT_TRUE(world_.Append("t", {"d"}).ok());
  Tick();
  // The newest stays: numbers go on from it.
  EXPECT_EQ(rows(), 1u);
}

TEST_F(ServiceTest, ANewSchemaGivesATableThatWaitsForAPersonAnotherChance) {
  int64_t id = world_.MakeTable("t");
  ASSERT_TRUE(world_.Append("t", {"a", "b"}).ok());
  Tick();
  Call call = world_.call();
  ASSERT_TRUE(world_.store()
                  .Run(call, store::Access::kWrite,
                       [&](store::Transaction& t) {
                         return t
                             .Execute(
                                 "UPDATE optimizing_table SET state = 'failed', failures = 5,"
                                 " retry_ms = ?, due_ms = 0, reason = 'waits'",
                                 {kWaitForPerson})
                             .status();
                       })
                  .ok());
  Tick();
  EXPECT_EQ(world_.State(id)->status, TableStatus::kFailed);
  EXPECT_EQ(world_.State(id)->reason, "waits");
  ASSERT_TRUE(world_.Append("t", {"c"}).ok());
  Tick();
  EXPECT_EQ(world_.State(id)->status, TableStatus::kFailed);
  iceberg::CommitRequest request;
  auto schema = world_.Load("t")->metadata->CurrentSchema();
  std::vector<iceberg::Field> fields(schema.fields().begin(), schema.fields().end());
  fields.push_back(
      {.id = 3, .name = "more", .type = iceberg::Type::Primitive(iceberg::TypeKind::kLong)});
  request.updates = {iceberg::update::AddSchema{iceberg::Schema(1, std::move(fields))},
                     iceberg::update::SetCurrentSchema{-1}};
  auto committed = world_.engine().Commit(call, "w", {{"ns"}, "t"}, request, nullptr);
  ASSERT_TRUE(committed.ok()) << committed.status().ToString();
  Tick();
  EXPECT_EQ(world_.State(id)->status, TableStatus::kPending);
  EXPECT_EQ(world_.State(id)->failures, 0);
}

}  // namespace
}  // namespace moraine::optimizing
