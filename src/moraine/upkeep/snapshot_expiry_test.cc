#include "moraine/upkeep/snapshot_expiry.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/text.h"

namespace moraine::upkeep {
namespace {

using iceberg::Snapshot;
using iceberg::SnapshotRef;
using iceberg::TableMetadata;

constexpr int64_t kNow = 1'767'225'600'000;
constexpr int64_t kHour = 3'600'000;

struct Row {
  int64_t id;
  int64_t parent;  ///< 0: none
  int64_t age_hours;
  iceberg::StringMap summary = {};
};
struct Ref {
  std::string name;
  int64_t snapshot;
  SnapshotRef::Type type = SnapshotRef::Type::kBranch;
  std::optional<int64_t> min_snapshots = {};
  std::optional<int64_t> max_snapshot_hours = {};
  std::optional<int64_t> max_ref_hours = {};
};
constexpr auto kTag = SnapshotRef::Type::kTag;

struct Case {
  std::string name;
  std::vector<Row> snapshots;
  std::vector<Ref> refs;
  iceberg::StringMap properties;
  std::vector<SnapshotHold> holds;
  std::string refs_gone;  ///< names, by blanks
  std::string expected;   ///< a line for each snapshot
};

const iceberg::StringMap kOptimizing = {{"operation", "replace"},
                                        {"snapshot.producer", "OPTIMIZE"}};

iceberg::StringMap Flink(const std::string& job, int checkpoint) {
  return {{"operation", "append"},
          {"flink.job-id", job},
          {"flink.max-committed-checkpoint-id", std::to_string(checkpoint)}};
}

TableMetadata MakeTable(const std::vector<Row>& snapshots, const std::vector<Ref>& refs,
                        const iceberg::StringMap& properties) {
  iceberg::TableCreation creation;
  creation.table_uuid = "a3c1f6de-7f4d-4f0c-9d6e-0e5b8a3f2b11";
  creation.location = "file:///warehouse/t";
  creation.schema =
      iceberg::Schema(0, {{1, "id", false, iceberg::Type::Primitive(iceberg::TypeKind::kLong)}});
  creation.properties = properties;
  creation.now_ms = kNow;
  TableMetadata table = iceberg::MakeTableMetadata(creation).value();
  for (const Row& row : snapshots) {
    Snapshot snapshot;
    snapshot.snapshot_id = row.id;
    if (row.parent != 0) snapshot.parent_snapshot_id = row.parent;
    snapshot.sequence_number = row.id;
    snapshot.timestamp_ms = kNow - row.age_hours * kHour;
    snapshot.manifest_list = fmt::format("file:///warehouse/t/metadata/snap-{}.avro", row.id);
    snapshot.summary = row.summary;
    snapshot.schema_id = 0;
    table.snapshots.push_back(std::make_shared<const Snapshot>(snapshot));
  }
  for (const Ref& ref : refs) {
    SnapshotRef made;
    made.snapshot_id = ref.snapshot;
    made.type = ref.type;
    if (ref.min_snapshots) made.min_snapshots_to_keep = static_cast<int32_t>(*ref.min_snapshots);
    if (ref.max_snapshot_hours) made.max_snapshot_age_ms = *ref.max_snapshot_hours * kHour;
    if (ref.max_ref_hours) made.max_ref_age_ms = *ref.max_ref_hours * kHour;
    table.refs[ref.name] = made;
    if (ref.name == iceberg::kMainBranch) table.current_snapshot_id = ref.snapshot;
  }
  return table;
}

ExpiryPlan Plan(const TableMetadata& table, const ExpiryContext& context) {
  return PlanSnapshotExpiry(table, MaintenanceConfigOf(table.properties), context);
}

std::string Text(const ExpiryPlan& plan) {
  if (!plan.nothing.empty()) return plan.nothing;
  std::string text;
  for (const auto& one : plan.snapshots) {
    text += fmt::format("{}{} {}: {}", text.empty() ? "" : "\n", one.snapshot_id,
                        one.expires ? "goes" : "stays", one.reason);
  }
  return text;
}

const std::vector<Row> kLine = {{1, 0, 100}, {2, 1, 50}, {3, 2, 20}, {4, 3, 5}};

std::vector<Case> Cases() {
  return {
      {"by age",
       kLine,
       {{"main", 4}},
       {},
       {},
       "",
       "1 goes: older than 12h, on branch main\n2 goes: older than 12h, on branch main\n"
       "3 goes: older than 12h, on branch main\n4 stays: head of branch main"},
      {"by number",
       kLine,
       {{"main", 4}},
       {{"snapshot.keep.min-count", "3"}},
       {},
       "",
       "1 goes: older than 12h, on branch main\n2 stays: among the newest 3 of branch main\n"
       "3 stays: among the newest 3 of branch main\n4 stays: head of branch main"},
      {"what keeps more wins",
       kLine,
       {{"main", 4}},
       {{"snapshot.keep.duration", "1h"}, {"history.expire.max-snapshot-age-ms", "86400000"}},
       {},
       "",
       "1 goes: older than 1d, on branch main\n2 goes: older than 1d, on branch main\n"
       "3 stays: not older than 1d, on branch main\n4 stays: head of branch main"},
      {"the table format's property alone",
       kLine,
       {{"main", 4}},
       {{"history.expire.max-snapshot-age-ms", "3600000"},
        {"history.expire.min-snapshots-to-keep", "2"}},
       {},
       "",
       "1 goes: older than 1h, on branch main\n2 goes: older than 1h, on branch main\n"
       "3 stays: among the newest 2 of branch main\n4 stays: head of branch main"},
      {"a branch's own settings",
       kLine,
       {{"main", 4, {}, 1, 60}},
       {{"snapshot.keep.duration", "1h"}},
       {},
       "",
       "1 goes: older than 60h, on branch main\n2 stays: not older than 60h, on branch main\n"
       "3 stays: not older than 60h, on branch main\n4 stays: head of branch main"},
      {"tags stay, and nothing before them",
       kLine,
       {{"main", 4}, {"v1", 2, kTag}},
       {},
       {},
       "",
       "1 goes: older than 12h, on branch main\n2 stays: tag v1\n"
       "3 goes: older than 12h, on branch main\n4 stays: head of branch main"},
      {"refs that are too old go",
       kLine,
       {{"main", 4}, {"v1", 2, kTag, {}, {}, 40}, {"v2", 3, kTag, {}, {}, 40}},
       {},
       {},
       "v1",
       "1 goes: older than 12h, on branch main\n2 goes: older than 12h, on branch main\n"
       "3 stays: tag v2\n4 stays: head of branch main"},
      {"a limit for all refs, main aside",
       {{1, 0, 100}, {2, 1, 50}, {5, 1, 80}},
       {{"main", 2}, {"work", 5}},
       {{"history.expire.max-ref-age-ms", "3600000"}},
       {},
       "work",
       "1 goes: older than 12h, on branch main\n2 stays: head of branch main\n"
       "5 goes: older than 12h, on no branch"},
      {"a branch of its own",
       {{1, 0, 100}, {2, 1, 50}, {5, 1, 80}, {6, 5, 70}},
       {{"main", 2}, {"work", 6, {}, 2}},
       {},
       {},
       "",
       "1 goes: older than 12h, on branch main\n2 stays: head of branch main\n"
       "5 stays: among the newest 2 of branch work\n6 stays: head of branch work"},
      {"staged snapshots while they are young",
       {{1, 0, 100}, {2, 1, 50}, {7, 1, 13}, {8, 1, 11}},
       {{"main", 2}},
       {},
       {},
       "",
       "1 goes: older than 12h, on branch main\n2 stays: head of branch main\n"
       "7 goes: older than 12h, on no branch\n8 stays: on no branch, not older than 12h"},
      {"holds by id, and from a snapshot on",
       kLine,
       {{"main", 4}},
       {},
       {{"held by 'audit'", {1}, {}}, {"held by 'stream'", {}, 3}},
       "",
       "1 stays: held by 'audit'\n2 goes: older than 12h, on branch main\n"
       "3 stays: held by 'stream'\n4 stays: head of branch main"},
      {"a hold from a snapshot that is gone",
       {{2, 1, 50}, {3, 2, 20}, {4, 3, 15}},
       {{"main", 4}},
       {},
       {{"held by 'stream'", {}, 1}},
       "",
       "every snapshot is to stay"},
      {"a hold keeps its branch",
       {{1, 0, 100}, {2, 1, 50}, {5, 1, 80}, {6, 5, 70}},
       {{"main", 2}, {"work", 6, {}, {}, {}, 1}},
       {},
       {{"held by 'stream'", {}, 5}},
       "",
       "1 goes: older than 12h, on branch main\n2 stays: head of branch main\n"
       "5 stays: held by 'stream'\n6 stays: head of branch work"},
      {"the newest commit of a user",
       {{1, 0, 100}, {2, 1, 50}, {3, 2, 20, kOptimizing}, {4, 3, 15, kOptimizing}},
       {{"main", 4}},
       {},
       {},
       "",
       "1 goes: older than 12h, on branch main\n"
       "2 stays: since the newest commit of main that no table service made\n"
       "3 stays: since the newest commit of main that no table service made\n"
       "4 stays: head of branch main"},
      {"Flink's last checkpoints, each job's",
       {{1, 0, 100, Flink("a", 1)},
        {2, 1, 50, Flink("a", 2)},
        {3, 2, 20, Flink("b", 1)},
        {4, 3, 5}},
       {{"main", 4}},
       {},
       {},
       "",
       "1 goes: older than 12h, on branch main\n"
       "2 stays: since the last checkpoint of Flink job a on branch main\n"
       "3 stays: since the last checkpoint of Flink job a on branch main\n"
       "4 stays: head of branch main"},
      {"Flink's last checkpoint is too old",
       {{1, 0, 200, Flink("a", 1)}, {2, 1, 150}, {3, 2, 20, Flink("b", 1)}, {4, 3, 5}},
       {{"main", 4}},
       {{"snapshot.keep.flink.checkpoint-retention", "6d"}},
       {},
       "",
       "1 goes: older than 12h, on branch main\n2 goes: older than 12h, on branch main\n"
       "3 stays: since the last checkpoint of Flink job b on branch main\n"
       "4 stays: head of branch main"},
      {"garbage collection is off",
       kLine,
       {{"main", 4}},
       {{"gc.enabled", "false"}},
       {},
       "",
       "gc.enabled is false"},
      {"nothing there", {}, {}, {}, {}, "", "the table has no snapshots"},
      {"nothing old",
       {{1, 0, 3}, {2, 1, 2}},
       {{"main", 2}},
       {},
       {},
       "",
       "every snapshot is to stay"},
      {"a circle ends",
       {{1, 2, 100}, {2, 1, 50}},
       {{"main", 2}},
       {},
       {},
       "",
       "1 goes: older than 12h, on branch main\n2 stays: head of branch main"},
  };
}

TEST(SnapshotExpiry, EachRule) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.name);
    const TableMetadata table = MakeTable(c.snapshots, c.refs, c.properties);
    ExpiryContext context;
    context.now_ms = kNow;
    context.holds = c.holds;
    const ExpiryPlan plan = Plan(table, context);
    EXPECT_EQ(Text(plan), c.expected);
    std::string gone;
    for (const auto& ref : plan.refs) {
      if (ref.expires) gone += (gone.empty() ? "" : " ") + ref.name;
    }
    EXPECT_EQ(gone, c.refs_gone);
    if (!plan.nothing.empty()) continue;
    // The commit does what the decisions say.
    ASSERT_TRUE(CheckRequirements(&table, plan.request.requirements).ok());
    auto next = ApplyUpdates(table, plan.request.updates, {kNow, ""});
    ASSERT_TRUE(next.ok()) << next.status().ToString();
    for (const auto& one : plan.snapshots)
      EXPECT_EQ(next->FindSnapshot(one.snapshot_id) == nullptr, one.expires) << one.snapshot_id;
    for (const auto& ref : plan.refs) EXPECT_EQ(!next->refs.contains(ref.name), ref.expires);
    EXPECT_TRUE(Plan(*next, context).request.updates.empty());
  }
}

