#include "moraine/optimizing/health_monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/optimizing/testing/optimizing_world.h"

namespace moraine::optimizing {
namespace {

using testing::HasSubstr;

class HealthMonitorTest : public testing::Test {
 protected:
  Status FeedAndRefresh() {
    Call call = world_.call();
    MORAINE_TRY(world_.parts().monitor.FeedTick(call));
    return world_.parts().monitor.RefreshTick(call, 100).status();
  }
  /// Manifests (not lists) that the faulty file system saw opened since the last call.
  size_t ManifestsOpened() {
    auto calls = world_.faults().calls();
    size_t count = 0;
    for (size_t i = seen_; i < calls.size(); ++i) {
      if (calls[i].operation == "open" && calls[i].subject.ends_with(".avro") &&
          calls[i].subject.find("/snap-") == std::string::npos)
        ++count;
    }
    seen_ = calls.size();
    return count;
  }
  void ExpectEqualToFresh(const std::string& table, int64_t id) {
    Call call = world_.call();
    auto loaded = world_.Load(table);
    auto kept = world_.parts().monitor.SumOf(call, id, *loaded->metadata);
    ASSERT_TRUE(kept.ok()) << kept.status().ToString();
    planning::HealthSum fresh;
    auto manifests = iceberg::ReadManifestList(call, world_.disk(),
                                               loaded->metadata->CurrentSnapshot()->manifest_list)
                         .value();
    ASSERT_TRUE(fresh
                    .Update(manifests,
                            [&](const iceberg::ManifestFile& manifest)
                                -> Result<planning::HealthSum::DigestPtr> {
                              MORAINE_ASSIGN(auto digest,
                                             planning::DigestManifest(call, world_.disk(),
                                                                      *loaded->metadata, manifest));
                              return std::make_shared<const planning::ManifestDigest>(digest);
                            })
                    .ok());
    EXPECT_EQ((*kept)->total(), fresh.total());
    EXPECT_EQ((*kept)->partitions(), fresh.partitions());
  }

