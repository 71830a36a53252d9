#include "moraine/optimizing/health_monitor.h"

#include <set>

#include <fmt/format.h>

#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/optimizing/failures.h"
#include "moraine/optimizing/process_store.h"
#include "moraine/planning/table_files.h"

namespace moraine::optimizing {
namespace {

using store::Access;
using store::RunFor;
using store::Transaction;

constexpr char kConsumer[] = "health";
constexpr size_t kFeedBatch = 1'000;
constexpr int64_t kRefusedRetryMs = 600'000;
constexpr char kUnreadable[] = "the table can't be read";

std::string Name(const catalog::LoadedTable& table) { return catalog::ToText(table.name); }

Result<int64_t> Cursor(Transaction& t) {
  MORAINE_ASSIGN(auto rows, t.Query("SELECT feed_seq FROM feed_cursor WHERE consumer = ?",
                                    {std::string(kConsumer)}));
  if (rows.empty()) return int64_t{0};
  return rows[0].Int(0);
}

Status SetCursor(Transaction& t, int64_t feed_seq) {
  MORAINE_TRY(t.Execute("DELETE FROM feed_cursor WHERE consumer = ?", {std::string(kConsumer)}));
  MORAINE_TRY(t.Execute("INSERT INTO feed_cursor (consumer, feed_seq) VALUES (?, ?)",
                        {std::string(kConsumer), feed_seq}));
  return {};
}

/// An obstacle that says nothing of the branch that a person waits for.
bool IsOfMain(const TableState& state, std::string_view obstacle) {
  return !state.requested_branch.empty() && obstacle == planning::kNoSnapshotYet;
}

}  // namespace

std::string HealthToJson(const planning::Health& health) {
  std::string text;
  JsonWriter(&text)
      .BeginObject()
      .Field("score", health.score.total)
      .Field("small-files-score", health.score.small_files)
      .Field("equality-deletes-score", health.score.equality_deletes)
      .Field("position-deletes-score", health.score.position_deletes)
      .Field("data-files", health.total.data_files)
      .Field("data-bytes", health.total.data_bytes)
      .Field("records", health.total.data_records)
      .Field("small-files", health.small_files)
      .Field("small-bytes", health.small_bytes)
      .Field("position-delete-files", health.total.position_delete_files)
      .Field("position-delete-records", health.total.position_delete_records)
      .Field("equality-delete-files", health.total.equality_delete_files)
      .Field("equality-delete-records", health.total.equality_delete_records)
      .Field("delete-bytes", health.total.delete_bytes)
      .Field("partitions", health.partitions)
      .Field("manifests", health.manifests)
      .Field("candidate-partitions", health.candidate_count)
      .Field("explanation", health.explanation)
      .EndObject();
  return text;
}

std::shared_ptr<planning::HealthSum> HealthCache::Get(int64_t table_id) {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(table_id);
  if (found != entries_.end()) {
    recent_.splice(recent_.begin(), recent_, found->second.place);
    return found->second.sum;
  }
  recent_.push_front(table_id);
  auto sum = std::make_shared<planning::HealthSum>();
  entries_.emplace(table_id, Entry{sum, recent_.begin()});
  if (entries_.size() > limit_) {
    entries_.erase(recent_.back());
    recent_.pop_back();
  }
  return sum;
}

void HealthCache::Drop(int64_t table_id) {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(table_id);
  if (found == entries_.end()) return;
  recent_.erase(found->second.place);
  entries_.erase(found);
}

HealthMonitor::HealthMonitor(catalog::Catalog& catalog, io::FileSystem& files,
                             store::Shards& shards, Options options)
    : catalog_(catalog),
      files_(files),
      shards_(shards),
      database_(shards.database()),
      options_(options),
      cache_(options.health_cache_tables),
      metrics_(options.metrics) {}

Result<bool> HealthMonitor::FeedTick(Call& call) {
  if (!shards_.Leads(call)) return false;
  MORAINE_ASSIGN(int64_t cursor, RunFor(call, database_, Access::kRead, Cursor));
  MORAINE_ASSIGN(auto changes, catalog_.Changes(call, cursor, kFeedBatch));
  if (changes.empty()) return false;
  // Rows are removed after some time, read or not: whoever comes later looks at everything.
  if (changes.front().feed_seq > cursor + 1) MORAINE_TRY(Reconcile(call));
  std::set<int64_t> changed;
  std::set<int64_t> dropped;
  for (const auto& change : changes) {
    if (!change.IsOfTable()) continue;
    // Purged: dropped before, and never seen again.
    if (change.kind == "drop" || change.kind == "purge") {
      dropped.insert(change.table_id);
      changed.erase(change.table_id);
    } else {
      changed.insert(change.table_id);
    }
  }
  for (int64_t table_id : dropped) MORAINE_TRY(Forget(call, table_id));
  int64_t now_ms = shards_.NowMs(call);
  MORAINE_TRY(shards_.WriteAsLeader(call, [&](Transaction& t) -> Status {
    for (int64_t table_id : changed) MORAINE_TRY(MakeDue(t, table_id, now_ms));
    return SetCursor(t, changes.back().feed_seq);
  }));
  return changes.size() == kFeedBatch;
}

Status HealthMonitor::Reconcile(Call& call) {
  call.log().Warn("changes were removed before they were read: all tables are looked at", {});
  std::set<int64_t> live;
  catalog::PageRequest page;
  do {
    MORAINE_ASSIGN(auto tables, catalog_.AllTables(call, page));
    int64_t now_ms = ToMillis(call.clock().Wall());
    MORAINE_TRY(database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
      for (const auto& table : tables.items) MORAINE_TRY(MakeDue(t, table.table_id, now_ms));
      return {};
    }));
    for (const auto& table : tables.items) live.insert(table.table_id);
    page.token = tables.next_token;
  } while (!page.token.empty());
  for (int64_t after = 0;;) {
    MORAINE_ASSIGN(auto states, RunFor(call, database_, Access::kRead, [&](Transaction& t) {
                     return AllTableStates(t, after, page.size);
                   }));
    for (const auto& state : states) {
      if (!live.contains(state.table_id)) MORAINE_TRY(Forget(call, state.table_id));
    }
    if (states.size() < page.size) return {};
    after = states.back().table_id;
  }
}

