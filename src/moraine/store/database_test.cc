// What every database does alike: run on SQLite, PostgreSQL and MariaDB.

#include "moraine/store/database.h"

#include <atomic>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/executor.h"
#include "moraine/base/testing/test_env.h"
#include "moraine/store/execute_later.h"
#include "moraine/store/testing/test_database.h"

namespace moraine::store {
namespace {

using testing::HasSubstr;
using testing::TestClock;
using testing::TestEnv;

constexpr std::string_view kTables = R"(
CREATE TABLE thing (
  id {id},
  name {key} NOT NULL,
  size {bigint},
  share DOUBLE PRECISION,
  note {text},
  UNIQUE (name)
);
CREATE TABLE part (
  id {id},
  thing_id {bigint} NOT NULL REFERENCES thing (id)
);
CREATE TABLE account (
  name {key} NOT NULL PRIMARY KEY,
  coins {bigint} NOT NULL
);
)";

class DatabaseTest : public testing::Test {
 protected:
  DatabaseTest() : env_(1, TestClock::kSystem), call_(env_.call()) {
    database_ = MakeTestDatabase(call_);
    Status status = Migrate(call_, *database_, "test", {{1, "things", kTables}});
    EXPECT_TRUE(status.ok()) << status.ToString();
  }

  Status Try(std::string_view sql, const std::vector<Value>& parameters = {}) {
    return database_->Run(call_, Access::kWrite,
                          [&](Transaction& t) { return t.Execute(sql, parameters).status(); });
  }
  void Write(std::string_view sql, const std::vector<Value>& parameters = {}) {
    Status status = Try(sql, parameters);
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  Result<std::vector<Row>> Rows(std::string_view sql, const std::vector<Value>& parameters = {},
                                size_t max_rows = 1000) {
    return RunFor(call_, *database_, Access::kRead,
                  [&](Transaction& t) { return t.Query(sql, parameters, max_rows); });
  }
  int64_t Number(std::string_view sql, const std::vector<Value>& parameters = {}) {
    auto rows = Rows(sql, parameters);
    EXPECT_TRUE(rows.ok()) << rows.status().ToString();
    if (!rows.ok() || rows->empty()) return -1;
    auto number = (*rows)[0].Int(0);
    EXPECT_TRUE(number.ok()) << number.status().ToString();
    return number.ok() ? *number : -1;
  }

  TestEnv env_;
  Call call_;
  std::unique_ptr<Database> database_;
};

TEST_F(DatabaseTest, KeepsValuesOfEachKind) {
  const std::string odd = "quote ' back\\slash \" percent % question ? \xc3\xbc \xf0\x9f\x8f\x94";
  Write("INSERT INTO thing (name, size, share, note) VALUES (?, ?, ?, ?)",
        {"a", int64_t{-9'007'199'254'740'993}, 0.1, odd});
  Write("INSERT INTO thing (name, size, share, note) VALUES (?, ?, ?, ?)",
        {"b", nullptr, nullptr, nullptr});
  Write("INSERT INTO thing (name, size, share, note) VALUES (?, ?, ?, ?)",
        {"c", std::numeric_limits<int64_t>::min(), 1e300, ""});
  auto rows = Rows("SELECT name, size, share, note FROM thing ORDER BY id").value();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].Text(0).value(), "a");
  EXPECT_EQ(rows[0].Int(1).value(), -9'007'199'254'740'993);
  EXPECT_EQ(rows[0].Double(2).value(), 0.1);
  EXPECT_EQ(rows[0].Text(3).value(), odd);
  for (size_t column = 1; column < 4; ++column) EXPECT_TRUE(rows[1].IsNull(column));
  EXPECT_EQ(rows[2].Int(1).value(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(rows[2].Double(2).value(), 1e300);
  EXPECT_EQ(rows[2].Text(3).value(), "");
  EXPECT_EQ(rows[0].Int(0).status().code(), Code::kCorruption) << "a text is no number";
  EXPECT_EQ(Number("SELECT COUNT(*) FROM thing WHERE note = 'what?' OR name = ?", {"a"}), 1);
}

TEST_F(DatabaseTest, KeepsLongTexts) {
  std::string text(3 << 20, 'x');
  Write("INSERT INTO thing (name, note) VALUES ('long', ?)", {text});
  auto rows = Rows("SELECT note FROM thing WHERE name = 'long'").value();
  EXPECT_EQ(rows.at(0).Text(0).value(), text);
}

TEST_F(DatabaseTest, NamesAreComparedAsBytes) {
  for (const char* name : {"b", "B", "a", "\xc3\xa4", "a ", "ss", "\xc3\x9f", "Z"}) {
    Write("INSERT INTO thing (name) VALUES (?)", {name});
  }
  auto rows = Rows("SELECT name FROM thing ORDER BY name").value();
  std::vector<std::string> names;
  for (const auto& row : rows) names.push_back(row.Text(0).value());
  EXPECT_THAT(names, testing::ElementsAre("B", "Z", "a", "a ", "b", "ss", "\xc3\x9f", "\xc3\xa4"));
  EXPECT_EQ(Number("SELECT COUNT(*) FROM thing WHERE name = ?", {"A"}), 0);
  EXPECT_EQ(Number("SELECT COUNT(*) FROM thing WHERE name > ? AND name < ?", {"a", "b"}), 1);
}

TEST_F(DatabaseTest, AggregatesAreWholeNumbers) {
  EXPECT_TRUE(Rows("SELECT SUM(size) FROM thing").value().at(0).IsNull(0));
  EXPECT_EQ(Number("SELECT COALESCE(MAX(size), 0) + 1 FROM thing"), 1);
  Write("INSERT INTO thing (name, size) VALUES ('a', 1), ('b', 41)");
  EXPECT_EQ(Number("SELECT SUM(size) FROM thing"), 42);
  EXPECT_EQ(Number("SELECT SUM(CASE WHEN size > ? THEN 1 ELSE 0 END) FROM thing", {int64_t{1}}), 1);
  EXPECT_EQ(Number("SELECT size FROM thing ORDER BY name = 'b' DESC LIMIT ?", {int64_t{1}}), 41);
}

TEST_F(DatabaseTest, CountsChangesAndIds) {
  Status status = database_->Run(call_, Access::kWrite, [&](Transaction& t) -> Status {
    EXPECT_EQ(t.Execute("INSERT INTO thing (name) VALUES ('a')", {}).value(), 1);
    int64_t first = t.LastInsertId().value();
    EXPECT_EQ(t.Execute("INSERT INTO thing (name) VALUES ('b')", {}).value(), 1);
    EXPECT_GT(t.LastInsertId().value(), first);
    EXPECT_EQ(t.Execute("UPDATE thing SET size = 7", {}).value(), 2);
    EXPECT_EQ(t.Execute("UPDATE thing SET size = 7", {}).value(), 2) << "rows met, not changed";
    EXPECT_EQ(t.Execute("UPDATE thing SET size = 8 WHERE name = 'none'", {}).value(), 0);
    EXPECT_EQ(t.Execute("DELETE FROM thing WHERE id = ?", {first}).value(), 1);
    return {};
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
}

TEST_F(DatabaseTest, SaysWhatWentWrong) {
  Write("INSERT INTO thing (name) VALUES ('a')");
  struct Case {
    std::string_view sql;
    std::vector<Value> parameters;
    Code code;
  };
  const Case cases[] = {
      {"INSERT INTO thing (name) VALUES ('a')", {}, Code::kAlreadyExists},
      {"INSERT INTO part (thing_id) VALUES (99)", {}, Code::kConflict},
      {"INSERT INTO thing (name) VALUES (?)", {nullptr}, Code::kInvalidArgument},
      {"INSERT INTO thing (nome) VALUES ('b')", {}, Code::kInvalidArgument},
      {"UPDATE thing SET size = ?", {}, Code::kInvalidArgument},
      {"UPDATE thing SET size = 1", {int64_t{1}}, Code::kInvalidArgument},
      {"SELEC 1", {}, Code::kInvalidArgument},
  };
  for (const auto& one : cases) {
    Status status = Try(one.sql, one.parameters);
    EXPECT_EQ(status.code(), one.code) << one.sql << ": " << status.ToString();
    EXPECT_THAT(std::string(status.message()), HasSubstr("store: ")) << one.sql;
  }
  EXPECT_EQ(Rows("SELECT id FROM thing", {}, 0).status().code(), Code::kExhausted);
  EXPECT_EQ(Number("SELECT COUNT(*) FROM thing"), 1) << "and it goes on";
}

TEST_F(DatabaseTest, RollsBackOnErrors) {
  Status status = database_->Run(call_, Access::kWrite, [&](Transaction& t) -> Status {
    EXPECT_TRUE(t.Execute("INSERT INTO thing (name) VALUES ('a')", {}).ok());
    EXPECT_EQ(t.Query("SELECT COUNT(*) FROM thing", {}).value().at(0).Int(0).value(), 1);
    return NotFound("no");
  });
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_EQ(Number("SELECT COUNT(*) FROM thing"), 0);
  status = database_->Run(call_, Access::kWrite, [&](Transaction& t) -> Status {
    EXPECT_TRUE(t.Execute("INSERT INTO thing (name) VALUES ('a')", {}).ok());
    throw std::runtime_error("thrown");
  });
  EXPECT_EQ(status.code(), Code::kInternal);
  EXPECT_EQ(Number("SELECT COUNT(*) FROM thing"), 0);
}

TEST_F(DatabaseTest, ReadersSeeOneMomentAndChangeNothing) {
  if (database_->dialect() == "sqlite") return;  // in memory it has one connection
  Status status = database_->Run(call_, Access::kRead, [&](Transaction& t) -> Status {
    EXPECT_EQ(t.Query("SELECT COUNT(*) FROM thing", {}).value().at(0).Int(0).value(), 0);
    Write("INSERT INTO thing (name) VALUES ('a')");
    EXPECT_EQ(t.Query("SELECT COUNT(*) FROM thing", {}).value().at(0).Int(0).value(), 0);
    return t.Execute("DELETE FROM thing", {}).status();
  });
  EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.ToString();
  EXPECT_EQ(Number("SELECT COUNT(*) FROM thing"), 1);
}

TEST_F(DatabaseTest, EndsWithTheCall) {
  std::stop_source stop;
  stop.request_stop();
  Call stopped = env_.call(std::chrono::seconds(60), stop.get_token());
  auto nothing = [](Transaction& t) { return t.Execute("DELETE FROM thing", {}).status(); };
  EXPECT_EQ(database_->Run(stopped, Access::kWrite, nothing).code(), Code::kCancelled);
  Call over = env_.call(std::chrono::nanoseconds(0));
  EXPECT_EQ(database_->Run(over, Access::kWrite, nothing).code(), Code::kDeadline);
}

TEST_F(DatabaseTest, SlowStatementsEndWithTheCall) {
  std::string_view slow = database_->dialect() == "postgresql" ? "SELECT pg_sleep(30)"
                          : database_->dialect() == "mysql"    ? "SELECT SLEEP(30)"
                                                               : "";
  if (slow.empty()) return;
  Call brief = env_.call(std::chrono::milliseconds(200));
  MonoTime begun = brief.clock().Mono();
  Status status = database_->Run(brief, Access::kWrite,
                                 [&](Transaction& t) { return t.Query(slow, {}).status(); });
  EXPECT_EQ(status.code(), Code::kDeadline) << status.ToString();
  EXPECT_LT(brief.clock().Mono() - begun, std::chrono::seconds(20));
  EXPECT_EQ(Number("SELECT COUNT(*) FROM thing"), 0) << "and it goes on";
}

// The rules that a single writer gives for nothing must hold with many: what was read in a
// transaction still holds when it commits.
class Writers : public DatabaseTest {
 protected:
  static constexpr int kThreads = 6;
  void InThreads(const std::function<void(Call&, int)>& work) {
    std::vector<Thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back("writer", [&, i](std::stop_token) {
        Call call = env_.call();
        work(call, i);
      });
    }
  }
};

TEST_F(Writers, LoseNoUpdate) {
  Write("INSERT INTO account (name, coins) VALUES ('a', 0)");
  constexpr int kTimes = 10;
  InThreads([&](Call& call, int) {
    for (int i = 0; i < kTimes; ++i) {
      Status status = database_->Run(call, Access::kWrite, [](Transaction& t) -> Status {
        MORAINE_ASSIGN(auto rows, t.Query("SELECT coins FROM account WHERE name = 'a'", {}));
        MORAINE_ASSIGN(int64_t coins, rows.at(0).Int(0));
        return t.Execute("UPDATE account SET coins = ? WHERE name = 'a'", {coins + 1}).status();
      });
      EXPECT_TRUE(status.ok()) << status.ToString();
    }
  });
  EXPECT_EQ(Number("SELECT coins FROM account"), kThreads * kTimes);
}

TEST_F(Writers, NeverSkew) {
  // Two accounts must hold one coin at least together: each writer looks at both and takes from
  // one.
  Write("INSERT INTO account (name, coins) VALUES ('a', 20), ('b', 20)");
  std::atomic<int> taken = 0;
  InThreads([&](Call& call, int number) {
    for (int i = 0; i < 15; ++i) {
      bool took = false;
      Status status = database_->Run(call, Access::kWrite, [&](Transaction& t) -> Status {
        took = false;
        MORAINE_ASSIGN(auto rows, t.Query("SELECT SUM(coins) FROM account", {}));
        MORAINE_ASSIGN(int64_t sum, rows.at(0).Int(0));
        if (sum <= 1) return {};
        took = true;
        return t
            .Execute("UPDATE account SET coins = coins - 1 WHERE name = ?",
                     {number % 2 == 0 ? "a" : "b"})
            .status();
      });
      EXPECT_TRUE(status.ok()) << status.ToString();
      if (status.ok() && took) ++taken;
    }
  });
  EXPECT_EQ(taken.load(), 39);
  EXPECT_EQ(Number("SELECT SUM(coins) FROM account"), 1);
}

TEST_F(Writers, MakeOneOfAName) {
  constexpr int kNames = 8;
  std::atomic<int> made = 0;
  InThreads([&](Call& call, int) {
    for (int i = 0; i < kNames; ++i) {
      std::string name = "n" + std::to_string(i);
      Status status = database_->Run(call, Access::kWrite, [&](Transaction& t) -> Status {
        MORAINE_ASSIGN(auto rows, t.Query("SELECT id FROM thing WHERE name = ?", {name}));
        if (!rows.empty()) return AlreadyExists("seen");
        return t.Execute("INSERT INTO thing (name) VALUES (?)", {name}).status();
      });
      if (status.ok()) ++made;
      EXPECT_TRUE(status.ok() || status.message() == "seen") << status.ToString();
    }
  });
  EXPECT_EQ(made.load(), kNames);
  EXPECT_EQ(Number("SELECT COUNT(*) FROM thing"), kNames);
}

TEST_F(Writers, OpposedTransfersAllEnd) {
  Write("INSERT INTO account (name, coins) VALUES ('a', 100), ('b', 100)");
  InThreads([&](Call& call, int number) {
    const bool forth = number % 2 == 0;
    for (int i = 0; i < 10; ++i) {
      Status status = database_->Run(call, Access::kWrite, [&](Transaction& t) -> Status {
        MORAINE_TRY(
            t.Execute("UPDATE account SET coins = coins - 1 WHERE name = ?", {forth ? "a" : "b"}));
        return t.Execute("UPDATE account SET coins = coins + 1 WHERE name = ?", {forth ? "b" : "a"})
            .status();
      });
      EXPECT_TRUE(status.ok()) << status.ToString();
    }
  });
  EXPECT_EQ(Number("SELECT coins FROM account WHERE name = 'a'"), 100);
  EXPECT_EQ(Number("SELECT coins FROM account WHERE name = 'b'"), 100);
}

TEST_F(Writers, OfDifferentRowsDoNotHinderEachOther) {
  for (int i = 0; i < kThreads; ++i) {
    Write("INSERT INTO account (name, coins) VALUES (?, 0)", {"a" + std::to_string(i)});
  }
  std::atomic<int> runs = 0;
  InThreads([&](Call& call, int number) {
    for (int i = 0; i < 20; ++i) {
      Status status = database_->Run(call, Access::kWrite, [&](Transaction& t) -> Status {
        ++runs;
        return t
            .Execute("UPDATE account SET coins = coins + 1 WHERE name = ?",
                     {"a" + std::to_string(number)})
            .status();
      });
      EXPECT_TRUE(status.ok()) << status.ToString();
    }
  });
  EXPECT_EQ(Number("SELECT SUM(coins) FROM account"), kThreads * 20);
  EXPECT_LT(runs.load(), kThreads * 20 * 2) << "transactions ran again and again";
}

/// Puts off an INSERT of this name, then does as told.
Status PutOff(Database& database, Call& call, std::string name,
              const std::function<Status(Transaction&)>& then) {
  return database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_TRY(ExecuteLater(t, "INSERT INTO thing (name) VALUES (?)", {name}));
    return then(t);
  });
}

TEST_F(DatabaseTest, StatementsThatArePutOffCountLikeOthers) {
  auto nothing = [](Transaction&) { return Status(); };
  for (const char* name : {"a", "b"}) {
    Status put = PutOff(*database_, call_, name, nothing);
    EXPECT_TRUE(put.ok()) << put.ToString();
  }
  Status seen = PutOff(*database_, call_, "c", [](Transaction& t) -> Status {
    MORAINE_TRY(ExecuteLater(t, "INSERT INTO thing (name) VALUES (?)", {std::string("d")}));
    MORAINE_ASSIGN(auto rows, t.Query("SELECT COUNT(*) FROM thing", {}));
    MORAINE_ASSIGN(int64_t count, rows.at(0).Int(0));
    EXPECT_EQ(count, 4);
    return ExecuteLater(t, "INSERT INTO thing (name) VALUES (?)", {std::string("e")});
  });
  EXPECT_TRUE(seen.ok()) << seen.ToString();
  EXPECT_EQ(Number("SELECT COUNT(*) FROM thing"), 5);
}

TEST_F(DatabaseTest, AStatementThatWasPutOffAndFailsUndoesAll) {
  Write("INSERT INTO thing (name) VALUES ('taken')");
  auto nothing = [](Transaction&) { return Status(); };
  auto write = [](Transaction& t) {
    return t.Execute("INSERT INTO thing (name) VALUES ('beside')", {}).status();
  };
  auto fail = [](Transaction&) { return NotFound("of its own"); };
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(PutOff(*database_, call_, "taken", nothing).code(), Code::kAlreadyExists);
    EXPECT_EQ(PutOff(*database_, call_, "taken", write).code(), Code::kAlreadyExists);
    Status own = PutOff(*database_, call_, "new", fail);
    EXPECT_EQ(own.code(), Code::kNotFound) << own.ToString();
    EXPECT_FALSE(PutOff(*database_, call_, "taken", fail).ok());
    // The connection is as good as before.
    EXPECT_EQ(Number("SELECT COUNT(*) FROM thing"), 1) << round;
    Write("UPDATE thing SET size = ?", {int64_t{round}});
  }
  EXPECT_EQ(Number("SELECT size FROM thing"), 2);
}

}  // namespace
}  // namespace moraine::store
