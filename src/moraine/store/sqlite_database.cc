#include "moraine/store/sqlite_database.h"

#include <cerrno>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <unistd.h>

#include "moraine/store/file_lock.h"
#include "moraine/store/metrics_internal.h"
#include "moraine/store/sqlite_connection.h"
#include "moraine/store/write_queue.h"

namespace moraine::store {
namespace {

constexpr size_t kMaxGroup = 64;
constexpr std::chrono::milliseconds kMaxGroupAge{20};

class SqliteTransaction final : public Transaction {
 public:
  SqliteTransaction(SqliteConnection& connection, Call& call, Access access)
      : connection_(connection), call_(call), access_(access) {}

  Result<int64_t> Execute(std::string_view sql, const std::vector<Value>& parameters) override {
    MORAINE_TRY(Check());
    return connection_.Execute(sql, parameters, access_);
  }
  Result<std::vector<Row>> Query(std::string_view sql, const std::vector<Value>& parameters,
                                 size_t max_rows) override {
    MORAINE_TRY(Check());
    return connection_.Query(sql, parameters, max_rows, access_);
  }
  Result<int64_t> LastInsertId() override { return connection_.LastInsertId(); }
  // The store lives in this process, and so does its clock.
  Result<int64_t> NowMs() override { return ToMillis(call_.clock().Wall()); }
  std::string_view dialect() const override { return "sqlite"; }

 private:
  Status Check() {
    MORAINE_TRY(call_.Check());
    // Some errors end the whole transaction; what came after would stand alone.
    if (!connection_.InTransaction()) return Unavailable("store: the transaction was rolled back");
    return {};
  }

  SqliteConnection& connection_;
  Call& call_;
  const Access access_;
};

/// Those that still live, as one.
class Observers final : public RowObserver {
 public:
  void Add(std::weak_ptr<RowObserver> observer) { all_.push_back(std::move(observer)); }
  void OnRow(std::string_view table, int64_t id, Change change) override {
    for (const auto& one : all_) {
      if (auto observer = one.lock()) observer->OnRow(table, id, change);
    }
  }
  void OnEnd() override {
    std::erase_if(all_, [](const auto& one) { return one.expired(); });
    for (const auto& one : all_) {
      if (auto observer = one.lock()) observer->OnEnd();
    }
  }

 private:
  std::vector<std::weak_ptr<RowObserver>> all_;
};

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(std::string path, std::unique_ptr<FileLock> lock,
                 std::unique_ptr<SqliteConnection> writer,
                 std::vector<std::unique_ptr<SqliteConnection>> readers,
                 const StoreOptions& options)
      : path_(std::move(path)),
        lock_(std::move(lock)),
        writer_(std::move(writer)),
        has_readers_(!readers.empty()),
        free_readers_(std::move(readers)),
        busy_timeout_(options.busy_timeout),
        metrics_(options.metrics) {}

  Status Run(Call& call, Access access, const std::function<Status(Transaction&)>& body) override {
    MonoTime begun = call.clock().Mono();
    Status status = access == Access::kRead && has_readers_ ? RunRead(call, body)
                                                            : RunWrite(call, access, body);
    metrics_.Ended(access, status, call.clock().Mono() - begun);
    return status;
  }
  std::string_view dialect() const override { return "sqlite"; }
  Result<std::string> Backup(Call& call, std::string_view label) override;
  Result<bool> Observe(Call& call, std::weak_ptr<RowObserver> observer) override;

 private:
  using Body = std::function<Status(Transaction&)>;

  Status RunRead(Call& call, const Body& body);
  Status RunWrite(Call& call, Access access, const Body& body);
  Status RunMember(Call& call, Access access, const Body& body);
  Status UndoMember(bool first);
  void LoseGroup();
  Status CommitGroup();
  Result<std::unique_ptr<SqliteConnection>> TakeReader(Call& call);
  void ReturnReader(std::unique_ptr<SqliteConnection> reader);

  const std::string path_;  // empty: in memory
  const std::unique_ptr<FileLock> lock_;

  WriteQueue queue_;
  // These belong to who has the queue's turn.
  const std::unique_ptr<SqliteConnection> writer_;
  std::shared_ptr<WriteGroup> group_;  // an open transaction of at least one member
  Observers observers_;

  const bool has_readers_;
  std::mutex readers_mutex_;
  std::condition_variable_any reader_returned_;
  std::vector<std::unique_ptr<SqliteConnection>> free_readers_;

