#include "moraine/store/testing/faulty_database.h"

#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"

namespace moraine::store {
namespace {

using testing::FaultInjector;
using testing::FaultKind;
using testing::TestEnv;

struct World {
  explicit World(FaultInjector& faults)
      : call(env.call()), disk(MakeMemoryDatabase(call)), database(*disk, faults) {
    EXPECT_TRUE(
        disk->Run(call, Access::kWrite,
                  [](Transaction& t) {
                    return t
                        .Execute(
                            "CREATE TABLE account (name TEXT PRIMARY KEY, coins BIGINT NOT NULL)",
                            {})
                        .status();
                  })
            .ok());
    EXPECT_TRUE(
        disk->Run(call, Access::kWrite,
                  [](Transaction& t) {
                    return t.Execute("INSERT INTO account VALUES ('a', 10), ('b', 0)", {}).status();
                  })
            .ok());
  }
  int64_t Coins(const std::string& name) {
    auto coins = RunFor(call, *disk, Access::kRead, [&](Transaction& t) -> Result<int64_t> {
      MORAINE_ASSIGN(auto rows, t.Query("SELECT coins FROM account WHERE name = ?", {name}));
      return rows.at(0).Int(0);
    });
    return coins.value();
  }
  TestEnv env;
  Call call;
  std::unique_ptr<Database> disk;
  FaultyDatabase database;
};

Status Move(Call& call, Database& database) {
  return database.Run(call, Access::kWrite, [](Transaction& t) -> Status {
    MORAINE_ASSIGN(int64_t changed,
                   t.Execute("UPDATE account SET coins = coins - 1 WHERE name = ?", {"a"}));
    if (changed != 1) return NotFound("a");
    MORAINE_TRY(t.Query("SELECT coins FROM account", {}));
    return t.Execute("UPDATE account SET coins = coins + 1 WHERE name = ?", {"b"}).status();
  });
}

TEST(FaultyDatabase, EveryFaultOfATransfer) {
  auto scenario = [](FaultInjector& faults) {
    World world(faults);
    Status first = Move(world.call, world.database);
    faults.Stop();
    int64_t moved = world.Coins("b");
    EXPECT_EQ(world.Coins("a") + moved, 10);
    if (first.ok()) {
      EXPECT_EQ(moved, 1);
    } else if (first.code() != Code::kCommitUnknown) {
      EXPECT_EQ(moved, 0);
    }
    if (moved == 0) {
      EXPECT_TRUE(Move(world.call, world.database).ok());
    }
    EXPECT_EQ(world.Coins("b"), 1);
  };
  testing::EveryFaultReport report = testing::EveryFault(scenario);
  EXPECT_EQ(report.calls, 5u) << "begin, execute, query, execute, commit";
  EXPECT_EQ(report.runs, 6u);
  EXPECT_EQ(report.fired, 6u);
}

TEST(FaultyDatabase, LosesTheReplyOfACommit) {
  for (FaultKind kind : {FaultKind::kBefore, FaultKind::kAfter}) {
    FaultInjector faults;
    faults.Arm({.operation = "commit", .fault = {.kind = kind}});
    World world(faults);
    EXPECT_EQ(Move(world.call, world.database).code(), Code::kCommitUnknown);
    EXPECT_EQ(world.Coins("b"), kind == FaultKind::kAfter ? 1 : 0);
  }
}

TEST(FaultyDatabase, AFailedStatementSpoilsTheTransaction) {
  FaultInjector faults;
  faults.Arm({.operation = "execute", .pattern = "coins + 1", .fault = {}});
  World world(faults);
  Status status = world.database.Run(world.call, Access::kWrite, [](Transaction& t) -> Status {
    EXPECT_TRUE(t.Execute("UPDATE account SET coins = 3", {}).ok());
    EXPECT_FALSE(t.Execute("UPDATE account SET coins = coins + 1", {}).ok());
    return {};  // overlooks the error
  });
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_EQ(world.Coins("a"), 10);
}

}  // namespace
}  // namespace moraine::store
