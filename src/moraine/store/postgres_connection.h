#pragma once
// One connection to PostgreSQL through libpq, whose only door this is. libpq and not SOCI:
// statements go in pipelines (BEGIN with the first one), waits end with the call, errors come with
// their SQLSTATE, and a COMMIT whose answer is missing can be told from one that was refused.

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "moraine/store/server_connection.h"

struct pg_conn;
struct pg_result;

namespace moraine::store {

/// Used by one thread at a time.
class PostgresConnection final : public ServerConnection {
 public:
  using Parameters = std::vector<std::pair<std::string, std::string>>;  ///< libpq's keywords

  /// where: for error texts. Errors: Unavailable, PermissionDenied, InvalidArgument (no such
  /// database, an option that libpq doesn't know), Deadline, Cancelled.
  static Result<std::unique_ptr<PostgresConnection>> Open(Call& call, const Parameters& parameters,
                                                          const std::string& where,
                                                          const StoreOptions& options);
  ~PostgresConnection() override;
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  void Begin(Call& call, Access access) override;
  Result<int64_t> Execute(std::string_view sql, const std::vector<Value>& parameters) override;
  Status ExecuteLater(std::string_view sql, const std::vector<Value>& parameters) override;
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
  struct FreeResult {
    void operator()(pg_result* result) const;
  };
  using ResultPtr = std::unique_ptr<pg_result, FreeResult>;
  class Arguments;

  explicit PostgresConnection(pg_conn* connection) : connection_(connection) {}
  Status FinishConnecting(Call& call, const std::string& where, MonoTime until);
  Status Prepare(const StoreOptions& options);
  Status WaitForSocket(short events, Call* call, MonoTime until, Clock& clock);
  Result<ResultPtr> Run(std::string_view sql, const std::vector<Value>& parameters);
  Status SendBegin();
  Status Send(const char* sql);
  Status SendStatement(std::string_view sql, const Arguments& arguments);
  Status SendWithin(std::string_view sql, const std::vector<Value>& parameters);
  void Unlearn(const std::vector<std::string>& statements);
  Status EndPipeline();
  Result<std::vector<ResultPtr>> Receive(Call* call, MonoTime until);
  Status Lost(std::string_view what);
  Status Failure(const pg_result* result, std::string_view sql);
  Status Spoil(Status status, Trouble trouble);

  pg_conn* connection_;
  std::unordered_map<std::string, std::string> prepared_;  ///< text and types to name
  uint64_t next_name_ = 0;
  /// The keys of those that are being prepared, up to the next synchronisation.
  std::vector<std::string> new_statements_;
  std::string put_off_;    ///< the last statement that was sent without waiting for its answer
  int pending_syncs_ = 0;  ///< whose answers have not been read
  int64_t session_limit_ms_ = 0;
  Call* call_ = nullptr;
  Access access_ = Access::kRead;
  bool begun_ = false;  ///< BEGIN was sent
  Status failure_;
  Trouble trouble_ = Trouble::kNone;
};

}  // namespace moraine::store
