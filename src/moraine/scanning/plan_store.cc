#include "moraine/scanning/plan_store.h"

#include <utility>

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/base/text.h"
#include "moraine/net/random_bytes.h"
#include "moraine/scanning/schema.h"

namespace moraine::scanning {
namespace {

using store::Access;
using store::Transaction;

constexpr int64_t kSecretId = 1;
constexpr size_t kSecretBytes = 32;
/// Of any plan id that could be one.
constexpr size_t kMaxIdBytes = 100;

Status NoSuchPlan(const std::string& plan_id) {
  return NotFound(
      fmt::format("Plan does not exist or has expired: {}", plan_id.substr(0, kMaxIdBytes)));
}

/// "" if there is none yet.
Result<std::string> ReadSecret(Call& call, store::Database& database) {
  return store::RunFor(call, database, Access::kRead, [](Transaction& t) -> Result<std::string> {
    MORAINE_ASSIGN(auto rows, t.Query("SELECT secret FROM scan_secret WHERE id = ?", {kSecretId}));
    if (rows.empty()) return std::string();
    return rows[0].Text(0);
  });
}

/// Of two replicas that make one at once, one finds the other's there.
Status MakeSecret(Call& call, store::Database& database) {
  MORAINE_ASSIGN(std::string bytes, net::RandomBytes(kSecretBytes));
  Status made = database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(int64_t now, t.NowMs());
    return t
        .Execute("INSERT INTO scan_secret (id, secret, created_ms) VALUES (?, ?, ?)",
                 {kSecretId, HexEncode(bytes), now})
        .status();
  });
  // Who wins is read afterwards, also where the answer got lost.
  if (made.code() == Code::kAlreadyExists || made.code() == Code::kCommitUnknown) return {};
  return made;
}

}  // namespace

Status PlanStore::Open(Call& call) {
  return store::Migrate(call, database_, "scanning", Migrations());
}

Result<std::string> PlanStore::Secret(Call& call) {
  {
    std::lock_guard lock(mutex_);
    if (!secret_.empty()) return secret_;
  }
  MORAINE_ASSIGN(std::string hex, ReadSecret(call, database_));
  if (hex.empty()) {
    MORAINE_TRY(MakeSecret(call, database_));
    MORAINE_ASSIGN(hex, ReadSecret(call, database_));
  }
  auto secret = HexDecode(hex);
  if (!secret.ok() || secret->size() != kSecretBytes) {
    return Corruption("scan_secret: expected 32 bytes in hexadecimal");
  }
  std::lock_guard lock(mutex_);
  secret_ = *secret;
  return secret_;
}

Status PlanStore::Keep(Call& call, const KeptPlan& plan, Millis lifetime) {
  std::string scan;
  JsonWriter out(&scan);
  WriteScanSpec(plan.scan, &out);
  return database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(int64_t now, t.NowMs());
    MORAINE_TRY(t.Execute("DELETE FROM scan_plan WHERE expires_ms <= ?", {now}));
    return t
        .Execute(
            "INSERT INTO scan_plan (plan_id, table_id, principal, scan, created_ms, "
            "expires_ms) VALUES (?, ?, ?, ?, ?, ?)",
            {plan.plan_id, plan.table_id, plan.principal, scan, now, now + lifetime.count()})
        .status();
  });
}

Result<KeptPlan> PlanStore::Find(Call& call, const std::string& plan_id, int64_t table_id) {
  if (plan_id.size() > kMaxIdBytes) return NoSuchPlan(plan_id);
  std::string scan;
  KeptPlan plan{plan_id, table_id, call.principal(), {}, 0};
  Status found = database_.Run(call, Access::kRead, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(int64_t now, t.NowMs());
    MORAINE_ASSIGN(auto rows, t.Query("SELECT scan, principal, expires_ms FROM scan_plan WHERE "
                                      "plan_id = ? AND table_id = ? AND expires_ms > ?",
                                      {plan_id, table_id, now}));
    if (rows.empty()) return NoSuchPlan(plan_id);
    MORAINE_ASSIGN(scan, rows[0].Text(0));
    MORAINE_ASSIGN(std::string principal, rows[0].Text(1));
    if (principal != call.principal()) return NoSuchPlan(plan_id);
    MORAINE_ASSIGN(plan.expires_ms, rows[0].Int(2));
    return {};
  });
  MORAINE_TRY(std::move(found));
  auto json = Json::Parse(scan);
  if (!json.ok()) return Corruption(fmt::format("scan_plan {}: not JSON", plan_id));
  auto spec = ScanSpecFromJson(JsonCursor(*json));
  if (!spec.ok()) return std::move(spec).status().WithCode(Code::kCorruption).Annotate(plan_id);
  plan.scan = std::move(*spec);
  return plan;
}

Status PlanStore::Remove(Call& call, const std::string& plan_id, int64_t table_id) {
  if (plan_id.size() > kMaxIdBytes) return NoSuchPlan(plan_id);
  return database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(int64_t now, t.NowMs());
    MORAINE_ASSIGN(int64_t removed,
                   t.Execute("DELETE FROM scan_plan WHERE plan_id = ? AND table_id = ? AND "
                             "principal = ? AND expires_ms > ?",
                             {plan_id, table_id, call.principal(), now}));
    return removed == 0 ? NoSuchPlan(plan_id) : Status();
  });
}

}  // namespace moraine::scanning