  const Millis busy_timeout_;
  StoreMetrics metrics_;
};

Status RunBody(const std::function<Status(Transaction&)>& body, SqliteTransaction& transaction) {
  // An exception here would keep the turn for ever.
  try {
    return body(transaction);
  } catch (const std::exception& error) {
    return Internal(fmt::format("exception in a transaction: {}", error.what()));
  }
}

Status SqliteDatabase::RunRead(Call& call, const Body& body) {
  MORAINE_ASSIGN(auto reader, TakeReader(call));
  reader->SetCall(&call, busy_timeout_);
  Status status = reader->Control("BEGIN");
  if (status.ok()) {
    SqliteTransaction transaction(*reader, call, Access::kRead);
    status = RunBody(body, transaction);
  }
  reader->SetCall(nullptr, Millis(0));
  if (reader->InTransaction()) {
    Status end = reader->Control("ROLLBACK");
    if (status.ok()) status = std::move(end);
  }
  ReturnReader(std::move(reader));
  return status;
}

Status SqliteDatabase::RunWrite(Call& call, Access access, const Body& body) {
  MORAINE_TRY(queue_.Enter(call));
  Status own = RunMember(call, access, body);
  std::shared_ptr<WriteGroup> group = group_;
  if (group == nullptr) {
    queue_.Leave();
    return own;
  }
  Status outcome;
  bool room = group->members < kMaxGroup && call.clock().Mono() - group->begun < kMaxGroupAge;
  if (room && queue_.PassOn()) {
    outcome = queue_.Await(*group);
  } else {
    outcome = CommitGroup();
    observers_.OnEnd();
    metrics_.Committed(group->members);
    group_.reset();
    queue_.Publish(*group, outcome);
    queue_.Leave();
  }
  if (outcome.ok()) return own;
  if (own.ok()) return outcome;
  // Its error may rest on what others of the group wrote and what is now undone.
  return Unavailable(
      fmt::format("store: the commit failed that this answer rests on ({})", own.ToString()));
}

/// Runs the body as a member of the group, or as the first of a new one (if it succeeds).
Status SqliteDatabase::RunMember(Call& call, Access access, const Body& body) {
  MORAINE_TRY(call.Check());
  const bool first = group_ == nullptr;
  writer_->SetCall(&call, busy_timeout_);
  Status own = writer_->Control(first ? "BEGIN IMMEDIATE" : "SAVEPOINT member");
  if (!own.ok() && first) return own;
  if (own.ok()) {
    SqliteTransaction transaction(*writer_, call, access);
    own = RunBody(body, transaction);
    writer_->SetCall(nullptr, busy_timeout_);
    if (own.ok() && !first && writer_->InTransaction()) own = writer_->Control("RELEASE member");
    if (!own.ok() && writer_->InTransaction()) {
      Status undone = UndoMember(first);
      if (!undone.ok()) own = std::move(undone);
    }
  }
  writer_->SetCall(nullptr, busy_timeout_);
  if (!writer_->InTransaction()) {
    observers_.OnEnd();
    LoseGroup();
    if (own.ok()) own = Unavailable("store: the transaction was rolled back");
    return own;
  }
  if (first) {
    group_ = std::make_shared<WriteGroup>();
    group_->begun = call.clock().Mono();
  }
  ++group_->members;
  return own;
}

/// Takes back what a failed body did; all of the transaction if that does not work.
Status SqliteDatabase::UndoMember(bool first) {
  if (!first) {
    Status status = writer_->Control("ROLLBACK TO member");
    if (status.ok()) status = writer_->Control("RELEASE member");
    if (status.ok()) return status;
  }
  return writer_->Control("ROLLBACK");
}

/// The transaction is gone, and with it what the group wrote before.
void SqliteDatabase::LoseGroup() {
  if (group_ == nullptr) return;
  queue_.Publish(*group_, Unavailable("store: rolled back with a transaction beside it"));
  group_.reset();
}

Status SqliteDatabase::CommitGroup() {
  Status status;
  switch (writer_->Commit(&status)) {
    case CommitOutcome::kDone:
      return {};
    case CommitOutcome::kRefused:
      return std::move(status).Annotate("while committing");
    case CommitOutcome::kUnknown:
      break;
  }
  return std::move(status).WithCode(Code::kCommitUnknown).Annotate("while committing");
}

Result<std::unique_ptr<SqliteConnection>> SqliteDatabase::TakeReader(Call& call) {
  MORAINE_TRY(call.Check());
  std::unique_lock lock(readers_mutex_);
  while (free_readers_.empty()) {
    Status why = call.Check();
    if (!why.ok()) {
      reader_returned_.notify_one();  // a wake-up that was meant for one who stays
      return std::move(why).Annotate("while waiting for a reader of the store");
    }
    call.clock().WaitUntil(lock, reader_returned_, call.deadline(), call.stop());
  }
  std::unique_ptr<SqliteConnection> reader = std::move(free_readers_.back());
  free_readers_.pop_back();
  return reader;
}

void SqliteDatabase::ReturnReader(std::unique_ptr<SqliteConnection> reader) {
  std::lock_guard lock(readers_mutex_);
  free_readers_.push_back(std::move(reader));
  reader_returned_.notify_one();
}

Result<bool> SqliteDatabase::Observe(Call& call, std::weak_ptr<RowObserver> observer) {
  // In its turn, as what writes.
  MORAINE_TRY(RunWrite(call, Access::kRead, [&](Transaction&) {
    observers_.Add(std::move(observer));
    writer_->Observe(&observers_);
    return Status();
  }));
  return true;
}

Status SyncPath(const std::string& path, int flags) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
  int failed = fd < 0 ? -1 : ::fsync(fd);
  int error = errno;
  if (fd >= 0) ::close(fd);
  if (failed == 0) return {};
  return Unavailable(
      fmt::format("cannot sync {}: {}", path, std::generic_category().message(error)));
}