TEST(SnapshotExpiry, TheOldestGoFirst) {
  std::vector<Row> rows;
  for (int64_t id = 1; id <= 10; ++id) rows.push_back({id, id - 1, 100 - id});
  TableMetadata table = MakeTable(rows, {{"main", 10}}, {});
  ExpiryContext context;
  context.now_ms = kNow;
  context.max_snapshots = 4;
  std::vector<size_t> steps;
  for (ExpiryPlan plan = Plan(table, context); plan.nothing.empty(); plan = Plan(table, context)) {
    steps.push_back(plan.expired.snapshots.size());
    EXPECT_EQ(plan.more, steps.size() < 3);
    EXPECT_EQ(plan.expired.snapshots[0].snapshot_id, static_cast<int64_t>(4 * steps.size() - 3));
    auto next = ApplyUpdates(table, plan.request.updates, {kNow, ""});
    ASSERT_TRUE(next.ok());
    table = *next;
  }
  EXPECT_EQ(steps, (std::vector<size_t>{4, 4, 1}));
}

TEST(SnapshotExpiry, ARefThatMovesOrGoesMeanwhileRefusesTheCommit) {
  const TableMetadata table = MakeTable(kLine, {{"main", 4}, {"v", 4, kTag}}, {});
  const ExpiryPlan plan = Plan(table, {.now_ms = kNow});
  EXPECT_TRUE(CheckRequirements(&table, plan.request.requirements).ok());
  const TableMetadata moved = MakeTable(kLine, {{"main", 4}, {"v", 2, kTag}}, {});
  EXPECT_EQ(CheckRequirements(&moved, plan.request.requirements).code(), Code::kConflict);
  const TableMetadata gone = MakeTable(kLine, {{"main", 4}}, {});
  EXPECT_EQ(CheckRequirements(&gone, plan.request.requirements).code(), Code::kConflict);
}

