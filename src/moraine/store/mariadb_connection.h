#pragma once
// One connection to MariaDB (or MySQL) through libmariadb, whose only door this is. It never needs
// a BEGIN: the session's autocommit is off, and connections that write have the isolation
// SERIALIZABLE, those that read REPEATABLE READ (one moment, no locks).

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "moraine/store/server_connection.h"

struct st_mysql;
struct st_mysql_stmt;

namespace moraine::store {

struct MariaTarget {
  StoreUrl url;
  StoreOptions options;
};

/// Used by one thread at a time.
class MariaConnection final : public ServerConnection {
 public:
  /// Errors: Unavailable, PermissionDenied, InvalidArgument (no such database).
  static Result<std::unique_ptr<MariaConnection>> Open(Call& call, const MariaTarget& target,
                                                       Access access);
  ~MariaConnection() override;
  MariaConnection(const MariaConnection&) = delete;
  MariaConnection& operator=(const MariaConnection&) = delete;

  void Begin(Call& call, Access access) override;
  Result<int64_t> Execute(std::string_view sql, const std::vector<Value>& parameters) override;
  Result<std::vector<Row>> Query(std::string_view sql, const std::vector<Value>& parameters,
                                 size_t max_rows) override;
  Result<int64_t> LastInsertId() override;
  Result<int64_t> NowMs() override;
  CommitOutcome Commit(Status* status) override;
  void Discard() override;
  const Status& failure() const override { return failure_; }
  Trouble trouble() const override { return trouble_; }
  bool usable() override;

 private:
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  explicit MariaConnection(st_mysql* handle) : handle_(handle) {}
  Status Connect(Call& call, const MariaTarget& target, Access access);
  void SetLimits(int socket);
  Status Control(std::string_view sql);
  Status FinishPending();
  bool InTransaction();
  Status LimitStatements();
  Result<st_mysql_stmt*> Prepare(std::string_view sql);
  Result<st_mysql_stmt*> Run(std::string_view sql, const std::vector<Value>& parameters);
  Result<std::vector<Row>> Fetch(st_mysql_stmt* statement, size_t max_rows, std::string_view sql);
  Status Failure(unsigned number, std::string_view message, std::string_view sql);
  Status FetchFailure(st_mysql_stmt* statement, std::string_view sql);
  Status StatementFailure(st_mysql_stmt* statement, std::string_view sql);

  st_mysql* handle_;
  std::unordered_map<std::string, st_mysql_stmt*, TextHash, std::equal_to<>> statements_;
  bool worn_ = false;     ///< the socket is shut
  bool pending_ = false;  ///< a ROLLBACK whose answer has not been read
  bool begun_ = false;    ///< a statement was sent
  bool locked_ = false;   ///< the session may hold a lock that a transaction's end leaves
  bool is_mariadb_ = true;
  int64_t limit_ms_ = 0;
  int64_t last_insert_id_ = 0;
  Call* call_ = nullptr;
  Access access_ = Access::kRead;
  Status failure_;
  Trouble trouble_ = Trouble::kNone;
};

}  // namespace moraine::store
