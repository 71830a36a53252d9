// Many tables, and several servers on one store: each table has its turn, once, whatever becomes of
// the others and of the server that had it.

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/metrics.h"
#include "moraine/maintenance/lanes.h"
#include "moraine/maintenance/service.h"
#include "moraine/maintenance/testing/maintenance_world.h"
#include "moraine/store/testing/shared_database.h"

namespace moraine::maintenance {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;
using testing::HasSubstr;

constexpr Millis kLease{6'000};
constexpr std::chrono::hours kHour{1};

/// Expires something of every table, says it.
class CountedAction final : public Action {
 public:
  explicit CountedAction(std::map<int64_t, int>* starts) : starts_(*starts) {}
  upkeep::Action action() const override { return upkeep::Action::kExpireSnapshots; }
  Result<Step> Start(Call&, const RunContext& context) override {
    ++starts_[context.table->table_id];
    return Step(Done{.summary = "done"});
  }
  Result<Step> Continue(Call&, const RunContext&, const std::vector<TaskResult>&) override {
    return Internal("there is one step");
  }

 private:
  std::map<int64_t, int>& starts_;
};

/// One server of several.
struct Replica {
  Replica(MaintenanceWorld& world_in, const std::string& name)
      : world(world_in),
        database(world_in.store()),
        catalog(database, world_in.disk(), catalog::CatalogOptions()),
        queue(database, optimizing::Options()) {
    Options options;
    options.server = name;
    options.lease_length = kLease;
    std::vector<std::unique_ptr<Action>> actions;
    actions.push_back(std::make_unique<CountedAction>(&starts));
    service = std::make_unique<Service>(catalog, world_in.disk(), database, queue, options, Seams(),
                                        std::move(actions));
    Call call = world.call();
    EXPECT_TRUE(service->Open(call).ok());
  }
  bool Tick() {
    Call call = world.call();
    auto busy = service->Tick(call);
    EXPECT_TRUE(busy.ok()) << busy.status().ToString();
    return busy.ok() && *busy;
  }
  void Settle() {
    for (int i = 0; i < 100; ++i) {
      if (!Tick()) return;
    }
    ADD_FAILURE() << "it does not come to rest";
  }

  MaintenanceWorld& world;
  store::SharedDatabase database;
  catalog::Catalog catalog;
  optimizing::TaskQueue queue;
  std::map<int64_t, int> starts;
  std::unique_ptr<Service> service;
};

class FleetTest : public testing::Test {
 protected:
  /// Both know of each other and have their shares.
  void Share(Replica& a, Replica& b) {
    for (int i = 0; i < 3; ++i) {
      world_.Advance(kLease / 3);
      a.Tick();
      b.Tick();
    }
  }
  void MakeTables(int count) {
    for (int i = 0; i < count; ++i) world_.MakeTable("t" + std::to_string(i));
  }
  /// While both have their leases.
  void MakeAllDue() {
    Call call = world_.call();
    const Status made = world_.store().Run(call, Access::kWrite, [&](Transaction& t) {
      return t.Execute("UPDATE maintenance_schedule SET due_ms = ?", {world_.now_ms()}).status();
    });
    ASSERT_TRUE(made.ok()) << made.ToString();
  }
  int64_t Number(const std::string& sql) {
    Call call = world_.call();
    return RunFor(call, world_.store(), Access::kRead,
                  [&](Transaction& t) -> Result<int64_t> {
                    MORAINE_ASSIGN(auto rows, t.Query(sql, {}));
                    return rows.at(0).Int(0);
                  })
        .value();
  }

  MaintenanceWorld world_;
};

TEST_F(FleetTest, TwoServersDoEachTableOnce) {
  constexpr int kTables = 1'000;
  Replica a(world_, "a");
  Replica b(world_, "b");
  Share(a, b);
  MakeTables(kTables);
  for (bool busy = true; busy;) {
    busy = a.Tick();
    busy |= b.Tick();
  }
  MakeAllDue();
  for (bool busy = true; busy;) {
    busy = a.Tick();
    busy |= b.Tick();
  }
  EXPECT_EQ(Number("SELECT COUNT(DISTINCT table_id) FROM maintenance_run"), kTables);
  EXPECT_EQ(Number("SELECT COUNT(*) FROM maintenance_run"), kTables);
  EXPECT_EQ(Number("SELECT COUNT(*) FROM maintenance_run WHERE state = 'succeeded'"), kTables);
  // No step was even begun by both.
  for (const auto& [table_id, starts] : a.starts) {
    EXPECT_EQ(starts, 1) << table_id;
    EXPECT_FALSE(b.starts.contains(table_id)) << table_id;
  }
  EXPECT_GT(a.starts.size(), kTables / 3U);
  EXPECT_GT(b.starts.size(), kTables / 3U);
}

TEST_F(FleetTest, TheTablesOfADeadServerAreTakenOver) {
  constexpr int kTables = 64;
  auto a = std::make_unique<Replica>(world_, "a");
  Replica b(world_, "b");
  Share(*a, b);
  MakeTables(kTables);
  a->Settle();
  b.Settle();
  MakeAllDue();
  a.reset();  // without a word
  b.Settle();
  const int64_t done = Number("SELECT COUNT(*) FROM maintenance_run");
  EXPECT_GT(done, 0);
  EXPECT_LT(done, kTables) << "the other one's leases last";
  world_.Advance(kLease + Millis(1));
  for (int i = 0; i < 3; ++i) {
    world_.Advance(kLease / 3);
    b.Settle();
  }
  EXPECT_EQ(Number("SELECT COUNT(*) FROM maintenance_run"), kTables);
  EXPECT_EQ(Number("SELECT COUNT(DISTINCT table_id) FROM maintenance_run"), kTables);
}

TEST_F(FleetTest, ATableThatCannotBeReadKeepsNobodyWaiting) {
  world_.options().starts_per_tick = 1;
  world_.Restart();
  std::vector<int64_t> done;
  world_.script().start = [&](const RunContext& context) -> Result<Step> {
    done.push_back(context.subject.table_id);
    return Step(Nothing{"nothing", {}});
  };
  const auto broken = world_.MakeTable("broken");
  const auto fine = world_.MakeTable("fine");
  world_.Settle();
  world_.disk().Remove(broken->metadata_location);
  world_.Restart();  // what it kept in memory is gone
  {
    Call call = world_.call();
    ASSERT_TRUE(world_.store()
                    .Run(call, Access::kWrite,
                         [&](Transaction& t) {
                           return t
                               .Execute("UPDATE maintenance_schedule SET due_ms = ? - table_id",
                                        {world_.now_ms()})
                               .status();
                         })
                    .ok());
  }
  world_.Settle();
  EXPECT_EQ(done, std::vector<int64_t>{fine->table_id});
  auto schedule = world_.ScheduleOf(broken->table_id);
  EXPECT_EQ(schedule->failures, 1);
  EXPECT_EQ(schedule->due_ms, world_.now_ms() + 60'000);
  EXPECT_THAT(schedule->reason, HasSubstr("can't begin"));
  world_.Advance(std::chrono::minutes(1));
  world_.Settle();
  EXPECT_EQ(world_.ScheduleOf(broken->table_id)->due_ms, world_.now_ms() + 120'000);
}

TEST_F(FleetTest, WhereNothingCanBeDoneForLongNobodyLooks) {
  int64_t until_ms = world_.now_ms() + 5 * 3'600'000;
  world_.script().start = [&](const RunContext&) -> Result<Step> {
    return Step(Nothing{"nothing is old enough", {}, until_ms});
  };
  const auto table = world_.MakeTable("t");
  world_.Settle();
  world_.Advance(kHour);
  world_.Settle();
  EXPECT_EQ(world_.ScheduleOf(table->table_id)->due_ms, until_ms);
  // A commit changes what there is to do.
  ASSERT_TRUE(world_.SetProperty("t", "a", "b").ok());
  world_.Settle();
  EXPECT_EQ(world_.ScheduleOf(table->table_id)->due_ms, world_.now_ms() + 3'600'000);
  until_ms = kNever;
  world_.Advance(kHour);
  world_.Settle();
  EXPECT_EQ(world_.ScheduleOf(table->table_id)->due_ms, world_.now_ms() + 24 * 3'600'000);
}

TEST_F(FleetTest, LatenessIsCounted) {
  Metrics metrics;
  world_.options().metrics = &metrics;
  world_.Restart();
  world_.MakeTable("t");
  world_.Settle();
  world_.Advance(3 * kHour);
  world_.Settle();
  EXPECT_THAT(metrics.Text(), HasSubstr("moraine_maintenance_lateness_seconds_count{action="
                                        "\"expire-snapshots\"} 1"));
  world_.options().metrics = nullptr;
  world_.Restart();
}

TEST(Lanes, ASlowTableHoldsUpNoneButItself) {
  // On this clock no time passes by itself: patience ends when the last of the quick ones has.
  constexpr Millis kPatience{20};
  testing::TestEnv env;
  Call call = env.call();
  std::mutex mutex;
  std::condition_variable_any changed;
  bool may_end = false;
  std::vector<int64_t> done;
  const auto quick = [&](int64_t table_id, bool is_last = false) {
    return Lanes::Piece{table_id, [&, table_id, is_last](Call&) {
                          {
                            std::lock_guard lock(mutex);
                            done.push_back(table_id);
                          }
                          if (is_last) env.clock().Advance(kPatience);
                        }};
  };
  const auto slow = [&](int64_t table_id) {
    return Lanes::Piece{table_id, [&, table_id](Call&) {
                          std::unique_lock lock(mutex);
                          changed.wait(lock, [&] { return may_end; });
                          done.push_back(table_id);
                        }};
  };
  {
    Lanes lanes(2);
    lanes.Run(call, {slow(1), quick(2), quick(3), quick(4, true)}, Millis(60'000), kPatience);
    {
      std::lock_guard lock(mutex);
      EXPECT_EQ(done, (std::vector<int64_t>{2, 3, 4}));
    }
    lanes.Run(call, {quick(1), quick(5, true)}, Millis(60'000), kPatience);
    std::lock_guard lock(mutex);
    EXPECT_EQ(done, (std::vector<int64_t>{2, 3, 4, 5})) << "one at a time of a table";
    may_end = true;
    changed.notify_all();
  }
  EXPECT_EQ(done.back(), 1);
}

TEST(Lanes, WorkThatThrowsLeavesItsLane) {
  testing::TestEnv env(1, testing::TestClock::kSystem);
  Call call = env.call();
  std::atomic<int> done = 0;
  const auto piece = [&](bool throws) {
    return Lanes::Piece{1, [&, throws](Call&) {
                          if (throws) throw std::bad_alloc();
                          ++done;
                        }};
  };
  Lanes lanes(2);
  const MonoTime begun = call.clock().Mono();
  lanes.Run(call, {piece(true)}, Millis(60'000), Millis(20'000));
  lanes.Run(call, {piece(false)}, Millis(60'000), Millis(20'000));
  EXPECT_EQ(done, 1);
  EXPECT_LT(call.clock().Mono() - begun, std::chrono::seconds(20)) << "it was waited for";
}

}  // namespace
}  // namespace moraine::maintenance
