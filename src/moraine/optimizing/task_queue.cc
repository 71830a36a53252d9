#include "moraine/optimizing/task_queue.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "moraine/optimizing/attempt_cleaner.h"
#include "moraine/optimizing/jobs.h"
#include "moraine/store/shards.h"
#include "moraine/tasks/maintenance_task.h"
#include "moraine/tasks/task_packing.h"

namespace moraine::optimizing {
namespace {

using store::Access;
using store::Row;
using store::RunFor;
using store::Transaction;
using store::Value;
using tasks::HandedTask;
using tasks::TaskKey;

constexpr size_t kMaxCancelled = 1'000;
constexpr Millis kLongestTaskWait{60'000};
constexpr char kLostError[] = "Unavailable: its optimizer was lost or the attempt took too long";

std::string NameOf(const TaskKey& key) {
  return fmt::format("process {} task {} attempt {}", key.process_id, key.task_id, key.attempt);
}

Status UnknownOptimizer() { return NotFound("no such optimizer: register again"); }

struct Asker {
  std::string group;
  bool knows_jobs = false;
};

/// The optimizer, with its heartbeat renewed.
Result<Asker> Touch(Transaction& t, const std::string& token, int64_t now_ms) {
  MORAINE_ASSIGN(
      auto rows,
      t.Query("SELECT resource_group, protocol FROM optimizer WHERE token = ?", {token}));
  if (rows.empty()) return UnknownOptimizer();
  MORAINE_TRY(t.Execute("UPDATE optimizer SET heartbeat_ms = ? WHERE token = ?", {now_ms, token}));
  Asker asker;
  MORAINE_ASSIGN(asker.group, rows[0].Text(0));
  MORAINE_ASSIGN(const int64_t protocol, rows[0].Int(1));
  asker.knows_jobs = protocol >= tasks::kProtocolOfJobs;
  return asker;
}

/// The process to serve next: least use of its quota first, then the oldest; one over its quota
/// only when no other has anything to do.
Result<std::optional<std::string>> ChooseProcess(Transaction& t, const std::string& group,
                                                 int64_t now_ms) {
  MORAINE_ASSIGN(
      auto rows,
      t.Query(
          "SELECT p.process_id, p.quota_threads,"
          " SUM(CASE WHEN k.state IN ('scheduled', 'acknowledged') THEN 1 ELSE 0 END) AS running"
          " FROM process p JOIN task k ON k.process_id = p.process_id"
          " WHERE p.state = 'running' AND p.resource_group = ?"
          " GROUP BY p.process_id, p.quota_threads, p.created_ms"
          " HAVING SUM(CASE WHEN k.state = 'planned' AND k.not_before_ms <= ? THEN 1 ELSE 0 END) > "
          "0"
          " ORDER BY p.created_ms, p.process_id",
          {group, now_ms}));
  std::optional<std::string> best;
  double best_use = 0;
  for (const auto& row : rows) {
    MORAINE_ASSIGN(auto id, row.Text(0));
    MORAINE_ASSIGN(int64_t quota, row.Int(1));
    MORAINE_ASSIGN(int64_t running, row.Int(2));
    double use = static_cast<double>(running) / static_cast<double>(std::max<int64_t>(1, quota));
    if (!best || use < best_use) {
      best = id;
      best_use = use;
    }
  }
  return best;
}

/// A task as its row has it when it is handed out.
struct TakenTask {
  TaskKey key;
  std::string packed;
  bool is_job = false;
  std::string group;
  bool both_waited = false;  ///< rewrites and maintenance
};

struct Chosen {
  std::string process_id;
  int64_t task_id = 0;
  int64_t attempt = 0;
};

Result<std::optional<Chosen>> FirstTask(std::vector<Row> rows) {
  if (rows.empty()) return std::optional<Chosen>();
  Chosen chosen;
  MORAINE_ASSIGN(chosen.process_id, rows[0].Text(0));
  MORAINE_ASSIGN(chosen.task_id, rows[0].Int(1));
  MORAINE_ASSIGN(chosen.attempt, rows[0].Int(2));
  return std::optional<Chosen>(std::move(chosen));
}

/// Maintenance's next task: its jobs take turns.
Result<std::optional<Chosen>> ChooseJob(Transaction& t, const std::string& group,
                                        const std::string& last_job, int64_t now_ms) {
  for (const std::string& after : {last_job, std::string()}) {
    MORAINE_ASSIGN(auto rows,
                   t.Query("SELECT process_id, task_id, attempt FROM task WHERE job_group ="
                           " ? AND state = 'planned' AND process_id > ? AND not_before_ms <= ?"
                           " ORDER BY process_id, task_id LIMIT 1",
                           {group, after, now_ms}));
    if (!rows.empty() || after.empty()) return FirstTask(std::move(rows));
  }
  return std::optional<Chosen>();
}

Result<std::optional<Chosen>> ChooseRewrite(Transaction& t, const std::string& process_id,
                                            int64_t now_ms) {
  MORAINE_ASSIGN(auto rows,
                 t.Query("SELECT process_id, task_id, attempt FROM task WHERE process_id = ?"
                         " AND state = 'planned' AND not_before_ms <= ? ORDER BY input_bytes DESC,"
                         " task_id LIMIT 1",
                         {process_id, now_ms}));
  return FirstTask(std::move(rows));
}

/// Whether maintenance has all the threads of the group that it may have while rewrites wait.
Result<bool> JobsHaveTheirShare(Transaction& t, const std::string& group, double share) {
  MORAINE_ASSIGN(auto running, t.Query("SELECT COUNT(*) FROM task WHERE job_group = ? AND state IN"
                                       " ('scheduled', 'acknowledged')",
                                       {group}));
  MORAINE_ASSIGN(auto threads,
                 t.Query("SELECT SUM(threads) FROM optimizer WHERE resource_group = ?", {group}));
  MORAINE_ASSIGN(const int64_t busy, running.at(0).Int(0));
  MORAINE_ASSIGN(const auto all, threads.at(0).OptInt(0));
  const double most = std::ceil(share * static_cast<double>(all.value_or(0)));
  return static_cast<double>(busy) >= std::max(1.0, most);
}

/// turn_of: the credit of maintenance and the job that was served last, by group.
template <typename TurnOf>
Result<std::optional<TakenTask>> TakeTask(Transaction& t, const std::string& token, int32_t thread,
                                          double share, const TurnOf& turn_of, int64_t now_ms) {
  MORAINE_ASSIGN(const Asker asker, Touch(t, token, now_ms));
  // A thread that polls holds nothing: what it was given before goes back.
  MORAINE_TRY(t.Execute(
      "UPDATE task SET state = 'planned', optimizer = '' WHERE optimizer = ? AND thread = ?"
      " AND state IN ('scheduled', 'acknowledged')",
      {token, int64_t{thread}}));
  MORAINE_ASSIGN(const auto process, ChooseProcess(t, asker.group, now_ms));
  TakenTask taken;
  taken.group = asker.group;
  std::optional<Chosen> chosen;
  if (asker.knows_jobs) {
    const auto turn = turn_of(asker.group);
    MORAINE_ASSIGN(chosen, ChooseJob(t, asker.group, turn.last_job, now_ms));
    taken.both_waited = chosen && process;
    if (taken.both_waited) {
      if (turn.credit + share < 1) {
        chosen.reset();
      } else {
        MORAINE_ASSIGN(const bool enough, JobsHaveTheirShare(t, asker.group, share));
        if (enough) chosen.reset();
      }
    }
  }
  taken.is_job = chosen.has_value();
  if (!chosen && process) {
    MORAINE_ASSIGN(chosen, ChooseRewrite(t, *process, now_ms));
  }
  if (!chosen) return std::optional<TakenTask>();
  taken.key = {chosen->process_id, static_cast<int32_t>(chosen->task_id),
               static_cast<int32_t>(chosen->attempt + 1)};
  MORAINE_ASSIGN(auto input, t.Query("SELECT input FROM task WHERE process_id = ? AND task_id = ?",
                                     {chosen->process_id, chosen->task_id}));
  MORAINE_ASSIGN(taken.packed, input.at(0).Text(0));
  MORAINE_TRY(t.Execute(
      "UPDATE task SET state = 'scheduled', attempt = ?, optimizer = ?, thread = ?, handed_ms = ?,"
      " acknowledged_ms = 0, bytes_read = 0, files_seen = 0, error = '' WHERE process_id = ? AND"
      " task_id = ?",
      {chosen->attempt + 1, token, int64_t{thread}, now_ms, chosen->process_id, chosen->task_id}));
  return std::optional<TakenTask>(std::move(taken));
}

/// The task's row if this attempt of this optimizer still holds it.
Result<bool> IsHeld(Transaction& t, const std::string& token, const TaskKey& key) {
  MORAINE_ASSIGN(
      auto rows,
      t.Query("SELECT k.task_id FROM task k LEFT JOIN process p ON p.process_id = k.process_id"
              " WHERE k.process_id = ? AND k.task_id = ? AND k.attempt = ? AND k.optimizer = ?"
              " AND k.state IN ('scheduled', 'acknowledged') AND (p.state = 'running' OR"
              " k.job_group IS NOT NULL)",
              {key.process_id, int64_t{key.task_id}, int64_t{key.attempt}, token}));
  return !rows.empty();
}

Status FailTask(Transaction& t, const tasks::TaskReport& report, Millis first_wait,
                int64_t now_ms) {
  MORAINE_ASSIGN(auto rows,
                 t.Query("SELECT k.failures, COALESCE(k.job_retries, p.num_retries, 0) FROM task k"
                         " LEFT JOIN process p ON p.process_id = k.process_id"
                         " WHERE k.process_id = ? AND k.task_id = ?",
                         {report.key.process_id, int64_t{report.key.task_id}}));
  if (rows.empty()) return Internal("the task of a report is gone");
  MORAINE_ASSIGN(int64_t failures, rows[0].Int(0));
  MORAINE_ASSIGN(int64_t retries, rows[0].Int(1));
  // What another attempt can't change is not tried again.
  auto code = CodeFromName(report.error_code);
  bool final = code == Code::kCorruption || code == Code::kUnsupported ||
               code == Code::kInvalidArgument || code == Code::kNotFound;
  // An optimizer that stops gives its tasks back: no failure of theirs.
  bool given_back = code == Code::kCancelled;
  bool again = given_back || (!final && failures < retries);
  Millis wait = given_back ? Millis(0)
                           : std::min(first_wait * (int64_t{1} << std::min<int64_t>(failures, 10)),
                                      kLongestTaskWait);
  MORAINE_TRY(t.Execute(
      "UPDATE task SET state = ?, failures = ?, not_before_ms = ?, optimizer = '', finished_ms = ?,"
      " error = ? WHERE process_id = ? AND task_id = ?",
      {again ? "planned" : "failed", failures + (given_back ? 0 : 1), now_ms + wait.count(), now_ms,
       fmt::format("{}: {}", report.error_code, report.error), report.key.process_id,
       int64_t{report.key.task_id}}));
  return {};
}

/// What became of a report: the rows say so before the optimizer hears it.
struct Received {
  Status answer;
  bool failed = false;  ///< the attempt
};

/// What a report is about, and what it says, looked at before its transaction: that takes a while,
/// and a task's input never changes.
struct LookedAt {
  std::string prefix;  ///< of the attempt's files; empty: the task's row is gone or unreadable
  Status taken;        ///< a success that can be believed
  bool is_job = false;
};

LookedAt LookAtRewrite(const tasks::TaskReport& report, const std::string& packed) {
  auto task = tasks::UnpackTask(packed);
  if (!task.ok()) return {"", task.status()};
  task->attempt = report.key.attempt;
  LookedAt looked{task->OutputPrefix(), {}};
  if (!report.output_json) return looked;
  auto output = tasks::RewriteOutputFromJson(*report.output_json, *task);
  looked.taken = output.ok() ? tasks::CheckOutput(*task, *output) : output.status();
  return looked;
}

LookedAt LookAtJob(const tasks::TaskReport& report, const std::string& packed) {
  auto task = UnpackJobTask(packed, report.key.attempt);
  if (!task.ok()) return {"", task.status()};
  LookedAt looked{task->OutputPrefix(), {}, true};
  if (report.output_json)
    looked.taken = tasks::MaintenanceOutputFromJson(*report.output_json).status();
  return looked;
}

Result<LookedAt> LookAt(Call& call, store::Database& database, const tasks::TaskReport& report) {
  struct Input {
    std::string packed;
    bool is_job = false;
  };
  // Unpacked behind the transaction: others wait for it.
  MORAINE_ASSIGN(
      const auto input,
      RunFor(call, database, Access::kRead, [&](Transaction& t) -> Result<std::optional<Input>> {
        MORAINE_ASSIGN(auto rows, t.Query("SELECT input, job_group FROM task WHERE process_id = ?"
                                          " AND task_id = ?",
                                          {report.key.process_id, int64_t{report.key.task_id}}));
        if (rows.empty()) return std::optional<Input>();
        Input found;
        MORAINE_ASSIGN(found.packed, rows[0].Text(0));
        found.is_job = !rows[0].IsNull(1);
        return std::optional<Input>(std::move(found));
      }));
  if (!input) return LookedAt{"", NotFound("the task's row is gone")};
  return input->is_job ? LookAtJob(report, input->packed) : LookAtRewrite(report, input->packed);
}

Result<Received> Receive(Transaction& t, const tasks::TaskReport& report, const LookedAt& looked,
                         Millis first_wait) {
  const TaskKey& key = report.key;
  MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
  MORAINE_ASSIGN(auto rows,
                 t.Query("SELECT k.state, k.attempt, k.optimizer, COALESCE(k.job_table, p.table_id,"
                         " 0) FROM task k LEFT JOIN process p ON p.process_id = k.process_id"
                         " WHERE k.process_id = ? AND k.task_id = ?",
                         {key.process_id, int64_t{key.task_id}}));
  if (rows.empty()) {
    MORAINE_TRY(LookForFilesOf(t, key, now_ms));
    return Received{NotFound(fmt::format("no such task: {}", NameOf(key)))};
  }
  MORAINE_ASSIGN(auto state, rows[0].Text(0));
  MORAINE_ASSIGN(int64_t attempt, rows[0].Int(1));
  MORAINE_ASSIGN(auto holder, rows[0].Text(2));
  MORAINE_ASSIGN(int64_t table_id, rows[0].Int(3));
  bool current = key.attempt == attempt;
  // The reply to its first report was lost: the attempt counts, its files stay.
  if (current && state == "succeeded" && holder == report.token && report.output_json)
    return Received{};
  auto remove_files = [&]() -> Status {
    if (looked.prefix.empty()) return {};
    return RecordDeadAttempts(t, table_id, {{key, looked.prefix, 0}}, now_ms);
  };
  MORAINE_ASSIGN(bool held, IsHeld(t, report.token, key));
  if (!held) {
    // Only files of attempts that were handed out and can't succeed any more may be removed.
    bool over = key.attempt > 0 &&
                (key.attempt < attempt || (current && (state == "planned" || state == "failed")));
    if (over) MORAINE_TRY(remove_files());
    return Received{Conflict(fmt::format("the attempt is no longer wanted: {}", NameOf(key)))};
  }
  if (!report.output_json) {
    MORAINE_TRY(remove_files());
    MORAINE_TRY(FailTask(t, report, first_wait, now_ms));
    return Received{{}, true};
  }
  if (!looked.taken.ok()) {
    // Another optimizer may do better: it counts as a failure of the attempt, not of the task.
    tasks::TaskReport failure = report;
    failure.error_code = CodeName(Code::kInternal);
    failure.error = fmt::format("the report of success can't be taken: {}", looked.taken.message());
    MORAINE_TRY(remove_files());
    MORAINE_TRY(FailTask(t, failure, first_wait, now_ms));
    return Received{InvalidArgument(failure.error), true};
  }
  MORAINE_TRY(t.Execute(
      "UPDATE task SET state = 'succeeded', output = ?, finished_ms = ?,"
      " bytes_read = CASE WHEN job_group IS NULL OR bytes_read < input_bytes THEN input_bytes"
      " ELSE bytes_read END,"
      " files_seen = CASE WHEN files_seen < input_files THEN input_files ELSE files_seen END"
      " WHERE process_id = ? AND task_id = ?",
      {*report.output_json, now_ms, key.process_id, int64_t{key.task_id}}));
  return Received{};
}

/// Without its time.
Result<HandedTask> ToHanded(const TakenTask& taken) {
  HandedTask handed;
  handed.key = taken.key;
  std::string table;
  if (taken.is_job) {
    MORAINE_ASSIGN(const auto task, UnpackJobTask(taken.packed, taken.key.attempt));
    handed.task_json = tasks::MaintenanceTaskToJson(task);
    table = task.table;
  } else {
    MORAINE_ASSIGN(auto task, tasks::UnpackTask(taken.packed));
    task.attempt = taken.key.attempt;
    handed.task_json = tasks::RewriteTaskToJson(task);
    table = task.table;
  }
  handed.warehouse = table.substr(0, table.find('.'));
  return handed;
}

/// Servers that have embedded optimizers, but no lease that says that they live.
Result<std::vector<std::string>> DeadServers(Transaction& t) {
  MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
  MORAINE_ASSIGN(auto members, store::LeasesBelow(t, store::MemberPrefix(kDuty)));
  MORAINE_ASSIGN(auto rows, t.Query("SELECT DISTINCT server FROM optimizer WHERE embedded = 1"
                                    " AND server IS NOT NULL AND server <> ''",
                                    {}));
  std::vector<std::string> dead;
  for (const auto& row : rows) {
    MORAINE_ASSIGN(auto server, row.Text(0));
    const bool lives = std::any_of(members.begin(), members.end(), [&](const auto& lease) {
      return lease.holder == server && lease.expires_ms > now_ms;
    });
    if (!lives) dead.push_back(std::move(server));
  }
  return dead;
}

}  // namespace

TaskQueue::TaskQueue(store::Database& database, Options options)
    : database_(database), options_(options) {}

Result<tasks::RegisterReply> TaskQueue::Register(Call& call,
                                                 const tasks::RegisterRequest& request) {
  tasks::RegisterReply reply;
  reply.token = MakeOrderedUuid(call.random(), call.clock().Wall());
  reply.heartbeat_interval_ms = options_.heartbeat_interval.count();
  reply.poll_timeout_ms = options_.poll_timeout.count();
  MORAINE_TRY(database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
    MORAINE_TRY(t.Execute(
        "INSERT INTO optimizer (token, resource_group, threads, memory_bytes, host, pid, version, "
        "embedded,"
        " registered_ms, heartbeat_ms, server, protocol) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
        " ?)",
        {reply.token, request.group, int64_t{request.threads}, request.memory_bytes, request.host,
         request.pid, request.version, int64_t{request.embedded ? 1 : 0}, now_ms, now_ms,
         request.embedded ? options_.server : std::string(), int64_t{request.protocol}}));
    return {};
  }));
  call.log().Info(
      "optimizer registered",
      {{"optimizer", reply.token}, {"group", request.group}, {"threads", request.threads}});
  Progress();
  return reply;
}

