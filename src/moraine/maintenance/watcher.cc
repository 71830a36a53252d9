#include "moraine/maintenance/watcher.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "moraine/catalog/lifecycle.h"
#include "moraine/catalog/purges.h"
#include "moraine/maintenance/due_time.h"
#include "moraine/maintenance/rules.h"
#include "moraine/maintenance/run_end.h"
#include "moraine/maintenance/run_store.h"
#include "moraine/maintenance/subject_json.h"

namespace moraine::maintenance {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;

constexpr char kConsumer[] = "schedules";
constexpr size_t kFeedBatch = 1'000;
constexpr size_t kLooksPerTick = 100;
constexpr int64_t kLookAgainMs = 600'000;
constexpr char kDefaultGroup[] = "default";

Result<int64_t> Cursor(Transaction& t) {
  MORAINE_ASSIGN(auto rows, t.Query("SELECT feed_seq FROM maintenance_cursor WHERE consumer = ?",
                                    {std::string(kConsumer)}));
  if (rows.empty()) return int64_t{0};
  return rows[0].Int(0);
}

Status SetCursor(Transaction& t, int64_t feed_seq) {
  MORAINE_TRY(
      t.Execute("DELETE FROM maintenance_cursor WHERE consumer = ?", {std::string(kConsumer)}));
  return t
      .Execute("INSERT INTO maintenance_cursor (consumer, feed_seq) VALUES (?, ?)",
               {std::string(kConsumer), feed_seq})
      .status();
}

/// What a batch of changes means, by table.
struct Batch {
  std::map<int64_t, std::string> at_once;  ///< to be looked at; the warehouse
  std::map<int64_t, std::string> later;
  std::set<int64_t> dropped;
  std::vector<Subject> purge;  ///< if they are gone for good
  /// Warehouse and namespace: what their tables inherit has changed.
  std::set<std::pair<std::string, std::string>> inherited;
};

Subject SubjectOfDropped(const catalog::TableChange& change) {
  Subject subject;
  subject.table_id = change.table_id;
  subject.warehouse = change.warehouse;
  subject.name = fmt::format("{}.{}", change.warehouse, catalog::ToText(change.detail.name));
  subject.table_uuid = change.detail.uuid;
  subject.metadata_location = change.detail.last_metadata_location;
  subject.group = kDefaultGroup;
  return subject;
}

void Sort(const catalog::TableChange& change, Batch* batch) {
  if (change.kind == "namespace-update")
    batch->inherited.emplace(change.warehouse, catalog::ToText(change.detail.name.ns));
  if (!change.IsOfTable()) return;
  const int64_t id = change.table_id;
  if (change.kind == "drop" || change.kind == "purge") {
    batch->dropped.insert(id);
    batch->at_once.erase(id);
    batch->later.erase(id);
    const bool files_too = change.detail.purge_requested.value_or(false) &&
                           !change.detail.last_metadata_location.empty();
    if (files_too) batch->purge.push_back(SubjectOfDropped(change));
    return;
  }
  // A commit that brings a snapshot changes properties seldom; that is found out in time.
  const bool is_quiet = change.kind == "commit" && change.detail.updates.empty();
  (is_quiet ? batch->later : batch->at_once)[id] = change.warehouse;
}

/// A purge that is due now, unless it is known already.
Status SchedulePurge(Transaction& t, const Subject& subject, int64_t now_ms) {
  MORAINE_ASSIGN(auto known, FindSchedule(t, subject.table_id, upkeep::Action::kPurgeTable));
  if (known) return {};
  Schedule schedule;
  schedule.table_id = subject.table_id;
  schedule.action = upkeep::Action::kPurgeTable;
  schedule.subject = subject;
  schedule.due_ms = now_ms;
  return SaveSchedule(t, schedule).status();
}

}  // namespace

