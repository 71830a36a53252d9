// What the errors of the servers ask of the caller, by their numbers.

#include <gtest/gtest.h>

#include "moraine/store/mariadb_errors.h"
#include "moraine/store/postgres_errors.h"

namespace moraine::store {
namespace {

TEST(PostgresErrors, AreClassified) {
  constexpr std::string_view kCreate = "CREATE TABLE IF NOT EXISTS schema_version (a INT)";
  struct Case {
    std::string_view state, sql;
    Code code;
    Trouble trouble;
  };
  for (const auto& c : {
           Case{"40001", "UPDATE", Code::kConflict, Trouble::kSerial},
           Case{"23505", "INSERT", Code::kAlreadyExists, Trouble::kDuplicate},
           Case{"42P07", "CREATE TABLE a", Code::kAlreadyExists, Trouble::kStatement},
           Case{"42P07", kCreate, Code::kAlreadyExists, Trouble::kDuplicate},
           Case{"42710", "CREATE TYPE a", Code::kAlreadyExists, Trouble::kStatement},
           Case{"42710", kCreate, Code::kAlreadyExists, Trouble::kDuplicate},
           Case{"54000", "INSERT", Code::kInvalidArgument, Trouble::kStatement},
           Case{"54001", "SELECT", Code::kInvalidArgument, Trouble::kStatement},
           Case{"53100", "INSERT", Code::kExhausted, Trouble::kStatement},
           Case{"53300", "SELECT", Code::kUnavailable, Trouble::kLost},
           Case{"57P01", "SELECT", Code::kUnavailable, Trouble::kLost},
       }) {
    PostgresError error = ClassifyPostgresError(c.state, c.sql);
    EXPECT_EQ(error.code, c.code) << c.state;
    EXPECT_EQ(error.trouble, c.trouble) << c.state;
  }
}

TEST(MariaErrors, FewOfCommitsAreRefusals) {
  for (unsigned number : {1213u, 1205u, 1020u}) EXPECT_TRUE(RefusesCommit(number)) << number;
  // Of the commit itself, of a full disk, interrupted, out of time, of a shutdown, or of none.
  for (unsigned number : {1180u, 1021u, 1317u, 1969u, 1053u, 1105u, 0u}) {
    EXPECT_FALSE(RefusesCommit(number)) << number;
  }
}

}  // namespace
}  // namespace moraine::store
