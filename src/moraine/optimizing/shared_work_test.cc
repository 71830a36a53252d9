// Several servers on one store share the work.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/io/testing/hooked_files.h"
#include "moraine/optimizing/service.h"
#include "moraine/optimizing/testing/optimizing_world.h"
#include "moraine/store/testing/shared_database.h"

namespace moraine::optimizing {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;
using testing::ElementsAre;

constexpr Millis kLease{6'000};

/// One server of several.
struct Replica {
  Replica(OptimizingWorld& world_in, const std::string& name)
      : world(world_in),
        database(world_in.store()),
        files(world_in.disk()),
        service(world_in.engine(), files, database, OptionsOf(name)) {
    Call call = world.call();
    Status status = service.Open(call);
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  static Options OptionsOf(const std::string& name) {
    Options options;
    options.server = name;
    options.lease_length = kLease;
    options.refresh_interval = Millis(0);
    return options;
  }
  void Tick() {
    Call call = world.call();
    auto ticked = service.Tick(call);
    EXPECT_TRUE(ticked.ok()) << ticked.status().ToString();
  }
  bool Has(int64_t table_id) {
    Call call = world.call();
    return service.shards().Has(call, table_id);
  }

  OptimizingWorld& world;
  store::SharedDatabase database;
  io::HookedFiles files;
  Service service;
};

class SharedWorkTest : public testing::Test {
 protected:
  /// Both know of each other and have their shares.
  void Share(Replica& a, Replica& b) {
    for (int i = 0; i < 3; ++i) {
      world_.Advance(kLease / 3);
      a.Tick();
      b.Tick();
    }
    ASSERT_EQ(a.service.shards().held(), 8U);
    ASSERT_EQ(b.service.shards().held(), 8U);
  }
  std::vector<int64_t> MakeTables(int count) {
    std::vector<int64_t> ids;
    for (int i = 0; i < count; ++i) {
      std::string name = "t" + std::to_string(i);
      ids.push_back(world_.MakeTable(name));
      EXPECT_TRUE(world_.Append(name, {name + "a", name + "b"}).ok());
    }
    return ids;
  }
  std::vector<Process> Processes() {
    Call call = world_.call();
    return RunFor(call, world_.store(), Access::kRead,
                  [](Transaction& t) { return RecentProcesses(t, 0, 1000); })
        .value();
  }

  OptimizingWorld world_;
};

TEST_F(SharedWorkTest, EachTableIsPlannedAndCommittedByOneOfThem) {
  Replica a(world_, "a");
  Replica b(world_, "b");
  Share(a, b);
  auto tables = MakeTables(4);
  for (int i = 0; i < 3; ++i) world_.token();
  {
    Call call = world_.call();
    ASSERT_TRUE(world_.parts().queue.Register(call, {.group = "default", .threads = 10}).ok());
  }
  // The feed is read by one of them; what it finds due is looked at by whom it belongs to.
  ASSERT_NE(a.Has(tables[0]), b.Has(tables[0]));
  for (int i = 0; i < 2; ++i) {
    a.Tick();
    b.Tick();
  }
  EXPECT_EQ(Processes().size(), 4U);
  EXPECT_EQ(world_.RunTasks(), 4U);
  a.Tick();
  for (const auto& process : Processes()) {
    EXPECT_EQ(process.state == ProcessState::kSucceeded, a.Has(process.table_id));
  }
  b.Tick();
  for (const auto& process : Processes()) {
    EXPECT_EQ(process.state, ProcessState::kSucceeded) << process.error;
  }
  for (const char* name : {"t0", "t3"}) {
    EXPECT_THAT(world_.Names(name), ElementsAre(std::string(name) + "a", std::string(name) + "b"));
  }
}

TEST_F(SharedWorkTest, WhatADeadOneBeganIsFinishedByAnother) {
  auto a = std::make_unique<Replica>(world_, "a");
  Replica b(world_, "b");
  Share(*a, b);
  MakeTables(4);
  world_.token();
  {
    Call call = world_.call();
    ASSERT_TRUE(world_.parts().queue.Register(call, {.group = "default", .threads = 10}).ok());
  }
  for (int i = 0; i < 2; ++i) {
    a->Tick();
    b.Tick();
  }
  ASSERT_EQ(world_.RunTasks(), 4U);
  a.reset();  // without a word
  b.Tick();
  size_t ended = 0;
  for (const auto& process : Processes()) ended += process.state == ProcessState::kSucceeded;
  EXPECT_LT(ended, 4U) << "not yet";
  world_.Advance(kLease);
  b.Tick();
  for (const auto& process : Processes()) {
    EXPECT_EQ(process.state, ProcessState::kSucceeded) << process.error;
  }
}

TEST_F(SharedWorkTest, WhoSleptTooLongWritesNothing) {
  Replica a(world_, "a");
  a.Tick();
  int64_t id = world_.MakeTable("t");
  ASSERT_TRUE(world_.Append("t", {"x", "y"}).ok());
  Replica b(world_, "b");
  // While a looks at the table its lease runs out; b looks at it, too, and knows more.
  a.files.hook = [&] {
    a.files.hook = nullptr;
    world_.Advance(kLease);
    ASSERT_TRUE(world_.Append("t", {"z"}).ok());
    b.Tick();
    ASSERT_TRUE(b.Has(id));
  };
  a.Tick();
  ASSERT_FALSE(a.files.hook);
  auto state = world_.State(id);
  ASSERT_TRUE(state);
  const int64_t version = state->row_version;
  EXPECT_FALSE(a.Has(id));
  a.Tick();
  b.Tick();
  EXPECT_EQ(world_.State(id)->row_version, version) << "there is nothing more to say";
  EXPECT_EQ(world_.State(id)->snapshot_id, world_.Load("t")->metadata->current_snapshot_id);
}

TEST_F(SharedWorkTest, ACommitOfOneWhoLostItsLeaseIsRefused) {
  Replica a(world_, "a");
  a.Tick();
  world_.MakeTable("t");
  ASSERT_TRUE(world_.Append("t", {"x", "y"}).ok());
  world_.token();
  a.Tick();
  a.Tick();
  ASSERT_EQ(world_.RunTasks(), 1U);
  Replica b(world_, "b");
  int looks = 0;
  a.files.hook = [&] {
    if (++looks != 2) return;
    world_.Advance(kLease);
    Call call = world_.call();
    // Only the leases: a's commit goes on with a table that nobody else has touched.
    ASSERT_TRUE(const_cast<store::Shards&>(b.service.shards()).Tick(call).ok());
  };
  a.Tick();
  a.files.hook = nullptr;
  ASSERT_GE(looks, 2);
  EXPECT_EQ(Processes().at(0).state, ProcessState::kCommitting);
  EXPECT_EQ(world_.Load("t")->metadata->snapshots.size(), 1U);
  b.Tick();
  EXPECT_EQ(Processes().at(0).state, ProcessState::kSucceeded) << Processes().at(0).error;
  EXPECT_THAT(world_.Names("t"), ElementsAre("x", "y"));
}

TEST_F(SharedWorkTest, EmbeddedOptimizersGoWithTheirServer) {
  Replica a(world_, "a");
  Replica b(world_, "b");
  Share(a, b);
  Call call = world_.call();
  auto embedded = [&](Replica& replica) {
    auto reply = replica.service.queue().Register(call, {.group = "default", .embedded = true});
    return reply.value().token;
  };
  embedded(a);
  const std::string of_b = embedded(b);
  auto tokens = [&] {
    std::vector<std::string> found;
    for (const auto& optimizer : b.service.queue().Optimizers(call).value()) {
      found.push_back(optimizer.token);
    }
    return found;
  };
  for (int i = 0; i < 3; ++i) {
    world_.Advance(kLease / 3);
    b.Tick();
  }
  EXPECT_EQ(tokens().size(), 2U) << "a may only have been unable to speak";
  for (int i = 0; i < 4; ++i) {
    world_.Advance(kLease / 3);
    b.Tick();
  }
  EXPECT_THAT(tokens(), ElementsAre(of_b));
}

TEST_F(SharedWorkTest, TasksThatAnotherServerMadeAreAnnounced) {
  Replica a(world_, "a");
  Replica b(world_, "b");
  a.Tick();
  Call call = world_.call();
  auto announced = [&] {
    uint64_t before = b.service.queue().work_count();
    Status watched = b.service.queue().WatchTick(call);
    EXPECT_TRUE(watched.ok()) << watched.ToString();
    return b.service.queue().work_count() > before;
  };
  EXPECT_FALSE(announced());
  MakeTables(1);
  world_.token();
  a.Tick();
  a.Tick();
  ASSERT_EQ(Processes().size(), 1U);
  EXPECT_TRUE(announced());
  EXPECT_FALSE(announced()) << "once is enough";
  ASSERT_TRUE(world_.RunOneTask());
  EXPECT_FALSE(announced()) << "nothing waits";
}

}  // namespace
}  // namespace moraine::optimizing
