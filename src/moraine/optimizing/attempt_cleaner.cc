#include "moraine/optimizing/attempt_cleaner.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/iceberg/commit/file_deletion.h"
#include "moraine/optimizing/failures.h"

namespace moraine::optimizing {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;
using store::Value;

constexpr int64_t kItemsPerTick = 200;
constexpr int kFailuresPerTick = 3;
/// About a month at the longest wait: then a person, or the search for orphans, has to see to it.
constexpr int64_t kLastTry = 120;
constexpr char kProof[] = "attempt-refused";
constexpr char kHeld[] = "carried";  // no proof of anything yet

std::vector<Value> Where(const tasks::TaskKey& key) {
  return {key.process_id, int64_t{key.task_id}, int64_t{key.attempt}};
}

/// A new row, due at once.
Status InsertRow(Transaction& t, int64_t table_id, const tasks::TaskKey& key,
                 std::string_view proof, const std::string& prefix, int64_t now_ms,
                 int64_t last_ms) {
  return t
      .Execute(
          "INSERT INTO deletion (process_id, task_id, attempt, table_id, proof,"
          " prefix, created_ms, due_ms, last_ms, tries, error)"
          " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '')",
          {key.process_id, int64_t{key.task_id}, int64_t{key.attempt}, table_id, std::string(proof),
           prefix, now_ms, now_ms, last_ms})
      .status();
}

}  // namespace

struct AttemptCleaner::Item {
  tasks::TaskKey key;
  std::string prefix;
  std::string keep;  ///< empty: nothing
  int64_t table_id = 0;
  int64_t last_ms = 0;
  int64_t tries = 0;
};

Status RecordDeadAttempts(Transaction& t, int64_t table_id,
                          const std::vector<DeadAttempt>& attempts, int64_t now_ms) {
  for (const auto& attempt : attempts) {
    int64_t last_ms = std::max(now_ms, attempt.may_write_until_ms);
    std::vector<Value> again = {now_ms, last_ms, last_ms};
    for (auto& value : Where(attempt.key)) again.push_back(std::move(value));
    MORAINE_ASSIGN(int64_t known,
                   t.Execute("UPDATE deletion SET due_ms = ?, tries = 0,"
                             " last_ms = CASE WHEN last_ms > ? THEN last_ms ELSE ? END"
                             " WHERE process_id = ? AND task_id = ? AND attempt = ?",
                             again));
    if (known > 0) continue;
    MORAINE_TRY(InsertRow(t, table_id, attempt.key, kProof, attempt.prefix, now_ms, last_ms));
  }
  return {};
}

Status HoldCarried(Transaction& t, int64_t table_id, const std::vector<DeadAttempt>& attempts,
                   int64_t now_ms) {
  for (const auto& attempt : attempts) {
    // Beside the row of the attempt itself.
    tasks::TaskKey key = attempt.key;
    key.attempt = -key.attempt;
    MORAINE_ASSIGN(auto known, t.Query("SELECT task_id FROM deletion WHERE process_id = ? AND"
                                       " task_id = ? AND attempt = ?",
                                       Where(key)));
    if (!known.empty()) continue;
    MORAINE_TRY(InsertRow(t, table_id, key, kHeld, attempt.prefix, now_ms, now_ms));
  }
  return {};
}

Status SettleCarried(Transaction& t, const std::string& process_id,
                     const std::vector<std::string>& landed, int64_t now_ms) {
  for (const std::string& keep : landed) {
    MORAINE_ASSIGN(auto rows,
                   t.Query("SELECT task_id, attempt, prefix FROM deletion WHERE process_id = ? AND"
                           " proof = ?",
                           {process_id, std::string(kHeld)}));
    for (const auto& row : rows) {
      MORAINE_ASSIGN(int64_t task_id, row.Int(0));
      MORAINE_ASSIGN(int64_t attempt, row.Int(1));
      MORAINE_ASSIGN(auto prefix, row.Text(2));
      if (!keep.starts_with(prefix)) continue;
      MORAINE_TRY(
          t.Execute("UPDATE deletion SET proof = ?, keep = ?, due_ms = ?, last_ms = ? WHERE"
                    " process_id = ? AND task_id = ? AND attempt = ?",
                    {std::string(kProof), keep, now_ms, now_ms, process_id, task_id, attempt}));
    }
  }
  return t
      .Execute("DELETE FROM deletion WHERE process_id = ? AND proof = ?",
               {process_id, std::string(kHeld)})
      .status();
}

