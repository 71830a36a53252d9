#include "moraine/maintenance/holds.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/maintenance/table_version.h"

namespace moraine::maintenance {
namespace {

using store::Access;
using store::Row;
using store::RunFor;
using store::Transaction;

constexpr size_t kMostPerTable = 100;
constexpr size_t kMostNameBytes = 200;
constexpr size_t kMostReasonBytes = 1'000;

const std::vector<store::Migration>& Migrations() {
  static const std::vector<store::Migration> migrations = {{1, "holds", R"(
CREATE TABLE snapshot_hold (
  table_id {bigint} NOT NULL,
  name {key} NOT NULL,
  snapshot_id {bigint} NOT NULL,
  snapshot_ms {bigint} NOT NULL,
  and_later {bigint} NOT NULL,
  reason {text} NOT NULL,
  set_by {text} NOT NULL,
  created_ms {bigint} NOT NULL,
  moved_ms {bigint} NOT NULL,
  expires_ms {bigint} NOT NULL,
  PRIMARY KEY (table_id, name)
);
CREATE INDEX snapshot_hold_expiry ON snapshot_hold (expires_ms)
)"}};
  return migrations;
}

Result<Hold> HoldOf(const Row& row) {
  Hold hold;
  MORAINE_ASSIGN(hold.table_id, row.Int(0));
  MORAINE_ASSIGN(hold.name, row.Text(1));
  MORAINE_ASSIGN(hold.snapshot_id, row.Int(2));
  MORAINE_ASSIGN(hold.snapshot_ms, row.Int(3));
  MORAINE_ASSIGN(int64_t and_later, row.Int(4));
  hold.and_later = and_later != 0;
  MORAINE_ASSIGN(hold.reason, row.Text(5));
  MORAINE_ASSIGN(hold.set_by, row.Text(6));
  MORAINE_ASSIGN(hold.created_ms, row.Int(7));
  MORAINE_ASSIGN(hold.moved_ms, row.Int(8));
  MORAINE_ASSIGN(hold.expires_ms, row.Int(9));
  return hold;
}

bool IsPlain(std::string_view text) {
  return IsValidUtf8(text) && std::none_of(text.begin(), text.end(),
                                           [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

Status CheckWanted(const NewHold& wanted, const HoldOptions& options) {
  if (wanted.name.empty() || wanted.name.size() > kMostNameBytes || !IsPlain(wanted.name)) {
    return InvalidArgument("name: expected a text of 1 to 200 bytes that names who needs it");
  }
  if (wanted.reason.size() > kMostReasonBytes || !IsPlain(wanted.reason)) {
    return InvalidArgument("reason: expected a line of at most 1000 bytes");
  }
  if (wanted.length != Millis(0) &&
      (wanted.length < Millis(1'000) || wanted.length > options.most_length)) {
    return InvalidArgument(
        fmt::format("a hold lasts from a second to {}", FormatDuration(options.most_length)));
  }
  return {};
}

Status Write(Transaction& t, const Hold& hold, bool is_new) {
  if (is_new) {
    return t
        .Execute(
            "INSERT INTO snapshot_hold (table_id, name, snapshot_id, snapshot_ms, and_later, "
            "reason, set_by, created_ms, moved_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?, "
            "?, ?, ?)",
            {hold.table_id, hold.name, hold.snapshot_id, hold.snapshot_ms, int64_t{hold.and_later},
             hold.reason, hold.set_by, hold.created_ms, hold.moved_ms, hold.expires_ms})
        .status();
  }
  return t
      .Execute(
          "UPDATE snapshot_hold SET snapshot_id = ?, snapshot_ms = ?, and_later = ?, reason = "
          "?, set_by = ?, moved_ms = ?, expires_ms = ? WHERE table_id = ? AND name = ?",
          {hold.snapshot_id, hold.snapshot_ms, int64_t{hold.and_later}, hold.reason, hold.set_by,
           hold.moved_ms, hold.expires_ms, hold.table_id, hold.name})
      .status();
}

/// The rows are read in one transaction with what is written, as commits of expiry read holds.
Status CheckVersion(Transaction& t, int64_t table_id, std::optional<int64_t> expected) {
  if (!expected) return {};
  MORAINE_ASSIGN(const auto version, VersionOf(t, table_id));
  if (!version) return NotFound("the table is gone");
  if (*version != *expected) return Conflict("the table has changed meanwhile: try again");
  return {};
}

}  // namespace

Result<std::vector<Hold>> HoldsOf(Transaction& t, int64_t table_id, int64_t now_ms) {
  MORAINE_ASSIGN(
      auto rows,
      t.Query("SELECT table_id, name, snapshot_id, snapshot_ms, and_later, reason, set_by, "
              "created_ms, moved_ms, expires_ms FROM snapshot_hold WHERE table_id = ? AND "
              "expires_ms > ? ORDER BY name",
              {table_id, now_ms}));
  std::vector<Hold> holds;
  for (const auto& row : rows) {
    MORAINE_ASSIGN(auto hold, HoldOf(row));
    holds.push_back(std::move(hold));
  }
  return holds;
}

upkeep::SnapshotHold ForExpiry(const Hold& hold) {
  upkeep::SnapshotHold out{fmt::format("held by '{}'", hold.name), {hold.snapshot_id}, {}};
  if (hold.and_later) out.from_snapshot = hold.snapshot_id;
  return out;
}

Result<std::vector<upkeep::SnapshotHold>> SnapshotHoldsOf(Transaction& t, int64_t table_id,
                                                          int64_t now_ms) {
  MORAINE_ASSIGN(const auto holds, HoldsOf(t, table_id, now_ms));
  std::vector<upkeep::SnapshotHold> out;
  for (const auto& hold : holds) out.push_back(ForExpiry(hold));
  return out;
}

Status Holds::Open(Call& call) {
  return store::Migrate(call, database_, "snapshot holds", Migrations());
}

Result<Hold> Holds::Put(Call& call, int64_t table_id, const iceberg::TableMetadata& metadata,
                        const NewHold& wanted) {
  MORAINE_TRY(CheckWanted(wanted, options_));
  const auto* snapshot = metadata.FindSnapshot(wanted.snapshot_id);
  if (snapshot == nullptr) {
    return NotFound(fmt::format("the table has no snapshot {}", wanted.snapshot_id));
  }
  const Millis length = wanted.length == Millis(0)
                            ? std::min(options_.default_length, options_.most_length)
                            : wanted.length;
  return RunFor(call, database_, Access::kWrite, [&](Transaction& t) -> Result<Hold> {
    MORAINE_TRY(CheckVersion(t, table_id, wanted.table_version));
    MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
    MORAINE_TRY(t.Execute("DELETE FROM snapshot_hold WHERE table_id = ? AND expires_ms <= ?",
                          {table_id, now_ms}));
    MORAINE_ASSIGN(auto holds, HoldsOf(t, table_id, now_ms));
    const auto found = std::find_if(holds.begin(), holds.end(),
                                    [&](const Hold& hold) { return hold.name == wanted.name; });
    const bool is_new = found == holds.end();
    if (is_new && holds.size() >= kMostPerTable) {
      return Exhausted("the table has 100 holds already");
    }
    Hold hold;
    hold.table_id = table_id;
    hold.name = wanted.name;
    hold.snapshot_id = wanted.snapshot_id;
    hold.snapshot_ms = snapshot->timestamp_ms;
    hold.and_later = wanted.and_later;
    hold.reason = wanted.reason;
    hold.set_by = call.principal();
    hold.created_ms = is_new ? now_ms : found->created_ms;
    hold.moved_ms = now_ms;
    hold.expires_ms = now_ms + length.count();
    MORAINE_TRY(Write(t, hold, is_new));
    return hold;
  });
}

Result<bool> Holds::Release(Call& call, int64_t table_id, const std::string& name) {
  return RunFor(call, database_, Access::kWrite, [&](Transaction& t) -> Result<bool> {
    MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
    MORAINE_ASSIGN(int64_t released, t.Execute("DELETE FROM snapshot_hold WHERE table_id = ? AND "
                                               "name = ? AND expires_ms > ?",
                                               {table_id, name, now_ms}));
    return released > 0;
  });
}

Result<std::vector<Hold>> Holds::List(Call& call, int64_t table_id) {
  return RunFor(call, database_, Access::kRead, [&](Transaction& t) -> Result<std::vector<Hold>> {
    MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
    return HoldsOf(t, table_id, now_ms);
  });
}

Result<HoldCounts> Holds::Trim(Call& call) {
  return RunFor(call, database_, Access::kWrite, [&](Transaction& t) -> Result<HoldCounts> {
    MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
    MORAINE_TRY(t.Execute("DELETE FROM snapshot_hold WHERE expires_ms <= ?", {now_ms}));
    const auto count = [&](int64_t before_ms) -> Result<int64_t> {
      MORAINE_ASSIGN(auto rows, t.Query("SELECT COUNT(*) FROM snapshot_hold WHERE snapshot_ms < ?",
                                        {before_ms}));
      return rows.at(0).Int(0);
    };
    HoldCounts counts;
    MORAINE_ASSIGN(counts.holds, count(INT64_MAX));
    MORAINE_ASSIGN(counts.old, count(now_ms - options_.warn_after.count()));
    return counts;
  });
}

std::string Holds::WarningOf(const Hold& hold, int64_t now_ms) const {
  const Millis age(now_ms - hold.snapshot_ms);
  if (age <= options_.warn_after) return "";
  return fmt::format(
      "'{}' holds a snapshot that is {} old: files are kept for it; it was last moved {} ago",
      hold.name, FormatDuration(age), FormatDuration(Millis(now_ms - hold.moved_ms)));
}

}  // namespace moraine::maintenance
