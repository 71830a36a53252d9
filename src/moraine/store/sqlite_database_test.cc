#include <atomic>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "moraine/base/executor.h"
#include "moraine/base/metrics.h"
#include "moraine/base/testing/test_env.h"
#include "moraine/store/database.h"

namespace moraine::store {
namespace {

using testing::HasSubstr;
using testing::TestClock;
using testing::TestEnv;

class Sqlite : public testing::Test {
 protected:
  Sqlite() : env_(1, TestClock::kSystem), call_(env_.call()) {
    char name[] = "/tmp/moraine store-XXXXXX";  // a space, on purpose
    root_ = ::mkdtemp(name);
    Reopen();
    Write(
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, size BIGINT, "
        "share DOUBLE)");
  }
  ~Sqlite() override {
    database_.reset();
    std::filesystem::remove_all(root_);
  }

  std::string Url() const { return "sqlite://" + root_ + "/sub/store.db"; }
  void Reopen() {
    database_.reset();
    auto opened = OpenDatabase(call_, Url(), {});
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    database_ = std::move(*opened);
  }
  Status Try(std::string_view sql, const std::vector<Value>& parameters = {}) {
    return database_->Run(call_, Access::kWrite,
                          [&](Transaction& t) { return t.Execute(sql, parameters).status(); });
  }
  void Write(std::string_view sql, const std::vector<Value>& parameters = {}) {
    Status status = Try(sql, parameters);
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  int64_t Number(std::string_view sql) {
    auto value = RunFor(call_, *database_, Access::kRead, [&](Transaction& t) -> Result<int64_t> {
      MORAINE_ASSIGN(auto rows, t.Query(sql, {}));
      return rows.at(0).Int(0);
    });
    EXPECT_TRUE(value.ok()) << value.status().ToString();
    return value.ok() ? *value : -1;
  }

  TestEnv env_;
  Call call_;
  std::string root_;
  std::unique_ptr<Database> database_;
};

TEST_F(Sqlite, CountsTransactionsByResultAndTheSizeOfGroups) {
  Metrics metrics;
  database_.reset();
  StoreOptions options;
  options.metrics = &metrics;
  database_ = std::move(OpenDatabase(call_, Url(), options)).value();
  Write("INSERT INTO t (name) VALUES ('a')");
  EXPECT_EQ(Try("INSERT INTO t (name) VALUES ('a')").code(), Code::kAlreadyExists);
  EXPECT_EQ(Number("SELECT COUNT(*) FROM t"), 1);
  std::string text = metrics.Text();
  for (const char* line :
       {R"(moraine_store_transactions_total{access="read",result="ok"} 1)",
        R"(moraine_store_transactions_total{access="write",result="ok"} 1)",
        R"(moraine_store_transactions_total{access="write",result="AlreadyExists"} 1)",
        R"(moraine_store_transaction_duration_seconds_count{access="write"} 2)",
        R"(moraine_store_transaction_duration_seconds_count{access="read"} 1)",
        "moraine_store_group_commit_size_count 1", "moraine_store_group_commit_size_sum 1"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  // They must outlive what counts in them.
  database_.reset();
}

TEST_F(Sqlite, KeepsValuesOfEachKind) {
  const std::string bytes("a\0b'\xc3\xa9", 6);
  Write("INSERT INTO t (name, size, share) VALUES (?, ?, ?)", {bytes, INT64_MAX, 0.1});
  Write("INSERT INTO t (name, size, share) VALUES (?, ?, ?)", {nullptr, INT64_MIN, nullptr});
  Write("INSERT INTO t (name, size, share) VALUES (?, ?, ?)", {"", int64_t{0}, int64_t{3}});
  Status status = database_->Run(call_, Access::kRead, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(auto rows, t.Query("SELECT name, size, share, id FROM t ORDER BY id", {}));
    EXPECT_EQ(rows.size(), 3u);
    EXPECT_EQ(*rows[0].Text(0), bytes);
    EXPECT_EQ(*rows[0].Int(1), INT64_MAX);
    EXPECT_EQ(*rows[0].Double(2), 0.1);
    EXPECT_EQ(*rows[1].OptText(0), std::nullopt);
    EXPECT_EQ(*rows[1].OptInt(1), INT64_MIN);
    EXPECT_TRUE(rows[1].IsNull(2));
    EXPECT_EQ(*rows[2].OptText(0), "");
    EXPECT_EQ(*rows[2].Double(2), 3.0);
    EXPECT_EQ(rows[1].Text(0).status().code(), Code::kCorruption);
    EXPECT_EQ(rows[0].Int(0).status().code(), Code::kCorruption);
    EXPECT_EQ(rows[0].Int(4).status().code(), Code::kCorruption);
    return {};
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
}

TEST_F(Sqlite, SaysWhatWentWrong) {
  Write("CREATE TABLE child (id INTEGER PRIMARY KEY, parent BIGINT REFERENCES t (id))");
  Write("INSERT INTO t (name) VALUES ('x')");
  struct Case {
    std::string_view sql;
    std::vector<Value> parameters;
    Code code;
  };
  for (const Case& c : std::vector<Case>{
           {"INSERT INTO t (name) VALUES ('x')", {}, Code::kAlreadyExists},
           {"INSERT INTO t (id) VALUES (1)", {}, Code::kAlreadyExists},
           {"INSERT INTO child (parent) VALUES (77)", {}, Code::kConflict},
           {"SELEC 1", {}, Code::kInvalidArgument},
           {"INSERT INTO nowhere VALUES (1)", {}, Code::kInvalidArgument},
           {"UPDATE t SET name = \"nosuchcolumn\"", {}, Code::kInvalidArgument},
           {"UPDATE t SET name = ?", {}, Code::kInvalidArgument},
           {"UPDATE t SET name = ?", {"a", "b"}, Code::kInvalidArgument},
           {"UPDATE t SET size = 1; UPDATE t SET size = 2", {}, Code::kInvalidArgument},
           {"", {}, Code::kInvalidArgument},
       }) {
    EXPECT_EQ(Try(c.sql, c.parameters).code(), c.code) << c.sql;
  }
  EXPECT_EQ(Number("SELECT COUNT(*) FROM t"), 1);
}

TEST_F(Sqlite, CountsChangesAndIds) {
  Status status = database_->Run(call_, Access::kWrite, [&](Transaction& t) -> Status {
    EXPECT_EQ(*t.Execute("INSERT INTO t (name) VALUES ('a'), ('b'), ('c');", {}), 3);
    EXPECT_EQ(*t.LastInsertId(), 3);
    EXPECT_EQ(*t.Execute("UPDATE t SET size = 1 WHERE name < 'c'", {}), 2);
    EXPECT_EQ(*t.Execute("UPDATE t SET size = 2 WHERE name = 'z'", {}), 0);
    EXPECT_EQ(*t.Execute("CREATE INDEX t_size ON t (size)", {}), 0);
    EXPECT_EQ(*t.Execute("DELETE FROM t", {}), 3);
    EXPECT_EQ(t.Query("SELECT 1 UNION ALL SELECT 2", {}, 1).status().code(), Code::kExhausted);
    EXPECT_EQ(t.Query("SELECT 1 UNION ALL SELECT 2", {}, 2)->size(), 2u);
    EXPECT_NEAR(*t.NowMs(), ToMillis(SystemClock().Wall()), 60'000);
    return {};
  });
  EXPECT_TRUE(status.ok());
}

TEST_F(Sqlite, RollsBackOnErrors) {
  EXPECT_EQ(database_
                ->Run(call_, Access::kWrite,
                      [](Transaction& t) -> Status {
                        MORAINE_TRY(t.Execute("INSERT INTO t (name) VALUES ('a')", {}));
                        return NotFound("changed my mind");
                      })
                .code(),
            Code::kNotFound);
  EXPECT_EQ(Number("SELECT COUNT(*) FROM t"), 0);
  EXPECT_EQ(database_
                ->Run(call_, Access::kWrite,
                      [](Transaction& t) -> Status {
                        MORAINE_TRY(t.Execute("INSERT INTO t (name) VALUES ('a')", {}));
                        throw std::runtime_error("out of the blue");
                      })
                .code(),
            Code::kInternal);
  Write("INSERT INTO t (name) VALUES ('a')");
}

TEST_F(Sqlite, ReadersSeeOneMomentAndChangeNothing) {
  Write("INSERT INTO t (name) VALUES ('a')");
  Status status = database_->Run(call_, Access::kRead, [&](Transaction& t) -> Status {
    EXPECT_EQ(t.Query("SELECT * FROM t", {})->size(), 1u);
    Write("INSERT INTO t (name) VALUES ('b')");
    EXPECT_EQ(t.Query("SELECT * FROM t", {})->size(), 1u);
    EXPECT_EQ(t.Execute("DELETE FROM t", {}).status().code(), Code::kInvalidArgument);
    return {};
  });
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(Number("SELECT COUNT(*) FROM t"), 2);
}

TEST_F(Sqlite, SurvivesReopening) {
  Write("INSERT INTO t (name) VALUES ('a')");
  Reopen();
  EXPECT_EQ(Number("SELECT COUNT(*) FROM t"), 1);
  EXPECT_EQ(Number("PRAGMA synchronous"), 2);
  EXPECT_EQ(Number("PRAGMA foreign_keys"), 1);
  struct stat info;
  ASSERT_EQ(::stat((root_ + "/sub/store.db").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(Sqlite, BelongsToOneServer) {
  auto second = OpenDatabase(call_, Url(), {});
  EXPECT_EQ(second.status().code(), Code::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()),
              testing::HasSubstr("process " + std::to_string(::getpid())));
}

TEST_F(Sqlite, RefusesBadUrls) {
  EXPECT_EQ(OpenDatabase(call_, "sqlite://relative.db", {}).status().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(OpenDatabase(call_, "store.db", {}).status().code(), Code::kInvalidArgument);
  auto other = OpenDatabase(call_, "oracle://u:secret@h/db", {});
  EXPECT_EQ(other.status().code(), Code::kUnsupported);
  EXPECT_EQ(other.status().message().find("secret"), std::string::npos);
}

TEST_F(Sqlite, EndsWithTheCall) {
  Call brief = env_.call(Millis(50));
  constexpr std::string_view kEndless =
      "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n";
  for (Access access : {Access::kRead, Access::kWrite}) {
    Call one(brief);
    Status status =
        database_->Run(one, access, [&](Transaction& t) { return t.Query(kEndless, {}).status(); });
    EXPECT_EQ(status.code(), Code::kDeadline) << status.ToString();
  }
  std::stop_source stop;
  Call stopped = env_.call(std::chrono::seconds(60), stop.get_token());
  Status status = database_->Run(stopped, Access::kWrite, [&](Transaction& t) {
    stop.request_stop();
    return t.Query(kEndless, {}).status();
  });
  EXPECT_EQ(status.code(), Code::kCancelled);
  Write("INSERT INTO t (name) VALUES ('still works')");
}

TEST_F(Sqlite, WaitsForTheLockNoLongerThanTheCall) {
  Status inner;
  Status outer = database_->Run(call_, Access::kWrite, [&](Transaction&) -> Status {
    Call brief = env_.call(Millis(20));
    inner = database_->Run(brief, Access::kWrite, [](Transaction&) { return Status(); });
    return {};
  });
  EXPECT_TRUE(outer.ok());
  EXPECT_EQ(inner.code(), Code::kDeadline);
}

TEST_F(Sqlite, ReadersAreBounded) {
  auto small = OpenDatabase(call_, "sqlite://" + root_ + "/other.db", {.readers = 1});
  Status inner;
  Status outer = (*small)->Run(call_, Access::kRead, [&](Transaction&) -> Status {
    Call brief = env_.call(Millis(20));
    inner = (*small)->Run(brief, Access::kRead, [](Transaction&) { return Status(); });
    return {};
  });
  EXPECT_TRUE(outer.ok());
  EXPECT_EQ(inner.code(), Code::kDeadline);
}

/// Holds the writers' turn with one transaction until the others queue up behind it: they form a
/// group.
class SqliteGroups : public Sqlite {
 protected:
  /// Runs the bodies in parallel, all behind one that waits for them; their outcomes by index.
  std::vector<Status> RunGroup(const std::vector<std::function<Status(Transaction&)>>& bodies) {
    std::vector<Status> outcomes(bodies.size());
    std::atomic<size_t> started = 0;
    std::vector<Thread> threads;
    Status first = database_->Run(call_, Access::kWrite, [&](Transaction& t) -> Status {
      for (size_t i = 0; i < bodies.size(); ++i) {
        threads.emplace_back("w", [&, i](std::stop_token) {
          Call call = env_.call();
          ++started;
          outcomes[i] = database_->Run(call, Access::kWrite, bodies[i]);
        });
      }
      while (started < bodies.size()) {
      }
      SystemClock().SleepFor(Millis(10), {});
      return t.Execute("INSERT INTO t (name) VALUES ('first')", {}).status();
    });
    for (Thread& thread : threads) thread.Join();
    first_ = first;
    return outcomes;
  }
  Status first_;  // the outcome of the one in front
};

TEST_F(SqliteGroups, ErrorsStayWithTheirCaller) {
  std::vector<std::function<Status(Transaction&)>> bodies;
  for (int i = 0; i < 12; ++i) {
    bodies.push_back([i](Transaction& t) -> Status {
      MORAINE_TRY(t.Execute("INSERT INTO t (name, size) VALUES (?, 1)",
                            {i % 3 == 0 ? "same" : std::to_string(i)}));
      if (i % 3 == 1) return NotFound("no");
      return {};
    });
  }
  std::vector<Status> got = RunGroup(bodies);
  EXPECT_TRUE(first_.ok()) << first_.ToString();
  std::map<Code, int> codes;
  for (const Status& status : got) codes[status.code()]++;
  EXPECT_EQ(codes[Code::kOk], 1 + 4) << "one of the same, and all i % 3 == 2";
  EXPECT_EQ(codes[Code::kAlreadyExists], 3);
  EXPECT_EQ(codes[Code::kNotFound], 4);
  EXPECT_EQ(Number("SELECT COUNT(*) FROM t WHERE size = 1"), 5);
  EXPECT_EQ(Number("SELECT COUNT(*) FROM t"), 6);
}

TEST_F(SqliteGroups, ALostTransactionIsToldToAllOfItsMembers) {
  std::vector<std::function<Status(Transaction&)>> bodies;
  for (int i = 0; i < 6; ++i) {
    bodies.push_back([&, i](Transaction& t) -> Status {
      if (i == 3) {
        return t.Execute("ROLLBACK", {}).status();  // the rudest thing that a body can do
      }
      return t.Execute("INSERT INTO t (name) VALUES (?)", {std::to_string(i)}).status();
    });
  }
  std::vector<Status> got = RunGroup(bodies);
  int64_t done = first_.ok();
  for (const Status& status : got) done += status.ok();
  EXPECT_EQ(got[3].code(), Code::kUnavailable);
  EXPECT_EQ(Number("SELECT COUNT(*) FROM t"), done) << "OK means committed, an error means not";
}

TEST_F(SqliteGroups, AFullDiskFailsTheGroupAndNothingElse) {
  Write("INSERT INTO t (name) VALUES ('before')");
  rlimit usual;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &usual), 0);
  auto restore = ::signal(SIGXFSZ, SIG_IGN);
  rlimit small = usual;
  small.rlim_cur = std::filesystem::file_size(root_ + "/sub/store.db-wal") + 1000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  std::vector<std::function<Status(Transaction&)>> bodies(
      4, [](Transaction& t) { return t.Execute("INSERT INTO t (size) VALUES (1)", {}).status(); });
  bodies.push_back([](Transaction&) { return NotFound("says the body"); });
  std::vector<Status> got = RunGroup(bodies);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &usual), 0);
  ::signal(SIGXFSZ, restore);

  EXPECT_FALSE(first_.ok());
  for (size_t i = 0; i < 4; ++i) {
    bool right = got[i].code() == Code::kExhausted || got[i].code() == Code::kCommitUnknown;
    EXPECT_TRUE(right) << got[i].ToString();
  }
  EXPECT_NE(got[4].code(), Code::kOk);
  EXPECT_EQ(Number("SELECT COUNT(*) FROM t"), 1);
  Write("INSERT INTO t (name) VALUES ('after')");
  Reopen();
  EXPECT_EQ(Number("SELECT COUNT(*) FROM t"), 2);
}

TEST_F(SqliteGroups, ManyWritersManyReaders) {
  ThreadPool pool({.name = "w", .threads = 16});
  Status status = ForEach(pool, 400, 16, [&](size_t i) -> Status {
    Call call = env_.call();
    if (i % 4 == 3) {
      return database_->Run(call, Access::kRead, [](Transaction& t) -> Status {
        // Two rows a transaction, never one.
        MORAINE_ASSIGN(auto rows, t.Query("SELECT COUNT(*) FROM t", {}));
        MORAINE_ASSIGN(int64_t count, rows.at(0).Int(0));
        return count % 2 == 0 ? Status() : Internal("half a transaction");
      });
    }
    return database_->Run(call, Access::kWrite, [&](Transaction& t) -> Status {
      MORAINE_TRY(t.Execute("INSERT INTO t (name) VALUES (?)", {std::to_string(i) + "a"}));
      return t.Execute("INSERT INTO t (name) VALUES (?)", {std::to_string(i) + "b"}).status();
    });
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(Number("SELECT COUNT(*) FROM t"), 600);
}

TEST_F(Sqlite, BacksUpWhileItRuns) {
  Write("INSERT INTO t (name) VALUES ('a')");
  Result<std::string> copy = database_->Backup(call_, "test-v1");
  ASSERT_TRUE(copy.ok()) << copy.status().ToString();
  EXPECT_EQ(*copy, root_ + "/sub/store.db.bak-test-v1");
  Write("INSERT INTO t (name) VALUES ('b')");
  EXPECT_TRUE(database_->Backup(call_, "test-v1").ok()) << "replaced";
  auto other = OpenDatabase(call_, "sqlite://" + *copy, {});
  ASSERT_TRUE(other.ok());
  auto rows = RunFor(call_, **other, Access::kRead,
                     [](Transaction& t) { return t.Query("SELECT name FROM t", {}); });
  EXPECT_EQ(rows->size(), 2u);
}

TEST_F(Sqlite, InMemoryReadsAndWrites) {
  auto memory = OpenDatabase(call_, "sqlite://:memory:", {});
  ASSERT_TRUE((*memory)
                  ->Run(call_, Access::kWrite,
                        [](Transaction& t) { return t.Execute("CREATE TABLE m (a)", {}).status(); })
                  .ok());
  Status read = (*memory)->Run(call_, Access::kRead, [](Transaction& t) -> Status {
    EXPECT_EQ(t.Execute("INSERT INTO m VALUES (1)", {}).status().code(), Code::kInvalidArgument);
    return t.Query("SELECT * FROM m", {}).status();
  });
  EXPECT_TRUE(read.ok());
  EXPECT_EQ(*(*memory)->Backup(call_, "x"), "");
}

/// Writes down what it hears.
class Listener final : public RowObserver {
 public:
  void OnRow(std::string_view table, int64_t id, Change change) override {
    heard += std::string(table) + std::to_string(id) + "IUD"[static_cast<int>(change)] + " ";
  }
  void OnEnd() override { heard += "end "; }
  std::string Take() { return std::exchange(heard, {}); }

  std::string heard;
};

TEST_F(Sqlite, ObserversHearOfEveryRowBeforeItCanBeRead) {
  Write(
      "CREATE TABLE child (id INTEGER PRIMARY KEY, t BIGINT REFERENCES t (id) ON DELETE CASCADE)");
  auto listener = std::make_shared<Listener>();
  ASSERT_TRUE(database_->Observe(call_, listener).value());
  EXPECT_EQ(listener->Take(), "end ");
  Status status = database_->Run(call_, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_TRY(t.Execute("INSERT INTO t (name) VALUES (?)", {std::string("a")}));
    MORAINE_TRY(t.Execute("INSERT INTO child (t) VALUES (1)", {}));
    EXPECT_EQ(listener->Take(), "t1I child1I ");
    EXPECT_EQ(Number("SELECT COUNT(*) FROM t"), 0);
    return {};
  });
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(listener->Take(), "end ");
  Write("UPDATE t SET name = 'b' WHERE id = 1");
  EXPECT_EQ(listener->Take(), "t1U end ");
  EXPECT_EQ(Number("SELECT COUNT(*) FROM t"), 1);
  EXPECT_EQ(listener->Take(), "");
  Write("DELETE FROM t WHERE id = 1");
  EXPECT_EQ(listener->Take(), "t1D child1D end ");

  EXPECT_FALSE(Try("INSERT INTO t (id, name) VALUES (2, 'c'), (3, 'c')").ok());
  EXPECT_THAT(listener->Take(), testing::EndsWith("end "));
  std::weak_ptr<Listener> gone = listener;
  listener.reset();
  EXPECT_TRUE(gone.expired());
  Write("INSERT INTO t (name) VALUES ('d')");
}

}  // namespace
}  // namespace moraine::store