Status LookForFilesOf(Transaction& t, const tasks::TaskKey& key, int64_t now_ms) {
  std::vector<Value> values = {now_ms};
  for (auto& value : Where(key)) values.push_back(std::move(value));
  return t
      .Execute(
          "UPDATE deletion SET due_ms = ? WHERE process_id = ? AND task_id = ? AND attempt = ?",
          values)
      .status();
}

Result<std::vector<std::string>> DeadPrefixes(Transaction& t, size_t limit) {
  MORAINE_ASSIGN(auto rows, t.Query("SELECT prefix FROM deletion ORDER BY prefix LIMIT ?",
                                    {static_cast<int64_t>(limit)}));
  std::vector<std::string> prefixes;
  for (const auto& row : rows) {
    MORAINE_ASSIGN(auto prefix, row.Text(0));
    prefixes.push_back(std::move(prefix));
  }
  return prefixes;
}

Status AttemptCleaner::Tick(Call& call) {
  // By the store's clock, as the times of attempts: those of the servers may differ.
  int64_t now_ms = 0;
  const std::string own = shards_.Filter(call, "table_id");
  MORAINE_ASSIGN(
      auto items,
      RunFor(call, shards_.database(), Access::kRead,
             [&](Transaction& t) -> Result<std::vector<Item>> {
               MORAINE_ASSIGN(now_ms, t.NowMs());
               MORAINE_ASSIGN(
                   auto rows,
                   t.Query(fmt::format(
                               "SELECT process_id, task_id, attempt, prefix, last_ms, tries, keep,"
                               " table_id FROM deletion WHERE due_ms <= ? AND proof = ?{} ORDER BY "
                               "due_ms LIMIT ?",
                               own),
                           {now_ms, std::string(kProof), kItemsPerTick}));
               std::vector<Item> due;
               for (const auto& row : rows) {
                 Item item;
                 MORAINE_ASSIGN(item.key.process_id, row.Text(0));
                 MORAINE_ASSIGN(int64_t task_id, row.Int(1));
                 MORAINE_ASSIGN(int64_t attempt, row.Int(2));
                 item.key.task_id = static_cast<int32_t>(task_id);
                 item.key.attempt = static_cast<int32_t>(attempt);
                 MORAINE_ASSIGN(item.prefix, row.Text(3));
                 MORAINE_ASSIGN(item.last_ms, row.Int(4));
                 MORAINE_ASSIGN(item.tries, row.Int(5));
                 MORAINE_ASSIGN(auto keep, row.OptText(6));
                 item.keep = keep.value_or("");
                 MORAINE_ASSIGN(item.table_id, row.Int(7));
                 due.push_back(std::move(item));
               }
               return due;
             }));
  int failed = 0;
  for (const auto& item : items) {
    MORAINE_TRY(call.Check());
    Status removed = Remove(call, item);
    bool give_up = !removed.ok() && item.tries + 1 >= kLastTry;
    if (!removed.ok()) {
      call.log().Warn(give_up ? "files of a refused attempt stay"
                              : "files of a refused attempt can't be removed yet",
                      {{"prefix", item.prefix}, {"error", removed.ToString()}});
    }
    MORAINE_TRY(shards_.Write(call, item.table_id, [&](Transaction& t) -> Status {
      std::vector<Value> where = Where(item.key);
      if (give_up || (removed.ok() && now_ms >= item.last_ms)) {
        // A report that came meanwhile may have moved the last look.
        where.emplace_back(item.last_ms);
        return t
            .Execute(
                "DELETE FROM deletion WHERE process_id = ? AND task_id = ? AND attempt = ?"
                " AND last_ms <= ?",
                where)
            .status();
      }
      int64_t tries = removed.ok() ? 0 : item.tries + 1;
      int64_t due_ms = removed.ok() ? item.last_ms : now_ms + BackOff(tries, options_).count();
      std::vector<Value> values = {due_ms, tries, removed.ok() ? "" : removed.ToString()};
      values.insert(values.end(), where.begin(), where.end());
      return t
          .Execute(
              "UPDATE deletion SET due_ms = ?, tries = ?, error = ?"
              " WHERE process_id = ? AND task_id = ? AND attempt = ?",
              values)
          .status();
    }));
    // A disk that is away need not be asked for every row.
    if (!removed.ok() && ++failed >= kFailuresPerTick) break;
  }
  return {};
}

Status AttemptCleaner::Remove(Call& call, const Item& item) {
  return iceberg::DeleteAttemptBut(call, files_, item.prefix, item.keep).status();
}

}  // namespace moraine::optimizing