std::string FolderOf(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

Result<std::string> SqliteDatabase::Backup(Call& call, std::string_view label) {
  if (path_.empty()) return std::string();
  const std::string to = fmt::format("{}.bak-{}", path_, label);
  const std::string temporary = to + ".tmp";
  ::unlink(temporary.c_str());
  MORAINE_ASSIGN(auto reader, TakeReader(call));
  reader->SetCall(&call, busy_timeout_);
  Status status = reader->CopyTo(temporary);
  reader->SetCall(nullptr, Millis(0));
  ReturnReader(std::move(reader));
  if (status.ok()) status = SyncPath(temporary, 0);
  if (status.ok() && ::rename(temporary.c_str(), to.c_str()) != 0) {
    status = Unavailable(fmt::format("cannot write {}", to));
  }
  if (status.ok()) status = SyncPath(FolderOf(to), O_DIRECTORY);
  if (!status.ok()) {
    ::unlink(temporary.c_str());
    return std::move(status).Annotate(fmt::format("while backing up the store to {}", to));
  }
  return to;
}

Status Configure(SqliteConnection& connection, int cache_kib) {
  MORAINE_TRY(connection.Control("PRAGMA journal_mode=WAL"));
  MORAINE_TRY(connection.Control("PRAGMA synchronous=FULL"));
  MORAINE_TRY(connection.Control("PRAGMA foreign_keys=ON"));
  MORAINE_TRY(connection.Control("PRAGMA temp_store=MEMORY"));
  MORAINE_TRY(connection.Control("PRAGMA journal_size_limit=67108864"));
  return connection.Control(fmt::format("PRAGMA cache_size=-{}", cache_kib));
}

/// Makes the folder, and the file readable by its owner alone: it may hold secrets.
Status PrepareFile(const std::string& path) {
  if (!path.starts_with('/') || path.ends_with('/')) {
    return InvalidArgument(fmt::format("expected sqlite:///absolute/file, got sqlite://{}", path));
  }
  std::error_code error;
  std::filesystem::create_directories(FolderOf(path), error);
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return InvalidArgument(
        fmt::format("cannot open the store {}: {}", path, std::generic_category().message(errno)));
  }
  ::close(fd);
  return {};
}

}  // namespace

Result<std::unique_ptr<Database>> OpenSqlite(Call& call, const std::string& path,
                                             const StoreOptions& options) {
  MORAINE_TRY(call.Check());
  const bool in_memory = path == ":memory:" || path == "/:memory:";
  std::unique_ptr<FileLock> lock;
  if (!in_memory) {
    MORAINE_TRY(PrepareFile(path));
    MORAINE_ASSIGN(lock, FileLock::Take(path + ".lock"));
  }
  MORAINE_ASSIGN(auto writer, SqliteConnection::Open(in_memory ? ":memory:" : path));
  writer->SetCall(nullptr, options.busy_timeout);
  MORAINE_TRY(Configure(*writer, 16'384));
  std::vector<std::unique_ptr<SqliteConnection>> readers;
  for (int i = 0; i < options.readers && !in_memory; ++i) {
    MORAINE_ASSIGN(auto reader, SqliteConnection::Open(path));
    reader->SetCall(nullptr, options.busy_timeout);
    MORAINE_TRY(Configure(*reader, 4'096));
    readers.push_back(std::move(reader));
  }
  return std::unique_ptr<Database>(std::make_unique<SqliteDatabase>(
      in_memory ? "" : path, std::move(lock), std::move(writer), std::move(readers), options));
}

Result<std::unique_ptr<Database>> OpenForeignSqlite(Call& call, const std::string& path,
                                                    const StoreOptions& options) {
  MORAINE_TRY(call.Check());
  std::error_code error;
  if (!path.starts_with('/') || !std::filesystem::is_regular_file(path, error)) {
    return InvalidArgument(
        fmt::format("there is no SQLite file {}: expected sqlite:///absolute/file", path));
  }
  std::vector<std::unique_ptr<SqliteConnection>> connections;
  for (int i = 0; i < 2; ++i) {
    MORAINE_ASSIGN(auto connection, SqliteConnection::Open(path));
    connection->SetCall(nullptr, options.busy_timeout);
    MORAINE_TRY(connection->Control("PRAGMA query_only = ON"));
    connections.push_back(std::move(connection));
  }
  std::vector<std::unique_ptr<SqliteConnection>> readers;
  readers.push_back(std::move(connections[0]));
  return std::unique_ptr<Database>(std::make_unique<SqliteDatabase>(
      "", nullptr, std::move(connections[1]), std::move(readers), options));
}

}  // namespace moraine::store