TEST(SnapshotExpiry, StatisticsGoWithTheirSnapshots) {
  TableMetadata table = MakeTable(kLine, {{"main", 4}}, {});
  const auto add = [&](int64_t snapshot, const std::string& path, int64_t bytes) {
    iceberg::StatisticsFile file;
    file.snapshot_id = snapshot;
    file.statistics_path = path;
    file.file_size_in_bytes = bytes;
    table.statistics.push_back(file);
  };
  add(1, "a", 10);
  add(2, "shared", 20);
  add(4, "shared", 20);
  add(99, "of one that is gone", 30);
  iceberg::PartitionStatisticsFile partitions;
  partitions.snapshot_id = 3;
  partitions.statistics_path = "p";
  partitions.file_size_in_bytes = 40;
  table.partition_statistics.push_back(partitions);
  const ExpiryPlan plan = Plan(table, {.now_ms = kNow});
  EXPECT_EQ(plan.expired.statistics, (std::vector<ExpiredSnapshots::Statistics>{
                                         {"a", 10}, {"of one that is gone", 30}, {"p", 40}}));
  auto next = ApplyUpdates(table, plan.request.updates, {kNow, ""});
  ASSERT_TRUE(next.ok());
  ASSERT_EQ(next->statistics.size(), 1u);
  EXPECT_EQ(next->statistics[0].snapshot_id, 4);
  EXPECT_TRUE(next->partition_statistics.empty());
}

