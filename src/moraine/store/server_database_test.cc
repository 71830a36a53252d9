// What only databases that are servers have: sessions, and several processes. Does nothing where
// MORAINE_TEST_STORE names no server.

#include <gtest/gtest.h>

#include "moraine/base/executor.h"
#include "moraine/base/testing/test_env.h"
#include "moraine/store/testing/test_database.h"

namespace moraine::store {
namespace {

using testing::TestClock;
using testing::TestEnv;

class ServerDatabaseTest : public testing::Test {
 protected:
  ServerDatabaseTest() : env_(1, TestClock::kSystem), call_(env_.call()) {}
  void SetUp() override {
    if (TestServerUrl().empty()) GTEST_SKIP() << "no server";
    mysql_ = TestDialect() == "mysql";
    schema_ = std::make_unique<TestSchema>();
    ours_ = Open(call_);
    others_ = Open(call_);
  }
  std::unique_ptr<Database> Open(Call& call) {
    return std::move(OpenDatabase(call, schema_->url(), {})).value();
  }
  Result<int64_t> Number(Database& database, std::string_view sql,
                         const std::vector<Value>& parameters = {}) {
    return RunFor(call_, database, Access::kWrite, [&](Transaction& t) -> Result<int64_t> {
      MORAINE_ASSIGN(auto rows, t.Query(sql, parameters));
      return rows.at(0).Int(0);
    });
  }
  std::string_view Session() const {
    return mysql_ ? "SELECT CONNECTION_ID()" : "SELECT pg_backend_pid()";
  }
  /// In an orderly way, as by a server that is shut down.
  void EndSession(int64_t id) {
    if (!mysql_) {
      auto ended = Number(*others_, "SELECT CAST(pg_terminate_backend(?::int, 10000) AS int)",
                          {std::to_string(id)});
      ASSERT_TRUE(ended.ok()) << ended.status().ToString();
      EXPECT_EQ(*ended, 1);
      return;
    }
    ASSERT_TRUE(others_
                    ->Run(call_, Access::kWrite,
                          [&](Transaction& t) {
                            return t.Execute("KILL CONNECTION " + std::to_string(id), {}).status();
                          })
                    .ok());
    for (int i = 0; i < 2'000; ++i) {
      constexpr std::string_view kLeft =
          "SELECT COUNT(*) + SLEEP(0.01) FROM information_schema.processlist WHERE id = ?";
      auto left = Number(*others_, kLeft, {id});
      if (left.ok() && *left == 0) return;
    }
    FAIL() << "the session stays";
  }

  TestEnv env_;
  Call call_;
  bool mysql_ = false;
  std::unique_ptr<TestSchema> schema_;
  std::unique_ptr<Database> ours_;
  std::unique_ptr<Database> others_;
};

TEST_F(ServerDatabaseTest, KeepsItsSessions) {
  auto first = Number(*ours_, Session());
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(Number(*ours_, Session()).value(), *first);
    Status status = ours_->Run(call_, Access::kWrite, [&](Transaction& t) -> Status {
      MORAINE_TRY(t.Query("SELECT 1", {}));
      return NotFound("rolled back");
    });
    EXPECT_EQ(status.code(), Code::kNotFound);
  }
}

TEST_F(ServerDatabaseTest, SeesThatAServerHasHungUp) {
  for (bool rolled_back : {false, true}) {
    int64_t session = 0;
    (void)ours_->Run(call_, Access::kWrite, [&](Transaction& t) -> Status {
      MORAINE_ASSIGN(auto rows, t.Query(Session(), {}));
      MORAINE_ASSIGN(session, rows.at(0).Int(0));
      return rolled_back ? NotFound("rolled back") : Status();
    });
    EndSession(session);
    int runs = 0;
    Status status = ours_->Run(call_, Access::kWrite, [&](Transaction& t) {
      ++runs;
      return t.Query("SELECT 1", {}).status();
    });
    EXPECT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(runs, 1) << rolled_back;
  }
}

TEST_F(ServerDatabaseTest, StatementsThatFailArePreparedOnce) {
  if (mysql_) return;
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(Number(*ours_, "SELECT 1 / (? - 1)", {int64_t{1}}).ok());
    EXPECT_FALSE(Number(*ours_, "SELECT nothing", {}).ok());
  }
  EXPECT_EQ(Number(*ours_,
                   "SELECT COUNT(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT 1 /%'")
                .value(),
            1);
}

TEST_F(ServerDatabaseTest, TimesAreUtc) {
  if (!mysql_) return;
  EXPECT_EQ(Number(*ours_, "SELECT @@session.time_zone = '+00:00'").value(), 1);
}

TEST_F(ServerDatabaseTest, NoLockOutlivesItsTransaction) {
  if (!mysql_) return;
  Status status = ours_->Run(call_, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_TRY(t.Query("SELECT GET_LOCK('moraine.test', 0)", {}));
    return NotFound("ended early");
  });
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_EQ(Number(*others_, "SELECT GET_LOCK('moraine.test', 10)").value(), 1);
  EXPECT_TRUE(Number(*ours_, "SELECT 1").ok());
}

TEST_F(ServerDatabaseTest, ManyMigrateAtOnce) {
  const std::vector<Migration> steps = {
      {1, "a", "CREATE TABLE a (id {id}, name {key});\nCREATE INDEX a_name ON a (name);\n"},
      {2, "b", "CREATE TABLE b (id {id});\n"}};
  std::vector<Thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back("server", [&](std::stop_token) {
      Call call = env_.call();
      auto database = Open(call);
      Status status = Migrate(call, *database, "m", steps);
      EXPECT_TRUE(status.ok()) << status.ToString();
    });
  }
  threads.clear();
  EXPECT_EQ(Number(*ours_, "SELECT COUNT(*) FROM schema_version").value(), 2);
}

TEST_F(ServerDatabaseTest, MigrationsWaitLongerThanOthers) {
  if (mysql_) return;
  ASSERT_TRUE(Migrate(call_, *ours_, "m", {{1, "a", "CREATE TABLE a (id {id});\n"}}).ok());
  std::vector<Thread> threads;
  Status held = ours_->Run(call_, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_TRY(t.Execute("LOCK TABLE schema_version IN EXCLUSIVE MODE", {}));
    threads.emplace_back("waits", [&](std::stop_token) {
      Call call = env_.call();
      StoreOptions hasty;
      hasty.busy_timeout = Millis(1);
      auto database = OpenDatabase(call, schema_->url(), hasty).value();
      Status status = Migrate(call, *database, "o", {{1, "o", "CREATE TABLE o (id {id});\n"}});
      EXPECT_TRUE(status.ok()) << status.ToString();
    });
    return t.Query("SELECT pg_sleep(0.3)", {}).status();
  });
  EXPECT_TRUE(held.ok()) << held.ToString();
  threads.clear();
}

}  // namespace
}  // namespace moraine::store