Result<bool> Watcher::FeedTick(Call& call) {
  if (!shards_.Leads(call)) return false;
  MORAINE_ASSIGN(const int64_t cursor, RunFor(call, database_, Access::kRead, Cursor));
  MORAINE_ASSIGN(auto changes, catalog_.Changes(call, cursor, kFeedBatch));
  if (changes.empty()) {
    // Nor need the feed have anything at all.
    if (!std::exchange(knows_purges_, true)) MORAINE_TRY(ReconcilePurges(call));
    return false;
  }
  // Rows are removed after some time, read or not: whoever comes later looks at everything.
  if (changes.front().feed_seq > cursor + 1) MORAINE_TRY(Reconcile(call));
  Batch batch;
  for (const auto& change : changes) Sort(change, &batch);
  for (int64_t table_id : batch.dropped) {
    if (!batch.at_once.contains(table_id)) MORAINE_TRY(Forget(call, table_id));
  }
  std::vector<Subject> purge;
  for (auto& subject : batch.purge) {
    MORAINE_ASSIGN(const bool gone, IsGone(call, subject.table_id));
    if (gone) purge.push_back(std::move(subject));
  }
  const int64_t now_ms = shards_.NowMs(call);
  MORAINE_TRY(shards_.WriteAsLeader(call, [&](Transaction& t) -> Status {
    for (const auto& [id, warehouse] : batch.at_once)
      MORAINE_TRY(LookAtTable(t, id, warehouse, now_ms));
    for (const auto& [id, warehouse] : batch.later) {
      MORAINE_ASSIGN(const auto look, FindLook(t, id));
      const int64_t at_ms =
          look ? std::min(look->looked_ms, now_ms) + options_.look_interval.count() : now_ms;
      MORAINE_TRY(LookAtTable(t, id, warehouse, std::max(at_ms, now_ms)));
    }
    for (const auto& [warehouse, ns] : batch.inherited)
      MORAINE_TRY(LookAtTables(t, warehouse, ns, now_ms));
    for (const auto& subject : purge) MORAINE_TRY(SchedulePurge(t, subject, now_ms));
    return SetCursor(t, changes.back().feed_seq);
  }));
  return changes.size() == kFeedBatch;
}

/// The feed may have forgotten them.
Status Watcher::ReconcilePurges(Call& call) {
  for (int64_t after = 0;;) {
    MORAINE_ASSIGN(const auto waiting, RunFor(call, database_, Access::kRead, [&](Transaction& t) {
                     return catalog::WaitingPurges(t, after, kFeedBatch);
                   }));
    if (waiting.empty()) return {};
    const int64_t now_ms = shards_.NowMs(call);
    MORAINE_TRY(shards_.WriteAsLeader(call, [&](Transaction& t) -> Status {
      for (const auto& one : waiting) {
        Subject subject;
        subject.table_id = one.table_id;
        subject.warehouse = one.warehouse;
        subject.name = fmt::format("{}.{}", one.warehouse, one.name);
        subject.table_uuid = one.table_uuid;
        subject.metadata_location = one.metadata_location;
        subject.group = kDefaultGroup;
        MORAINE_TRY(SchedulePurge(t, subject, now_ms));
      }
      return {};
    }));
    after = waiting.back().table_id;
  }
}

