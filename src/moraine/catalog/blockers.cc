#include "moraine/catalog/blockers.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "moraine/base/text.h"

namespace moraine::catalog {
namespace {

using store::Access;
using store::Row;
using store::RunFor;
using store::Transaction;

constexpr size_t kMostPerTable = 100;
constexpr size_t kMostOperations = 20;
constexpr size_t kMostOwnerBytes = 500;
constexpr std::string_view kColumns =
    "SELECT blocker_id, table_id, operations, exclusive_use, owner, taken_by, taken_ms, length_ms, "
    "expires_ms FROM table_blocker ";

const std::vector<store::Migration>& Migrations() {
  static const std::vector<store::Migration> migrations = {{1, "blockers", R"(
CREATE TABLE table_blocker (
  blocker_id {key} NOT NULL PRIMARY KEY,
  table_id {bigint} NOT NULL,
  operations {text} NOT NULL,
  exclusive_use {bigint} NOT NULL,
  owner {text} NOT NULL,
  taken_by {text} NOT NULL,
  taken_ms {bigint} NOT NULL,
  length_ms {bigint} NOT NULL,
  expires_ms {bigint} NOT NULL
);
CREATE INDEX table_blocker_table ON table_blocker (table_id, expires_ms);
CREATE INDEX table_blocker_expiry ON table_blocker (expires_ms)
)"}};
  return migrations;
}

Result<Blocker> BlockerOf(const Row& row) {
  Blocker blocker;
  MORAINE_ASSIGN(blocker.id, row.Text(0));
  MORAINE_ASSIGN(blocker.table_id, row.Int(1));
  MORAINE_ASSIGN(auto operations, row.Text(2));
  for (auto operation : Split(operations, ',')) blocker.operations.emplace_back(operation);
  MORAINE_ASSIGN(int64_t exclusive, row.Int(3));
  blocker.exclusive = exclusive != 0;
  MORAINE_ASSIGN(blocker.owner, row.Text(4));
  MORAINE_ASSIGN(blocker.taken_by, row.Text(5));
  MORAINE_ASSIGN(blocker.taken_ms, row.Int(6));
  MORAINE_ASSIGN(blocker.length_ms, row.Int(7));
  MORAINE_ASSIGN(blocker.expires_ms, row.Int(8));
  return blocker;
}

Result<std::vector<Blocker>> LiveBlockers(Transaction& t, int64_t table_id, int64_t now_ms) {
  MORAINE_ASSIGN(auto rows, t.Query(std::string(kColumns) +
                                        "WHERE table_id = ? AND expires_ms > ? ORDER BY taken_ms, "
                                        "blocker_id",
                                    {table_id, now_ms}));
  std::vector<Blocker> blockers;
  for (const auto& row : rows) {
    MORAINE_ASSIGN(auto blocker, BlockerOf(row));
    blockers.push_back(std::move(blocker));
  }
  return blockers;
}

bool IsOperation(std::string_view name) {
  return !name.empty() && name.size() <= 40 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

Status CheckLength(Millis length) {
  if (length >= kLeastBlockerLength && length <= kMostBlockerLength) return {};
  return InvalidArgument("a blocker lasts from a second to a day");
}

Status CheckWanted(const NewBlocker& wanted) {
  if (wanted.operations.empty() || wanted.operations.size() > kMostOperations) {
    return InvalidArgument("operations: expected from 1 to 20");
  }
  for (const auto& operation : wanted.operations) {
    if (!IsOperation(operation)) {
      return InvalidArgument(
          fmt::format("operations: '{}' is no name of one", operation.substr(0, 60)));
    }
  }
  const bool has_control = std::any_of(wanted.owner.begin(), wanted.owner.end(),
                                       [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (wanted.owner.empty() || wanted.owner.size() > kMostOwnerBytes || !IsValidUtf8(wanted.owner) ||
      has_control) {
    return InvalidArgument("owner: expected a text of at most 500 bytes that names the writer");
  }
  return CheckLength(wanted.length);
}

bool Share(const Blocker& a, const Blocker& b) {
  const auto blocked_by = [](const Blocker& blocker) {
    return [&](const std::string& operation) { return blocker.Blocks(operation); };
  };
  return std::any_of(a.operations.begin(), a.operations.end(), blocked_by(b)) ||
         std::any_of(b.operations.begin(), b.operations.end(), blocked_by(a));
}

Status NoSuchBlocker(const std::string& id) {
  return NotFound(fmt::format("blocker does not exist, or has expired: {}", id.substr(0, 60)));
}

}  // namespace

bool Blocker::Blocks(std::string_view operation) const {
  return std::any_of(operations.begin(), operations.end(), [&](const auto& own) {
    // Writers are kept off only by those who say so.
    return own == operation || (own == kAllOperations && operation != kWriteOperation);
  });
}

Status Blockers::Open(Call& call) {
  return store::Migrate(call, database_, "blockers", Migrations());
}

Result<Blocker> Blockers::Take(Call& call, int64_t table_id, const NewBlocker& wanted) {
  MORAINE_TRY(CheckWanted(wanted));
  Blocker blocker;
  blocker.id = MakeOrderedUuid(call.random(), call.clock().Wall());
  blocker.table_id = table_id;
  blocker.operations = wanted.operations;
  std::sort(blocker.operations.begin(), blocker.operations.end());
  blocker.operations.erase(std::unique(blocker.operations.begin(), blocker.operations.end()),
                           blocker.operations.end());
  blocker.exclusive =
      wanted.exclusive || std::find(wanted.operations.begin(), wanted.operations.end(),
                                    kWriteOperation) != wanted.operations.end();
  blocker.owner = wanted.owner;
  blocker.taken_by = call.principal();
  blocker.length_ms = wanted.length.count();
  return RunFor(call, database_, Access::kWrite, [&](Transaction& t) -> Result<Blocker> {
    MORAINE_ASSIGN(blocker.taken_ms, t.NowMs());
    blocker.expires_ms = blocker.taken_ms + blocker.length_ms;
    MORAINE_TRY(t.Execute("DELETE FROM table_blocker WHERE table_id = ? AND expires_ms <= ?",
                          {table_id, blocker.taken_ms}));
    MORAINE_ASSIGN(auto live, LiveBlockers(t, table_id, blocker.taken_ms));
    if (live.size() >= kMostPerTable) return Exhausted("the table has 100 blockers already");
    for (const auto& other : live) {
      if ((other.exclusive || blocker.exclusive) && Share(other, blocker)) {
        return Conflict(Explain(other));
      }
    }
    MORAINE_TRY(
        t.Execute("INSERT INTO table_blocker (blocker_id, table_id, operations, exclusive_use, "
                  "owner, taken_by, taken_ms, length_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?, "
                  "?, ?)",
                  {blocker.id, table_id, fmt::format("{}", fmt::join(blocker.operations, ",")),
                   int64_t{blocker.exclusive}, blocker.owner, blocker.taken_by, blocker.taken_ms,
                   blocker.length_ms, blocker.expires_ms}));
    return blocker;
  });
}

Result<Blocker> Blockers::Renew(Call& call, int64_t table_id, const std::string& id,
                                std::optional<Millis> length) {
  if (length) MORAINE_TRY(CheckLength(*length));
  return RunFor(call, database_, Access::kWrite, [&](Transaction& t) -> Result<Blocker> {
    MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
    MORAINE_ASSIGN(
        auto rows,
        t.Query(std::string(kColumns) + "WHERE blocker_id = ? AND table_id = ? AND expires_ms > ?",
                {id, table_id, now_ms}));
    if (rows.empty()) return NoSuchBlocker(id);
    MORAINE_ASSIGN(auto blocker, BlockerOf(rows[0]));
    if (length) blocker.length_ms = length->count();
    const int64_t was_to_end_ms = blocker.expires_ms;
    blocker.expires_ms = now_ms + blocker.length_ms;
    MORAINE_TRY(
        t.Execute("UPDATE table_blocker SET length_ms = ?, expires_ms = ? WHERE blocker_id = ?",
                  {blocker.length_ms, blocker.expires_ms, id}));
    if (blocker.expires_ms < was_to_end_ms) MORAINE_TRY(EndedEarly(t, table_id));
    return blocker;
  });
}

Result<bool> Blockers::Release(Call& call, int64_t table_id, const std::string& id) {
  return RunFor(call, database_, Access::kWrite, [&](Transaction& t) -> Result<bool> {
    MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
    MORAINE_ASSIGN(int64_t released, t.Execute("DELETE FROM table_blocker WHERE blocker_id = ? AND "
                                               "table_id = ? AND expires_ms > ?",
                                               {id, table_id, now_ms}));
    if (released > 0) MORAINE_TRY(EndedEarly(t, table_id));
    return released > 0;
  });
}

Status Blockers::EndedEarly(Transaction& t, int64_t table_id) const {
  return ends_early_ == nullptr ? Status() : ends_early_(t, table_id);
}

Result<std::vector<Blocker>> Blockers::List(Call& call, int64_t table_id) {
  return RunFor(call, database_, Access::kRead,
                [&](Transaction& t) -> Result<std::vector<Blocker>> {
                  MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
                  return LiveBlockers(t, table_id, now_ms);
                });
}

Status Blockers::Trim(Call& call) {
  return database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
    return t.Execute("DELETE FROM table_blocker WHERE expires_ms <= ?", {now_ms}).status();
  });
}

Result<std::optional<Blocker>> FindBlocker(Transaction& t, int64_t table_id,
                                           std::string_view operation) {
  MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
  MORAINE_ASSIGN(auto live, LiveBlockers(t, table_id, now_ms));
  std::optional<Blocker> found;
  for (auto& blocker : live) {
    if (!blocker.Blocks(operation)) continue;
    if (!found || blocker.expires_ms > found->expires_ms) found = std::move(blocker);
  }
  return found;
}

std::string Explain(const Blocker& blocker) {
  return fmt::format("blocked by {} ({}) until {}", blocker.owner,
                     fmt::join(blocker.operations, ", "),
                     FormatTime(FromMillis(blocker.expires_ms)));
}

}  // namespace moraine::catalog
