#pragma once
// One SQLite connection: statements with values, kept prepared; limits from the call. Opened
// through SOCI, the door to all stores; the statements then go to SQLite's own handle that SOCI's
// backend holds. Why: SOCI types a column by its declaration and not by its value, prepares anew or
// makes the caller keep statement objects, and reports errors without their extended code. (Used by
// SqliteDatabase only.)

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/store/commit_outcome.h"
#include "moraine/store/database.h"

namespace sqlite_api {
struct sqlite3;
struct sqlite3_stmt;
}  // namespace sqlite_api
namespace soci {
class session;
}

namespace moraine::store {

/// Used by one thread at a time.
class SqliteConnection {
 public:
  /// An absolute path, or ":memory:".
  static Result<std::unique_ptr<SqliteConnection>> Open(const std::string& path);
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  /// Statements run for this call from now on: they end with it, and wait for a foreign lock on the
  /// file at most busy_timeout. nullptr: no limit.
  void SetCall(Call* call, Millis busy_timeout);

  Result<int64_t> Execute(std::string_view sql, const std::vector<Value>& parameters,
                          Access access);
  Result<std::vector<Row>> Query(std::string_view sql, const std::vector<Value>& parameters,
                                 size_t max_rows, Access access);
  /// A statement without parameters and rows: BEGIN, SAVEPOINT, PRAGMA ...
  Status Control(std::string_view sql);
  /// status says why, unless the outcome is kDone.
  CommitOutcome Commit(Status* status);
  int64_t LastInsertId() const;
  bool InTransaction() const;
  /// Tells the observer of rows that statements of this connection change; null: nobody.
  void Observe(RowObserver* observer);
  /// Writes a copy of the database to a new file.
  Status CopyTo(const std::string& path);

 private:
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  class Use;

  explicit SqliteConnection(std::unique_ptr<soci::session> session);
  Result<sqlite_api::sqlite3_stmt*> Prepare(std::string_view sql);
  Status Bind(sqlite_api::sqlite3_stmt* statement, std::string_view sql,
              const std::vector<Value>& parameters);
  Status Failure(int code, std::string_view sql) const;
  void ForgetStatements();
  static int OnProgress(void* self);

  std::unique_ptr<soci::session> session_;
  sqlite_api::sqlite3* handle_;
  std::unordered_map<std::string, sqlite_api::sqlite3_stmt*, TextHash, std::equal_to<>> statements_;
  Call* call_ = nullptr;
};

}  // namespace moraine::store
