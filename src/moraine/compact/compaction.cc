#include "moraine/compact/compaction.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/executor.h"
#include "moraine/compact/counting_files.h"
#include "moraine/iceberg/commit/file_deletion.h"
#include "moraine/iceberg/commit/snapshot_producer.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/planning/digest.h"
#include "moraine/planning/landing.h"
#include "moraine/rewrite/rewrite.h"

namespace moraine::compact {
namespace {

using iceberg::DeletionProof;
using iceberg::TablePtr;
using planning::CommitDecision;
using tasks::RewriteOutput;
using tasks::RewriteTask;

constexpr int64_t kLeastTaskMemory = int64_t{64} << 20;
constexpr Millis kCleanUpLimit{120'000};
constexpr Millis kLookLimit{120'000};
/// Short: what others commit while this waits makes the next attempt longer.
constexpr Millis kFirstPause{20};
constexpr Millis kLastPause{1'000};
/// One run takes the whole table, as far as memory for the plan reaches.
constexpr int64_t kMostFiles = 1'000'000;
constexpr int64_t kMostTasks = 100'000;
constexpr size_t kMostPartitions = 100'000;

TableTotals TotalsOf(const planning::HealthSum& sum) {
  const auto& counts = sum.total();
  return {.data_files = counts.data_files,
          .data_bytes = counts.data_bytes,
          .delete_files = counts.position_delete_files + counts.equality_delete_files,
          .delete_bytes = counts.delete_bytes,
          .records = counts.data_records};
}

/// Whether another attempt at the commit may succeed. Files that are gone may be those of a
/// snapshot that has expired meanwhile.
bool MayPass(Code code) {
  return code == Code::kConflict || code == Code::kNotFound || code == Code::kUnavailable ||
         code == Code::kExhausted;
}

class Compaction {
 public:
  Compaction(Call& call, io::FileSystem& files, const iceberg::CommitDoor& door,
             const CompactionOptions& options, Progress* progress)
      : call_(call), files_(files), door_(door), options_(options), progress_(*progress) {}

  Result<CompactionReport> Run() {
    progress_.Enter(Phase::kLoading);
    MORAINE_ASSIGN(TablePtr table, door_.load(call_));
    progress_.Enter(Phase::kPlanning);
    MORAINE_TRY(Plan(*table));
    if (tasks_.empty() || options_.run == CompactionOptions::Run::kPlanOnly) {
      return std::move(report_);
    }
    MORAINE_TRY(CheckMemory());
    progress_.Enter(Phase::kRewriting);
    Status status = Rewrite();
    if (status.ok()) {
      progress_.Enter(Phase::kCommitting);
      status = Commit();
    }
    if (status.code() == Code::kCommitUnknown) return status;
    progress_.Enter(Phase::kCleaning);
    CleanUp(status);
    progress_.Enter(Phase::kEnded);
    if (status.ok()) return std::move(report_);
    if (unremoved_ == 0 && status.code() == Code::kCancelled) {
      return Cancelled("interrupted: nothing was committed, and what had been written is removed");
    }
    if (unremoved_ == 0) return status;
    return Status(status.code(), fmt::format("{}; {}", status.message(), report_.notes.back()));
  }

 private:
  /// Brings the sum up to this metadata: reads the manifests that are new since the last time.
  Status Count(Call& call, const iceberg::TableMetadata& metadata) {
    const auto* snapshot = metadata.CurrentSnapshot();
    if (snapshot == nullptr) return {};
    if (snapshot->manifest_list.empty()) {
      return Unsupported(
          "the snapshot has no manifest list (a version 1 table of an early writer)");
    }
    MORAINE_ASSIGN(auto manifests,
                   iceberg::ReadManifestList(call, files_, snapshot->manifest_list));
    return sum_.Update(
        manifests,
        [&](const iceberg::ManifestFile& manifest) -> Result<planning::HealthSum::DigestPtr> {
          MORAINE_TRY(call.Check());
          MORAINE_ASSIGN(auto digest, planning::DigestManifest(call, files_, metadata, manifest));
          return std::make_shared<const planning::ManifestDigest>(std::move(digest));
        });
  }

  std::string WhyOf(const planning::ProcessPlan& plan) const {
    if (options_.wish != planning::Wish::kFull) return plan.reason;
    return plan.tasks.empty() ? "a full rewrite would change nothing"
                              : "a full rewrite is asked for";
  }

  Status Plan(const iceberg::TableMetadata& metadata) {
    planning::TablePlanRequest request{.config = planning::ConfigOf(metadata),
                                       .now_ms = ToMillis(call_.clock().Wall())};
    auto& config = request.config;
    report_.notes = config.problems;
    config.enabled = true;  // a person asks
    if (options_.target_size_bytes) {
      config.target_size = *options_.target_size_bytes;
      config.max_task_size = std::max(config.max_task_size, config.target_size);
    }
    if (options_.filter) config.filter = *options_.filter;
    if (options_.layout) {
      auto layout = planning::LayoutOf(*options_.layout, metadata);
      if (!layout.ok()) return std::move(layout).status().Annotate("layout");
      config.layout = *std::move(layout);
    }
    if (auto obstacle = planning::Obstacle(metadata, config, /*registered=*/false);
        !obstacle.empty()) {
      report_.reason = obstacle;
      return obstacle == planning::kNoSnapshotYet ? Status() : Unsupported(obstacle);
    }
    planning::ApplyWish(options_.wish, &config, &request.times);
    request.every_partition = true;
    request.max_candidates = kMostPartitions;
    request.max_files = kMostFiles;
    request.limits = {.budget_bytes = INT64_MAX,
                      .max_tasks = kMostTasks,
                      .arranged_task_bytes = options_.arranged_task_bytes};
    MORAINE_TRY(Count(call_, metadata));
    report_.before = TotalsOf(sum_);
    MORAINE_ASSIGN(auto plan, planning::PlanTable(call_, files_, metadata, sum_, request));
    run_ = {.process_id = MakeOrderedUuid(call_.random(), call_.clock().Wall()),
            .type = plan.process.type,
            .snapshot_id = plan.files.snapshot_id,
            .sequence_number = plan.files.sequence_number};
    tasks_ = planning::MakeTasks(metadata, options_.table, plan, config, run_.process_id);
    for (auto& task : tasks_) task.attempt = 1;
    outputs_.resize(tasks_.size());
    report_.reason = WhyOf(plan.process);
    report_.type = tasks_.empty() ? planning::OptimizingType::kNone : plan.process.type;
    const bool arranges = std::any_of(tasks_.begin(), tasks_.end(), [](const RewriteTask& task) {
      return !task.layout.is_none();
    });
    if (arranges) report_.layout = tasks::LayoutText(config.layout, metadata.CurrentSchema());
    report_.tasks = static_cast<int64_t>(tasks_.size());
    report_.partitions = plan.process.partitions;
    report_.partitions_left = plan.process.partitions_left + plan.partitions_left_out;
    report_.input_files = plan.process.input_files;
    report_.input_bytes = plan.process.input_bytes;
    return {};
  }

  int AtATime() const {
    return std::max(1, std::min(options_.threads, static_cast<int>(tasks_.size())));
  }

  Status CheckMemory() const {
    int64_t least = kLeastTaskMemory * AtATime();
    if (options_.memory_bytes >= least) return {};
    return InvalidArgument(
        fmt::format("{} bytes of memory are too few for {} tasks at a time: each needs at least {}",
                    options_.memory_bytes, AtATime(), kLeastTaskMemory));
  }

  Status Rewrite() {
    progress_.Begin(tasks_);
    int at_a_time = AtATime();
    rewrite::RewriteOptions options;
    options.memory_bytes = options_.memory_bytes / at_a_time;
    options.threads = std::max(1, options_.threads / at_a_time);
    options.spill_folder = options_.spill_folder;
    // The first failure ends the others.
    std::stop_source stop;
    std::stop_callback on_stop(call_.stop(), [&] { stop.request_stop(); });
    std::unique_ptr<ThreadPool> pool;
    if (at_a_time > 1) {
      pool = std::make_unique<ThreadPool>(
          ThreadPool::Options{.name = "compact", .threads = static_cast<size_t>(at_a_time - 1)});
    }
    InlineExecutor alone;
    std::mutex mutex;
    Status first;
    auto run = [&](size_t i) {
      Call task_call(call_.env(), call_.remaining(), stop.get_token());
      auto files = MakeCountingFileSystem(files_, progress_.Of(i));
      rewrite::RewriteProgress rows;
      auto output = rewrite::RunRewrite(task_call, *files, tasks_[i], options, &rows);
      if (output.ok()) {
        outputs_[i] = *std::move(output);
        progress_.Done(i);
        return Status();
      }
      std::lock_guard lock(mutex);
      if (first.ok()) first = output.status();
      stop.request_stop();
      return output.status();
    };
    Status all = ForEach(pool ? static_cast<Executor&>(*pool) : alone, tasks_.size(),
                         static_cast<size_t>(at_a_time - 1), run);
    if (call_.stop().stop_requested()) return Cancelled("interrupted");
    return first.ok() ? all : first;
  }

  Status Commit() {
    std::vector<planning::FinishedWork> finished;
    for (size_t i = 0; i < tasks_.size(); ++i) finished.push_back({&tasks_[i], &outputs_[i]});
    Status last;
    Millis pause = kFirstPause;
    for (int attempt = 0; attempt <= options_.commit_retries; ++attempt) {
      if (attempt > 0) {
        call_.clock().SleepFor(pause + Millis(static_cast<int64_t>(call_.random().Below(
                                           static_cast<uint64_t>(pause.count() / 4 + 1)))),
                               call_.stop());
        pause = std::min(pause * 2, kLastPause);
      }
      MORAINE_TRY(call_.Check());
      last = TryCommit(finished);
      if (last.ok() || final_ || !MayPass(last.code())) return last;
    }
    if (last.code() != Code::kConflict) return last;
    return Conflict(fmt::format("others were quicker {} times, nothing was committed: {}",
                                options_.commit_retries + 1, last.message()));
  }

  Status TryCommit(const std::vector<planning::FinishedWork>& finished) {
    auto loaded = door_.load(call_);
    if (loaded.status().code() == Code::kNotFound) final_ = true;
    MORAINE_TRY(loaded.status());
    const TablePtr& table = *loaded;
    if (!planning::IsAncestor(*table, run_.snapshot_id)) {
      final_ = true;
      return Conflict(
          "the table was rolled back behind the planned snapshot, or its history since then has"
          " expired");
    }
    MORAINE_TRY(Count(call_, *table));
    MORAINE_ASSIGN(auto landing, planning::MakeLanding(call_, files_, *table, sum_, run_, finished,
                                                       options_.memory_bytes, nullptr));
    const CommitDecision& decision = landing.decision;
    if (decision.empty()) {
      final_ = true;
      return Conflict(fmt::format(
          "nothing of the work holds any more: {}",
          decision.dropped.empty() ? "no task has a result" : decision.dropped[0].reason));
    }
    ++report_.commit_attempts;
    iceberg::SnapshotProducer producer(files_, std::move(landing.changes));
    auto prepared = producer.Prepare(call_, table);
    Status status = prepared.ok() ? call_.Check() : prepared.status();
    if (status.ok()) {
      // From here on a stop comes too late: the outcome has to be known.
      Call sending(call_.env(), options_.commit_timeout);
      auto committed = door_.commit(sending, prepared->request);
      status = committed.status();
      // What comes after has time of its own, however long the answer took.
      Call looking(call_.env(), kLookLimit);
      if (status.ok()) {
        Landed(looking, decision, prepared->snapshot.snapshot_id, **committed);
        return {};
      }
      if (status.code() == Code::kConflict) {
        // Somewhere on the way a request may have been sent again after it had landed.
        auto now = door_.load(looking);
        if (!now.ok()) return Unknown(status, prepared->snapshot);
        if (auto landed = planning::LandedSnapshot(**now, run_.process_id)) {
          Landed(looking, decision, *landed, **now);
          return {};
        }
      }
    }
    if (status.code() == Code::kCommitUnknown) return Unknown(status, prepared->snapshot);
    std::vector<std::string> written = producer.written_files();
    written.insert(written.end(), landing.written.begin(), landing.written.end());
    RemoveRefused(status, written);
    return status;
  }

  Status Unknown(const Status& status, const iceberg::Snapshot& snapshot) const {
    return CommitUnknown(
        fmt::format("the catalog did not tell whether the commit landed, so nothing was removed."
                    " If the table has the snapshot {}, it did; if not, the files whose names hold"
                    " {} are not used: {}",
                    snapshot.snapshot_id, run_.process_id, status.message()));
  }

  void RemoveRefused(const Status& status, const std::vector<std::string>& written) {
    Call cleaning(call_.env(), kCleanUpLimit);
    auto proof = DeletionProof::CommitRefused(status);
    if (!proof.ok()) return;
    auto removed = iceberg::DeleteFiles(cleaning, files_, *proof, written);
    if (!removed.ok() || !removed->failed.empty()) ++unremoved_;
  }

  void Landed(Call& call, const CommitDecision& decision, int64_t snapshot_id,
              const iceberg::TableMetadata& metadata) {
    kept_.insert(decision.kept.begin(), decision.kept.end());
    report_.snapshot_id = snapshot_id;
    report_.removed_delete_files = static_cast<int64_t>(decision.removed_delete_files.size());
    for (const auto* added : {&decision.added_data_files, &decision.added_delete_files}) {
      for (const auto& file : *added) {
        ++report_.output_files;
        report_.output_bytes += file.content_size_in_bytes.value_or(file.file_size_in_bytes);
      }
    }
    report_.output_delete_files = static_cast<int64_t>(decision.added_delete_files.size());
    for (size_t i : decision.kept) report_.deleted_rows += outputs_[i].rows_deleted;
    for (const auto& dropped : decision.dropped) report_.left_out.push_back(dropped.reason);
    Status counted = Count(call, metadata);
    if (counted.ok()) {
      report_.after = TotalsOf(sum_);
    } else {
      report_.notes.push_back(
          fmt::format("the table can't be counted after the commit: {}", counted.message()));
    }
  }

  /// Outputs that no commit has: all of them after an error, those of void tasks after a success.
  void CleanUp(const Status& outcome) {
    Call cleaning(call_.env(), kCleanUpLimit);
    for (size_t i = 0; i < tasks_.size(); ++i) {
      std::string prefix = tasks_[i].OutputPrefix();
      std::vector<std::string> unused = progress_.Of(i)->names();
      if (outcome.ok() && kept_.contains(i)) {
        // Its map has no more use, and no commit names it.
        if (!outputs_[i].positions || outputs_[i].positions->location.empty()) continue;
        prefix = outputs_[i].positions->location;
        unused = {prefix};
      }
      if (unused.empty()) continue;
      auto proof = DeletionProof::AttemptRefused(prefix);
      auto removed = iceberg::DeleteFiles(cleaning, files_, proof, unused);
      if (!removed.ok() || !removed->failed.empty()) ++unremoved_;
    }
    if (unremoved_ > 0) {
      report_.notes.push_back(fmt::format(
          "some files of this run can't be removed; their names hold {}", run_.process_id));
    }
  }

  Call& call_;
  io::FileSystem& files_;
  const iceberg::CommitDoor& door_;
  const CompactionOptions& options_;
  Progress& progress_;
  CompactionReport report_;
  planning::HealthSum sum_;
  planning::PlannedRun run_;
  std::vector<RewriteTask> tasks_;
  std::vector<RewriteOutput> outputs_;
  std::set<size_t> kept_;
  bool final_ = false;  ///< the conflict will not pass
  int unremoved_ = 0;
};

}  // namespace

Result<CompactionReport> RunCompaction(Call& call, io::FileSystem& files,
                                       const iceberg::CommitDoor& door,
                                       const CompactionOptions& options, Progress* progress) {
  return Compaction(call, files, door, options, progress).Run();
}

}  // namespace moraine::compact
