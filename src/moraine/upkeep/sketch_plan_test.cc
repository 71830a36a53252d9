#include "moraine/upkeep/sketch_plan.h"

#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/iceberg/puffin/puffin_metadata.h"

namespace moraine::upkeep {
namespace {

using iceberg::Field;
using iceberg::Snapshot;
using iceberg::TableMetadata;
using iceberg::Type;
using iceberg::TypeKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Field Of(int32_t id, std::string name, iceberg::TypePtr type) {
  return {.id = id, .name = std::move(name), .type = std::move(type)};
}

iceberg::SchemaPtr MakeSchema(int32_t schema_id, TypeKind kind_of_a) {
  return std::make_shared<iceberg::Schema>(
      schema_id,
      std::vector<Field>{
          Of(1, "a", Type::Primitive(kind_of_a)),
          Of(2, "s",
             Type::Struct(
                 {Of(3, "b", Type::Primitive(TypeKind::kString)),
                  Of(4, "t", Type::Struct({Of(5, "c", Type::Primitive(TypeKind::kDate))})),
                  Of(6, "l", Type::List(Of(7, "element", Type::Primitive(TypeKind::kInt))))})),
          Of(8, "v", Type::Primitive(TypeKind::kVariant)), Of(9, "g", Type::Geometry("")),
          Of(10, "d", Type::Decimal(9, 2))});
}

/// A table whose snapshots 1, 2, ... have these operations; of each 10 rows are added in 2 files of
/// 500 bytes each, deletes take 1 row.
TableMetadata Table(const std::vector<std::string>& operations) {
  TableMetadata table;
  table.schemas = {MakeSchema(0, TypeKind::kLong)};
  int64_t rows = 0;
  for (const std::string& operation : operations) {
    const auto id = static_cast<int64_t>(table.snapshots.size()) + 1;
    Snapshot snapshot{.snapshot_id = id};
    if (id > 1) snapshot.parent_snapshot_id = id - 1;
    const bool adds = operation == "append" || operation == "replace" || operation == "overwrite";
    if (operation == "append" || operation == "overwrite") rows += 10;
    snapshot.summary = {{"operation", operation},
                        {"total-records", std::to_string(rows)},
                        {"total-data-files", "7"},
                        {"total-files-size", "7000"}};
    if (adds) {
      snapshot.summary["added-records"] = "10";
      snapshot.summary["added-data-files"] = "2";
      snapshot.summary["added-files-size"] = "1000";
    }
    if (operation == "delete") snapshot.summary["added-position-deletes"] = "1";
    table.snapshots.push_back(std::make_shared<Snapshot>(snapshot));
    table.current_snapshot_id = id;
  }
  return table;
}

void AddStatistics(TableMetadata* table, int64_t snapshot_id, const std::vector<int32_t>& columns) {
  iceberg::StatisticsFile file{.snapshot_id = snapshot_id,
                               .statistics_path = fmt::format("s{}", snapshot_id)};
  for (const int32_t column : columns) {
    file.blob_metadata.push_back({.type = iceberg::kThetaSketchBlobType,
                                  .snapshot_id = snapshot_id,
                                  .fields = {column},
                                  .properties = {{"ndv", "3"}}});
  }
  table->statistics.push_back(std::move(file));
}

TEST(StatisticsPlan, CountsWhatIsNamedOrAllAtTheTop) {
  const auto schema = MakeSchema(0, TypeKind::kLong);
  std::string problem;
  EXPECT_THAT(StatisticsColumns(*schema, {}, &problem), ElementsAre(1, 10));
  EXPECT_THAT(StatisticsColumns(*schema, {"s.t.c", "a", "s.b", "a"}, &problem),
              ElementsAre(5, 1, 3));
  EXPECT_EQ(problem, "");
  EXPECT_THAT(StatisticsColumns(*schema, {"x", "v", "d", "s", "g", "s.l.element"}, &problem),
              ElementsAre(10));
  EXPECT_THAT(problem, HasSubstr("x, v, s, g, s.l.element"));
}

TEST(StatisticsPlan, ReadsAllWhereNothingIsKnown) {
  EXPECT_FALSE(PlanStatistics(Table({}), {}, false).is_due);
  const auto plan = PlanStatistics(Table({"append", "delete"}), {}, false);
  EXPECT_TRUE(plan.is_due) << plan.reason;
  EXPECT_FALSE(plan.since);
  EXPECT_FALSE(plan.base);
  EXPECT_THAT(plan.columns, ElementsAre(1, 10));
  EXPECT_EQ(plan.files, 7);
  EXPECT_EQ(plan.bytes, 7'000);
  EXPECT_EQ(plan.parts, 1);
  MaintenanceConfig config;
  config.statistics_columns = {"no"};
  EXPECT_FALSE(PlanStatistics(Table({"append"}), config, false).is_due);
}

TEST(StatisticsPlan, ReadsOnlyWhatWasAdded) {
  struct Case {
    std::vector<std::string> since;
    std::vector<int64_t> read;
    int64_t parts;
  };
  const Case cases[] = {
      {{"append"}, {2}, 1},
      {{"append", "append"}, {2, 3}, 1},
      {{"replace"}, {}, 0},
      {{"replace", "append"}, {3}, 1},
      // What was appended may have been rewritten, too.
      {{"append", "replace"}, {2, 3}, 1},
  };
  for (const auto& one : cases) {
    std::vector<std::string> operations = {"append"};
    operations.insert(operations.end(), one.since.begin(), one.since.end());
    TableMetadata table = Table(operations);
    AddStatistics(&table, 1, {1, 10});
    const auto plan = PlanStatistics(table, {}, false);
    EXPECT_TRUE(plan.is_due);
    ASSERT_TRUE(plan.base);
    EXPECT_EQ(plan.base->statistics_path, "s1");
    ASSERT_TRUE(plan.since);
    EXPECT_EQ(*plan.since, one.read);
    EXPECT_EQ(plan.parts, one.parts);
    EXPECT_EQ(plan.rows, 10 * static_cast<int64_t>(one.read.size()));
    EXPECT_FALSE(PlanStatistics(table, {}, true).base) << "all is counted anew";
  }
}

TEST(StatisticsPlan, DoesNothingTwice) {
  TableMetadata table = Table({"append", "append"});
  AddStatistics(&table, 2, {10, 1, 3});
  EXPECT_FALSE(PlanStatistics(table, {}, false).is_due);
  MaintenanceConfig config;
  config.statistics_columns = {"a", "s.t.c"};
  const auto plan = PlanStatistics(table, config, false);
  EXPECT_TRUE(plan.is_due) << "a column is missing";
  ASSERT_TRUE(plan.replaced);
  EXPECT_EQ(plan.replaced->statistics_path, "s2");
  EXPECT_FALSE(plan.base);
}

TEST(StatisticsPlan, ReadsAllAgainWhenEnoughHasChanged) {
  TableMetadata table = Table({"append", "append", "append", "delete"});
  AddStatistics(&table, 3, {1, 10});
  auto plan = PlanStatistics(table, {}, false);
  EXPECT_FALSE(plan.is_due);
  EXPECT_THAT(plan.reason, HasSubstr("3.3 % of the rows have changed since snapshot 3"));
  MaintenanceConfig config;
  config.statistics_min_changed_percent = 3;
  plan = PlanStatistics(table, config, false);
  EXPECT_TRUE(plan.is_due);
  EXPECT_FALSE(plan.since);
  EXPECT_FALSE(plan.base);
  EXPECT_TRUE(PlanStatistics(table, {}, true).is_due);
  // Two are enough: their rows count together.
  table = Table({"append", "overwrite", "overwrite"});
  AddStatistics(&table, 1, {1, 10});
  EXPECT_TRUE(PlanStatistics(table, {}, false).is_due);
  // What a summary does not say may be much.
  auto silent = *table.snapshots[2];
  silent.summary = {{"operation", "overwrite"}};
  table.snapshots[2] = std::make_shared<Snapshot>(silent);
  EXPECT_TRUE(PlanStatistics(table, {}, false).is_due);
}

TEST(StatisticsPlan, IsOnlyBasedOnTheSameForm) {
  TableMetadata table = Table({"append", "append"});
  AddStatistics(&table, 1, {1, 10});
  ASSERT_TRUE(PlanStatistics(table, {}, false).base);
  // Column a was an int: its values had other bytes.
  table.schemas = {MakeSchema(1, TypeKind::kInt), MakeSchema(0, TypeKind::kLong)};
  EXPECT_FALSE(PlanStatistics(table, {}, false).base);
  // Spark hashes uuids as texts.
  table.schemas = {MakeSchema(0, TypeKind::kUuid)};
  EXPECT_FALSE(PlanStatistics(table, {}, false).base);
  table.statistics[0].blob_metadata[0].properties[kUuidFormProperty] = kUuidFormBytes;
  EXPECT_TRUE(PlanStatistics(table, {}, false).base);
  // A history that was cut.
  auto cut = *table.snapshots[1];
  cut.parent_snapshot_id = 99;
  table.snapshots[1] = std::make_shared<Snapshot>(cut);
  EXPECT_FALSE(PlanStatistics(table, {}, false).base);
}

TEST(StatisticsPlan, DoesNotTakeOldSketchesOfANewFile) {
  TableMetadata table = Table({"append", "append", "append"});
  AddStatistics(&table, 1, {1, 10});
  // Column a was analyzed again, d carried on.
  AddStatistics(&table, 2, {1, 10});
  table.statistics[1].blob_metadata[1].snapshot_id = 1;
  auto plan = PlanStatistics(table, {}, false);
  ASSERT_TRUE(plan.base);
  EXPECT_EQ(plan.base->snapshot_id, 1);
  EXPECT_THAT(*plan.since, ElementsAre(2, 3));
  // The one that counts stands behind the old one.
  auto fresh = table.statistics[1].blob_metadata[1];
  fresh.snapshot_id = 2;
  table.statistics[1].blob_metadata.push_back(fresh);
  plan = PlanStatistics(table, {}, false);
  ASSERT_TRUE(plan.base);
  EXPECT_EQ(plan.base->snapshot_id, 2);
  AddStatistics(&table, 3, {1, 10});
  EXPECT_FALSE(PlanStatistics(table, {}, false).is_due);
  table.statistics[2].blob_metadata[0].snapshot_id = 2;
  EXPECT_TRUE(PlanStatistics(table, {}, false).is_due);
}

TEST(StatisticsPlan, GoesOnAfterAPromotion) {
  TableMetadata table = Table({"append", "append"});
  AddStatistics(&table, 2, {1, 10});
  table.schemas = {MakeSchema(1, TypeKind::kInt), MakeSchema(0, TypeKind::kLong)};
  EXPECT_TRUE(PlanStatistics(table, {}, false).is_due) << "others may have counted ints";
  auto& properties = table.statistics[0].blob_metadata[0].properties;
  properties[kTypeProperty] = "int";
  EXPECT_TRUE(PlanStatistics(table, {}, false).is_due);
  properties[kTypeProperty] = "long";
  EXPECT_FALSE(PlanStatistics(table, {}, false).is_due);
}

TEST(StatisticsPlan, LeavesEncryptedStatisticsAlone) {
  TableMetadata table = Table({"append"});
  AddStatistics(&table, 1, {10});
  table.statistics[0].key_metadata = "a2V5";
  for (const bool full : {false, true}) {
    const auto plan = PlanStatistics(table, {}, full);
    EXPECT_FALSE(plan.is_due);
    EXPECT_THAT(plan.reason, HasSubstr("encrypted"));
  }
}

TEST(StatisticsPlan, DoesNotKnowWhatEqualityDeletesTake) {
  TableMetadata table = Table({"append", "append", "append", "delete"});
  AddStatistics(&table, 3, {1, 10});
  ASSERT_FALSE(PlanStatistics(table, {}, false).is_due);
  auto keyed = *table.snapshots[3];
  keyed.summary.erase("added-position-deletes");
  keyed.summary["added-equality-deletes"] = "1";
  table.snapshots[3] = std::make_shared<Snapshot>(keyed);
  const auto plan = PlanStatistics(table, {}, false);
  EXPECT_TRUE(plan.is_due);
  EXPECT_THAT(plan.reason, HasSubstr("not known how many rows"));
}

TEST(StatisticsPlan, CutsMuchIntoParts) {
  TableMetadata table = Table({"append"});
  auto large = *table.snapshots[0];
  large.summary["total-files-size"] = std::to_string(int64_t{10} << 30);
  table.snapshots[0] = std::make_shared<Snapshot>(large);
  EXPECT_EQ(PlanStatistics(table, {}, false).parts, 11);
  large.summary["total-files-size"] = "9000000000000000000";
  table.snapshots[0] = std::make_shared<Snapshot>(large);
  EXPECT_EQ(PlanStatistics(table, {}, false).parts, 256);
}

}  // namespace
}  // namespace moraine::upkeep
