#pragma once
// SQL as the other modules see it: statements with named-by-position parameters, rows,
// transactions. SQLite, PostgreSQL and MariaDB stand behind it, so statements keep to the dialect
// all of them share (docs/design/0014-servers.md).
//
// Transactions are serializable: what comes out is as if they had run one after the other. One
// transaction per Call, never nested. Errors: AlreadyExists (unique or primary key), Conflict
// (serialisation, busy database after the timeout), InvalidArgument (a statement that does not
// compile: a bug), Unavailable, Deadline. A failure of COMMIT itself whose outcome is not known is
// CommitUnknown.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"

namespace moraine {
class Metrics;
}

namespace moraine::store {

/// NULL, BIGINT, DOUBLE or TEXT. "?" takes them by position.
using Value = std::variant<std::nullptr_t, int64_t, double, std::string>;

/// One row of a result; columns by position, checked: reading a NULL or another kind is Corruption.
class Row {
 public:
  explicit Row(std::vector<Value> values) : values_(std::move(values)) {}
  size_t size() const { return values_.size(); }
  bool IsNull(size_t column) const;
  Result<int64_t> Int(size_t column) const;
  Result<std::string> Text(size_t column) const;
  Result<double> Double(size_t column) const;
  Result<std::optional<int64_t>> OptInt(size_t column) const;
  Result<std::optional<std::string>> OptText(size_t column) const;

 private:
  std::vector<Value> values_;
};

/// Runs statements inside one transaction. "?" stands for a parameter. Used by one thread.
class Transaction {
 public:
  virtual ~Transaction() = default;
  /// Rows changed.
  virtual Result<int64_t> Execute(std::string_view sql, const std::vector<Value>& parameters) = 0;
  /// All rows; Exhausted beyond max_rows.
  virtual Result<std::vector<Row>> Query(std::string_view sql, const std::vector<Value>& parameters,
                                         size_t max_rows = 100'000) = 0;
  /// The id that the last INSERT of this transaction gave to an automatic key.
  virtual Result<int64_t> LastInsertId() = 0;
  /// The store's clock, ms since the epoch: leases compare with this, inside SQL or by this value.
  virtual Result<int64_t> NowMs() = 0;
  /// As Database::dialect().
  virtual std::string_view dialect() const = 0;
};

enum class Access { kRead, kWrite };

/// Hears of every row that changes, where one process alone writes to the store: so that what it
/// keeps of rows in memory is exact. Called by one thread at a time, the one that writes, which
/// waits meanwhile: must be short, must not use the store.
class RowObserver {
 public:
  enum class Change { kInserted, kUpdated, kDeleted };
  virtual ~RowObserver() = default;
  /// A statement changed the row with this id; nobody else can read it yet.
  virtual void OnRow(std::string_view table, int64_t id, Change change) = 0;
  /// The transactions that changed the rows since the last call have ended, one way or the other:
  /// what is read from now on is what stays. Called before their callers hear of it.
  virtual void OnEnd() = 0;
};

/// Thread-safe.
class Database {
 public:
  virtual ~Database() = default;
  /// Runs body in one transaction and commits if it returns OK, else rolls back and returns its
  /// error. Body may run several times, each time in a new transaction, when it met another writer
  /// or lost its connection: it must be short, do nothing but statements, and set what it hands out
  /// anew. After a statement failed it must return. Waiting ends with the call; COMMIT itself is
  /// never given up.
  virtual Status Run(Call& call, Access access,
                     const std::function<Status(Transaction&)>& body) = 0;
  /// "sqlite", "postgresql", "mysql".
  virtual std::string_view dialect() const = 0;
  /// Copies the whole store, as of one moment, to a file beside it named by the label
  /// ("FILE.bak-LABEL"); an older one of this name is replaced. Returns the name; "" for a store
  /// that has no file.
  virtual Result<std::string> Backup(Call& call, std::string_view label) = 0;
  /// From now on the observer hears of all changes, as long as it lives. False where others may
  /// write to the store, too: then it hears of nothing.
  virtual Result<bool> Observe(Call& call, std::weak_ptr<RowObserver> observer) {
    static_cast<void>(observer);
    MORAINE_TRY(call.Check());
    return false;
  }
};

/// Run for a body that gives a value.
template <typename Body>
auto RunFor(Call& call, Database& database, Access access, Body&& body)
    -> std::invoke_result_t<Body, Transaction&> {
  std::invoke_result_t<Body, Transaction&> result = Internal("the transaction was not run");
  Status status = database.Run(call, access, [&](Transaction& transaction) -> Status {
    result = body(transaction);
    return result.status();
  });
  if (!status.ok()) return status;
  return result;
}

struct StoreOptions {
  int readers = 4;       ///< connections for reading beside the one that writes (SQLite)
  int connections = 16;  ///< at most, for all that read and write (servers)
  Millis busy_timeout = Millis(10'000);     ///< longest wait for a lock
  Millis connect_timeout = Millis(10'000);  ///< of servers
  Metrics* metrics = nullptr;               ///< outlives the database; null: nothing is counted
};

/// Opens by URL. "sqlite:///absolute/file" or "sqlite://:memory:" (tests): creates the file, takes
/// it for this process alone (file lock), sets WAL, synchronous=FULL, foreign keys.
/// "postgresql://user:password@host:port/database?option=value", "mysql://..." and "mariadb://...":
/// any number of processes may open the same one. Errors: Unavailable if another process holds the
/// file or the server can't be reached, PermissionDenied if it lets nobody in by that name,
/// InvalidArgument for a bad URL, Unsupported scheme.
Result<std::unique_ptr<Database>> OpenDatabase(Call& call, const std::string& url,
                                               const StoreOptions& options);

/// The URL without its passwords: what logs and errors may show.
std::string RedactUrl(const std::string& url);

struct Migration {
  int version;
  std::string_view name;
  /// Statements parted by ";\n" ; the dialect-neutral types {id}, {bigint}, {text}, {key} (a text
  /// of at most 1,000 bytes that indexes may hold) and {path} (3,000 bytes, one in an index at
  /// most) are replaced. MariaDB commits each statement by itself: a step that was cut off goes on
  /// at the statement that is missing, so changes of rows must be such that they may run twice.
  std::string_view sql;
};

/// Brings the schema of this module up to date, one transaction per step; table schema_version
/// keeps (module, version). Errors: Unsupported if the store is newer than this binary.
Status Migrate(Call& call, Database& database, std::string_view module,
               const std::vector<Migration>& migrations);

}  // namespace moraine::store
