#include "moraine/store/lease.h"

#include <fmt/format.h>

namespace moraine::store {
namespace {

const std::vector<Migration>& Migrations() {
  static const std::vector<Migration> migrations = {{1, "leases", R"(
CREATE TABLE lease (
  name {key} NOT NULL PRIMARY KEY,
  holder {key} NOT NULL,
  epoch {bigint} NOT NULL,
  expires_ms {bigint} NOT NULL
);
)"}};
  return migrations;
}

Result<Lease> FromRow(const Row& row) {
  Lease lease;
  MORAINE_ASSIGN(lease.name, row.Text(0));
  MORAINE_ASSIGN(lease.holder, row.Text(1));
  MORAINE_ASSIGN(lease.epoch, row.Int(2));
  MORAINE_ASSIGN(lease.expires_ms, row.Int(3));
  return lease;
}

Status Lost(const Lease& lease) {
  return Cancelled(fmt::format("the lease {} is no longer held", lease.name));
}

/// The first name after all that start with the prefix; names are compared as bytes.
std::string EndOf(std::string prefix) {
  prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

}  // namespace

Status OpenLeases(Call& call, Database& database) {
  return Migrate(call, database, "lease", Migrations());
}

Result<std::optional<Lease>> AcquireLease(Transaction& t, const std::string& name,
                                          const std::string& holder, Millis length) {
  MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
  MORAINE_ASSIGN(
      auto rows,
      t.Query("SELECT name, holder, epoch, expires_ms FROM lease WHERE name = ?", {name}));
  const int64_t expires_ms = now_ms + length.count();
  if (rows.empty()) {
    MORAINE_TRY(t.Execute("INSERT INTO lease (name, holder, epoch, expires_ms) VALUES (?, ?, 1, ?)",
                          {name, holder, expires_ms}));
    return std::optional<Lease>(Lease{name, holder, 1, expires_ms});
  }
  MORAINE_ASSIGN(Lease lease, FromRow(rows[0]));
  const bool is_own = lease.holder == holder;
  if (!is_own && !lease.holder.empty() && lease.expires_ms > now_ms) return std::optional<Lease>();
  const int64_t epoch = is_own ? lease.epoch : lease.epoch + 1;
  MORAINE_ASSIGN(int64_t changed,
                 t.Execute("UPDATE lease SET holder = ?, epoch = ?, expires_ms = ?"
                           " WHERE name = ? AND epoch = ? AND holder = ?",
                           {holder, epoch, expires_ms, name, lease.epoch, lease.holder}));
  if (changed == 0) return std::optional<Lease>();
  return std::optional<Lease>(Lease{name, holder, epoch, expires_ms});
}

Status RenewLease(Transaction& t, Lease* lease, Millis length) {
  MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
  const int64_t expires_ms = now_ms + length.count();
  MORAINE_ASSIGN(
      int64_t changed,
      t.Execute("UPDATE lease SET expires_ms = ? WHERE name = ? AND epoch = ? AND holder = ?",
                {expires_ms, lease->name, lease->epoch, lease->holder}));
  if (changed == 0) return Lost(*lease);
  lease->expires_ms = expires_ms;
  return {};
}

Status ReleaseLease(Transaction& t, const Lease& lease) {
  return t
      .Execute(
          "UPDATE lease SET holder = '', expires_ms = 0 WHERE name = ? AND epoch = ? AND"
          " holder = ?",
          {lease.name, lease.epoch, lease.holder})
      .status();
}

Status CheckLease(Transaction& t, const Lease& lease) {
  MORAINE_ASSIGN(auto rows,
                 t.Query("SELECT epoch FROM lease WHERE name = ? AND epoch = ? AND holder = ?",
                         {lease.name, lease.epoch, lease.holder}));
  return rows.empty() ? Lost(lease) : Status();
}

Result<std::vector<Lease>> LeasesBelow(Transaction& t, const std::string& prefix) {
  MORAINE_ASSIGN(auto rows, t.Query("SELECT name, holder, epoch, expires_ms FROM lease WHERE name"
                                    " >= ? AND name < ? ORDER BY name",
                                    {prefix, EndOf(prefix)}));
  std::vector<Lease> leases;
  for (const auto& row : rows) {
    MORAINE_ASSIGN(auto lease, FromRow(row));
    leases.push_back(std::move(lease));
  }
  return leases;
}

Status ForgetLeasesBelow(Transaction& t, const std::string& prefix, int64_t before_ms) {
  return t
      .Execute("DELETE FROM lease WHERE name >= ? AND name < ? AND expires_ms < ?",
               {prefix, EndOf(prefix), before_ms})
      .status();
}

}  // namespace moraine::store
