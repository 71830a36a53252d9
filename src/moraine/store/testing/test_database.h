#pragma once
// An empty database for one test: SQLite in memory, or a schema of its own on the server that the
// environment variable MORAINE_TEST_STORE names by URL (tests/database_server.py starts one).

#include <memory>
#include <string>

#include "moraine/store/database.h"

namespace moraine::store {

/// "" for SQLite.
std::string TestServerUrl();

/// The dialect that tests run on now.
std::string_view TestDialect();

/// A place on the server for one test, gone with it. Only where there is a server.
class TestSchema {
 public:
  TestSchema();
  ~TestSchema();
  TestSchema(const TestSchema&) = delete;
  TestSchema& operator=(const TestSchema&) = delete;
  /// Databases that are opened by it share the tables.
  const std::string& url() const { return url_; }

 private:
  std::string name_;
  std::string url_;
};

/// A new database, empty. Its clock is that of the calls, on servers, too.
std::unique_ptr<Database> MakeTestDatabase(Call& call);

}  // namespace moraine::store
