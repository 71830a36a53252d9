#include "moraine/store/mariadb_connection.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "moraine/base/text.h"
#include "moraine/store/mariadb_errors.h"
#include "moraine/store/placeholders.h"

namespace moraine::store {
namespace {

constexpr size_t kMaxStatements = 512;
constexpr size_t kMaxResultBytes = size_t{256} << 20;
constexpr unsigned kCommitSeconds = 30;
constexpr unsigned kGraceSeconds = 2;  // for the server to say that the time is over

struct BoundValue {
  int64_t whole = 0;
  double real = 0;
  unsigned long length = 0;
};

void Bind(const Value& value, MYSQL_BIND* bind, BoundValue* place) {
  if (const auto* whole = std::get_if<int64_t>(&value)) {
    place->whole = *whole;
    bind->buffer_type = MYSQL_TYPE_LONGLONG;
    bind->buffer = &place->whole;
  } else if (const auto* real = std::get_if<double>(&value)) {
    place->real = *real;
    bind->buffer_type = MYSQL_TYPE_DOUBLE;
    bind->buffer = &place->real;
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    place->length = text->size();
    bind->buffer_type = MYSQL_TYPE_STRING;
    bind->buffer = const_cast<char*>(text->data());
    bind->buffer_length = text->size();
    bind->length = &place->length;
  } else {
    bind->buffer_type = MYSQL_TYPE_NULL;
  }
}

enum class Kind { kWhole, kReal, kDecimal, kText };

Kind KindOf(enum_field_types type) {
  switch (type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_YEAR:
    case MYSQL_TYPE_NULL:
      return Kind::kWhole;
    case MYSQL_TYPE_FLOAT:
    case MYSQL_TYPE_DOUBLE:
      return Kind::kReal;
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL:  // sums of whole numbers
      return Kind::kDecimal;
    default:
      return Kind::kText;
  }
}

/// One column of the row that was fetched.
struct Column {
  Kind kind = Kind::kText;
  int64_t whole = 0;
  double real = 0;
  std::string text;
  unsigned long length = 0;
  my_bool is_null = 0;
  my_bool truncated = 0;
};

MYSQL_BIND BindingOf(Column* column) {
  MYSQL_BIND bind = {};
  bind.is_null = &column->is_null;
  bind.length = &column->length;
  bind.error = &column->truncated;
  if (column->kind == Kind::kWhole) {
    bind.buffer_type = MYSQL_TYPE_LONGLONG;
    bind.buffer = &column->whole;
  } else if (column->kind == Kind::kReal) {
    bind.buffer_type = MYSQL_TYPE_DOUBLE;
    bind.buffer = &column->real;
  } else {
    bind.buffer_type = MYSQL_TYPE_STRING;
    bind.buffer = column->text.data();
    bind.buffer_length = column->text.size();
  }
  return bind;
}

Result<Value> ValueOf(MYSQL_STMT* statement, unsigned number, Column* column) {
  if (column->is_null != 0) return Value(nullptr);
  if (column->kind == Kind::kWhole) return Value(column->whole);
  if (column->kind == Kind::kReal) return Value(column->real);
  std::string text(column->length, '\0');
  if (column->length <= column->text.size()) {
    text = column->text.substr(0, column->length);
  } else {
    MYSQL_BIND bind = {};
    bind.buffer_type = MYSQL_TYPE_STRING;
    bind.buffer = text.data();
    bind.buffer_length = text.size();
    if (mysql_stmt_fetch_column(statement, &bind, number, 0) != 0) {
      return Internal("store: a column can't be fetched");
    }
  }
  if (column->kind == Kind::kText) return Value(std::move(text));
  if (auto whole = ParseInt64(text); whole.ok()) return Value(*whole);
  MORAINE_ASSIGN(double real, ParseDouble(text));
  return Value(real);
}

}  // namespace

Result<std::unique_ptr<MariaConnection>> MariaConnection::Open(Call& call,
                                                               const MariaTarget& target,
                                                               Access access) {
  MORAINE_TRY(call.Check());
  st_mysql* handle = mysql_init(nullptr);
  if (handle == nullptr) return Exhausted("store: no memory for a connection");
  std::unique_ptr<MariaConnection> connection(new MariaConnection(handle));
  MORAINE_TRY(connection->Connect(call, target, access));
  return connection;
}

MariaConnection::~MariaConnection() {
  // Of a connection that is gone they only free their memory.
  for (auto& [sql, statement] : statements_) mysql_stmt_close(statement);
  mysql_close(handle_);
}

Status MariaConnection::Connect(Call& call, const MariaTarget& target, Access access) {
  const StoreUrl& url = target.url;
  auto limit = std::min(std::chrono::duration_cast<Millis>(call.remaining()),
                        target.options.connect_timeout);
  auto seconds = static_cast<unsigned>(std::max<int64_t>(1, limit.count() / 1000));
  mysql_optionsv(handle_, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
  mysql_optionsv(handle_, MYSQL_OPT_READ_TIMEOUT, &seconds);
  mysql_optionsv(handle_, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
  mysql_optionsv(handle_, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  my_bool yes = 1;
  mysql_optionsv(handle_, MYSQL_REPORT_DATA_TRUNCATION, &yes);
  std::string socket;
  MORAINE_TRY(ApplyMariaOptions(handle_, url, &socket));
  const char* host = url.host.empty() ? nullptr : url.host.c_str();
  const char* password = url.password ? url.password->c_str() : nullptr;
  st_mysql* done = mysql_real_connect(handle_, host, url.user.c_str(), password,
                                      url.database.c_str(), static_cast<unsigned>(url.port),
                                      socket.empty() ? nullptr : socket.c_str(), CLIENT_FOUND_ROWS);
  if (done == nullptr) {
    return CannotConnectToMaria(mysql_errno(handle_), mysql_error(handle_), url.ToText());
  }
  is_mariadb_ = mariadb_connection(handle_) != 0;
  SetLimits(mysql_get_socket(handle_));
  auto lock_seconds = std::max<int64_t>(1, target.options.busy_timeout.count() / 1000);
  for (const std::string& set : {
           fmt::format("SET SESSION sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,STRICT_ALL_TABLES,"
                       "NO_BACKSLASH_ESCAPES,NO_ENGINE_SUBSTITUTION{}'",
                       is_mariadb_ ? ",SIMULTANEOUS_ASSIGNMENT" : ""),
           std::string("SET SESSION time_zone = '+00:00'"),  // no hour comes twice
           std::string("SET SESSION collation_connection = 'utf8mb4_bin'"),
           fmt::format("SET SESSION innodb_lock_wait_timeout = {}", lock_seconds),
           fmt::format("SET SESSION TRANSACTION ISOLATION LEVEL {}",
                       access == Access::kWrite ? "SERIALIZABLE" : "REPEATABLE READ"),
           std::string("SET SESSION autocommit = 0"),
       }) {
    MORAINE_TRY(Control(set));
  }
  return {};
}

/// A peer that is gone is noticed within seconds.
void MariaConnection::SetLimits(int socket) {
  const std::pair<int, int> options[] = {
      {TCP_KEEPIDLE, 30}, {TCP_KEEPINTVL, 5}, {TCP_KEEPCNT, 3}, {TCP_USER_TIMEOUT, 15'000}};
  int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
  for (const auto& [option, value] : options) {  // of no effect on local sockets
    ::setsockopt(socket, IPPROTO_TCP, option, &value, sizeof(value));
  }
}

Status MariaConnection::Failure(unsigned number, std::string_view message, std::string_view sql) {
  MariaError error = ClassifyMariaError(number);
  // The server counts its own time; the limit was the call's.
  Status over = call_ == nullptr ? Status() : call_->Check();
  Status status =
      !over.ok() && (error.trouble == Trouble::kLost || error.code == Code::kDeadline)
          ? std::move(over)
          : Status(error.code, fmt::format("store: {} ({}): {}", message, number, Shown(sql)));
  // A statement that failed is undone by itself, the transaction goes on: as migrations need it.
  bool ended = worn_ || error.trouble != Trouble::kStatement || number == ER_LOCK_WAIT_TIMEOUT;
  if (!ended || trouble_ == Trouble::kLost) return status;
  trouble_ = error.trouble;
  if (error.trouble != Trouble::kDuplicate && failure_.ok()) failure_ = status;
  return status;
}

Status MariaConnection::StatementFailure(st_mysql_stmt* statement, std::string_view sql) {
  Status status = Failure(mysql_stmt_errno(statement), mysql_stmt_error(statement), sql);
  return status;
}

/// The library still waits for rows after the server broke a result off by an error (a deadlock, as
/// a rule), at the next use of the statement or at its end: there must be nothing to wait for.
Status MariaConnection::FetchFailure(st_mysql_stmt* statement, std::string_view sql) {
  worn_ = true;
  ::shutdown(mysql_get_socket(handle_), SHUT_RDWR);
  return StatementFailure(statement, sql);
}

Status MariaConnection::Control(std::string_view sql) {
  if (mysql_real_query(handle_, sql.data(), sql.size()) == 0) return {};
  return Failure(mysql_errno(handle_), mysql_error(handle_), sql);
}

void MariaConnection::Begin(Call& call, Access access) {
  call_ = &call;
  access_ = access;
  begun_ = false;
  last_insert_id_ = 0;
  failure_ = Status();
  trouble_ = Trouble::kNone;
}

Status MariaConnection::FinishPending() {
  if (!pending_) return {};
  pending_ = false;
  if (mysql_read_query_result(handle_) == 0) return {};
  return Failure(mysql_errno(handle_), mysql_error(handle_), "ROLLBACK");
}

/// What the server does not know of ends on our side, a moment later.
Status MariaConnection::LimitStatements() {
  begun_ = true;
  int64_t limit = SessionLimit(*call_).count();
  auto rest = std::chrono::ceil<std::chrono::seconds>(call_->remaining()).count();
  auto seconds = static_cast<unsigned>(std::clamp<int64_t>(rest, 1, 3'600)) + kGraceSeconds;
  mysql_optionsv(handle_, MYSQL_OPT_READ_TIMEOUT, &seconds);
  if (limit == limit_ms_) return {};
  MORAINE_TRY(Control(is_mariadb_ ? fmt::format("SET SESSION max_statement_time = {}",
                                                static_cast<double>(limit) / 1000)
                                  : fmt::format("SET SESSION max_execution_time = {}", limit)));
  limit_ms_ = limit;
  return {};
}

Result<st_mysql_stmt*> MariaConnection::Prepare(std::string_view sql) {
  if (auto found = statements_.find(sql); found != statements_.end()) return found->second;
  st_mysql_stmt* statement = mysql_stmt_init(handle_);
  if (statement == nullptr) return Exhausted("store: no memory for a statement");
  my_bool yes = 1;
  mysql_stmt_attr_set(statement, STMT_ATTR_UPDATE_MAX_LENGTH, &yes);
  if (mysql_stmt_prepare(statement, sql.data(), sql.size()) != 0) {
    Status status = StatementFailure(statement, sql);
    mysql_stmt_close(statement);
    return status;
  }
  statements_.emplace(sql, statement);
  return statement;
}

Result<st_mysql_stmt*> MariaConnection::Run(std::string_view sql,
                                            const std::vector<Value>& parameters) {
  MORAINE_TRY(failure_);
  if (access_ == Access::kRead && !IsQuery(sql)) {
    return InvalidArgument(fmt::format("store: a change in a reading transaction: {}", Shown(sql)));
  }
  MORAINE_TRY(FinishPending());
  if (!begun_) MORAINE_TRY(LimitStatements());
  MORAINE_ASSIGN(st_mysql_stmt * statement, Prepare(sql));
  if (mysql_stmt_param_count(statement) != parameters.size()) {
    return InvalidArgument(fmt::format("store: {} parameters for {} places: {}", parameters.size(),
                                       mysql_stmt_param_count(statement), Shown(sql)));
  }
  std::vector<MYSQL_BIND> binds(parameters.size(), MYSQL_BIND{});
  std::vector<BoundValue> places(parameters.size());
  for (size_t i = 0; i < parameters.size(); ++i) Bind(parameters[i], &binds[i], &places[i]);
  if (!binds.empty() && mysql_stmt_bind_param(statement, binds.data()) != 0) {
    return StatementFailure(statement, sql);
  }
  if (sql.starts_with("SELECT GET_LOCK(")) locked_ = true;
  if (mysql_stmt_execute(statement) != 0) return StatementFailure(statement, sql);
  if (sql.starts_with("SELECT RELEASE_LOCK(")) locked_ = false;
  return statement;
}

Result<int64_t> MariaConnection::Execute(std::string_view sql,
                                         const std::vector<Value>& parameters) {
  MORAINE_ASSIGN(st_mysql_stmt * statement, Run(sql, parameters));
  auto changed = static_cast<int64_t>(mysql_stmt_affected_rows(statement));
  if (auto id = mysql_stmt_insert_id(statement); id != 0) {
    last_insert_id_ = static_cast<int64_t>(id);
  }
  mysql_stmt_free_result(statement);
  return std::max<int64_t>(0, changed);
}

Result<std::vector<Row>> MariaConnection::Query(std::string_view sql,
                                                const std::vector<Value>& parameters,
                                                size_t max_rows) {
  MORAINE_ASSIGN(st_mysql_stmt * statement, Run(sql, parameters));
  auto rows = Fetch(statement, max_rows, sql);
  mysql_stmt_free_result(statement);
  return rows;
}

Result<std::vector<Row>> MariaConnection::Fetch(st_mysql_stmt* statement, size_t max_rows,
                                                std::string_view sql) {
  if (mysql_stmt_store_result(statement) != 0) return FetchFailure(statement, sql);
  if (mysql_stmt_num_rows(statement) > max_rows) {
    return Exhausted(fmt::format("store: more than {} rows: {}", max_rows, Shown(sql)));
  }
  std::vector<Column> columns(mysql_stmt_field_count(statement));
  std::vector<MYSQL_BIND> binds;
  std::unique_ptr<MYSQL_RES, decltype(&mysql_free_result)> fields(
      mysql_stmt_result_metadata(statement), &mysql_free_result);
  if (fields == nullptr) return std::vector<Row>();
  for (size_t i = 0; i < columns.size(); ++i) {
    const MYSQL_FIELD& field = mysql_fetch_fields(fields.get())[i];
    columns[i].kind = KindOf(field.type);
    columns[i].text.resize(std::clamp<size_t>(field.max_length, 64, size_t{64} << 10));
    binds.push_back(BindingOf(&columns[i]));
  }
  if (mysql_stmt_bind_result(statement, binds.data()) != 0) return StatementFailure(statement, sql);
  std::vector<Row> rows;
  size_t bytes = 0;
  for (;;) {
    int code = mysql_stmt_fetch(statement);
    if (code == MYSQL_NO_DATA) return rows;
    if (code == 1) return StatementFailure(statement, sql);
    std::vector<Value> values;
    values.reserve(columns.size());
    for (size_t i = 0; i < columns.size(); ++i) {
      bytes += columns[i].is_null != 0 ? 0 : columns[i].length;
      if (bytes > kMaxResultBytes) {
        return Exhausted(fmt::format("store: more than {} bytes: {}", kMaxResultBytes, Shown(sql)));
      }
      MORAINE_ASSIGN(auto value, ValueOf(statement, static_cast<unsigned>(i), &columns[i]));
      values.push_back(std::move(value));
    }
    rows.emplace_back(std::move(values));
  }
}

Result<int64_t> MariaConnection::LastInsertId() { return last_insert_id_; }

Result<int64_t> MariaConnection::NowMs() {
  MORAINE_ASSIGN(auto rows,
                 Query("SELECT CAST(FLOOR(UNIX_TIMESTAMP(NOW(3)) * 1000) AS SIGNED)", {}, 1));
  return rows.at(0).Int(0);
}

/// As the server says. An open transaction is one whose COMMIT has not begun.
bool MariaConnection::InTransaction() {
  unsigned status = 0;
  return Control("DO 0").ok() &&
         mariadb_get_infov(handle_, MARIADB_CONNECTION_SERVER_STATUS, &status) == 0 &&
         (status & SERVER_STATUS_IN_TRANS) != 0;
}

CommitOutcome MariaConnection::Commit(Status* status) {
  if (!begun_) return CommitOutcome::kDone;
  begun_ = false;
  mysql_optionsv(handle_, MYSQL_OPT_READ_TIMEOUT, &kCommitSeconds);
  Call* call = std::exchange(call_, nullptr);  // a COMMIT is not given up by the call
  *status = Control("COMMIT");
  bool refused = !status->ok() && trouble_ != Trouble::kLost &&
                 (RefusesCommit(mysql_errno(handle_)) || InTransaction());
  if (refused) Control("ROLLBACK").ok();
  call_ = call;
  if (status->ok()) return CommitOutcome::kDone;
  if (refused) return CommitOutcome::kRefused;
  trouble_ = Trouble::kLost;  // nobody knows what state the session is in
  return CommitOutcome::kUnknown;
}

void MariaConnection::Discard() {
  call_ = nullptr;
  if (!begun_ || worn_ || trouble_ == Trouble::kLost) return;
  begun_ = false;
  if (locked_) {  // the server takes the lock back when the session ends
    worn_ = true;
    ::shutdown(mysql_get_socket(handle_), SHUT_RDWR);
    return;
  }
  // Its answer is read before that of the next transaction.
  constexpr std::string_view kEnd = "ROLLBACK";
  pending_ = mysql_send_query(handle_, kEnd.data(), kEnd.size()) == 0;
  if (!pending_) (void)Failure(mysql_errno(handle_), mysql_error(handle_), kEnd);
}

bool MariaConnection::usable() {
  if (worn_ || locked_ || trouble_ == Trouble::kLost) return false;
  if (statements_.size() >= kMaxStatements) return false;
  for (;;) {
    char byte = 0;
    ssize_t seen = ::recv(mysql_get_socket(handle_), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (seen < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    // What nobody asked for is the server's farewell. It may come after the answer to a ROLLBACK.
    if (seen == 0 || !pending_ || !FinishPending().ok()) return false;
  }
}

}  // namespace moraine::store