Result<size_t> HealthMonitor::RefreshTick(Call& call, size_t limit) {
  int64_t now_ms = shards_.NowMs(call);
  const std::string own = shards_.Filter(call, "table_id");
  MORAINE_ASSIGN(auto due, RunFor(call, database_, Access::kRead, [&](Transaction& t) {
                   return DueTables(t, now_ms, limit, own);
                 }));
  for (auto& state : due) {
    MORAINE_TRY(call.Check());
    if (now_ms < state.last_refreshed_ms + options_.refresh_interval.count()) {
      // Written to all the time: look again when the interval has passed.
      MORAINE_TRY(shards_.Write(call, state.table_id, [&](Transaction& t) -> Status {
        state.due_ms = state.last_refreshed_ms + options_.refresh_interval.count();
        return SaveTableState(t, state).status();
      }));
      continue;
    }
    Status refreshed = RefreshTable(call, state);
    if (refreshed.ok()) continue;
    // What the store refuses to keep of one table must not keep the others waiting.
    if (refreshed.code() != Code::kInvalidArgument) return refreshed;
    call.log().Warn("the health of a table can't be kept",
                    {{"table", state.name}, {"error", refreshed.ToString()}});
    MORAINE_TRY(shards_.Write(call, state.table_id, [&](Transaction& t) {
      return t
          .Execute(
              "UPDATE optimizing_table SET due_ms = ?, row_version = row_version + 1 WHERE "
              "table_id = ?",
              {now_ms + kRefusedRetryMs, state.table_id})
          .status();
    }));
  }
  return due.size();
}