Status Watcher::Reconcile(Call& call) {
  MORAINE_TRY(ReconcilePurges(call));
  std::set<int64_t> live;
  catalog::PageRequest page;
  do {
    MORAINE_ASSIGN(auto tables, catalog_.AllTables(call, page));
    const int64_t now_ms = shards_.NowMs(call);
    MORAINE_TRY(shards_.WriteAsLeader(call, [&](Transaction& t) -> Status {
      for (const auto& table : tables.items)
        MORAINE_TRY(LookAtTable(t, table.table_id, table.warehouse, now_ms));
      return {};
    }));
    for (const auto& table : tables.items) live.insert(table.table_id);
    page.token = tables.next_token;
  } while (!page.token.empty());
  for (int64_t after = 0;;) {
    MORAINE_ASSIGN(
        const auto ids,
        RunFor(call, database_, Access::kRead, [&](Transaction& t) -> Result<std::vector<int64_t>> {
          MORAINE_ASSIGN(auto rows, t.Query("SELECT table_id FROM maintenance_table WHERE table_id"
                                            " > ? ORDER BY table_id LIMIT ?",
                                            {after, static_cast<int64_t>(page.size)}));
          std::vector<int64_t> found;
          for (const auto& row : rows) {
            MORAINE_ASSIGN(const int64_t id, row.Int(0));
            found.push_back(id);
          }
          return found;
        }));
    for (int64_t id : ids) {
      if (!live.contains(id)) MORAINE_TRY(Forget(call, id));
    }
    if (ids.size() < page.size) return {};
    after = ids.back();
  }
}

Status Watcher::Forget(Call& call, int64_t table_id) {
  return shards_.WriteAsLeader(call, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(const auto runs, OpenRuns(t, table_id));
    MORAINE_ASSIGN(const int64_t now_ms, t.NowMs());
    for (const auto& open : runs) {
      if (open.action == upkeep::Action::kPurgeTable) continue;
      MaintenanceRun run = open;
      run.state = RunState::kCancelled;
      run.reason = "the table was dropped";
      run.finished_ms = now_ms;
      MORAINE_ASSIGN(const auto tasks, optimizing::JobTasks(t, run.run_id));
      MORAINE_TRY(EndRows(t, run, tasks, std::nullopt, options_));
    }
    return ForgetTable(t, table_id);
  });
}

Result<bool> Watcher::IsGone(Call& call, int64_t table_id) {
  catalog::Lifecycle lifecycle(catalog_);
  const Status dropped =
      lifecycle.FindDropped(call, catalog::ObjectKind::kTable, table_id).status();
  if (dropped.ok()) return false;
  if (dropped.code() != Code::kNotFound) return dropped;
  const Status lives = catalog_.LoadById(call, table_id).status();
  if (lives.code() == Code::kNotFound) return true;
  if (lives.ok()) return false;
  return lives;
}

Result<size_t> Watcher::LookTick(Call& call) {
  const int64_t now_ms = shards_.NowMs(call);
  const std::string own = shards_.Filter(call, "table_id");
  MORAINE_ASSIGN(auto due, RunFor(call, database_, Access::kRead, [&](Transaction& t) {
                   return DueLooks(t, now_ms, kLooksPerTick, own);
                 }));
  Inherited inherited;
  StepWrites writes;
  for (auto& look : due) {
    MORAINE_TRY(call.Check());
    const int64_t table_id = look.table_id;
    Status looked = LookAt(call, std::move(look), now_ms, inherited, &writes);
    if (looked.ok()) continue;
    if (looked.code() == Code::kCancelled) return looked;
    call.log().Warn("a table can't be looked at for maintenance",
                    {{"table", table_id}, {"error", looked.ToString()}});
    writes.Add({table_id,
                [=](Transaction& t) {
                  return t
                      .Execute(
                          "UPDATE maintenance_table SET look_ms = ?, problem = ? WHERE table_id ="
                          " ?",
                          {now_ms + kLookAgainMs, looked.ToString(), table_id})
                      .status();
                },
                [](Call&, const Status&) {}});
  }
  return writes.Flush(call, shards_);
}

