#include "moraine/catalog/live_rows.h"

#include <gtest/gtest.h>

#include "moraine/catalog/testing/catalog_world.h"

namespace moraine::catalog {
namespace {

using Change = store::RowObserver::Change;

TabularRow Row(int64_t id, const std::string& name) {
  TabularRow row;
  row.id = id;
  row.warehouse_id = 1;
  row.name = {{"a", "b"}, name};
  row.version = 7;
  return row;
}

class LiveRowsTest : public testing::Test {
 protected:
  LiveRowsTest() { rows_.Begin(); }
  bool Knows(const std::string& name) {
    return rows_.Find(1, {{"a", "b"}, name}, TabularKind::kTable).has_value();
  }

  LiveRows rows_{2};
};

TEST_F(LiveRowsTest, KeepsARowUntilItChanges) {
  TabularRow row = Row(5, "t");
  EXPECT_FALSE(Knows("t"));
  rows_.Put(rows_.Moment(), &row);
  ASSERT_NE(row.current, nullptr);
  auto found = rows_.Find(1, row.name, TabularKind::kTable);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->version, 7);
  EXPECT_EQ(found->current, row.current);
  EXPECT_FALSE(rows_.Find(2, row.name, TabularKind::kTable).has_value());
  EXPECT_FALSE(rows_.Find(1, row.name, TabularKind::kView).has_value());

  rows_.OnRow("table_change", 5, Change::kInserted);
  rows_.OnRow("tabular", 6, Change::kUpdated);
  EXPECT_TRUE(*row.current);
  rows_.OnRow("tabular", 5, Change::kUpdated);
  EXPECT_FALSE(*row.current);
  EXPECT_FALSE(Knows("t"));
}

TEST_F(LiveRowsTest, LearnsNoRowThatChangedWhileItWasRead) {
  uint64_t before = rows_.Moment();
  rows_.OnRow("tabular", 5, Change::kUpdated);
  uint64_t within = rows_.Moment();
  TabularRow row = Row(5, "t");
  rows_.Put(within, &row);
  EXPECT_FALSE(Knows("t")) << "its transaction is open";
  rows_.OnEnd();
  for (uint64_t moment : {before, within}) {
    rows_.Put(moment, &row);
    EXPECT_FALSE(Knows("t")) << moment;
  }
  TabularRow other = Row(6, "u");
  rows_.Put(before, &other);
  EXPECT_TRUE(Knows("u"));
  rows_.Put(rows_.Moment(), &row);
  EXPECT_TRUE(Knows("t"));
}

TEST_F(LiveRowsTest, ForgetsAllWhenANamespaceChanges) {
  TabularRow row = Row(5, "t");
  uint64_t moment = rows_.Moment();
  rows_.Put(moment, &row);
  rows_.OnRow("namespace", 1, Change::kInserted);
  EXPECT_TRUE(Knows("t"));
  rows_.OnRow("namespace", 1, Change::kDeleted);
  EXPECT_FALSE(Knows("t"));
  EXPECT_FALSE(*row.current);
  rows_.OnEnd();
  TabularRow other = Row(6, "u");
  rows_.Put(moment, &other);
  EXPECT_FALSE(Knows("u"));
}

TEST_F(LiveRowsTest, IsBoundedAndNeverForgetsSilently) {
  TabularRow a = Row(1, "a"), b = Row(2, "b"), c = Row(3, "c");
  for (TabularRow* row : {&a, &b, &c}) rows_.Put(rows_.Moment(), row);
  EXPECT_EQ(Knows("a") + Knows("b") + Knows("c"), 2);
  EXPECT_EQ(*a.current + *b.current + *c.current, 2);
}

TEST(LiveRows, KeepNothingWhereNobodyTellsOfChanges) {
  LiveRows rows(10);
  TabularRow row = Row(5, "t");
  rows.Put(rows.Moment(), &row);
  EXPECT_EQ(row.current, nullptr);
  EXPECT_FALSE(rows.Find(1, row.name, TabularKind::kTable).has_value());
}

TEST(LiveRows, TablesSayWhetherTheyAreStillCurrent) {
  CatalogWorld world;
  if (world.database().dialect() != "sqlite") GTEST_SKIP() << "others may write to this store";
  Call call = world.call();
  auto load = [&](const std::string& name) {
    auto loaded = world.catalog().Load(call, kTestWarehouse, {{"ns"}, name});
    return loaded.ok() ? *loaded : nullptr;
  };
  for (const char* name : {"t", "other"}) world.MakeTable(name);
  auto first = load("t");
  auto other = load("other");
  ASSERT_NE(first->current, nullptr);
  EXPECT_EQ(load("t")->current, first->current);

  auto commit = SetProperty(*first, "a", "1");
  ASSERT_TRUE(world.catalog().Commit(call, kTestWarehouse, first->name, commit, nullptr).ok());
  EXPECT_FALSE(*first->current);
  auto second = load("t");
  EXPECT_EQ(second->version, first->version + 1);
  EXPECT_TRUE(*second->current);

  // Another catalog of this process, over the same store.
  auto another = world.Another();
  auto swap = SetProperty(*second, "a", "2");
  ASSERT_TRUE(another->Commit(call, kTestWarehouse, second->name, swap, nullptr).ok());
  EXPECT_FALSE(*second->current);
  auto third = load("t");
  EXPECT_EQ(third->metadata->Property("a", ""), "2");

  ASSERT_TRUE(
      world.catalog().Rename(call, kTestWarehouse, {{"ns"}, "t"}, {{"ns"}, "renamed"}).ok());
  EXPECT_FALSE(*third->current);
  EXPECT_EQ(load("t"), nullptr);
  auto renamed = load("renamed");
  ASSERT_NE(renamed, nullptr);
  ASSERT_TRUE(world.catalog().Drop(call, kTestWarehouse, renamed->name, Catalog::Purge::kNo).ok());
  EXPECT_FALSE(*renamed->current);
  EXPECT_EQ(load("renamed"), nullptr);
  EXPECT_TRUE(*other->current);
}

}  // namespace
}  // namespace moraine::catalog
