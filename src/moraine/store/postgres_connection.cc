#include "moraine/store/postgres_connection.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <deque>
#include <utility>

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>
#include <sys/socket.h>

#include "moraine/base/text.h"
#include "moraine/store/placeholders.h"
#include "moraine/store/postgres_errors.h"
#include "moraine/store/valid_text.h"

namespace moraine::store {
namespace {

constexpr size_t kMaxStatements = 512;
constexpr size_t kMaxResultBytes = size_t{256} << 20;
constexpr int kCheckEveryMs = 100;  // whether the call was stopped
constexpr int kMaxFarewellReads = 4;
constexpr Millis kCommitLimit{30'000};

constexpr Oid kInt8 = 20;
constexpr Oid kFloat8 = 701;
constexpr Oid kText = 25;

constexpr uint64_t BigEndian(uint64_t bits) {
  return std::endian::native == std::endian::big ? bits : __builtin_bswap64(bits);
}

Result<Value> ValueOf(const PGresult* result, int row, int column) {
  if (PQgetisnull(result, row, column) != 0) return Value(nullptr);
  std::string_view text(PQgetvalue(result, row, column),
                        static_cast<size_t>(PQgetlength(result, row, column)));
  switch (PQftype(result, column)) {
    case kInt8:
    case 21:    // int2
    case 23:    // int4
    case 26: {  // oid
      MORAINE_ASSIGN(int64_t whole, ParseInt64(text));
      return Value(whole);
    }
    case 16:  // bool
      return Value(int64_t{text == "t"});
    case 700:  // float4
    case kFloat8: {
      MORAINE_ASSIGN(double real, ParseDouble(text));
      return Value(real);
    }
    case 1700: {  // numeric: sums of whole numbers
      if (auto whole = ParseInt64(text); whole.ok()) return Value(*whole);
      MORAINE_ASSIGN(double real, ParseDouble(text));
      return Value(real);
    }
    default:
      return Value(std::string(text));
  }
}

Result<std::vector<Row>> RowsOf(const PGresult* result, size_t max_rows, std::string_view sql) {
  const int count = PQntuples(result);
  const int columns = PQnfields(result);
  if (static_cast<size_t>(count) > max_rows || PQresultMemorySize(result) > kMaxResultBytes) {
    return Exhausted(fmt::format("store: more than {} rows or {} bytes: {}", max_rows,
                                 kMaxResultBytes, Shown(sql)));
  }
  std::vector<Row> rows;
  rows.reserve(static_cast<size_t>(count));
  for (int row = 0; row < count; ++row) {
    std::vector<Value> values;
    values.reserve(static_cast<size_t>(columns));
    for (int column = 0; column < columns; ++column) {
      MORAINE_ASSIGN(auto value, ValueOf(result, row, column));
      values.push_back(std::move(value));
    }
    rows.emplace_back(std::move(values));
  }
  return rows;
}

}  // namespace

/// Parameters as libpq takes them, in binary form.
class PostgresConnection::Arguments {
 public:
  explicit Arguments(const std::vector<Value>& values) : numbers_(values.size()) {
    for (size_t i = 0; i < values.size(); ++i) Add(i, values[i]);
  }
  /// Types make another statement of the same text.
  const std::string& signature() const { return signature_; }
  int count() const { return static_cast<int>(types_.size()); }
  const Oid* types() const { return types_.data(); }
  const char* const* values() const { return values_.data(); }
  const int* lengths() const { return lengths_.data(); }
  const int* formats() const { return formats_.data(); }

 private:
  void Add(size_t place, const Value& value) {
    if (const auto* whole = std::get_if<int64_t>(&value)) {
      AddNumber(place, static_cast<uint64_t>(*whole), kInt8, 'i');
    } else if (const auto* real = std::get_if<double>(&value)) {
      AddNumber(place, std::bit_cast<uint64_t>(*real), kFloat8, 'f');
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      const std::string& sent = IsValidText(*text) ? *text : mended_.emplace_back(MendText(*text));
      Push(sent.data(), static_cast<int>(sent.size()), kText, 't');
    } else {
      Push(nullptr, 0, 0, 'n');  // the server knows best what kind of NULL it wants
    }
  }
  void AddNumber(size_t place, uint64_t bits, Oid type, char kind) {
    numbers_[place] = BigEndian(bits);
    Push(reinterpret_cast<const char*>(&numbers_[place]), 8, type, kind);
  }
  void Push(const char* bytes, int length, Oid type, char kind) {
    values_.push_back(bytes);
    lengths_.push_back(length);
    types_.push_back(type);
    formats_.push_back(1);
    signature_ += kind;
  }

