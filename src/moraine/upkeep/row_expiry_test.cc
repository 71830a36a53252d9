#include "moraine/upkeep/row_expiry.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/scan/plan_files.h"
#include "moraine/iceberg/scan/table_filter.h"
#include "moraine/iceberg/testing/row_delta.h"
#include "moraine/iceberg/testing/table_rows.h"
#include "moraine/iceberg/testing/test_table.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/upkeep/data_expiry.h"
#include "moraine/upkeep/files_with_deletes.h"

namespace moraine::upkeep {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// Column id holds seconds; rows of before second 1000 are old.
class RowExpiryTest : public ::testing::TestWithParam<int> {
 protected:
  iceberg::RowDeltaPart Part(int32_t day, std::string rows) {
    return table_.Rows(day, std::move(rows));
  }
  void Commit(const std::vector<iceberg::RowDeltaPart>& parts) {
    const Status committed = table_.CommitRows(call_, parts);
    ASSERT_TRUE(committed.ok()) << committed.ToString();
  }

  Result<ExpiredData> Find(bool dry_run = false) {
    MORAINE_ASSIGN(const std::string location, table_.WriteMetadata(call_));
    tasks::MaintenanceTask task;
    task.kind = kFindExpiredData;
    task.process_id = "run";
    task.task_id = ++tasks_;
    task.table_uuid = table_.metadata()->table_uuid;
    DataExpiryTask wanted;
    wanted.place = {location, table_.metadata()->current_snapshot_id};
    wanted.field = {.name = "id", .seconds = true};
    wanted.level = ExpireLevel::kRow;
    wanted.threshold_ms = 1'000'000;
    wanted.dry_run = dry_run;
    task.body = ToBody(wanted);
    MORAINE_ASSIGN(auto output, RunMaintenanceTask(call_, files_, task, {}, nullptr));
    return ExpiredDataOf(output, *table_.metadata());
  }

  Status Remove(const ExpiredData& expired) {
    return table_.Commit(call_, RemoveExpiredData(expired)).status();
  }

  std::vector<std::string> Rows() {
    auto rows = iceberg::TableRows(files_, *table_.metadata());
    EXPECT_TRUE(rows.ok()) << rows.status().ToString();
    return rows.ok() ? *rows : std::vector<std::string>();
  }

  testing::TestEnv env_;
  Call call_ = env_.call();
  io::MemoryFileSystem files_;
  iceberg::TestTable table_{files_, {.format_version = GetParam()}};
  int tasks_ = 0;
};

TEST_P(RowExpiryTest, DeletesOldRowsAndOldFiles) {
  Commit({Part(1, R"([[10, 1, "old"], [2000, 1, "new"], [null, 1, "no time"], [999, 1, "old"]])"),
          Part(2, R"([[10, 2, "old"], [20, 2, "old"]])"), Part(3, R"([[1000, 3, "new"]])")});
  const auto before = Rows();
  auto found = Find(true);
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  EXPECT_EQ(found->rows_deleted, 2);
  EXPECT_EQ(found->rows, 2);
  EXPECT_THAT(found->new_deletes, IsEmpty());
  found = Find();
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  EXPECT_EQ(found->rows_deleted, 2);
  EXPECT_THAT(found->data, SizeIs(1));
  ASSERT_THAT(found->new_deletes, SizeIs(1));
  EXPECT_EQ(found->new_deletes[0].is_deletion_vector(), GetParam() == 3);
  ASSERT_TRUE(Remove(*found).ok());
  EXPECT_THAT(Rows(), SizeIs(3));
  for (const auto& row : Rows()) EXPECT_EQ(row.find("old"), std::string::npos) << row;
  // Nothing is deleted twice.
  found = Find();
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->rows_deleted, 0);
  EXPECT_THAT(found->data, IsEmpty());
  EXPECT_THAT(before, SizeIs(7));
}