TaskQueue::Turn TaskQueue::TurnOf(const std::string& group) {
  std::lock_guard lock(mutex_);
  return turns_[group];
}

Result<std::optional<HandedTask>> TaskQueue::TryPoll(Call& call, const std::string& token,
                                                     int32_t thread) {
  std::optional<TakenTask> taken;
  MORAINE_TRY(database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
    MORAINE_ASSIGN(taken, TakeTask(
                              t, token, thread, options_.job_share,
                              [&](const std::string& group) { return TurnOf(group); }, now_ms));
    return {};
  }));
  if (!taken) return std::optional<HandedTask>();
  {
    std::lock_guard lock(mutex_);
    Turn& turn = turns_[taken->group];
    // What one of the two could not have taken counts for neither.
    if (taken->both_waited)
      turn.credit =
          std::clamp(turn.credit + options_.job_share - (taken->is_job ? 1 : 0), 0.0, 1.0);
    if (taken->is_job) turn.last_job = taken->key.process_id;
  }
  auto handed = ToHanded(*taken);
  if (!handed.ok()) {
    tasks::TaskReport report{
        token, taken->key, std::nullopt, std::string(CodeName(Code::kCorruption)),
        fmt::format("the task's row can't be read: {}", handed.status().message())};
    MORAINE_TRY(Report(call, report));
    return std::optional<HandedTask>();
  }
  handed->timeout_ms = options_.task_timeout.count();
  return std::optional<HandedTask>(std::move(*handed));
}