TEST(SnapshotExpiry, SchemasThatNothingHasGoIfAsked) {
  for (const std::string clean : {"true", "false"}) {
    TableMetadata table = MakeTable(kLine, {{"main", 4}}, {{"table-expire.clean-schemas", clean}});
    const auto add = [&](int32_t id, int32_t column) {
      table.schemas.push_back(std::make_shared<const iceberg::Schema>(
          id, std::vector<iceberg::Field>{
                  {column, "c", false, iceberg::Type::Primitive(iceberg::TypeKind::kLong)}}));
    };
    add(1, 1);  // of a snapshot that goes
    add(2, 7);  // of a partition spec
    auto spec = std::make_shared<iceberg::PartitionSpec>();
    spec->spec_id = 1;
    spec->fields.push_back({{7}, 1000, "c", iceberg::Transform::Identity()});
    table.partition_specs.push_back(spec);
    Snapshot old = *table.snapshots[0];
    old.schema_id = 1;
    table.snapshots[0] = std::make_shared<const Snapshot>(old);
    const ExpiryPlan plan = Plan(table, {.now_ms = kNow});
    EXPECT_EQ(plan.schemas, clean == "true" ? std::vector<int32_t>{1} : std::vector<int32_t>{});
    auto next = ApplyUpdates(table, plan.request.updates, {kNow, ""});
    ASSERT_TRUE(next.ok()) << next.status().ToString();
    EXPECT_EQ(next->schemas.size(), clean == "true" ? 2u : 3u);
  }
}

TEST(SnapshotExpiry, WhatExpiredComesBackFromJson) {
  ExpiredSnapshots expired;
  expired.snapshots = {{1, "list", {}}, {2, "", {"m1", "m2"}}};
  expired.statistics = {{"s", 12}};
  std::string text;
  JsonWriter out(&text);
  WriteExpiredSnapshots(expired, &out);
  const Json json = Json::Parse(text).value();
  auto again = ExpiredSnapshotsFromJson(JsonCursor(json));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, expired);
}

TEST(SnapshotExpiry, WhatHoldsKeep) {
  // 1 <- 2 <- 3 (main), 2 <- 5 (work)
  const TableMetadata table =
      MakeTable({{2, 1, 8}, {3, 2, 7}, {5, 2, 6}}, {{"main", 3}, {"work", 5}, {"t", 2, kTag}}, {});
  struct Case {
    SnapshotHold hold;
    std::vector<int64_t> kept;
    bool main, work;
  };
  for (const Case& c : std::vector<Case>{
           {{"", {2}, 2}, {2, 3, 5}, true, true},
           {{"", {3}, 3}, {3}, true, false},
           {{"", {5}, 5}, {5}, false, true},
           {{"", {2}, std::nullopt}, {2}, false, false},
           {{"", {1}, 1}, {1, 2, 3, 5}, true, true},  // gone: what came after it stays
           {{"", {77}, 77}, {77}, false, false},
       }) {
    EXPECT_EQ(HeldSnapshots(table, {c.hold}), c.kept);
    EXPECT_EQ(IsHeldBranch(table, {c.hold}, "main"), c.main);
    EXPECT_EQ(IsHeldBranch(table, {c.hold}, "work"), c.work);
    EXPECT_FALSE(IsHeldBranch(table, {c.hold}, "t"));
  }
}

}  // namespace
}  // namespace moraine::upkeep
