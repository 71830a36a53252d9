// A database that is a server: a pool of connections, and transactions that are run again when they
// met another one. Both servers run what writes as SERIALIZABLE (docs/design/0014-servers.md).

#include <algorithm>
#include <bit>
#include <condition_variable>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "moraine/store/execute_later.h"
#include "moraine/store/metrics_internal.h"
#include "moraine/store/server_connection.h"
#include "moraine/store/write_queue.h"

namespace moraine::store {
namespace {

constexpr int kMaxRuns = 50;     // of a transaction that meets others
constexpr int kRunsAtLarge = 3;  // before losers of this process go one after the other
constexpr int kMaxLost = 2;      // connections, in one transaction
constexpr int64_t kMaxPauseMs = 32;

class ServerTransaction final : public Transaction, public PutsOff {
 public:
  ServerTransaction(ServerConnection& connection, Call& call, std::string_view dialect)
      : connection_(connection), call_(call), dialect_(dialect) {}

  Result<int64_t> Execute(std::string_view sql, const std::vector<Value>& parameters) override {
    MORAINE_TRY(Check());
    return connection_.Execute(sql, parameters);
  }
  Status ExecuteLater(std::string_view sql, const std::vector<Value>& parameters) override {
    MORAINE_TRY(Check());
    return connection_.ExecuteLater(sql, parameters);
  }
  Result<std::vector<Row>> Query(std::string_view sql, const std::vector<Value>& parameters,
                                 size_t max_rows) override {
    MORAINE_TRY(Check());
    return connection_.Query(sql, parameters, max_rows);
  }
  Result<int64_t> LastInsertId() override {
    MORAINE_TRY(Check());
    return connection_.LastInsertId();
  }
  Result<int64_t> NowMs() override {
    MORAINE_TRY(Check());
    return connection_.NowMs();
  }
  std::string_view dialect() const override { return dialect_; }

 private:
  Status Check() {
    MORAINE_TRY(call_.Check());
    return connection_.failure();
  }

  ServerConnection& connection_;
  Call& call_;
  const std::string_view dialect_;
};

/// Thread-safe. Opens connections as they are needed, keeps them all.
class ConnectionPool {
 public:
  ConnectionPool(Driver driver, Access access, int size)
      : driver_(std::move(driver)), access_(access), size_(static_cast<size_t>(size)) {}

  Result<std::unique_ptr<ServerConnection>> Take(Call& call);
  void Return(std::unique_ptr<ServerConnection> connection);
  /// Those of before went with the server, perhaps.
  void CloseIdle();

 private:
  std::unique_ptr<ServerConnection> TakeIdle();

  const Driver driver_;
  const Access access_;
  const size_t size_;
  std::mutex mutex_;
  std::condition_variable_any returned_;
  size_t open_ = 0;                                      // under mutex_, with those in use
  std::vector<std::unique_ptr<ServerConnection>> idle_;  // under mutex_
};

/// The one used last, if it is still good. Others are closed outside of the lock.
std::unique_ptr<ServerConnection> ConnectionPool::TakeIdle() {
  for (;;) {
    std::unique_ptr<ServerConnection> connection;
    {
      std::lock_guard lock(mutex_);
      if (idle_.empty()) return nullptr;
      connection = std::move(idle_.back());
      idle_.pop_back();
    }
    if (connection->usable()) return connection;
    connection.reset();
    std::lock_guard lock(mutex_);
    --open_;
    returned_.notify_one();
  }
}

Result<std::unique_ptr<ServerConnection>> ConnectionPool::Take(Call& call) {
  for (;;) {
    MORAINE_TRY(call.Check());
    if (auto connection = TakeIdle()) return connection;
    {
      std::unique_lock lock(mutex_);
      if (!idle_.empty()) continue;
      if (open_ >= size_) {
        call.clock().WaitUntil(lock, returned_, call.deadline(), call.stop());
        Status why = call.Check();
        if (why.ok()) continue;
        returned_.notify_one();  // a wake-up that was meant for one who stays
        return std::move(why).Annotate("while waiting for a connection to the store");
      }
      ++open_;
    }
    auto opened = driver_.connect(call, access_);
    if (opened.ok()) return opened;
    std::lock_guard lock(mutex_);
    --open_;
    returned_.notify_one();
    return opened;
  }
}

void ConnectionPool::Return(std::unique_ptr<ServerConnection> connection) {
  bool keep = connection->trouble() != Trouble::kLost;
  if (!keep) connection.reset();
  std::lock_guard lock(mutex_);
  if (keep) {
    idle_.push_back(std::move(connection));
  } else {
    --open_;
  }
  returned_.notify_one();
}

void ConnectionPool::CloseIdle() {
  std::vector<std::unique_ptr<ServerConnection>> closed;
  std::lock_guard lock(mutex_);
  open_ -= idle_.size();
  closed.swap(idle_);
  returned_.notify_all();
}

class ServerDatabase final : public Database {
 public:
  ServerDatabase(const Driver& driver, const StoreOptions& options)
      : dialect_(driver.dialect),
        apart_(driver.apart),
        // Apart, neither kind may starve the other.
        writers_(driver, Access::kWrite,
                 std::max(1, driver.apart ? options.connections / 2 : options.connections)),
        readers_(driver, Access::kRead, std::max(1, options.connections / 2)),
        metrics_(options.metrics) {}