Result<std::optional<HandedTask>> TaskQueue::Poll(Call& call, const std::string& token,
                                                  int32_t thread) {
  while (true) {
    uint64_t seen = work_count();
    MORAINE_ASSIGN(auto task, TryPoll(call, token, thread));
    if (task) return task;
    std::unique_lock lock(mutex_);
    while (work_count_ == seen) {
      if (!call.Check().ok()) return std::optional<HandedTask>();
      call.clock().WaitUntil(lock, work_, call.deadline(), call.stop());
    }
  }
}

void TaskQueue::AnnounceWork() {
  {
    std::lock_guard lock(mutex_);
    ++work_count_;
  }
  work_.notify_all();
  if (on_work_) on_work_();
}

uint64_t TaskQueue::work_count() {
  std::lock_guard lock(mutex_);
  return work_count_;
}

Status TaskQueue::Acknowledge(Call& call, const std::string& token, const TaskKey& key) {
  return database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
    MORAINE_TRY(Touch(t, token, now_ms));
    MORAINE_ASSIGN(bool held, IsHeld(t, token, key));
    if (!held) return Conflict(fmt::format("the attempt is no longer wanted: {}", NameOf(key)));
    MORAINE_TRY(
        t.Execute("UPDATE task SET state = 'acknowledged', acknowledged_ms = ? WHERE process_id = "
                  "? AND task_id = ?",
                  {now_ms, key.process_id, int64_t{key.task_id}}));
    return {};
  });
}

