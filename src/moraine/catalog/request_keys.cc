#include "moraine/catalog/request_keys.h"

#include <vector>

#include "moraine/base/text.h"
#include "moraine/net/digest.h"

namespace moraine::catalog {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;

constexpr size_t kMaxPrincipalBytes = 500;
constexpr int64_t kTrimmedAtOnce = 1'000;

const std::vector<store::Migration>& Migrations() {
  static const std::vector<store::Migration> migrations = {{1, "request keys", R"(
CREATE TABLE request_key (
  request_key {key} NOT NULL,
  principal {key} NOT NULL,
  route {text} NOT NULL,
  digest {key} NOT NULL,
  status {bigint} NOT NULL,
  tabular_id {bigint} NOT NULL,
  metadata_location {text} NOT NULL,
  answer {text} NOT NULL,
  kept_ms {bigint} NOT NULL,
  PRIMARY KEY (request_key, principal)
);
CREATE INDEX request_key_age ON request_key (kept_ms);
)"}};
  return migrations;
}

/// As the column holds it.
std::string PrincipalKey(const std::string& principal) {
  if (principal.size() <= kMaxPrincipalBytes) return principal;
  return "sha256:" + HexEncode(net::Sha256(principal));
}

}  // namespace

RequestKeys::RequestKeys(store::Database& database, Metrics* metrics)
    : database_(database), metrics_(metrics) {}

Status RequestKeys::Open(Call& call) {
  return store::Migrate(call, database_, "request keys", Migrations());
}

RequestKeys::Scope::Scope(RequestKeys& keys, Call& call, const KeyedRequest& request, int status)
    : keys_(keys), call_(&call), request_(request), status_(status) {
  std::lock_guard lock(keys_.mutex_);
  keys_.scopes_[call_] = this;
}

RequestKeys::Scope::~Scope() {
  if (sealed_) keys_.metrics_.Kept();
  std::lock_guard lock(keys_.mutex_);
  keys_.scopes_.erase(call_);
}

RequestKeys::Scope* RequestKeys::ScopeOf(const Call& call) {
  std::lock_guard lock(mutex_);
  auto found = scopes_.find(&call);
  return found == scopes_.end() ? nullptr : found->second;
}

Status RequestKeys::Insert(Call& call, Transaction& t, const KeyedRequest& request, int status,
                           const Receipt& receipt) {
  return t
      .Execute(
          "INSERT INTO request_key (request_key, principal, route, digest, status, tabular_id, "
          "metadata_location, answer, kept_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
          {request.key, PrincipalKey(request.principal), request.route, request.digest,
           int64_t{status}, receipt.tabular_id, receipt.metadata_location, receipt.answer,
           ToMillis(call.clock().Wall())})
      .status();
}

Status RequestKeys::Seal(Call& call, Transaction& t, const Receipt& receipt) {
  Scope* scope = ScopeOf(call);
  if (scope == nullptr) return {};
  scope->sealed_ = false;
  Status inserted = Insert(call, t, scope->request_, scope->status_, receipt);
  if (inserted.code() == Code::kAlreadyExists) {
    return Unavailable("another request with this Idempotency-Key came first");
  }
  scope->sealed_ = inserted.ok();
  return inserted;
}

void RequestKeys::Unseal(const Call& call) {
  if (Scope* scope = ScopeOf(call)) scope->sealed_ = false;
}

Result<std::optional<KeptAnswer>> RequestKeys::Find(Call& call, const KeyedRequest& request) {
  return RunFor(
      call, database_, Access::kRead, [&](Transaction& t) -> Result<std::optional<KeptAnswer>> {
        MORAINE_ASSIGN(auto rows,
                       t.Query("SELECT digest, status, tabular_id, metadata_location, answer FROM "
                               "request_key WHERE request_key = ? AND principal = ?",
                               {request.key, PrincipalKey(request.principal)}));
        if (rows.empty()) return std::optional<KeptAnswer>();
        KeptAnswer kept;
        MORAINE_ASSIGN(kept.digest, rows[0].Text(0));
        MORAINE_ASSIGN(int64_t status, rows[0].Int(1));
        kept.status = static_cast<int>(status);
        MORAINE_ASSIGN(kept.receipt.tabular_id, rows[0].Int(2));
        MORAINE_ASSIGN(kept.receipt.metadata_location, rows[0].Text(3));
        MORAINE_ASSIGN(kept.receipt.answer, rows[0].Text(4));
        return std::optional<KeptAnswer>(std::move(kept));
      });
}

Status RequestKeys::Keep(Call& call, const KeyedRequest& request, int status,
                         const Receipt& receipt) {
  MORAINE_TRY(database_.Run(call, Access::kWrite, [&](Transaction& t) {
    return Insert(call, t, request, status, receipt);
  }));
  metrics_.Kept();
  return {};
}

Status RequestKeys::Trim(Call& call, int64_t before_ms) {
  for (;;) {
    MORAINE_TRY(call.Check());
    bool more = false;
    MORAINE_TRY(database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
      MORAINE_ASSIGN(auto rows, t.Query("SELECT kept_ms FROM request_key WHERE kept_ms < ? ORDER "
                                        "BY kept_ms LIMIT 1 OFFSET ?",
                                        {before_ms, kTrimmedAtOnce}));
      more = !rows.empty();
      int64_t last_ms = before_ms - 1;
      if (more) {
        MORAINE_ASSIGN(last_ms, rows[0].Int(0));
      }
      return t.Execute("DELETE FROM request_key WHERE kept_ms <= ?", {last_ms}).status();
    }));
    if (!more) return {};
  }
}

}  // namespace moraine::catalog
