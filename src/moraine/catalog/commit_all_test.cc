#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/faults.h"
#include "moraine/catalog/testing/catalog_world.h"

namespace moraine::catalog {
namespace {

using testing::FaultInjector;
using testing::HasSubstr;

iceberg::CommitRequest CreateRequest() {
  return {{iceberg::requirement::AssertCreate{}},
          {iceberg::update::AddSchema{SimpleTable({{"ns"}, "x"}).schema, {}},
           iceberg::update::SetCurrentSchema{iceberg::kLastAdded},
           iceberg::update::AddPartitionSpec{{}},
           iceberg::update::SetDefaultSpec{iceberg::kLastAdded}, iceberg::update::AddSortOrder{{}},
           iceberg::update::SetDefaultSortOrder{iceberg::kLastAdded}}};
}

Status CommitAll(Catalog& catalog, Call call, const std::vector<TableCommit>& commits) {
  return catalog.CommitAll(call, kTestWarehouse, commits, nullptr);
}

TEST(CommitAll, ChangesAndMakesTablesTogether) {
  CatalogWorld world;
  auto a = world.MakeTable("a");
  auto b = world.MakeTable("b");
  Status committed = CommitAll(world.catalog(), world.call(),
                               {{b->name, AppendRequest(*b, 2)},
                                {{{"ns"}, "made"}, CreateRequest()},
                                {a->name, AppendRequest(*a, 1)}});
  ASSERT_TRUE(committed.ok()) << committed.ToString();
  EXPECT_EQ(world.Reload("a")->metadata->current_snapshot_id, 1);
  EXPECT_EQ(world.Reload("b")->metadata->current_snapshot_id, 2);
  EXPECT_EQ(world.Reload("made")->version, 1);
  EXPECT_EQ(world.CountChanges(a->table_id, "commit"), 1u);
  EXPECT_EQ(world.CountChanges(world.Reload("made")->table_id, "create"), 1u);
}

TEST(CommitAll, OneRefusalRefusesAllAndLeavesNoFile) {
  CatalogWorld world;
  auto a = world.MakeTable("a");
  auto b = world.MakeTable("b");
  Call call = world.call();
  ASSERT_TRUE(
      world.catalog().Commit(call, kTestWarehouse, b->name, AppendRequest(*b, 9), nullptr).ok());
  size_t files = world.files().size();
  Status refused = CommitAll(world.catalog(), world.call(),
                             {{a->name, AppendRequest(*a, 1)}, {b->name, AppendRequest(*b, 2)}});
  EXPECT_EQ(refused.code(), Code::kConflict);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("Requirement failed: branch main"));
  EXPECT_EQ(world.Reload("a")->metadata_location, a->metadata_location);
  EXPECT_EQ(world.files().size(), files);
}

TEST(CommitAll, SaysWhichTableIsWrong) {
  CatalogWorld world;
  auto a = world.MakeTable("a");
  struct Case {
    std::vector<TableCommit> commits;
    Code code;
    std::string_view message;
  };
  const Case cases[] = {
      {{{a->name, AppendRequest(*a, 1)}, {{{"ns"}, "none"}, SetProperty(*a, "k", "v")}},
       Code::kNotFound,
       "Table does not exist: ns.none"},
      {{{a->name, AppendRequest(*a, 1)}, {a->name, SetProperty(*a, "k", "v")}},
       Code::kInvalidArgument,
       "table-changes: ns.a is there twice"},
      {{{a->name, CreateRequest()}},
       Code::kAlreadyExists,
       "Requirement failed: table already exists: ns.a"},
  };
  for (const auto& c : cases) {
    Status status = CommitAll(world.catalog(), world.call(), c.commits);
    EXPECT_EQ(status.code(), c.code) << status.ToString();
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::string(c.message)));
    EXPECT_EQ(world.Reload("a")->version, 1);
  }
}

TEST(CommitAll, ATableThatIsOnlyReadMustStayAsItWas) {
  CatalogWorld world;
  auto a = world.MakeTable("a");
  auto b = world.MakeTable("b");
  // Requirements alone: "as long as b is as I saw it".
  iceberg::CommitRequest unchanged{SetProperty(*b, "k", "v").requirements, {}};
  unchanged.requirements.push_back(iceberg::requirement::AssertRefSnapshotId{"main", std::nullopt});
  ASSERT_TRUE(CommitAll(world.catalog(), world.call(),
                        {{a->name, AppendRequest(*a, 1)}, {b->name, unchanged}})
                  .ok());
  EXPECT_EQ(world.Reload("b")->version, 1);
  Call call = world.call();
  ASSERT_TRUE(
      world.catalog().Commit(call, kTestWarehouse, b->name, AppendRequest(*b, 9), nullptr).ok());
  auto now = world.Reload("a");
  EXPECT_EQ(CommitAll(world.catalog(), world.call(),
                      {{a->name, SetProperty(*now, "k", "v")}, {b->name, unchanged}})
                .code(),
            Code::kConflict);
  EXPECT_EQ(world.Reload("a")->version, now->version);
}

// Whatever fails, either both tables changed or neither, and the answer says which unless it says
// that it does not know.
TEST(CommitAll, IsAllOrNothingUnderEveryFault) {
  auto report = testing::EveryFault([](FaultInjector& faults) {
    CatalogWorld world;
    auto a = world.MakeTable("a");
    auto b = world.MakeTable("b");
    Catalog& faulty = world.Faulty(faults);
    Status status = CommitAll(faulty, world.call(),
                              {{a->name, AppendRequest(*a, 1)}, {b->name, AppendRequest(*b, 2)}});
    faults.Stop();
    auto a_now = world.Reload("a");
    auto b_now = world.Reload("b");
    bool landed = a_now->metadata_location != a->metadata_location;
    EXPECT_EQ(b_now->metadata_location != b->metadata_location, landed);
    EXPECT_EQ(world.CountChanges(a->table_id, "commit"), landed ? 1u : 0u);
    EXPECT_EQ(world.CountChanges(b->table_id, "commit"), landed ? 1u : 0u);
    if (status.ok()) {
      EXPECT_TRUE(landed);
    } else if (status.code() != Code::kCommitUnknown) {
      EXPECT_FALSE(landed) << status.ToString();
      EXPECT_TRUE(
          CommitAll(world.catalog(), world.call(),
                    {{a->name, AppendRequest(*a_now, 1)}, {b->name, AppendRequest(*b_now, 2)}})
              .ok());
    }
  });
  EXPECT_GT(report.calls, 10u);
}

}  // namespace
}  // namespace moraine::catalog