Status HealthMonitor::Forget(Call& call, int64_t table_id) {
  cache_.Drop(table_id);
  return shards_.WriteAsLeader(call, [&](Transaction& t) -> Status {
    MORAINE_TRY(t.Execute("DELETE FROM manifest_digest WHERE table_id = ?", {table_id}));
    return DeleteTableState(t, table_id);
  });
}

Status HealthMonitor::TrimFeed(Call& call) {
  MORAINE_ASSIGN(
      auto slowest,
      RunFor(call, database_, Access::kRead, [](Transaction& t) -> Result<std::optional<int64_t>> {
        MORAINE_ASSIGN(auto rows, t.Query("SELECT MIN(feed_seq) FROM feed_cursor", {}));
        return rows[0].OptInt(0);
      }));
  if (!slowest) return {};
  int64_t before_ms = shards_.NowMs(call) - options_.feed_retention.count();
  return catalog_.TrimChanges(call, before_ms, *slowest);
}

Status HealthMonitor::Save(Call& call, const TableState& next) {
  return shards_.Write(call, next.table_id, [&](Transaction& t) -> Status {
    MORAINE_ASSIGN(bool saved, SaveTableState(t, next));
    // What a person asked for, or a process that ended meanwhile, wins over this look.
    return saved ? Status() : LookAgain(t, next.table_id, shards_.NowMs(call));
  });
}

Status HealthMonitor::MarkUnreadable(Call& call, const TableState& before, const Status& why) {
  call.log().Warn("table can't be read", {{"table", before.name}, {"error", why.ToString()}});
  int64_t now_ms = shards_.NowMs(call);
  TableState next = before;
  NoteFailure(&next, kUnreadable, why.ToString(), FailureKind::kPassing, options_, now_ms);
  next.ForgetRequest();  // a wish is consumed by one look
  bool passing = why.code() == Code::kUnavailable || why.code() == Code::kDeadline ||
                 why.code() == Code::kExhausted;
  if (!passing) {  // of a damaged table there is no health
    next.score = 0;
    next.health_json = "{}";
    next.candidates = 0;
  }
  next.last_refreshed_ms = now_ms;
  bool has_process =
      before.status == TableStatus::kRunning || before.status == TableStatus::kCommitting;
  if (!has_process) next.status = TableStatus::kFailed;
  return Save(call, next);
}

Status HealthMonitor::RefreshTable(Call& call, const TableState& before) {
  MonoTime begun = call.clock().Mono();
  Status problem;
  Status status = LookAt(call, before, &problem);
  if (status.ok() && problem.code() == Code::kCancelled) {
    status = problem;  // that says nothing of the table
  } else if (status.ok() && !problem.ok()) {
    status = MarkUnreadable(call, before, problem);
  }
  metrics_.Refreshed(status.ok() ? problem : status, call.clock().Mono() - begun);
  return status;
}

