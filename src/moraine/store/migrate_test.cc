#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/store/database.h"

namespace moraine::store {
namespace {

using testing::TestEnv;

const Migration kFirst = {1, "things", R"(
-- Things; a comment with a semicolon inside;
CREATE TABLE thing (
  id {id},
  name {text} NOT NULL,
  size {bigint} NOT NULL
);
CREATE INDEX thing_name ON thing (name);
)"};
const Migration kSecond = {2, "colours", "ALTER TABLE thing ADD COLUMN colour {text};\n"};
const Migration kBroken = {3, "broken", "CREATE TABLE good (a {bigint});\nCREATE TABEL bad (b);\n"};

class MigrateTest : public testing::Test {
 protected:
  MigrateTest() : env_(1, testing::TestClock::kSystem), call_(env_.call()) {
    char name[] = "/tmp/moraine-migrate-XXXXXX";
    root_ = ::mkdtemp(name);
    database_ = OpenDatabase(call_, "sqlite://" + root_ + "/s.db", {}).value();
  }
  ~MigrateTest() override {
    database_.reset();
    std::filesystem::remove_all(root_);
  }
  Status Run(std::string_view sql) {
    return database_->Run(call_, Access::kWrite,
                          [&](Transaction& t) { return t.Execute(sql, {}).status(); });
  }

  TestEnv env_;
  Call call_;
  std::string root_;
  std::unique_ptr<Database> database_;
};

TEST_F(MigrateTest, AppliesEachStepOnce) {
  for (int i = 0; i < 2; ++i) {
    Status status = Migrate(call_, *database_, "m", {kFirst});
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  EXPECT_TRUE(Run("INSERT INTO thing (name, size) VALUES ('a', 1)").ok());
  EXPECT_FALSE(std::filesystem::exists(root_ + "/s.db.bak-m-v1"));
  EXPECT_TRUE(Migrate(call_, *database_, "m", {kFirst, kSecond}).ok());
  EXPECT_TRUE(Run("UPDATE thing SET colour = 'red'").ok());
  EXPECT_TRUE(std::filesystem::exists(root_ + "/s.db.bak-m-v1")) << "the rows before the change";
  EXPECT_TRUE(Migrate(call_, *database_, "other", {{1, "o", "CREATE TABLE o (a {bigint})"}}).ok());
}

TEST_F(MigrateTest, RefusesANewerStore) {
  ASSERT_TRUE(Migrate(call_, *database_, "m", {kFirst, kSecond}).ok());
  Status status = Migrate(call_, *database_, "m", {kFirst});
  EXPECT_EQ(status.code(), Code::kUnsupported);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("version 2, known up to 1"));
}

TEST_F(MigrateTest, AStepIsWholeOrNot) {
  Status status = Migrate(call_, *database_, "m", {kFirst, kSecond, kBroken});
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("version 3 (broken)"));
  EXPECT_FALSE(Run("INSERT INTO good VALUES (1)").ok());
  EXPECT_TRUE(Run("INSERT INTO thing (name, size, colour) VALUES ('a', 1, 'b')").ok());
  EXPECT_TRUE(Migrate(call_, *database_, "m", {kFirst, kSecond}).ok());
}

}  // namespace
}  // namespace moraine::store