Result<tasks::HeartbeatReply> TaskQueue::Heartbeat(Call& call,
                                                   const tasks::HeartbeatRequest& request) {
  return RunFor(
      call, database_, Access::kWrite, [&](Transaction& t) -> Result<tasks::HeartbeatReply> {
        tasks::HeartbeatReply reply;
        MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
        MORAINE_TRY(Touch(t, request.token, now_ms));
        for (const auto& running : request.running) {
          MORAINE_ASSIGN(bool held, IsHeld(t, request.token, running.key));
          if (!held) {
            if (reply.cancel.size() < kMaxCancelled) reply.cancel.push_back(running.key);
            continue;
          }
          MORAINE_TRY(t.Execute(
              "UPDATE task SET bytes_read = ?, files_seen = ? WHERE process_id = ? AND task_id = ?",
              {running.bytes_read, running.files, running.key.process_id,
               int64_t{running.key.task_id}}));
        }
        return reply;
      });
}

Status TaskQueue::Report(Call& call, const tasks::TaskReport& report) {
  MORAINE_ASSIGN(const LookedAt looked, LookAt(call, database_, report));
  Received received;
  MORAINE_TRY(database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(received, Receive(t, report, looked, options_.task_retry_first));
    return {};
  }));
  if (received.failed) {
    call.log().Warn("task failed",
                    {{"task", NameOf(report.key)},
                     {"error", received.answer.ok() ? report.error : received.answer.ToString()}});
    AnnounceWork();
  }
  if (looked.is_job) {
    for (const auto& listener : on_job_task_) listener(report.key.process_id);
  }
  Progress();
  return received.answer;
}

