#include "moraine/store/sqlite_connection.h"

#include <fmt/format.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include "moraine/base/text.h"

namespace moraine::store {

using namespace sqlite_api;  // SOCI declares SQLite's own API in this namespace

namespace {

constexpr size_t kMaxStatements = 512;
constexpr size_t kMaxResultBytes = size_t{256} << 20;
constexpr int kStepsBetweenChecks = 4000;  // of SQLite's virtual machine: some 40 us

Code CodeOf(int extended) {
  switch (extended) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return Code::kAlreadyExists;
    case SQLITE_CONSTRAINT_FOREIGNKEY:
      return Code::kConflict;
    default:
      break;
  }
  switch (extended & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Code::kConflict;
    case SQLITE_FULL:
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
      return Code::kExhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
      return Code::kCorruption;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
      return Code::kUnavailable;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return Code::kPermissionDenied;
    case SQLITE_INTERRUPT:
      return Code::kDeadline;
    case SQLITE_MISUSE:
    case SQLITE_INTERNAL:
      return Code::kInternal;
    default:
      return Code::kInvalidArgument;  // SQLITE_ERROR, CONSTRAINT, MISMATCH, RANGE
  }
}

Value ColumnValue(sqlite3_stmt* statement, int column) {
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_NULL:
      return nullptr;
    case SQLITE_INTEGER:
      return int64_t{sqlite3_column_int64(statement, column)};
    case SQLITE_FLOAT:
      return sqlite3_column_double(statement, column);
    default: {
      const void* bytes = sqlite3_column_blob(statement, column);
      auto size = static_cast<size_t>(sqlite3_column_bytes(statement, column));
      return size == 0 ? std::string() : std::string(static_cast<const char*>(bytes), size);
    }
  }
}

int BindValue(sqlite3_stmt* statement, int position, const Value& value) {
  if (const auto* whole = std::get_if<int64_t>(&value)) {
    return sqlite3_bind_int64(statement, position, *whole);
  }
  if (const auto* real = std::get_if<double>(&value)) {
    return sqlite3_bind_double(statement, position, *real);
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    // Bound without a copy: parameters live until the statement is reset.
    return sqlite3_bind_text64(statement, position, text->data(), text->size(), SQLITE_STATIC,
                               SQLITE_UTF8);
  }
  return sqlite3_bind_null(statement, position);
}

/// What SOCI reads as one value: db="...".
Result<std::string> ConnectString(const std::string& path) {
  if (path.find('"') != path.npos) {
    return InvalidArgument(fmt::format("store file: a quote in its name: {}", path));
  }
  return fmt::format("db=\"{}\"", path);
}

}  // namespace

/// A prepared statement while it runs; reset at the end, so that no lock or parameter stays behind.
class SqliteConnection::Use {
 public:
  explicit Use(sqlite3_stmt* statement) : statement_(statement) {}
  ~Use() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

 private:
  sqlite3_stmt* statement_;
};

Result<std::unique_ptr<SqliteConnection>> SqliteConnection::Open(const std::string& path) {
  MORAINE_ASSIGN(std::string text, ConnectString(path));
  std::unique_ptr<soci::session> session;
  try {
    session = std::make_unique<soci::session>(soci::sqlite3, text);
  } catch (const std::exception& error) {
    return Unavailable(fmt::format("cannot open the store {}: {}", path, error.what()));
  }
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection(std::move(session)));
  return connection;
}

SqliteConnection::SqliteConnection(std::unique_ptr<soci::session> session)
    : session_(std::move(session)),
      handle_(static_cast<soci::sqlite3_session_backend*>(session_->get_backend())->conn_) {
  sqlite3_extended_result_codes(handle_, 1);
  // A misspelt column must be an error and not a text: "x" is a name, always.
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  sqlite3_progress_handler(handle_, kStepsBetweenChecks, &SqliteConnection::OnProgress, this);
}

SqliteConnection::~SqliteConnection() {
  ForgetStatements();
  try {
    session_.reset();
  } catch (const std::exception&) {  // NOLINT: the file is closed or the process ends
  }
}

void SqliteConnection::SetCall(Call* call, Millis busy_timeout) {
  call_ = call;
  if (call != nullptr) {
    auto rest = std::chrono::duration_cast<Millis>(call->remaining());
    busy_timeout = std::min(busy_timeout, rest);
  }
  sqlite3_busy_timeout(handle_, static_cast<int>(busy_timeout.count()));
}

int SqliteConnection::OnProgress(void* self) {
  const Call* call = static_cast<SqliteConnection*>(self)->call_;
  return call != nullptr && !call->Check().ok();
}

Status SqliteConnection::Failure(int code, std::string_view sql) const {
  if ((code & 0xff) == SQLITE_INTERRUPT && call_ != nullptr) {
    Status why = call_->Check();
    if (!why.ok()) return std::move(why).Annotate("while running a statement");
  }
  return Status(CodeOf(code),
                fmt::format("store: {}: {}", sqlite3_errmsg(handle_), Trim(sql.substr(0, 200))));
}

Result<sqlite3_stmt*> SqliteConnection::Prepare(std::string_view sql) {
  if (auto it = statements_.find(sql); it != statements_.end()) return it->second;
  if (statements_.size() >= kMaxStatements) ForgetStatements();
  sqlite3_stmt* statement = nullptr;
  const char* rest = nullptr;
  int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                SQLITE_PREPARE_PERSISTENT, &statement, &rest);
  if (code != SQLITE_OK) return Failure(code, sql);
  std::string_view tail = sql.substr(static_cast<size_t>(rest - sql.data()));
  if (statement == nullptr || Trim(tail).find_first_not_of("; \n\t") != tail.npos) {
    sqlite3_finalize(statement);
    return InvalidArgument(fmt::format("store: expected exactly one statement: {}", sql));
  }
  statements_.emplace(sql, statement);
  return statement;
}