  OptimizingWorld world_;
  size_t seen_ = 0;
};

TEST_F(HealthMonitorTest, ATableWithSmallFilesWaitsForAPlan) {
  int64_t id = world_.MakeTable("t");
  ASSERT_TRUE(FeedAndRefresh().ok());
  EXPECT_EQ(world_.State(id)->status, TableStatus::kIdle);
  EXPECT_EQ(world_.State(id)->reason, "the table has no snapshot yet");
  ASSERT_TRUE(world_.Append("t", {"a"}).ok());
  ASSERT_TRUE(FeedAndRefresh().ok());
  EXPECT_EQ(world_.State(id)->status, TableStatus::kIdle);
  EXPECT_THAT(world_.State(id)->reason, HasSubstr("nothing to do"));
  ASSERT_TRUE(world_.Append("t", {"b"}).ok());
  ASSERT_TRUE(FeedAndRefresh().ok());
  TableState state = world_.State(id).value();
  EXPECT_EQ(state.status, TableStatus::kPending);
  EXPECT_EQ(state.candidates, 1);
  EXPECT_FALSE(state.due_ms);
  EXPECT_EQ(state.name, "ns.t");
}

TEST_F(HealthMonitorTest, SaysWhyATableIsSkipped) {
  struct Case {
    iceberg::StringMap properties;
    std::string reason;
  };
  int number = 0;
  for (const Case& c : std::vector<Case>{
           {{{"self-optimizing.enabled", "false"}}, "self-optimizing.enabled is false"},
           {{{"gc.enabled", "false"}}, "gc.enabled is false"},
           {{{"encryption.key-id", "k"}}, "the table is encrypted"},
       }) {
    std::string name = "t" + std::to_string(number++);
    int64_t id = world_.MakeTable(name, c.properties);
    ASSERT_TRUE(world_.Append(name, {"a", "b"}).ok());
    ASSERT_TRUE(FeedAndRefresh().ok());
    EXPECT_EQ(world_.State(id)->status, TableStatus::kSkipped);
    EXPECT_THAT(world_.State(id)->reason, HasSubstr(c.reason));
  }
}

TEST_F(HealthMonitorTest, SaysWhichPropertiesItCantRead) {
  int64_t id = world_.MakeTable(
      "t", {{"self-optimizing.quota", "banana"}, {"self-optimizing.enabeld", "false"}});
  ASSERT_TRUE(world_.Append("t", {"a", "b"}).ok());
  ASSERT_TRUE(FeedAndRefresh().ok());
  TableState state = world_.State(id).value();
  EXPECT_EQ(state.status, TableStatus::kPending);
  for (const char* part : {"self-optimizing.quota is 'banana', expected a number",
                           "did you mean self-optimizing.enabled?"}) {
    EXPECT_THAT(state.reason, HasSubstr(part));
    EXPECT_THAT(state.health_json, HasSubstr(part));
  }
}

TEST_F(HealthMonitorTest, RegisteredTablesWaitToBeAsked) {
  world_.MakeTable("t");
  ASSERT_TRUE(world_.Append("t", {"a", "b"}).ok());
  auto loaded = world_.Load("t");
  Call call = world_.call();
  ASSERT_TRUE(world_.engine().Drop(call, "w", {{"ns"}, "t"}, catalog::Catalog::Purge::kNo).ok());
  auto registered = world_.engine().Register(call, "w", {{"ns"}, "r"}, loaded->metadata_location);
  ASSERT_TRUE(registered.ok()) << registered.status().ToString();
  ASSERT_TRUE(FeedAndRefresh().ok());
  EXPECT_FALSE(world_.State(loaded->table_id));
  EXPECT_THAT(world_.State((*registered)->table_id)->reason, HasSubstr("was registered"));
}

TEST_F(HealthMonitorTest, ReadsOnlyTheNewManifestAfterACommit) {
  int64_t id = world_.MakeTable("t");
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(world_.Append("t", {name}).ok());
  ASSERT_TRUE(FeedAndRefresh().ok());
  EXPECT_EQ(ManifestsOpened(), 3u);
  ASSERT_TRUE(world_.Append("t", {"d"}).ok());
  ASSERT_TRUE(FeedAndRefresh().ok());
  EXPECT_EQ(ManifestsOpened(), 1u);
  world_.Restart();
  ASSERT_TRUE(world_.Append("t", {"e"}).ok());
  ASSERT_TRUE(FeedAndRefresh().ok());
  EXPECT_EQ(ManifestsOpened(), 1u);
  ExpectEqualToFresh("t", id);
}

TEST_F(HealthMonitorTest, ATableThatCantBeReadIsMarkedAndTheOthersGoOn) {
  int64_t broken = world_.MakeTable("broken");
  int64_t good = world_.MakeTable("good");
  for (const char* table : {"broken", "good"}) ASSERT_TRUE(world_.Append(table, {"a", "b"}).ok());
  std::string list = world_.Load("broken")->metadata->CurrentSnapshot()->manifest_list;
  world_.disk().Put(list, "rubbish", 0);
  ASSERT_TRUE(FeedAndRefresh().ok());
  EXPECT_EQ(world_.State(broken)->status, TableStatus::kFailed);
  EXPECT_TRUE(world_.State(broken)->due_ms);
  EXPECT_EQ(world_.State(good)->status, TableStatus::kPending);
}

TEST_F(HealthMonitorTest, TheSumIsThatOfAFreshLookAfterAnyHistory) {
  int64_t id = world_.MakeTable("t");
  testing::SeededRandom random(11);
  std::vector<int64_t> snapshots;
  int number = 0;
  for (int step = 0; step < 40; ++step) {
    int64_t partition = static_cast<int64_t>(random.Next() % 3);
    switch (snapshots.empty() ? 0 : random.Next() % 6) {
      case 0:
      case 1: {
        auto name = "f" + std::to_string(number++);
        ASSERT_TRUE(world_.Append("t", {name, name + "x"}, partition).ok());
        break;
      }
      case 2: {
        auto live = world_.LiveFiles("t");
        if (live.empty()) break;
        ASSERT_TRUE(world_.Remove("t", live[0]).ok());
        break;
      }
      case 3:
        ASSERT_TRUE(world_.RollBack("t", snapshots[random.Next() % snapshots.size()]).ok());
        break;
      case 4:
        world_.Restart();
        break;
      default:
        world_.token();
        world_.Advance(Millis(1));
        ASSERT_TRUE(world_.Tick().ok());
        world_.RunTasks();
        ASSERT_TRUE(world_.Tick().ok());
    }
    world_.Advance(Millis(1));
    ASSERT_TRUE(FeedAndRefresh().ok());
    snapshots.push_back(world_.Load("t")->metadata->current_snapshot_id);
    ExpectEqualToFresh("t", id);
  }
}

TEST_F(HealthMonitorTest, WhoComesAfterChangesWereRemovedLooksAtEverything) {
  int64_t kept = world_.MakeTable("kept");
  int64_t dropped = world_.MakeTable("dropped");
  ASSERT_TRUE(FeedAndRefresh().ok());
  ASSERT_TRUE(world_.State(dropped));
  ASSERT_TRUE(world_.Append("kept", {"a"}).ok());
  Call call = world_.call();
  ASSERT_TRUE(
      world_.engine().Drop(call, "w", {{"ns"}, "dropped"}, catalog::Catalog::Purge::kNo).ok());
  ASSERT_TRUE(world_.Append("kept", {"b"}).ok());
  int64_t last = world_.MakeTable("last");
  world_.Advance(std::chrono::hours(1));
  Call later = world_.call();
  ASSERT_TRUE(world_.engine().TrimChanges(later, ToMillis(later.clock().Wall()), 1'000).ok());
  ASSERT_TRUE(FeedAndRefresh().ok());
  EXPECT_FALSE(world_.State(dropped));
  EXPECT_EQ(world_.State(kept)->table_version, world_.Load("kept")->version);
  EXPECT_TRUE(world_.State(last));
}

}  // namespace
}  // namespace moraine::optimizing
