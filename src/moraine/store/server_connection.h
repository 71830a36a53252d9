#pragma once
// One connection to a database server, as ServerDatabase needs it: PostgreSQL's and MariaDB's
// libraries stand behind it, each in one file. (Used by ServerDatabase only.)

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/store/commit_outcome.h"
#include "moraine/store/database.h"
#include "moraine/store/store_url.h"

namespace moraine::store {

/// Why a transaction failed, as far as it says whether to run it again.
enum class Trouble {
  kNone,
  kStatement,  ///< it would fail again
  kSerial,     ///< it met another one: run it again
  kDuplicate,  ///< a key is taken: another one may just have taken it, which a new look shows
  kLost,       ///< the connection is gone, and the transaction with it
};

/// Used by one thread at a time. After a statement failed, all others of the transaction do.
class ServerConnection {
 public:
  virtual ~ServerConnection() = default;
  /// Begins a transaction, for this call; the server hears of it with the first statement.
  virtual void Begin(Call& call, Access access) = 0;
  virtual Result<int64_t> Execute(std::string_view sql, const std::vector<Value>& parameters) = 0;
  /// As Execute; a driver may send it with the next statement or with COMMIT, and report its error
  /// then.
  virtual Status ExecuteLater(std::string_view sql, const std::vector<Value>& parameters) {
    return Execute(sql, parameters).status();
  }
  virtual Result<std::vector<Row>> Query(std::string_view sql, const std::vector<Value>& parameters,
                                         size_t max_rows) = 0;
  virtual Result<int64_t> LastInsertId() = 0;
  virtual Result<int64_t> NowMs() = 0;
  /// status says why, unless the outcome is kDone. Not given up by the call.
  virtual CommitOutcome Commit(Status* status) = 0;
  /// Ends a transaction of which nothing shall stay, or that has only read. Does not wait.
  virtual void Discard() = 0;
  /// What spoilt the transaction; OK if nothing did.
  virtual const Status& failure() const = 0;
  virtual Trouble trouble() const = 0;
  /// Whether it can serve another transaction; looks whether the server has hung up.
  virtual bool usable() = 0;
};

struct Driver {
  std::string_view dialect;
  std::function<Result<std::unique_ptr<ServerConnection>>(Call& call, Access access)> connect;
  /// Connections of one access can't serve the other.
  bool apart = false;
};

/// A pool of connections from this driver. Opens the first one, to say at once what is wrong.
Result<std::unique_ptr<Database>> OpenServerDatabase(Call& call, Driver driver,
                                                     const StoreOptions& options);

/// The drivers. Errors: InvalidArgument for options that they don't know.
Result<Driver> MakePostgresDriver(const StoreUrl& url, const StoreOptions& options);
Result<Driver> MakeMariaDriver(const StoreUrl& url, const StoreOptions& options);

/// The rest of the call rounded up to a power of two: so that the limit that a session has seldom
/// changes.
Millis SessionLimit(const Call& call);

}  // namespace moraine::store