Status Watcher::LookAt(Call& call, TableLook look, int64_t begun_ms, Inherited& inherited,
                       StepWrites* writes) {
  MORAINE_ASSIGN(const auto table, catalog_.LoadById(call, look.table_id));
  MORAINE_ASSIGN(const auto policy, PolicyOf(call, seams_, *table, inherited));
  const Subject subject = SubjectOf(*table);
  look.warehouse = subject.warehouse;
  look.name = subject.name;
  look.looked_ms = begun_ms;
  look.look_ms.reset();
  const auto problems = ProblemsOf(*policy, *table);
  look.problem = problems.empty() ? "" : problems[0];
  auto body = [=](Transaction& t) -> Status {
    MORAINE_ASSIGN(const auto known, FindLook(t, look.table_id));
    if (!known) return {};  // it was dropped meanwhile
    MORAINE_ASSIGN(const auto rows, SchedulesOf(t, look.table_id));
    for (const auto& changed : DecideSchedules(rows, *table, *policy, subject, begun_ms)) {
      MORAINE_TRY(SaveSchedule(t, changed));
    }
    return SaveLook(t, look, begun_ms);
  };
  writes->Add({look.table_id, std::move(body), [subject](Call& after, const Status& stored) {
                 if (stored.ok() || stored.code() == Code::kCancelled) return;
                 after.log().Warn("a look at a table is not stored, it will be tried again",
                                  {{"table", subject.name}, {"error", stored.ToString()}});
               }});
  return {};
}

std::vector<Schedule> DecideSchedules(const std::vector<Schedule>& rows,
                                      const catalog::LoadedTable& table, const TablePolicy& policy,
                                      const Subject& subject, int64_t now_ms) {
  std::vector<Schedule> changed;
  for (upkeep::Action action : upkeep::kActions) {
    if (action == upkeep::Action::kPurgeTable) continue;
    std::optional<Schedule> before;
    for (const auto& row : rows) {
      if (row.action == action) before = row;
    }
    std::string why_off = WhyNotByItself(policy, action);
    std::optional<int64_t> next_ms;
    if (why_off.empty()) {
      next_ms = NextDueOf(policy.Of(action), {.table_id = table.table_id,
                                              .made_ms = MadeAtMs(*table.metadata),
                                              .last_ms = before ? before->last_run_ms : 0,
                                              .now_ms = now_ms});
    }
    auto after = DecideSchedule(before, subject, action, why_off, next_ms, now_ms);
    if (after) changed.push_back(std::move(*after));
  }
  return changed;
}

std::optional<Schedule> DecideSchedule(const std::optional<Schedule>& before,
                                       const Subject& subject, upkeep::Action action,
                                       const std::string& why_off, std::optional<int64_t> next_ms,
                                       int64_t now_ms) {
  if (!before && !next_ms) return std::nullopt;
  Schedule after = before.value_or(Schedule());
  after.table_id = subject.table_id;
  after.action = action;
  // Of each commit's metadata file there is no need to tell.
  if (!before || before->subject.name != subject.name || before->subject.group != subject.group ||
      before->subject.table_uuid != subject.table_uuid)
    after.subject = subject;
  if (!after.asked_run_id.empty()) return std::nullopt;  // it begins soon, and tells what is next
  if (!next_ms) {
    after.due_ms.reset();
    after.reason = why_off.empty() ? "it has no time of its own" : why_off;
  } else if (after.paused_ms > 0) {
    after.due_ms.reset();
    after.reason = "it is paused";
  } else {
    // Before the first run, or after one of a clock that was ahead, the time is drawn anew with
    // each look: the first one counts.
    const bool has_last = before && before->last_run_ms > 0 && before->last_run_ms <= now_ms;
    const bool keep = before && before->due_ms && !has_last;
    after.due_ms = keep ? std::min(*before->due_ms, *next_ms) : *next_ms;
    if (after.retry_ms > *after.due_ms) after.due_ms = after.retry_ms;
    after.reason.clear();
  }
  const bool same = before && before->due_ms == after.due_ms && before->reason == after.reason &&
                    before->subject.name == after.subject.name &&
                    before->subject.group == after.subject.group &&
                    before->subject.table_uuid == after.subject.table_uuid;
  if (same) return std::nullopt;
  return after;
}

}  // namespace moraine::maintenance
