#include "moraine/maintenance/orphan_files.h"

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/catalog/claims.h"
#include "moraine/catalog/purges.h"
#include "moraine/catalog/schema.h"
#include "moraine/iceberg/testing/test_table.h"
#include "moraine/io/testing/hooked_files.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/maintenance/deletion_rounds.h"
#include "moraine/maintenance/purge.h"
#include "moraine/maintenance/quarantines.h"
#include "moraine/maintenance/run_store.h"
#include "moraine/maintenance/schema.h"
#include "moraine/optimizing/schema.h"
#include "moraine/store/testing/test_database.h"
#include "moraine/upkeep/deletion_task.h"
#include "moraine/upkeep/orphan_task.h"
#include "moraine/upkeep/quarantine_task.h"
#include "moraine/upkeep/run_task.h"
#include "moraine/upkeep/table_files_task.h"

namespace moraine::maintenance {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kRoot[] = "file:///warehouse/t";
constexpr int64_t kTableId = 7;
constexpr int64_t kDayMs = 24LL * 3'600'000;

/// What a run ended with.
struct Ended {
  std::string summary;
  int64_t files_removed = 0;
  bool nothing = false;
  int tasks = 0;
};

class OrphanFilesTest : public testing::Test {
 protected:
  OrphanFilesTest()
      : call_(env_.call(std::chrono::hours(10'000))),
        database_(store::MakeTestDatabase(call_)),
        table_(files_, {}) {
    EXPECT_TRUE(store::Migrate(call_, *database_, "catalog", catalog::Migrations()).ok());
    EXPECT_TRUE(store::Migrate(call_, *database_, "purges", catalog::PurgeMigrations()).ok());
    EXPECT_TRUE(store::Migrate(call_, *database_, "optimizing", optimizing::Migrations()).ok());
    EXPECT_TRUE(store::Migrate(call_, *database_, "maintenance", Migrations()).ok());
    EXPECT_TRUE(table_.Append(call_, {"a", "b"}).ok());
    for (const char* name : {"a", "b"}) Put(table_.Path(name));
    Commit();
  }

  int64_t Now() { return ToMillis(env_.clock().Wall()); }
  void Put(const std::string& location) { files_.Put(location, "bytes", Now() - 3 * kDayMs); }
  /// The table's metadata becomes a file that the catalog leads to.
  void Commit() {
    auto loaded = std::make_shared<catalog::LoadedTable>();
    loaded->table_id = kTableId;
    loaded->version = ++version_;
    loaded->metadata_location = fmt::format("{}/metadata/{:05}-x.metadata.json", kRoot, version_);
    loaded->metadata = table_.metadata();
    files_.Put(loaded->metadata_location, iceberg::TableMetadataToJson(*table_.metadata()), Now());
    for (const auto& entry : table_.metadata()->metadata_log) {
      if (!files_.Has(entry.metadata_file)) Put(entry.metadata_file);
    }
    loaded_ = std::move(loaded);
  }
  void Claim(int64_t table_id, const std::string& place) {
    EXPECT_TRUE(
        database_
            ->Run(call_, store::Access::kWrite,
                  [&](store::Transaction& t) { return catalog::AddClaims(t, {place}, table_id); })
            .ok());
  }

  RunContext Context() {
    RunContext context;
    context.run_id =
        fmt::format("{:08x}-{:04x}-7000-8000-{:012}", Now() >> 16, Now() & 0xffff, ++runs_);
    context.subject = {.table_id = kTableId,
                       .warehouse = "w",
                       .name = "w.ns.t",
                       .table_uuid = table_.metadata()->table_uuid,
                       .metadata_location = loaded_->metadata_location};
    context.table = loaded_;
    context.config = upkeep::MaintenanceConfigOf(properties_);
    context.now_ms = Now();
    context.memory = memory_;
    context.files = &files_;
    context.database = database_.get();
    return context;
  }
  /// As the runner does it. between: before each round of tasks but the first.
  Result<Ended> Run(Action& action, RunContext context) {
    Ended ended;
    MORAINE_ASSIGN(Step step, action.Start(call_, context));
    int32_t next_task = 0;
    while (auto* tasks = std::get_if<RunTasks>(&step)) {
      std::vector<TaskResult> results;
      for (const NewTask& made : tasks->tasks) {
        tasks::MaintenanceTask task;
        task.kind = made.kind;
        task.process_id = context.run_id;
        task.task_id = next_task++;
        task.attempt = 1;
        task.table = "w.ns.t";
        task.table_uuid = context.subject.table_uuid;
        task.output_folder = std::string(kRoot) + "/metadata";
        task.body = made.body;
        auto output = upkeep::RunMaintenanceTask(call_, store_, task, {}, nullptr);
        results.push_back({task.task_id, made.kind, made.body, output.status(),
                           output.ok() ? *output : tasks::MaintenanceOutput{}});
        made_.emplace_back(made.kind, made.body);
        ++ended.tasks;
      }
      if (between_) std::exchange(between_, nullptr)();
      context.state = stage_ = tasks->state;
      if (context.table != nullptr) context.table = loaded_;
      MORAINE_ASSIGN(step, action.Continue(call_, context, results));
    }
    if (auto* nothing = std::get_if<Nothing>(&step)) {
      ended.nothing = true;
      ended.summary = nothing->reason;
      if (nothing->memory) memory_ = *nothing->memory;
      return ended;
    }
    auto& done = std::get<Done>(step);
    ended.summary = done.summary;
    ended.files_removed = done.files_removed;
    if (done.memory) memory_ = *done.memory;
    EXPECT_TRUE(Json::Parse(done.details).ok()) << done.details;
    return ended;
  }
  Ended Clean() { return Clean(Context()); }
  Ended Clean(const RunContext& context) {
    auto ended = Run(*MakeCleanOrphanFiles(), context);
    EXPECT_TRUE(ended.ok()) << ended.status().ToString();
    return ended.ok() ? *ended : Ended{};
  }
  std::vector<std::string> Quarantined() {
    std::vector<std::string> out;
    for (const std::string& location : files_.Locations()) {
      if (location.find("/.quarantine/") != location.npos) out.push_back(location);
    }
    return out;
  }

  testing::TestEnv env_;
  Call call_;
  std::unique_ptr<store::Database> database_;
  io::MemoryFileSystem files_;
  io::HookedFiles store_{files_};  // as workers see it
  iceberg::TestTable table_;
  catalog::LoadedTablePtr loaded_;
  iceberg::StringMap properties_;
  std::string memory_ = "{}";
  std::string stage_;  ///< of the last round of tasks
  std::function<void()> between_;
  std::vector<std::pair<std::string, std::string>> made_;  ///< kinds and bodies of tasks
  int64_t version_ = 0;
  int runs_ = 0;
};

TEST_F(OrphanFilesTest, FirstOrphansWaitInQuarantineAndLaterOnesGoAtOnce) {
  Put(table_.Path("o1"));
  Ended ended = Clean();
  EXPECT_THAT(ended.summary, HasSubstr("1 orphan files (5 B) were moved to the quarantine"));
  EXPECT_EQ(ended.files_removed, 0);
  EXPECT_FALSE(files_.Has(table_.Path("o1")));
  ASSERT_EQ(Quarantined().size(), 2U);  // the file, and where it came from

  env_.clock().Advance(std::chrono::hours(24));
  ended = Clean();
  EXPECT_THAT(ended.summary, HasSubstr("no orphans"));
  EXPECT_EQ(Quarantined().size(), 2U) << "the hold has not ended";

  env_.clock().Advance(std::chrono::hours(24 * 7));
  Put(table_.Path("o2"));
  ended = Clean();
  EXPECT_THAT(Quarantined(), IsEmpty());
  EXPECT_THAT(ended.summary, HasSubstr("were deleted"));
  EXPECT_FALSE(files_.Has(table_.Path("o2")));
  EXPECT_TRUE(files_.Has(table_.Path("a")));
  EXPECT_TRUE(files_.Has(loaded_->metadata_location));
}

TEST_F(OrphanFilesTest, QuarantineIsBroughtBack) {
  Put(table_.Path("o1"));
  Clean();
  EXPECT_FALSE(files_.Has(table_.Path("o1")));
  memory_ = R"({"trusted":true})";
  RunContext context = Context();
  context.options = R"({"restore":"all"})";
  EXPECT_EQ(Clean(context).summary, "1 files were brought back");
  EXPECT_TRUE(files_.Has(table_.Path("o1")));
  EXPECT_EQ(memory_, "{}") << "no longer trusted";
  context.options = R"({"restore":"nobody"})";
  EXPECT_EQ(Clean(context).summary, "there is no such quarantine");
}

/// A worker that has not heard that the run was cancelled would delete what was just brought back.
TEST_F(OrphanFilesTest, NothingIsBroughtBackWhileFilesMayStillBeMovedAway) {
  Put(table_.Path("o1"));
  const RunContext moving = Context();
  Clean(moving);
  MaintenanceRun row;
  row.run_id = moving.run_id;
  row.action = upkeep::Action::kCleanOrphanFiles;
  row.subject = moving.subject;
  row.state = RunState::kCancelled;
  row.stage = stage_;
  row.may_write_until_ms = Now() + 3'600'000;
  ASSERT_TRUE(database_
                  ->Run(call_, store::Access::kWrite,
                        [&](store::Transaction& t) { return InsertRun(t, row); })
                  .ok());
  env_.clock().Advance(std::chrono::minutes(19));
  for (const std::string& which : {std::string("all"), moving.run_id}) {
    RunContext back = Context();
    back.options = fmt::format(R"({{"restore":"{}"}})", which);
    EXPECT_EQ(Run(*MakeCleanOrphanFiles(), back).status().code(), Code::kUnavailable) << which;
  }
  EXPECT_EQ(Quarantined().size(), 2U);

  env_.clock().Advance(std::chrono::minutes(2));
  RunContext back = Context();
  back.options = R"({"restore":"all"})";
  EXPECT_EQ(Clean(back).summary, "1 files were brought back");
  EXPECT_TRUE(files_.Has(table_.Path("o1")));
}

TEST_F(OrphanFilesTest, WhatWasBroughtBackDoesNotMakeTrust) {
  Put(table_.Path("o1"));
  Clean();
  RunContext context = Context();
  context.options = R"({"restore":"all"})";
  Clean(context);
  EXPECT_THAT(Quarantined(), IsEmpty());
  env_.clock().Advance(std::chrono::hours(24 * 8));
  files_.Put(table_.Path("o1"), "bytes", Now() - 3 * kDayMs);
  EXPECT_THAT(Clean().summary, HasSubstr("were moved to the quarantine"));
}

/// Nothing was moved before the crash: that nobody missed it says nothing.
TEST_F(OrphanFilesTest, AnEmptyQuarantineDoesNotMakeTrust) {
  ASSERT_TRUE(NoteRoots(call_, files_,
                        upkeep::QuarantineFolder(kRoot, "018f0000-0000-7000-8000-000000000000"),
                        {kRoot})
                  .ok());
  env_.clock().Advance(std::chrono::hours(24 * 8));
  Put(table_.Path("o1"));
  EXPECT_THAT(Clean().summary, HasSubstr("were moved to the quarantine"));
}

TEST_F(OrphanFilesTest, EveryTaskKnowsTheRate) {
  properties_ = {{"maintenance.delete-files-per-second", "2147483647"}};
  Put(table_.Path("o1"));
  Clean();
  RunContext back = Context();
  back.options = R"({"restore":"all"})";
  Clean(back);
  Clean();
  env_.clock().Advance(std::chrono::hours(24 * 8));
  Clean();
  int limited = 0;
  for (const auto& [kind, body] : made_) {
    if (kind == upkeep::kFindOrphansKind) continue;
    EXPECT_THAT(body, HasSubstr(R"("files-per-second":2147483647)")) << kind;
    ++limited;
  }
  EXPECT_GE(limited, 3);
}

/// The chunks of a round must end while what they looked at is fresh, however slow.
TEST_F(OrphanFilesTest, ASlowRateMakesSmallChunks) {
  RunContext context = Context();
  context.config.delete_files_per_second = 1;
  DeletionRounds rounds{.every_task = {.list = "l", .roots = {kRoot}}, .files = 5'000};
  int64_t files = 0;
  for (const NewTask& made : NextRound(context, &rounds).tasks) {
    files += upkeep::DeletionBodyFromJson(made.body)->count;
  }
  EXPECT_GT(files, 0);
  EXPECT_LE(files, kDeletionFresh.count() / 1'000);
}

TEST_F(OrphanFilesTest, PurgeKnowsTheRateOfTheTable) {
  iceberg::CommitRequest request;
  request.updates.emplace_back(
      iceberg::update::SetProperties{{{"maintenance.delete-files-per-second", "1"}}});
  ASSERT_TRUE(table_.Apply(request).ok());
  Commit();
  RunContext context = Context();
  context.table = nullptr;
  auto step = MakePurgeTable()->Start(call_, context);
  ASSERT_TRUE(step.ok()) << step.status().ToString();
  context.state = std::get<RunTasks>(*step).state;
  TaskResult listed{.kind = std::string(upkeep::kListTableFilesKind)};
  listed.output.result = upkeep::TableFilesResultToJson({.list = "l", .files = 9, .bytes = 9});
  step = MakePurgeTable()->Continue(call_, context, {listed});
  ASSERT_TRUE(step.ok()) << step.status().ToString();
  EXPECT_THAT(std::get<RunTasks>(*step).tasks.at(0).body, HasSubstr(R"("files-per-second":1,)"));
}

TEST_F(OrphanFilesTest, FileThatIsCommittedMeanwhileStays) {
  properties_ = {{"clean-orphan-file.quarantine", "false"}};
  Put(table_.Path("o1"));
  Put(table_.Path("o2"));
  between_ = [&] {
    ASSERT_TRUE(table_.Append(call_, {"o2"}).ok());
    Commit();
  };
  EXPECT_EQ(Clean().summary, "1 orphan files (5 B) were deleted, 1 are used again");
  EXPECT_FALSE(files_.Has(table_.Path("o1")));
  EXPECT_TRUE(files_.Has(table_.Path("o2")));
}

TEST_F(OrphanFilesTest, DryRunMovesNothing) {
  Put(table_.Path("o1"));
  RunContext context = Context();
  context.dry_run = true;
  EXPECT_THAT(Clean(context).summary, HasSubstr("1 orphan files (5 B) among"));
  EXPECT_TRUE(files_.Has(table_.Path("o1")));
}

TEST_F(OrphanFilesTest, TellsWhyItDoesNothing) {
  Put(table_.Path("o1"));
  properties_ = {{"gc.enabled", "false"}};
  EXPECT_EQ(Clean().summary, "gc.enabled is false");
  properties_ = {};
  Put(std::string(kRoot) + "/inner/metadata/1.metadata.json");
  EXPECT_THAT(Clean().summary, HasSubstr("another table lives in the table's folders"));
  Claim(9, std::string(kRoot) + "/data/nested");
  EXPECT_THAT(Clean().summary, HasSubstr("another table's place overlaps the table's"));
  EXPECT_TRUE(files_.Has(table_.Path("o1")));
}

/// Another catalog may go on with it: its newer files are nothing that this one knows.
TEST_F(OrphanFilesTest, LeavesTablesOfOthersAlone) {
  Put(table_.Path("o1"));
  auto registered = std::make_shared<catalog::LoadedTable>(*loaded_);
  registered->origin = "registered";
  RunContext context = Context();
  context.table = registered;
  EXPECT_THAT(Clean(context).summary, HasSubstr("clean-orphan-file.enabled must be set on itself"));
  auto encrypted = std::make_shared<catalog::LoadedTable>(*loaded_);
  auto metadata = *loaded_->metadata;
  metadata.properties["encryption.key-id"] = "k";
  encrypted->metadata = std::make_shared<const iceberg::TableMetadata>(std::move(metadata));
  context.table = encrypted;
  EXPECT_EQ(Clean(context).summary, "the table is encrypted");
  EXPECT_TRUE(files_.Has(table_.Path("o1")));
}

/// A worker whose clock is wrong must not make rounds for ever.
TEST_F(OrphanFilesTest, RoundsInVainWait) {
  RunContext context = Context();
  DeletionRounds rounds{.every_task = {.list = "l", .roots = {kRoot}}, .files = 5};
  const auto in_vain = [&] {
    context.now_ms += 1'000;
    std::vector<TaskResult> results;
    for (const NewTask& made : NextRound(context, &rounds).tasks) {
      TaskResult result{.kind = made.kind, .body = made.body};
      result.output.result = upkeep::DeletionResultToJson({.stale = true});
      results.push_back(std::move(result));
    }
    return results;
  };
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(CountRound(context, in_vain(), &rounds).ok());
  const auto results = in_vain();
  const DeletionRounds stored = rounds;
  EXPECT_EQ(CountRound(context, results, &rounds).code(), Code::kUnavailable);
  rounds = stored;  // as the run's row has it
  context.now_ms += kDeletionFresh.count();
  EXPECT_TRUE(CountRound(context, results, &rounds).ok());
  EXPECT_FALSE(rounds.done());
}

TEST_F(OrphanFilesTest, OutputsOfRunningProcessesStay) {
  properties_ = {{"clean-orphan-file.quarantine", "false"}};
  EXPECT_TRUE(database_
                  ->Run(call_, store::Access::kWrite,
                        [&](store::Transaction& t) {
                          return t
                              .Execute(
                                  "INSERT INTO active_process (table_id, process_id) VALUES "
                                  "(?, ?)",
                                  {kTableId, std::string("p-1")})
                              .status();
                        })
                  .ok());
  Put(std::string(kRoot) + "/data/p-1-0-1-0.parquet");
  Put(std::string(kRoot) + "/data/p-2-0-1-0.parquet");
  EXPECT_EQ(Clean().files_removed, 1);
  EXPECT_TRUE(files_.Has(std::string(kRoot) + "/data/p-1-0-1-0.parquet"));
}

TEST_F(OrphanFilesTest, PurgeTakesTheTableAndLeavesStrangers) {
  Put(table_.Path("o1"));
  Clean();
  Put(table_.Path("stranger"));
  RunContext context = Context();
  context.table = nullptr;
  auto ended = Run(*MakePurgeTable(), context);
  ASSERT_TRUE(ended.ok()) << ended.status().ToString();
  EXPECT_THAT(ended->summary, HasSubstr("of the dropped table were deleted"));
  EXPECT_FALSE(files_.Has(table_.Path("a")));
  EXPECT_FALSE(files_.Has(loaded_->metadata_location));
  EXPECT_TRUE(files_.Has(table_.Path("stranger")));
  EXPECT_THAT(Quarantined(), IsEmpty());
  ended = Run(*MakePurgeTable(), context);
  ASSERT_TRUE(ended.ok());
  EXPECT_THAT(ended->summary, HasSubstr("metadata file is gone"));
}

TEST_F(OrphanFilesTest, PurgeForgetsNothingThatTheStoreHolds) {
  Put(table_.Path("o1"));
  Clean();
  RunContext context = Context();
  context.table = nullptr;
  const auto deny = [this](Code code, const std::string& part) {
    store_.on_delete = [code, part](const std::string& location) {
      return location.find(part) == location.npos ? Status() : Status(code, "not this one");
    };
  };
  // The quarantine can't be emptied just now.
  auto begun = MakePurgeTable()->Start(call_, context);
  ASSERT_TRUE(begun.ok()) << begun.status().ToString();
  RunContext later = context;
  later.state = std::get<RunTasks>(*begun).state;
  TaskResult listed{.kind = std::string(upkeep::kListTableFilesKind)};
  listed.output.result = upkeep::TableFilesResultToJson({.list = "l", .files = 9, .bytes = 9});
  begun = MakePurgeTable()->Continue(call_, later, {listed});
  ASSERT_TRUE(begun.ok()) << begun.status().ToString();
  const auto& emptying = std::get<RunTasks>(*begun);
  ASSERT_EQ(emptying.tasks.at(0).kind, upkeep::kEmptyQuarantineKind);
  later.state = emptying.state;
  TaskResult late{.kind = std::string(upkeep::kEmptyQuarantineKind)};
  late.output.result = upkeep::DeletionResultToJson({.deleted = 3, .stale = true});
  auto more = MakePurgeTable()->Continue(call_, later, {late});
  ASSERT_TRUE(more.ok()) << more.status().ToString();
  EXPECT_EQ(std::get<RunTasks>(*more).tasks.at(0).kind, upkeep::kEmptyQuarantineKind);
  late.output.result = upkeep::DeletionResultToJson({.stale = true});
  EXPECT_EQ(MakePurgeTable()->Continue(call_, later, {late}).status().code(), Code::kInternal);
  TaskResult busy;
  busy.kind = upkeep::kEmptyQuarantineKind;
  busy.output.result = upkeep::DeletionResultToJson(
      {.failed = 1, .passing = 1, .failures = {{"file:///o1", "Exhausted: slow down"}}});
  EXPECT_THAT(MakePurgeTable()->Continue(call_, later, {busy}).status().ToString(),
              HasSubstr("file:///o1: Exhausted"));
  deny(Code::kPermissionDenied, "/data/a.");
  auto ended = Run(*MakePurgeTable(), context);
  ASSERT_TRUE(ended.ok()) << ended.status().ToString();
  EXPECT_THAT(ended->summary, HasSubstr("1 could not be, the first: " + table_.Path("a")));
  EXPECT_GT(ended->tasks, 8);
  EXPECT_TRUE(files_.Has(table_.Path("a")));
  EXPECT_FALSE(files_.Has(table_.Path("b")));
  EXPECT_THAT(Quarantined(), IsEmpty());
}

/// A table that is registered again may want its quarantine back.
TEST_F(OrphanFilesTest, PurgeYieldsToWhoeverHasThePlace) {
  Put(table_.Path("o1"));
  Clean();
  const auto put_aside = Quarantined();
  ASSERT_THAT(put_aside, testing::SizeIs(2));
  RunContext context = Context();
  context.table = nullptr;
  between_ = [&] { Claim(9, kRoot); };
  auto ended = Run(*MakePurgeTable(), context);
  ASSERT_TRUE(ended.ok()) << ended.status().ToString();
  EXPECT_THAT(ended->summary, HasSubstr("given up after 0 files"));
  ended = Run(*MakePurgeTable(), context);
  ASSERT_TRUE(ended.ok());
  EXPECT_TRUE(ended->nothing);
  EXPECT_TRUE(files_.Has(table_.Path("a")));
  EXPECT_EQ(Quarantined(), put_aside);
}

/// Whoever registers a table there would name files that a task is about to delete.
TEST_F(OrphanFilesTest, NobodyGetsAPlaceWhileItIsPurged) {
  RunContext context = Context();
  context.table = nullptr;
  const auto ask = [&](const std::string& place) {
    return database_->Run(call_, store::Access::kWrite, [&](store::Transaction& t) {
      return catalog::CheckUnclaimed(t, {place}, 9);
    });
  };
  EXPECT_TRUE(ask(kRoot).ok());
  ASSERT_TRUE(Run(*MakePurgeTable(), context).ok());
  for (const char* place : {kRoot, "file:///warehouse", "file:///warehouse/t/data"}) {
    const Status refused = ask(place);
    EXPECT_EQ(refused.code(), Code::kConflict) << place;
    EXPECT_THAT(std::string(refused.message()),
                HasSubstr("files of a dropped table are being deleted in file:///warehouse/t"));
  }
  EXPECT_TRUE(ask("file:///warehouse/t2").ok());
  // A lost attempt may go on for a minute after the end.
  ASSERT_TRUE(database_
                  ->Run(call_, store::Access::kWrite,
                        [&](store::Transaction& t) -> Status {
                          MORAINE_ASSIGN(const int64_t now_ms, t.NowMs());
                          return catalog::EndPurge(t, kTableId, now_ms + 60'000);
                        })
                  .ok());
  EXPECT_EQ(ask(kRoot).code(), Code::kConflict);
  ASSERT_TRUE(database_
                  ->Run(call_, store::Access::kWrite,
                        [&](store::Transaction& t) { return catalog::EndPurge(t, kTableId, 0); })
                  .ok());
  EXPECT_TRUE(ask(kRoot).ok());
}

TEST(Quarantines, TimeOfARunIsInItsId) {
  EXPECT_EQ(TimeOfId("019b7654-3210-7abc-8def-000000000000"), 0x019b76543210);
  EXPECT_EQ(TimeOfId("019b7654-3210-4abc-8def-000000000000"), 0);
  EXPECT_EQ(TimeOfId("x"), 0);
}

}  // namespace
}  // namespace moraine::maintenance