TEST_P(RowExpiryTest, KeepsWhatWasDeletedBefore) {
  auto part =
      Part(1, R"([[10, 1, "old"], [2000, 1, "dropped"], [2001, 1, "keyed"], [3000, 1, "new"],
                          [20, 1, "old keyed"]])");
  part.dropped = {1};
  Commit({part});
  auto keys = Part(1, "");
  keys.key_columns = {"id"};
  keys.keys = "[[2001], [20]]";
  Commit({keys});
  ASSERT_THAT(Rows(), SizeIs(2));
  auto found = Find();
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  EXPECT_EQ(found->rows_deleted, 1);
  ASSERT_THAT(found->new_deletes, SizeIs(1));
  if (GetParam() == 3) {
    // The vector of before is part of the new one.
    EXPECT_THAT(found->deletes, SizeIs(1));
    EXPECT_EQ(found->new_deletes[0].record_count, 2);
  }
  ASSERT_TRUE(Remove(*found).ok());
  ASSERT_THAT(Rows(), SizeIs(1));
  EXPECT_NE(Rows()[0].find("new"), std::string::npos);
}

/// Planning holds all deletes at once; this only those of the files at hand.
TEST_P(RowExpiryTest, DeletesOfAFewFilesAtATime) {
  for (int32_t day = 1; day <= 12; ++day) {
    auto part = Part(day, R"([[10, 1, "old"], [2000, 1, "dropped"], [2001, 1, "keyed"]])");
    part.dropped = {1};
    Commit({part});
    auto keys = Part(day, "");
    keys.key_columns = {"id"};
    keys.keys = "[[2001]]";
    Commit({keys});
  }
  OpenedSnapshot opened;
  opened.metadata = *table_.metadata();
  opened.snapshot = *table_.metadata()->CurrentSnapshot();
  opened.manifests =
      iceberg::LoadManifests(call_, files_, opened.metadata, opened.snapshot).value();
  const auto line = [](const iceberg::FileTask& task) {
    std::string text = task.file().file_path + ":";
    for (const auto& deletes : task.deletes) text += " " + deletes->file.file_path;
    return text;
  };
  std::vector<std::string> planned;
  ASSERT_TRUE(iceberg::PlanFiles(call_, files_, opened.metadata, opened.snapshot, nullptr, {},
                                 [&](iceberg::FileTask& task) -> Status {
                                   planned.push_back(line(task));
                                   return {};
                                 })
                  .ok());
  const auto all = [](const iceberg::DataFile&) { return true; };
  for (const int64_t memory : {int64_t{1} << 20, int64_t{12'000}}) {
    std::vector<std::string> found;
    auto read = VisitFilesWithDeletes(call_, files_, opened, memory, all,
                                      [&](iceberg::FileTask& task) -> Result<bool> {
                                        found.push_back(line(task));
                                        return true;
                                      });
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    EXPECT_EQ(found, planned);
    if (memory > 100'000) {
      EXPECT_EQ(read->passes, 1);
    } else {
      EXPECT_GT(read->passes, 2);
    }
  }
  int visited = 0;
  const auto once = [&](iceberg::FileTask&) -> Result<bool> { return ++visited < 1; };
  EXPECT_TRUE(VisitFilesWithDeletes(call_, files_, opened, 12'000, all, once).ok());
  EXPECT_EQ(visited, 1);
  EXPECT_EQ(VisitFilesWithDeletes(call_, files_, opened, 100, all, once).status().code(),
            Code::kExhausted);
}

TEST_P(RowExpiryTest, GivesWayToWhoRewritesTheFile) {
  Commit({Part(1, R"([[10, 1, "old"], [2000, 1, "new"]])")});
  auto found = Find();
  ASSERT_TRUE(found.ok());
  const auto entries = iceberg::LiveEntries(files_, *table_.metadata());
  iceberg::SnapshotChanges changes;
  changes.operation = iceberg::SnapshotOperation::kOverwrite;
  changes.removed_data = {iceberg::RemovedFile::Of(entries->at(0).file)};
  changes.added = {{table_.Data("other", 1), {}}};
  ASSERT_TRUE(table_.Commit(call_, std::move(changes)).ok());
  EXPECT_EQ(Remove(*found).code(), Code::kConflict);
}

INSTANTIATE_TEST_SUITE_P(Versions, RowExpiryTest, ::testing::Values(2, 3));

}  // namespace
}  // namespace moraine::upkeep