/// *problem: why the table could not be read; that is kept in its row and no error here.
Status HealthMonitor::LookAt(Call& call, const TableState& before, Status* problem) {
  int64_t now_ms = shards_.NowMs(call);
  // A table that was dropped is forgotten by the feed; here it may as well be its file that is
  // gone.
  auto loaded = catalog_.LoadById(call, before.table_id);
  *problem = loaded.status();
  if (!loaded.ok()) return {};
  const auto& table = **loaded;
  // The metadata may come from memory; the file is what everybody else reads.
  Status present = files_.Stat(call, table.metadata_location).status();
  if (present.code() == Code::kNotFound) {
    *problem = NotFound(fmt::format("its metadata file is gone: {}", table.metadata_location));
    return {};
  }
  const auto& metadata = *table.metadata;
  auto config = planning::ConfigOf(metadata);
  TableState next = before;
  next.warehouse = table.warehouse;
  next.name = Name(table);
  next.group = config.group;
  next.table_version = table.version;
  next.snapshot_id = metadata.current_snapshot_id;
  next.last_refreshed_ms = now_ms;
  planning::Health health;
  if (metadata.CurrentSnapshot() != nullptr) {
    auto sum = SumOf(call, before.table_id, metadata);
    *problem = sum.status();
    if (!sum.ok()) return {};
    bool full_due = planning::FullIntervalReached(config, before.times, now_ms) ||
                    !before.requested_type.empty() || config.asks_every_partition();
    health = planning::DecideHealth(
        **sum, (*sum)->ReachedByGlobalDeletes(planning::UnpartitionedSpecs(metadata)), config,
        full_due, options_.max_candidate_partitions);
  }
  ForgetFailures(&next, kUnreadable);
  if (next.retry_ms == kWaitForPerson) {
    bool known = next.failed_schema_id >= 0;
    if (known && next.failed_schema_id != metadata.current_schema_id) ForgetFailures(&next);
    if (!known) next.failed_schema_id = metadata.current_schema_id;
  }
  MORAINE_ASSIGN(auto process, RunFor(call, database_, Access::kRead, [&](Transaction& t) {
                   return ActiveProcess(t, before.table_id);
                 }));
  for (const auto& sentence : config.problems) {
    health.explanation += (health.explanation.empty() ? "" : "; ") + sentence;
  }
  next = DecideState(next, health, config, process ? HasProcess::kYes : HasProcess::kNo, now_ms);
  if (std::string obstacle = planning::Obstacle(metadata, config, table.origin == "registered");
      !obstacle.empty() && !process && !IsOfMain(before, obstacle)) {
    bool empty_table = obstacle == planning::kNoSnapshotYet;
    next.status = empty_table ? TableStatus::kIdle : TableStatus::kSkipped;
    next.reason = obstacle;
    next.due_ms.reset();
  }
  if (!config.problems.empty() && next.reason.find(config.problems[0]) == std::string::npos)
    next.reason += "; " + config.problems[0];
  return Save(call, next);
}

TableState DecideState(const TableState& before, const planning::Health& health,
                       const planning::OptimizingConfig& config, HasProcess has_process,
                       int64_t now_ms) {
  TableState next = before;
  next.score = health.score.total;
  next.candidates = health.candidate_count;
  next.health_json = HealthToJson(health);
  next.due_ms.reset();
  if (has_process == HasProcess::kYes) return next;
  if (next.requested_type.empty() && now_ms < next.retry_ms) {
    next.status = TableStatus::kFailed;
    if (next.retry_ms != kWaitForPerson) next.due_ms = next.retry_ms;
    return next;
  }
  // What main holds says nothing of a branch.
  if (health.candidate_count == 0 && next.requested_branch.empty()) {
    next.status = TableStatus::kIdle;
    next.reason = health.explanation;
    next.pending_since_ms = 0;
    next.ForgetRequest();
    if (config.full_trigger_interval.count() >= 0 && health.total.data_files > 0) {
      next.due_ms = next.times.last_full_ms + config.full_trigger_interval.count() + 1;
    }
    return next;
  }
  if (next.status != TableStatus::kPending) next.pending_since_ms = now_ms;
  next.status = TableStatus::kPending;
  next.reason = health.explanation;
  return next;
}

