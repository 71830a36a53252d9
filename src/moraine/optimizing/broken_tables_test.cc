// Tables whose files can't be read: each is marked with a sentence, tried again less and less
// often, and never in the way of a table that is well.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/optimizing/testing/optimizing_world.h"

namespace moraine::optimizing {
namespace {

using testing::HasSubstr;

class BrokenTablesTest : public testing::Test {
 protected:
  /// Cuts a file to half of its bytes.
  void Truncate(const std::string& location) {
    Call call = world_.call();
    auto bytes = io::ReadFile(call, world_.disk(), location, 1 << 24);
    ASSERT_TRUE(bytes.ok());
    world_.disk().Put(location, bytes->substr(0, bytes->size() / 2), 0);
  }
  std::string OnlyManifest(const std::string& table) {
    Call call = world_.call();
    auto manifests =
        iceberg::ReadManifestList(call, world_.disk(),
                                  world_.Load(table)->metadata->CurrentSnapshot()->manifest_list)
            .value();
    EXPECT_EQ(manifests.size(), 1u);
    return manifests[0].manifest_path;
  }
  /// The good table becomes one file, whatever the other does.
  void ExpectGoodOneIsOptimized() {
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(world_.Tick().ok());
      world_.RunTasks();
    }
    EXPECT_EQ(world_.LiveFiles("good").size(), 1u);
    EXPECT_EQ(world_.Names("good"), (std::vector<std::string>{"a", "b"}));
  }
  void MakeBoth() {
    broken_ = world_.MakeTable("broken");
    good_ = world_.MakeTable("good");
    for (const char* table : {"broken", "good"}) ASSERT_TRUE(world_.Append(table, {"a", "b"}).ok());
    world_.token();
  }