Status TaskQueue::Unregister(Call& call, const std::string& token) {
  MORAINE_TRY(database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_TRY(
        t.Execute("UPDATE task SET state = 'planned', optimizer = '' WHERE optimizer = ?"
                  " AND state IN ('scheduled', 'acknowledged')",
                  {token}));
    MORAINE_TRY(t.Execute("DELETE FROM optimizer WHERE token = ?", {token}));
    return {};
  }));
  AnnounceWork();
  return {};
}

Status TaskQueue::ReclaimTick(Call& call) {
  int64_t reclaimed = 0;
  int64_t rested = 0;
  MORAINE_TRY(database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
    MORAINE_TRY(t.Execute("DELETE FROM optimizer WHERE heartbeat_ms < ?",
                          {now_ms - options_.heartbeat_timeout.count()}));
    // Work that was lost while it ran counts as a failure: a task may be what kills optimizers.
    constexpr std::string_view kLost =
        " WHERE state = 'acknowledged' AND (handed_ms < ? OR optimizer NOT IN (SELECT token FROM"
        " optimizer))";
    int64_t timed_out_ms = now_ms - options_.task_timeout.count();
    MORAINE_ASSIGN(
        int64_t failed,
        t.Execute(fmt::format("UPDATE task SET state = 'failed', failures = failures + 1,"
                              " optimizer = '', finished_ms = ?, error = ?{} AND failures >="
                              " COALESCE(job_retries, (SELECT num_retries FROM process p WHERE"
                              " p.process_id = task.process_id))",
                              kLost),
                  {now_ms, kLostError, timed_out_ms}));
    MORAINE_ASSIGN(int64_t again,
                   t.Execute(fmt::format("UPDATE task SET state = 'planned', failures = failures +"
                                         " 1, optimizer = '', error = ?{}",
                                         kLost),
                             {kLostError, timed_out_ms}));
    MORAINE_ASSIGN(int64_t unacknowledged,
                   t.Execute("UPDATE task SET state = 'planned', optimizer = '' WHERE state ="
                             " 'scheduled' AND (handed_ms < ? OR optimizer NOT IN (SELECT token"
                             " FROM optimizer))",
                             {now_ms - options_.acknowledge_timeout.count()}));
    reclaimed = failed + again + unacknowledged;
    // Failed attempts whose wait is over: pollers are parked and have to hear of it.
    MORAINE_ASSIGN(rested, t.Execute("UPDATE task SET not_before_ms = 0 WHERE state = 'planned' AND"
                                     " not_before_ms > 0 AND not_before_ms <= ?",
                                     {now_ms}));
    return {};
  }));
  if (reclaimed > 0) {
    call.log().Warn("tasks taken back from lost optimizers", {{"tasks", reclaimed}});
  }
  if (reclaimed + rested > 0) AnnounceWork();
  return {};
}