Status SqliteConnection::Bind(sqlite3_stmt* statement, std::string_view sql,
                              const std::vector<Value>& parameters) {
  auto expected = static_cast<size_t>(sqlite3_bind_parameter_count(statement));
  if (expected != parameters.size()) {
    return InvalidArgument(fmt::format("store: {} parameters for {} places: {}", parameters.size(),
                                       expected, Trim(sql)));
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    int code = BindValue(statement, static_cast<int>(i) + 1, parameters[i]);
    if (code != SQLITE_OK) return Failure(code, sql);
  }
  return {};
}

Result<std::vector<Row>> SqliteConnection::Query(std::string_view sql,
                                                 const std::vector<Value>& parameters,
                                                 size_t max_rows, Access access) {
  MORAINE_ASSIGN(sqlite3_stmt * statement, Prepare(sql));
  Use use(statement);
  if (access == Access::kRead && !sqlite3_stmt_readonly(statement)) {
    return InvalidArgument(fmt::format("store: a change in a reading transaction: {}", Trim(sql)));
  }
  MORAINE_TRY(Bind(statement, sql, parameters));
  std::vector<Row> rows;
  const int columns = sqlite3_column_count(statement);
  size_t bytes = 0;
  for (;;) {
    int code = sqlite3_step(statement);
    if (code == SQLITE_DONE) return rows;
    if (code != SQLITE_ROW) return Failure(code, sql);
    if (rows.size() == max_rows || bytes > kMaxResultBytes) {
      return Exhausted(fmt::format("store: more than {} rows or {} bytes: {}", max_rows,
                                   kMaxResultBytes, Trim(sql)));
    }
    std::vector<Value> values;
    values.reserve(static_cast<size_t>(columns));
    for (int i = 0; i < columns; ++i) {
      values.push_back(ColumnValue(statement, i));
      bytes += sizeof(Value);
      if (const auto* text = std::get_if<std::string>(&values.back())) bytes += text->size();
    }
    rows.emplace_back(std::move(values));
  }
}

Result<int64_t> SqliteConnection::Execute(std::string_view sql,
                                          const std::vector<Value>& parameters, Access access) {
  const int64_t before = sqlite3_total_changes64(handle_);
  MORAINE_ASSIGN(auto rows, Query(sql, parameters, 0, access));
  // The counter of all changes also counts those of triggers and cascades; changes() does not, but
  // keeps the last statement's figure where this one changed nothing.
  return sqlite3_total_changes64(handle_) == before ? 0 : int64_t{sqlite3_changes64(handle_)};
}

Status SqliteConnection::Control(std::string_view sql) {
  MORAINE_ASSIGN(sqlite3_stmt * statement, Prepare(sql));
  Use use(statement);
  int code = SQLITE_ROW;
  while (code == SQLITE_ROW) code = sqlite3_step(statement);
  return code == SQLITE_DONE ? Status() : Failure(code, sql);
}

CommitOutcome SqliteConnection::Commit(Status* status) {
  Call* call = std::exchange(call_, nullptr);  // a COMMIT is not interrupted
  *status = Control("COMMIT");
  call_ = call;
  if (status->ok()) return CommitOutcome::kDone;
  int code = sqlite3_extended_errcode(handle_) & 0xff;
  if (InTransaction()) (void)Control("ROLLBACK");
  // These come before anything was written for the commit to stand on. Any other failure, such as
  // that of the sync, may leave a whole transaction in the log for the next start to find.
  bool refused = code == SQLITE_BUSY || code == SQLITE_CONSTRAINT || code == SQLITE_FULL ||
                 code == SQLITE_NOMEM;
  return refused ? CommitOutcome::kRefused : CommitOutcome::kUnknown;
}

int64_t SqliteConnection::LastInsertId() const { return sqlite3_last_insert_rowid(handle_); }

bool SqliteConnection::InTransaction() const { return sqlite3_get_autocommit(handle_) == 0; }

void SqliteConnection::Observe(RowObserver* observer) {
  auto hear = [](void* self, int change, const char*, const char* table, sqlite3_int64 id) {
    auto what = change == SQLITE_INSERT   ? RowObserver::Change::kInserted
                : change == SQLITE_UPDATE ? RowObserver::Change::kUpdated
                                          : RowObserver::Change::kDeleted;
    static_cast<RowObserver*>(self)->OnRow(table, id, what);
  };
  sqlite3_update_hook(handle_, observer == nullptr ? nullptr : +hear, observer);
}

Status SqliteConnection::CopyTo(const std::string& path) {
  MORAINE_ASSIGN(auto copy, Open(path));
  sqlite3_backup* backup = sqlite3_backup_init(copy->handle_, "main", handle_, "main");
  if (backup == nullptr) return copy->Failure(sqlite3_extended_errcode(copy->handle_), "backup");
  int code = SQLITE_OK;
  Status why;
  while (code == SQLITE_OK && why.ok()) {
    code = sqlite3_backup_step(backup, 1000);
    if (call_ != nullptr) why = call_->Check();
  }
  int end = sqlite3_backup_finish(backup);
  if (code != SQLITE_DONE && code != SQLITE_OK) return copy->Failure(code, "backup");
  if (end != SQLITE_OK) return copy->Failure(end, "backup");
  return code == SQLITE_DONE ? Status() : why;
}

void SqliteConnection::ForgetStatements() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  statements_.clear();
}

}  // namespace moraine::store