  OptimizingWorld world_;
  int64_t broken_ = 0;
  int64_t good_ = 0;
};

TEST_F(BrokenTablesTest, ATruncatedManifestMarksItsTable) {
  MakeBoth();
  Truncate(OnlyManifest("broken"));
  ExpectGoodOneIsOptimized();
  TableState state = world_.State(broken_).value();
  EXPECT_EQ(state.status, TableStatus::kFailed);
  EXPECT_THAT(state.reason, HasSubstr("the table can't be read, is tried again at 20"));
  EXPECT_THAT(state.reason, HasSubstr(OnlyManifest("broken")));
  EXPECT_EQ(state.health_json, "{}");
  // Looked at again, less and less often.
  int64_t before = 0;
  for (int i = 0; i < 5; ++i) {
    int64_t now_ms = ToMillis(world_.call().clock().Wall());
    int64_t wait = world_.State(broken_)->due_ms.value() - now_ms;
    EXPECT_GT(wait, before);
    before = wait;
    world_.Advance(Millis(wait));
    ASSERT_TRUE(world_.Tick().ok());
  }
  EXPECT_THAT(world_.State(broken_)->reason, HasSubstr("6 times in a row"));
}

TEST_F(BrokenTablesTest, ATableThatCanBeReadAgainIsOptimizedAtOnce) {
  MakeBoth();
  std::string manifest = OnlyManifest("broken");
  Call call = world_.call();
  std::string whole = io::ReadFile(call, world_.disk(), manifest, 1 << 24).value();
  Truncate(manifest);
  ASSERT_TRUE(world_.Tick().ok());
  ASSERT_EQ(world_.State(broken_)->status, TableStatus::kFailed);
  world_.disk().Put(manifest, whole, 0);
  // A commit makes it due before its time.
  ASSERT_TRUE(world_.Append("broken", {"c"}).ok());
  ASSERT_TRUE(world_.Tick().ok());
  EXPECT_EQ(world_.State(broken_)->status, TableStatus::kRunning);
  EXPECT_EQ(world_.State(broken_)->failures, 0);
}

TEST_F(BrokenTablesTest, RubbishInPlaceOfTheMetadataMarksItsTable) {
  MakeBoth();
  world_.disk().Put(world_.Load("broken")->metadata_location, "{\"format-version\": 2, rubbish", 0);
  // The catalog of a fresh process has nothing cached.
  world_.Restart();
  ExpectGoodOneIsOptimized();
  TableState state = world_.State(broken_).value();
  EXPECT_EQ(state.status, TableStatus::kFailed);
  EXPECT_THAT(state.reason, HasSubstr("the table can't be read"));
  EXPECT_EQ(state.candidates, 0);
}

TEST_F(BrokenTablesTest, ATableWhoseMetadataFileIsGoneIsMarkedNotForgotten) {
  for (bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    OptimizingWorld world;
    int64_t id = world.MakeTable("t");
    ASSERT_TRUE(world.Append("t", {"a", "b"}).ok());
    ASSERT_TRUE(world.Tick().ok());
    ASSERT_EQ(world.State(id)->status, TableStatus::kPending);
    world.disk().Remove(world.Load("t")->metadata_location);
    Call call = world.call();
    ASSERT_TRUE(world.store()
                    .Run(call, store::Access::kWrite,
                         [&](store::Transaction& t) { return MakeDue(t, id, 0); })
                    .ok());
    if (restarted) world.Restart();
    ASSERT_TRUE(world.Tick().ok());
    ASSERT_TRUE(world.State(id));
    EXPECT_EQ(world.State(id)->status, TableStatus::kFailed);
    EXPECT_THAT(world.State(id)->reason, HasSubstr("the table can't be read"));
    EXPECT_THAT(world.State(id)->reason, HasSubstr(".metadata.json"));
    EXPECT_EQ(world.State(id)->health_json, "{}");
  }
}

TEST_F(BrokenTablesTest, AWishForADamagedTableIsConsumedByOneLook) {
  MakeBoth();
  Truncate(OnlyManifest("broken"));
  ASSERT_TRUE(world_.Tick().ok());
  Call call = world_.call();
  Service service(world_.engine(), world_.disk(), world_.store(), world_.options());
  ASSERT_TRUE(service.Request(call, broken_, {.type = "full"}).ok());
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(world_.Tick().ok());
  TableState state = world_.State(broken_).value();
  EXPECT_EQ(state.status, TableStatus::kFailed);
  EXPECT_EQ(state.requested_type, "");
  EXPECT_EQ(state.failures, 1);
  EXPECT_GT(state.due_ms.value_or(0), ToMillis(call.clock().Wall()));
}

TEST_F(BrokenTablesTest, ATaskThatCantReadADataFileFailsAndIsNotTriedForEver) {
  MakeBoth();
  for (int round = 0; round < 12; ++round) {
    ASSERT_TRUE(world_.Tick().ok());
    while (auto report = world_.RunOneTask()) {
      bool is_broken = report->output_json->find("/broken-") != std::string::npos;
      if (is_broken) {
        // What rewrite says of a truncated Parquet file.
        report->output_json.reset();
        report->error_code = CodeName(Code::kCorruption);
        report->error = "Parquet magic bytes not found in footer: file:///wh/f.parquet";
      }
      Call call = world_.call();
      ASSERT_TRUE(world_.parts().queue.Report(call, *report).ok());
    }
    ASSERT_TRUE(world_.Tick().ok());
    world_.Advance(world_.options().backoff_last);
    Call call = world_.call();
    (void)world_.parts().queue.Heartbeat(call, {world_.token(), {}});
  }
  Call call = world_.call();
  auto processes =
      store::RunFor(call, world_.store(), store::Access::kRead, [&](store::Transaction& t) {
        return RecentProcesses(t, broken_, 100);
      }).value();
  EXPECT_EQ(processes.size(), static_cast<size_t>(world_.options().max_equal_failures));
  for (const auto& process : processes) EXPECT_EQ(process.state, ProcessState::kFailed);
  TableState state = world_.State(broken_).value();
  EXPECT_EQ(state.status, TableStatus::kFailed);
  EXPECT_THAT(state.reason, HasSubstr("the minor process failed 5 times in the same way, waits for"
                                      " a person or a new schema: Corruption: Parquet magic"));
  EXPECT_EQ(world_.Names("broken"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(world_.LiveFiles("broken").size(), 2u);
  EXPECT_EQ(world_.LiveFiles("good").size(), 1u);
}

TEST_F(BrokenTablesTest, EncryptedTablesAreServedAndLeftAlone) {
  broken_ = world_.MakeTable("broken", {{"encryption.key-id", "k"}});
  good_ = world_.MakeTable("good");
  for (const char* table : {"broken", "good"}) ASSERT_TRUE(world_.Append(table, {"a", "b"}).ok());
  world_.token();
  ExpectGoodOneIsOptimized();
  EXPECT_EQ(world_.LiveFiles("broken").size(), 2u);
  TableState state = world_.State(broken_).value();
  EXPECT_EQ(state.status, TableStatus::kSkipped);
  EXPECT_EQ(state.reason, "the table is encrypted");
  // Its health is told all the same.
  EXPECT_THAT(state.health_json, HasSubstr("\"data-files\":2"));
  Call call = world_.call();
  Service service(world_.engine(), world_.disk(), world_.store(), world_.options());
  Status asked = service.Request(call, broken_, {.type = "full"});
  EXPECT_EQ(asked.code(), Code::kConflict);
  EXPECT_THAT(asked.message(), HasSubstr("encrypted"));
}

}  // namespace
}  // namespace moraine::optimizing