Status TaskQueue::ForgetDeadServers(Call& call) {
  MORAINE_ASSIGN(auto dead, RunFor(call, database_, Access::kRead, DeadServers));
  if (dead.empty()) return {};
  int64_t gone = 0;
  MORAINE_TRY(database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    // As it is now: one of them may have spoken since.
    MORAINE_ASSIGN(dead, DeadServers(t));
    gone = 0;
    for (const auto& server : dead) {
      MORAINE_ASSIGN(
          int64_t optimizers,
          t.Execute("DELETE FROM optimizer WHERE embedded = 1 AND server = ?", {server}));
      gone += optimizers;
    }
    return {};
  }));
  if (gone > 0) call.log().Warn("optimizers went with their server", {{"optimizers", gone}});
  return {};
}

Status TaskQueue::WatchTick(Call& call) {
  MORAINE_ASSIGN(
      auto work, RunFor(call, database_, Access::kRead, [&](Transaction& t) -> Result<std::string> {
        MORAINE_ASSIGN(int64_t now_ms, t.NowMs());
        MORAINE_ASSIGN(auto rows, t.Query("SELECT COUNT(*), MAX(process_id), SUM(attempt) FROM task"
                                          " WHERE state = 'planned' AND not_before_ms <= ?",
                                          {now_ms}));
        MORAINE_ASSIGN(int64_t count, rows.at(0).Int(0));
        if (count == 0) return std::string();
        MORAINE_ASSIGN(auto newest, rows.at(0).Text(1));
        MORAINE_ASSIGN(int64_t attempts, rows.at(0).Int(2));
        return fmt::format("{} {} {}", count, newest, attempts);
      }));
  {
    std::lock_guard lock(mutex_);
    if (work == seen_work_) return {};
    seen_work_ = work;
  }
  if (!work.empty()) AnnounceWork();
  return {};
}