  Status Run(Call& call, Access access, const std::function<Status(Transaction&)>& body) override;
  std::string_view dialect() const override { return dialect_; }
  Result<std::string> Backup(Call&, std::string_view) override { return std::string(); }

 private:
  using Body = std::function<Status(Transaction&)>;
  struct Runs {
    int serial = 0;
    int duplicate = 0;
    int lost = 0;
    bool alone = false;  ///< has the turn among those that keep losing
  };

  ConnectionPool& PoolFor(Access access) {
    return apart_ && access == Access::kRead ? readers_ : writers_;
  }
  Status RunRepeatedly(Call& call, Access access, const Body& body);
  Status RunOnce(Call& call, Access access, const Body& body, Trouble* trouble);
  Status End(ServerConnection& connection, Access access, Status status);
  Result<bool> Again(Call& call, Trouble trouble, Runs* runs);

  const std::string_view dialect_;
  const bool apart_;
  ConnectionPool writers_;  // for all, unless they are apart
  ConnectionPool readers_;
  WriteQueue losers_;
  StoreMetrics metrics_;
};

Status RunBody(const std::function<Status(Transaction&)>& body, Transaction& transaction) {
  // An exception here would keep the connection for ever.
  try {
    return body(transaction);
  } catch (const std::exception& error) {
    return Internal(fmt::format("exception in a transaction: {}", error.what()));
  }
}

Status ServerDatabase::Run(Call& call, Access access, const Body& body) {
  MonoTime begun = call.clock().Mono();
  Status status = RunRepeatedly(call, access, body);
  metrics_.Ended(access, status, call.clock().Mono() - begun);
  return status;
}

Status ServerDatabase::RunRepeatedly(Call& call, Access access, const Body& body) {
  Runs runs;
  Status status;
  Trouble trouble = Trouble::kNone;
  for (;;) {
    trouble = Trouble::kNone;
    status = RunOnce(call, access, body, &trouble);
    if (status.ok() || status.code() == Code::kCommitUnknown) break;
    auto again = Again(call, trouble, &runs);
    if (!again.ok() || !*again) break;
    metrics_.RanAgain();
  }
  if (runs.alone) losers_.Leave();
  // It met others each time, which says nothing about what it wanted.
  if (status.code() == Code::kConflict && trouble == Trouble::kSerial) {
    status = std::move(status).WithCode(Code::kUnavailable);
  }
  return status;
}

/// Decides, and waits before it says yes.
Result<bool> ServerDatabase::Again(Call& call, Trouble trouble, Runs* runs) {
  MORAINE_TRY(call.Check());
  switch (trouble) {
    case Trouble::kNone:
    case Trouble::kStatement:
      return false;
    case Trouble::kDuplicate:
      return ++runs->duplicate == 1;
    case Trouble::kLost:
      return ++runs->lost <= kMaxLost;
    case Trouble::kSerial:
      break;
  }
  if (++runs->serial >= kMaxRuns) return false;
  if (runs->serial < kRunsAtLarge) return true;
  // Those that lose again and again hinder each other: one at a time, and between processes by
  // uneven pauses.
  if (!runs->alone) {
    MORAINE_TRY(losers_.Enter(call));
    runs->alone = true;
  }
  auto most = static_cast<uint64_t>(std::min<int64_t>(kMaxPauseMs, runs->serial));
  call.clock().SleepFor(Millis(call.random().Below(most)), call.stop());
  return true;
}

Status ServerDatabase::RunOnce(Call& call, Access access, const Body& body, Trouble* trouble) {
  ConnectionPool& pool = PoolFor(access);
  MORAINE_ASSIGN(auto connection, pool.Take(call));
  connection->Begin(call, access);
  ServerTransaction transaction(*connection, call, dialect_);
  Status status = End(*connection, access, RunBody(body, transaction));
  *trouble = connection->trouble();
  pool.Return(std::move(connection));
  // A connection is given up with its call, too, which says nothing of the others.
  if (*trouble == Trouble::kLost && call.Check().ok()) {
    writers_.CloseIdle();
    readers_.CloseIdle();
  }
  return status;
}

Status ServerDatabase::End(ServerConnection& connection, Access access, Status status) {
  // A body may have overlooked the error.
  if (status.ok()) status = connection.failure();
  if (!status.ok() || access == Access::kRead) {
    connection.Discard();
    return status;
  }
  switch (connection.Commit(&status)) {
    case CommitOutcome::kDone:
      return {};
    case CommitOutcome::kRefused:
      return std::move(status).Annotate("while committing");
    case CommitOutcome::kUnknown:
      break;
  }
  return std::move(status).WithCode(Code::kCommitUnknown).Annotate("while committing");
}

}  // namespace

Millis SessionLimit(const Call& call) {
  auto rest = std::chrono::duration_cast<Millis>(call.remaining()).count();
  return Millis(std::bit_ceil(static_cast<uint64_t>(std::clamp<int64_t>(rest, 1, 3'600'000))));
}

Result<std::unique_ptr<Database>> OpenServerDatabase(Call& call, Driver driver,
                                                     const StoreOptions& options) {
  auto database = std::make_unique<ServerDatabase>(driver, options);
  MORAINE_TRY(
      database->Run(call, Access::kRead, [](Transaction& t) { return t.NowMs().status(); }));
  return std::unique_ptr<Database>(std::move(database));
}

}  // namespace moraine::store
