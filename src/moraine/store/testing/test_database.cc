#include "moraine/store/testing/test_database.h"

#include <atomic>
#include <mutex>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "moraine/base/testing/test_env.h"

namespace moraine::store {
namespace {

StoreOptions SmallPool() {
  StoreOptions options;
  options.connections = 6;
  return options;
}

void RunOnServer(const std::string& sql) {
  testing::TestEnv env(1, testing::TestClock::kSystem);
  Call call = env.call();
  auto database = OpenDatabase(call, TestServerUrl(), SmallPool());
  MORAINE_CHECK(database.ok(), database.status().ToString());
  Status status = (*database)->Run(call, Access::kWrite,
                                   [&](Transaction& t) { return t.Execute(sql, {}).status(); });
  MORAINE_CHECK(status.ok(), status.ToString());
}

/// The server's URL with another database (MariaDB) or schema (PostgreSQL).
std::string UrlOf(const std::string& schema) {
  std::string url = TestServerUrl();
  if (TestDialect() == "postgresql") {
    char mark = url.find('?') == url.npos ? '?' : '&';
    return fmt::format("{}{}options=-csearch_path%3D{}", url, mark, schema);
  }
  size_t database = url.find('/', url.find("://") + 3) + 1;
  size_t end = std::min(url.find('?'), url.size());
  return url.replace(database, end - database, schema);
}

class SimTimeTransaction final : public Transaction {
 public:
  SimTimeTransaction(Transaction& inner, Call& call) : inner_(inner), call_(call) {}
  Result<int64_t> Execute(std::string_view sql, const std::vector<Value>& parameters) override {
    return inner_.Execute(sql, parameters);
  }
  Result<std::vector<Row>> Query(std::string_view sql, const std::vector<Value>& parameters,
                                 size_t max_rows) override {
    return inner_.Query(sql, parameters, max_rows);
  }
  Result<int64_t> LastInsertId() override { return inner_.LastInsertId(); }
  Result<int64_t> NowMs() override { return ToMillis(call_.clock().Wall()); }
  std::string_view dialect() const override { return inner_.dialect(); }

 private:
  Transaction& inner_;
  Call& call_;
};

/// Schemas of tests that ended, without rows: making the tables takes longer than most tests.
class FreeSchemas {
 public:
  std::unique_ptr<TestSchema> Take() {
    std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<TestSchema>();
    auto schema = std::move(free_.back());
    free_.pop_back();
    return schema;
  }
  void Return(std::unique_ptr<TestSchema> schema) {
    std::lock_guard lock(mutex_);
    free_.push_back(std::move(schema));
  }
  void Drop() {
    std::lock_guard lock(mutex_);
    free_.clear();
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<TestSchema>> free_;
};

FreeSchemas& Free() {
  static FreeSchemas schemas;
  return schemas;
}

/// Drops what is left when all tests have run, before anything static goes.
class DropAtTheEnd final : public ::testing::Environment {
 public:
  void TearDown() override { Free().Drop(); }
};

Status RemoveRows(Transaction& t) {
  const bool mysql = t.dialect() == "mysql";
  MORAINE_ASSIGN(auto tables,
                 t.Query(fmt::format("SELECT table_name FROM information_schema.tables WHERE "
                                     "table_schema = {} AND table_name <> 'schema_version'",
                                     mysql ? "DATABASE()" : "current_schema()"),
                         {}));
  std::string all;
  if (mysql) MORAINE_TRY(t.Execute("SET SESSION foreign_key_checks = 0", {}));
  for (const auto& row : tables) {
    MORAINE_ASSIGN(auto table, row.Text(0));
    if (mysql) MORAINE_TRY(t.Execute(fmt::format("DELETE FROM {}", table), {}));
    all += (all.empty() ? "" : ", ") + table;
  }
  if (mysql) return t.Execute("SET SESSION foreign_key_checks = 1", {}).status();
  if (all.empty()) return {};
  return t.Execute(fmt::format("TRUNCATE {} RESTART IDENTITY", all), {}).status();
}

class SchemaDatabase final : public Database {
 public:
  explicit SchemaDatabase(Call& call)
      : schema_(Free().Take()),
        inner_(std::move(OpenDatabase(call, schema_->url(), SmallPool())).value()) {
    static auto* drop = ::testing::AddGlobalTestEnvironment(new DropAtTheEnd);
    (void)drop;
  }
  ~SchemaDatabase() override {
    testing::TestEnv env(1, testing::TestClock::kSystem);
    Call call = env.call();
    if (inner_->Run(call, Access::kWrite, RemoveRows).ok()) Free().Return(std::move(schema_));
  }
  Status Run(Call& call, Access access, const std::function<Status(Transaction&)>& body) override {
    return inner_->Run(call, access, [&](Transaction& inner) {
      SimTimeTransaction transaction(inner, call);
      return body(transaction);
    });
  }
  std::string_view dialect() const override { return inner_->dialect(); }
  Result<std::string> Backup(Call& call, std::string_view label) override {
    return inner_->Backup(call, label);
  }

 private:
  std::unique_ptr<TestSchema> schema_;
  std::unique_ptr<Database> inner_;
};

}  // namespace

std::string TestServerUrl() {
  const char* url = ::getenv("MORAINE_TEST_STORE");
  return url == nullptr ? "" : url;
}

std::string_view TestDialect() {
  std::string url = TestServerUrl();
  if (url.empty()) return "sqlite";
  return url.starts_with("postgres") ? "postgresql" : "mysql";
}

TestSchema::TestSchema() {
  static std::atomic<int> last = 0;
  name_ = fmt::format("test_{}_{}", ::getpid(), ++last);
  RunOnServer(fmt::format("CREATE {} {}", TestDialect() == "mysql" ? "DATABASE" : "SCHEMA", name_));
  url_ = UrlOf(name_);
}

TestSchema::~TestSchema() {
  RunOnServer(TestDialect() == "mysql" ? fmt::format("DROP DATABASE {}", name_)
                                       : fmt::format("DROP SCHEMA {} CASCADE", name_));
}

std::unique_ptr<Database> MakeTestDatabase(Call& call) {
  if (!TestServerUrl().empty()) return std::make_unique<SchemaDatabase>(call);
  return std::move(OpenDatabase(call, "sqlite://:memory:", {})).value();
}

}  // namespace moraine::store