Result<std::shared_ptr<planning::HealthSum>> HealthMonitor::SumOf(
    Call& call, int64_t table_id, const iceberg::TableMetadata& metadata) {
  auto sum = cache_.Get(table_id);
  const auto* snapshot = metadata.CurrentSnapshot();
  if (snapshot == nullptr) return sum;
  if (snapshot->manifest_list.empty()) {
    return Unsupported("the snapshot has no manifest list (a version 1 table of an early writer)");
  }
  MORAINE_ASSIGN(auto manifests, iceberg::ReadManifestList(call, files_, snapshot->manifest_list));
  // After a restart the digests come from the store, all at once.
  std::unordered_map<std::string, std::string> stored;
  if (sum->manifest_count() == 0) {
    MORAINE_ASSIGN(auto rows, RunFor(call, database_, Access::kRead, [&](Transaction& t) {
                     return t.Query(
                         "SELECT manifest_path, digest FROM manifest_digest WHERE table_id = ?",
                         {table_id}, 1'000'000);
                   }));
    for (const auto& row : rows) {
      MORAINE_ASSIGN(auto path, row.Text(0));
      MORAINE_ASSIGN(stored[path], row.Text(1));
    }
  }
  auto before = sum->ManifestPaths();
  std::vector<std::pair<std::string, planning::HealthSum::DigestPtr>> fresh;
  Status updated = sum->Update(
      manifests,
      [&](const iceberg::ManifestFile& manifest) -> Result<planning::HealthSum::DigestPtr> {
        MORAINE_TRY(call.Check());
        auto digest = LoadDigest(call, metadata, manifest, stored);
        if (digest.ok() && !stored.contains(manifest.manifest_path))
          fresh.emplace_back(manifest.manifest_path, *digest);
        return digest;
      });
  if (!updated.ok()) {
    cache_.Drop(table_id);
    return updated;
  }
  std::vector<std::string> gone;
  for (auto& path : before) {
    if (sum->Find(path) == nullptr) gone.push_back(std::move(path));
  }
  for (const auto& [path, _] : stored) {
    if (sum->Find(path) == nullptr) gone.push_back(path);
  }
  if (fresh.empty() && gone.empty()) return sum;
  MORAINE_TRY(shards_.Write(call, table_id, [&](Transaction& t) -> Status {
    if (!shards_.alone()) {  // else nobody drops it meanwhile
      MORAINE_ASSIGN(auto row, FindTableState(t, table_id));
      if (!row) return {};
    }
    for (const auto& path : gone) {
      MORAINE_TRY(t.Execute("DELETE FROM manifest_digest WHERE table_id = ? AND manifest_path = ?",
                            {table_id, path}));
    }
    for (const auto& [path, digest] : fresh) {
      MORAINE_TRY(t.Execute("DELETE FROM manifest_digest WHERE table_id = ? AND manifest_path = ?",
                            {table_id, path}));
      MORAINE_TRY(t.Execute(
          "INSERT INTO manifest_digest (table_id, manifest_path, digest) VALUES (?, ?, ?)",
          {table_id, path, planning::DigestToText(*digest)}));
    }
    return Status();
  }));
  return sum;
}

Result<std::shared_ptr<planning::HealthSum>> HealthMonitor::SumOfBranch(
    Call& call, int64_t table_id, const iceberg::TableMetadata& metadata,
    const std::string& branch) {
  if (branch == iceberg::kMainBranch) return SumOf(call, table_id, metadata);
  const auto known = cache_.Get(table_id);
  auto sum = std::make_shared<planning::HealthSum>();
  const auto* snapshot = metadata.CurrentSnapshot();
  if (snapshot == nullptr || snapshot->manifest_list.empty())
    return Unsupported("the branch's snapshot has no manifest list");
  MORAINE_ASSIGN(auto manifests, iceberg::ReadManifestList(call, files_, snapshot->manifest_list));
  const std::unordered_map<std::string, std::string> none;
  MORAINE_TRY(sum->Update(
      manifests,
      [&](const iceberg::ManifestFile& manifest) -> Result<planning::HealthSum::DigestPtr> {
        MORAINE_TRY(call.Check());
        if (const auto* digest = known->Find(manifest.manifest_path))
          return std::make_shared<const planning::ManifestDigest>(*digest);
        return LoadDigest(call, metadata, manifest, none);
      }));
  return sum;
}

Result<planning::HealthSum::DigestPtr> HealthMonitor::LoadDigest(
    Call& call, const iceberg::TableMetadata& metadata, const iceberg::ManifestFile& manifest,
    const std::unordered_map<std::string, std::string>& stored) {
  auto held = stored.find(manifest.manifest_path);
  if (held != stored.end()) {
    auto digest = planning::DigestFromText(held->second);
    if (digest.ok()) return std::make_shared<const planning::ManifestDigest>(std::move(*digest));
  }
  MORAINE_ASSIGN(auto digest, planning::DigestManifest(call, files_, metadata, manifest));
  return std::make_shared<const planning::ManifestDigest>(std::move(digest));
}

}  // namespace moraine::optimizing