Status TaskQueue::ForgetEmbedded(Call& call) {
  return database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_TRY(t.Execute("DELETE FROM optimizer WHERE embedded = 1", {}));
    return {};
  });
}

Result<int64_t> TaskQueue::GroupThreads(Call& call, const std::string& group) {
  return RunFor(call, database_, Access::kRead, [&](Transaction& t) -> Result<int64_t> {
    MORAINE_ASSIGN(auto rows,
                   t.Query("SELECT SUM(threads) FROM optimizer WHERE resource_group = ?", {group}));
    MORAINE_ASSIGN(auto threads, rows[0].OptInt(0));
    return threads.value_or(0);
  });
}

Result<std::vector<OptimizerInfo>> TaskQueue::Optimizers(Call& call) {
  return RunFor(
      call, database_, Access::kRead, [&](Transaction& t) -> Result<std::vector<OptimizerInfo>> {
        MORAINE_ASSIGN(
            auto rows,
            t.Query("SELECT token, resource_group, threads, memory_bytes, host, pid, version, "
                    "embedded, registered_ms,"
                    " heartbeat_ms, (SELECT COUNT(*) FROM task k WHERE k.optimizer = token"
                    " AND k.state IN ('scheduled', 'acknowledged')) FROM optimizer ORDER BY token",
                    {}));
        std::vector<OptimizerInfo> optimizers;
        for (const auto& row : rows) {
          OptimizerInfo info;
          MORAINE_ASSIGN(info.token, row.Text(0));
          MORAINE_ASSIGN(info.group, row.Text(1));
          MORAINE_ASSIGN(info.threads, row.Int(2));
          MORAINE_ASSIGN(info.memory_bytes, row.Int(3));
          MORAINE_ASSIGN(info.host, row.Text(4));
          MORAINE_ASSIGN(info.pid, row.Int(5));
          MORAINE_ASSIGN(info.version, row.Text(6));
          MORAINE_ASSIGN(int64_t embedded, row.Int(7));
          info.embedded = embedded != 0;
          MORAINE_ASSIGN(info.registered_ms, row.Int(8));
          MORAINE_ASSIGN(info.heartbeat_ms, row.Int(9));
          MORAINE_ASSIGN(info.running_tasks, row.Int(10));
          optimizers.push_back(std::move(info));
        }
        return optimizers;
      });
}

}  // namespace moraine::optimizing