  std::vector<uint64_t> numbers_;
  std::deque<std::string> mended_;
  std::vector<const char*> values_;
  std::vector<int> lengths_;
  std::vector<int> formats_;
  std::vector<Oid> types_;
  std::string signature_;
};

void PostgresConnection::FreeResult::operator()(pg_result* result) const { PQclear(result); }

PostgresConnection::~PostgresConnection() { PQfinish(connection_); }

Result<std::unique_ptr<PostgresConnection>> PostgresConnection::Open(Call& call,
                                                                     const Parameters& parameters,
                                                                     const std::string& where,
                                                                     const StoreOptions& options) {
  MORAINE_TRY(call.Check());
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  for (const auto& [keyword, value] : parameters) {
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  std::unique_ptr<PostgresConnection> connection(
      new PostgresConnection(PQconnectStartParams(keywords.data(), values.data(), 0)));
  if (connection->connection_ == nullptr) return Exhausted("store: no memory for a connection");
  MonoTime until = call.clock().Mono() + options.connect_timeout;
  connection->call_ = &call;
  MORAINE_TRY(connection->FinishConnecting(call, where, until));
  MORAINE_TRY(connection->Prepare(options));
  connection->call_ = nullptr;
  return connection;
}

Status PostgresConnection::FinishConnecting(Call& call, const std::string& where, MonoTime until) {
  auto next = PGRES_POLLING_WRITING;
  while (PQstatus(connection_) != CONNECTION_BAD && next != PGRES_POLLING_OK &&
         next != PGRES_POLLING_FAILED) {
    short events = next == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    Status waited = WaitForSocket(events, &call, until, call.clock());
    if (!waited.ok()) {
      return std::move(waited).Annotate(fmt::format("while connecting to postgresql {}", where));
    }
    next = PQconnectPoll(connection_);
  }
  if (next != PGRES_POLLING_OK) return CannotConnect(PQerrorMessage(connection_), where);
  return {};
}

/// What all transactions of the session rely on.
Status PostgresConnection::Prepare(const StoreOptions& options) {
  const char* encoding = PQparameterStatus(connection_, "server_encoding");
  if (encoding == nullptr || std::string_view(encoding) != "UTF8") {
    return InvalidArgument(fmt::format(
        "store: the database has encoding {}: expected UTF8 (CREATE DATABASE ... ENCODING 'UTF8' "
        "TEMPLATE template0)",
        encoding == nullptr ? "" : encoding));
  }
  if (PQserverVersion(connection_) < 140'000) {
    return Unsupported(fmt::format("store: PostgreSQL {}: expected 14 or newer",
                                   PQserverVersion(connection_) / 10'000));
  }
  if (PQenterPipelineMode(connection_) != 1 || PQsetnonblocking(connection_, 1) != 0) {
    return Lost("cannot send statements in pipelines");
  }
  // Without sequential scans a serializable transaction remembers the rows it read and not whole
  // tables, as the planner would choose for small ones: far fewer transactions meet. Where a client
  // went away, or hangs within a transaction, its locks must not stay.
  std::string sets[] = {
      "SET client_encoding = 'UTF8'",
      "SET enable_seqscan = off",
      "SET jit = off",  // the price put on a scan that can't be avoided would call for it
      "SET client_min_messages = warning",
      "SET client_connection_check_interval = '2s'",
      "SET idle_in_transaction_session_timeout = '60s'",
      fmt::format("SET lock_timeout = {}", std::max<int64_t>(1, options.busy_timeout.count())),
  };
  for (const auto& set : sets) MORAINE_TRY(Send(set.c_str()));
  MORAINE_TRY(EndPipeline());
  MORAINE_ASSIGN(auto results, Receive(call_, call_->clock().Mono() + options.connect_timeout));
  for (const auto& result : results) {
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) return Failure(result.get(), "SET");
  }
  return {};
}

/// Until the socket is ready, the time has come or the call ends. Real time: the other side knows
/// of no other.
Status PostgresConnection::WaitForSocket(short events, Call* call, MonoTime until, Clock& clock) {
  pollfd one{PQsocket(connection_), events, 0};
  for (;;) {
    auto rest = std::chrono::ceil<Millis>(until - clock.Mono()).count();
    if (rest <= 0) return DeadlineExceeded("store: no answer in time");
    int ready = ::poll(&one, 1, static_cast<int>(std::min<int64_t>(rest, kCheckEveryMs)));
    if (ready > 0) return {};
    if (call != nullptr) MORAINE_TRY(call->Check());
  }
}

Status PostgresConnection::Spoil(Status status, Trouble trouble) {
  if (trouble_ != Trouble::kLost) trouble_ = trouble;
  if (failure_.ok()) failure_ = status;
  return status;
}

Status PostgresConnection::Lost(std::string_view what) {
  return Spoil(Unavailable(fmt::format("store: {}: {}", what,
                                       Trim(std::string_view(PQerrorMessage(connection_))))),
               Trouble::kLost);
}

Status PostgresConnection::Failure(const pg_result* result, std::string_view sql) {
  const char* field = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  std::string_view state = field == nullptr ? "" : field;
  const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  PostgresError error = ClassifyPostgresError(state, sql);
  if (state == "25006" && access_ == Access::kRead) {
    error.code = Code::kInvalidArgument;
    message = "a change in a reading transaction";
  }
  // PostgreSQL counts its own time; the limit was the call's.
  if (error.code == Code::kDeadline && call_ != nullptr) {
    if (Status why = call_->Check(); !why.ok()) return Spoil(std::move(why), error.trouble);
  }
  if (PQstatus(connection_) == CONNECTION_BAD) error.trouble = Trouble::kLost;
  return Spoil(
      Status(error.code, fmt::format("store: {} ({}): {}", message == nullptr ? "" : message, state,
                                     Shown(sql))),
      error.trouble);
}

Status PostgresConnection::Send(const char* sql) {
  if (PQsendQueryParams(connection_, sql, 0, nullptr, nullptr, nullptr, nullptr, 0) == 1) return {};
  return Lost("cannot send");
}

Status PostgresConnection::EndPipeline() {
  if (PQpipelineSync(connection_) != 1) return Lost("cannot send");
  ++pending_syncs_;
  return {};
}

void PostgresConnection::Begin(Call& call, Access access) {
  call_ = &call;
  access_ = access;
  begun_ = false;
  failure_ = Status();
  trouble_ = Trouble::kNone;
  new_statements_.clear();
  put_off_.clear();
}

Status PostgresConnection::SendBegin() {
  begun_ = true;
  int64_t limit = SessionLimit(*call_).count();
  if (limit != session_limit_ms_) {
    // For itself, so that no ROLLBACK takes it back.
    MORAINE_TRY(Send(fmt::format("SET statement_timeout = {}", limit).c_str()));
    MORAINE_TRY(EndPipeline());
    session_limit_ms_ = limit;
  }
  return Send(access_ == Access::kWrite ? "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE"
                                        : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
}

Status PostgresConnection::SendStatement(std::string_view sql, const Arguments& arguments) {
  std::string key = fmt::format("{}\n{}", arguments.signature(), sql);
  auto found = prepared_.find(key);
  std::string name;
  if (found != prepared_.end()) {
    name = found->second;
  } else {
    size_t places = 0;
    std::string text = NumberPlaceholders(sql, &places);
    if (places != static_cast<size_t>(arguments.count())) {
      return Spoil(InvalidArgument(fmt::format("store: {} parameters for {} places: {}",
                                               arguments.count(), places, Shown(sql))),
                   Trouble::kStatement);
    }
    name = fmt::format("s{}", next_name_++);
    if (PQsendPrepare(connection_, name.c_str(), text.c_str(), arguments.count(),
                      arguments.types()) != 1) {
      return Lost("cannot send");
    }
    prepared_.emplace(key, name);
    new_statements_.push_back(std::move(key));
  }
  if (PQsendQueryPrepared(connection_, name.c_str(), arguments.count(), arguments.values(),
                          arguments.lengths(), arguments.formats(), 0) != 1) {
    return Lost("cannot send");
  }
  return {};
}

/// All answers up to the last synchronisation, without those that earlier transactions left unread.
Result<std::vector<PostgresConnection::ResultPtr>> PostgresConnection::Receive(Call* call,
                                                                               MonoTime until) {
  Clock& clock = call_->clock();
  std::vector<ResultPtr> results;
  bool unsent = true;
  while (pending_syncs_ > 0) {
    if (unsent) {
      int flushed = PQflush(connection_);
      if (flushed < 0) return Lost("the connection broke");
      unsent = flushed == 1;
    }
    if (PQisBusy(connection_) != 0 || unsent) {
      Status waited =
          WaitForSocket(static_cast<short>(POLLIN | (unsent ? POLLOUT : 0)), call, until, clock);
      if (!waited.ok()) return Spoil(std::move(waited), Trouble::kLost);
      if (PQconsumeInput(connection_) != 1) return Lost("the connection broke");
      if (PQisBusy(connection_) != 0) continue;
    }
    ResultPtr result(PQgetResult(connection_));
    if (result == nullptr) {
      if (PQstatus(connection_) == CONNECTION_BAD) return Lost("the connection broke");
      continue;
    }
    if (PQresultStatus(result.get()) == PGRES_PIPELINE_SYNC) {
      if (--pending_syncs_ > 0) results.clear();
      continue;
    }
    results.push_back(std::move(result));
  }
  return results;
}

/// The server may have these statements, or not: they are prepared again under other names.
void PostgresConnection::Unlearn(const std::vector<std::string>& statements) {
  for (const auto& key : statements) prepared_.erase(key);
}

Status PostgresConnection::SendWithin(std::string_view sql, const std::vector<Value>& parameters) {
  Arguments arguments(parameters);
  if (!begun_) MORAINE_TRY(SendBegin());
  return SendStatement(sql, arguments);
}

/// Sent in the pipeline of the next statement: an error keeps the server from running that one.
Status PostgresConnection::ExecuteLater(std::string_view sql,
                                        const std::vector<Value>& parameters) {
  MORAINE_TRY(failure_);
  MORAINE_TRY(SendWithin(sql, parameters));
  put_off_ = sql;
  return {};
}

Result<PostgresConnection::ResultPtr> PostgresConnection::Run(
    std::string_view sql, const std::vector<Value>& parameters) {
  MORAINE_TRY(failure_);
  MORAINE_TRY(SendWithin(sql, parameters));
  MORAINE_TRY(EndPipeline());
  const std::vector<std::string> fresh = std::exchange(new_statements_, {});
  const std::string before = std::exchange(put_off_, {});
  auto received = Receive(call_, call_->deadline());
  if (!received.ok()) return received.status();
  ResultPtr last;
  for (size_t i = 0; i < received->size(); ++i) {
    auto& result = (*received)[i];
    auto status = PQresultStatus(result.get());
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
      last = std::move(result);
      continue;
    }
    if (status == PGRES_PIPELINE_ABORTED) continue;  // after the one that failed
    // The last answer is that to the execution: then the server has the statements, and keeps them.
    const bool is_last = i + 1 == received->size();
    if (!is_last) Unlearn(fresh);
    return Failure(result.get(), is_last || before.empty() ? sql : before);
  }
  if (last == nullptr) return Lost("a statement without an answer");
  return last;
}

Result<int64_t> PostgresConnection::Execute(std::string_view sql,
                                            const std::vector<Value>& parameters) {
  MORAINE_ASSIGN(auto result, Run(sql, parameters));
  std::string_view count = PQcmdTuples(result.get());
  if (count.empty()) return 0;
  return ParseInt64(count);
}

Result<std::vector<Row>> PostgresConnection::Query(std::string_view sql,
                                                   const std::vector<Value>& parameters,
                                                   size_t max_rows) {
  MORAINE_ASSIGN(auto result, Run(sql, parameters));
  return RowsOf(result.get(), max_rows, sql);
}

Result<int64_t> PostgresConnection::LastInsertId() {
  MORAINE_ASSIGN(auto rows, Query("SELECT lastval()", {}, 1));
  return rows.at(0).Int(0);
}

Result<int64_t> PostgresConnection::NowMs() {
  MORAINE_ASSIGN(
      auto rows,
      Query("SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT)", {}, 1));
  return rows.at(0).Int(0);
}

CommitOutcome PostgresConnection::Commit(Status* status) {
  if (!begun_) return CommitOutcome::kDone;
  begun_ = false;
  *status = Send("COMMIT");
  if (status->ok()) *status = EndPipeline();
  if (!status->ok()) return CommitOutcome::kUnknown;
  const std::vector<std::string> fresh = std::exchange(new_statements_, {});
  const std::string before = std::exchange(put_off_, {});
  auto received = Receive(nullptr, call_->clock().Mono() + kCommitLimit);
  *status = received.status();
  if (!received.ok() || received->empty()) {
    if (received.ok()) *status = Lost("COMMIT without an answer");
    return CommitOutcome::kUnknown;
  }
  // A statement that was put off and failed kept the server from running COMMIT.
  for (size_t i = 0; i + 1 < received->size(); ++i) {
    auto outcome = PQresultStatus((*received)[i].get());
    if (outcome == PGRES_COMMAND_OK || outcome == PGRES_TUPLES_OK) continue;
    Unlearn(fresh);
    *status = Failure((*received)[i].get(), before);
    if (PQtransactionStatus(connection_) != PQTRANS_INERROR) return CommitOutcome::kUnknown;
    begun_ = true;
    Discard();
    return CommitOutcome::kRefused;
  }
  const pg_result* answer = received->back().get();
  if (PQresultStatus(answer) == PGRES_COMMAND_OK) {
    if (std::string_view(PQcmdStatus(const_cast<pg_result*>(answer))) == "COMMIT") {
      return CommitOutcome::kDone;
    }
    *status = Spoil(Unavailable("store: the transaction was rolled back"), Trouble::kStatement);
    return CommitOutcome::kRefused;
  }
  *status = Failure(answer, "COMMIT");
  // An answer that leaves the connection as it was is a refusal. One that ends it came from a
  // server that was told to stop, perhaps after the commit was written.
  bool idle = PQstatus(connection_) == CONNECTION_OK &&
              PQtransactionStatus(connection_) == PQTRANS_IDLE && trouble_ != Trouble::kLost;
  return idle ? CommitOutcome::kRefused : CommitOutcome::kUnknown;
}

void PostgresConnection::Discard() {
  call_ = nullptr;
  if (!begun_ || trouble_ == Trouble::kLost) return;
  begun_ = false;
  // Where a statement that was put off fails, the server runs nothing up to a synchronisation.
  if (!std::exchange(put_off_, {}).empty() && !EndPipeline().ok()) return;
  Unlearn(std::exchange(new_statements_, {}));
  // Its answer is read before that of the next transaction.
  if (Send("ROLLBACK").ok() && EndPipeline().ok() && PQflush(connection_) < 0) {
    (void)Lost("the connection broke");
  }
}

bool PostgresConnection::usable() {
  if (trouble_ == Trouble::kLost || PQstatus(connection_) != CONNECTION_OK) return false;
  if (prepared_.size() >= kMaxStatements) return false;
  if (PQflush(connection_) != 0) return false;
  for (int reads = 0; reads < kMaxFarewellReads; ++reads) {
    char byte = 0;
    ssize_t seen = ::recv(PQsocket(connection_), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (seen < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    // What nobody asked for is the server's farewell. It may come after the answer to a ROLLBACK.
    if (seen == 0 || pending_syncs_ == 0 || PQconsumeInput(connection_) != 1) return false;
  }
  return false;
}

}  // namespace moraine::store
