#include "moraine/maintenance/partition_statistics.h"

#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/iceberg/commit/snapshot_producer.h"
#include "moraine/maintenance/find_and_commit.h"
#include "moraine/maintenance/plain_rules.h"
#include "moraine/upkeep/partition_statistics.h"
#include "moraine/upkeep/partition_statistics_task.h"

namespace moraine::maintenance {
namespace {

constexpr std::string_view kColumns = "columns";
constexpr std::string_view kPartitions = "partitions";
constexpr std::string_view kSet = "partitions-set";

/// How the first half has ended.
struct Before {
  bool nothing = false;  ///< the summary is the reason
  bool failed = false;   ///< the summary is the error
  Done done;
};

Json ToJson(const Before& before) {
  Json json = Json::MakeObject();
  json.Set("nothing", before.nothing).Set("failed", before.failed);
  json.Set("summary", before.done.summary);
  json.Set("files-removed", before.done.files_removed);
  json.Set("bytes-removed", before.done.bytes_removed).Set("details", before.done.details);
  if (before.done.memory) json.Set("memory", *before.done.memory);
  return json;
}

Result<Before> BeforeOf(const JsonCursor& state) {
  MORAINE_ASSIGN(const JsonCursor json, state.Get("before"));
  Before before;
  MORAINE_ASSIGN(before.nothing, json.Bool("nothing"));
  MORAINE_ASSIGN(before.failed, json.Bool("failed"));
  MORAINE_ASSIGN(before.done.summary, json.String("summary"));
  MORAINE_ASSIGN(before.done.files_removed, json.Int64("files-removed"));
  MORAINE_ASSIGN(before.done.bytes_removed, json.Int64("bytes-removed"));
  MORAINE_ASSIGN(before.done.details, json.String("details"));
  MORAINE_ASSIGN(before.done.memory, json.OptString("memory"));
  return before;
}

/// What failed, for people: of a task that is "Code: why" already.
std::string Said(const Status& status) {
  return status.code() == Code::kInternal ? std::string(status.message()) : status.ToString();
}

/// After what the first half says, if it did something. Errors: that of the first half.
Result<Step> Together(const Before& before, const std::string& summary, Json details) {
  if (before.failed)
    return Internal(fmt::format("of columns: {}; of partitions: {}", before.done.summary, summary));
  Done done = before.done;
  done.summary = before.nothing ? fmt::format("{} ({})", summary, before.done.summary)
                                : fmt::format("{}; {}", before.done.summary, summary);
  auto all = Json::Parse(before.done.details);
  Json together = all.ok() && all->is_object() ? *std::move(all) : Json::MakeObject();
  together.Set(std::string(kPartitions), std::move(details));
  done.details = together.ToString();
  return Step(std::move(done));
}

/// Whether what is there counts as nothing.
Result<bool> IsFull(const RunContext& context) {
  MORAINE_ASSIGN(const Json options, Json::Parse(context.options));
  MORAINE_ASSIGN(const auto full, JsonCursor(options).OptBool("full"));
  return full.value_or(false);
}

/// The file that the snapshot has, or "".
std::string FileOf(const iceberg::TableMetadata& metadata, int64_t snapshot_id) {
  for (const auto& file : metadata.partition_statistics) {
    if (file.snapshot_id == snapshot_id) return file.statistics_path;
  }
  return "";
}

std::string WhyNone(const RunContext& context, bool full) {
  if (!context.config.partition_statistics) return "statistics.partitions is false";
  if (auto why = WhyLeftAlone(*context.table, "statistics.enabled"); !why.empty()) return why;
  const auto& metadata = *context.table->metadata;
  const iceberg::Snapshot* snapshot = metadata.CurrentSnapshot();
  if (snapshot == nullptr) return "the table has no snapshot";
  if (!full && !FileOf(metadata, snapshot->snapshot_id).empty())
    return "the snapshot has partition statistics";
  return upkeep::WhyNoPartitionStatistics(metadata);
}

Json DetailsOf(const upkeep::ComputedPartitionStatistics& computed) {
  Json details = Json::MakeObject();
  details.Set("snapshot-id", computed.file.snapshot_id).Set("count", computed.partitions);
  details.Set("data-files", computed.data_files).Set("delete-files", computed.delete_files);
  details.Set("file", computed.file.statistics_path);
  details.Set("bytes", computed.file.file_size_in_bytes);
  details.Set("manifests-read", computed.manifests).Set("only-changes", computed.incremental);
  if (!computed.reason.empty()) details.Set("reason", computed.reason);
  return details;
}

std::string SummaryOf(const upkeep::ComputedPartitionStatistics& computed) {
  return fmt::format("{} partitions counted from {} manifests{}", computed.partitions,
                     computed.manifests,
                     computed.incremental ? ", on top of older statistics" : "");
}

class WithPartitions final : public Action {
 public:
  explicit WithPartitions(std::unique_ptr<Action> columns) : columns_(std::move(columns)) {}

  upkeep::Action action() const override { return upkeep::Action::kComputeStatistics; }
  bool TakesFailures() const override { return true; }

  Result<Step> Start(Call& call, const RunContext& context) override {
    return Follow(context, columns_->Start(call, context));
  }

  Result<Step> Continue(Call& call, const RunContext& context,
                        const std::vector<TaskResult>& results) override {
    MORAINE_ASSIGN(const Json document, Json::Parse(context.state));
    const JsonCursor state(document);
    MORAINE_ASSIGN(const std::string stage, state.String("stage"));
    if (stage == kColumns) {
      RunContext inner = context;
      MORAINE_ASSIGN(inner.state, state.String("state"));
      return Follow(context, columns_->Continue(call, inner, results));
    }
    MORAINE_ASSIGN(const Before before, BeforeOf(state));
    if (stage == kPartitions) {
      MORAINE_ASSIGN(const std::string replaced, state.String("replaced"));
      return Commit(context, before, replaced, results);
    }
    tasks::MaintenanceOutput output;
    MORAINE_ASSIGN(output.result, state.String("result"));
    MORAINE_ASSIGN(const auto computed, upkeep::PartitionStatisticsOf(output));
    return Together(before, SummaryOf(computed), DetailsOf(computed));
  }

 private:
  /// The first half's step, or the second half's first where that is over.
  static Result<Step> Follow(const RunContext& context, Result<Step> taken) {
    MORAINE_ASSIGN(const bool full, IsFull(context));
    if (!taken.ok()) {
      if (IsPassing(taken.status()) || !WhyNone(context, full).empty()) return taken;
      Before before;
      before.failed = true;
      before.done.summary = Said(taken.status());
      return Count(context, before, full);
    }
    Step step = *std::move(taken);
    const auto wrap = [](std::string* state) {
      Json wrapped = Json::MakeObject();
      wrapped.Set("stage", kColumns).Set("state", std::move(*state));
      *state = wrapped.ToString();
    };
    if (auto* tasks = std::get_if<RunTasks>(&step)) {
      wrap(&tasks->state);
      return step;
    }
    if (auto* change = std::get_if<TableChange>(&step)) {
      wrap(&change->state);
      return step;
    }
    const std::string why = WhyNone(context, full);
    Before before;
    if (auto* nothing = std::get_if<Nothing>(&step)) {
      if (!why.empty()) {
        if (why != nothing->reason) nothing->reason += "; of partitions: " + why;
        return step;
      }
      before.nothing = true;
      before.done.summary = std::move(nothing->reason);
      before.done.memory = std::move(nothing->memory);
    } else {
      if (!why.empty()) return step;
      before.done = std::move(std::get<Done>(step));
    }
    return Count(context, before, full);
  }

  static Result<Step> Count(const RunContext& context, const Before& before, bool full) {
    const auto& metadata = *context.table->metadata;
    if (context.dry_run)
      return Together(before, "would count what each partition holds", Json::MakeObject());
    RunTasks step;
    NewTask& task = step.tasks.emplace_back();
    task.kind = std::string(upkeep::kComputePartitionStatistics);
    task.body = upkeep::PartitionStatisticsBody(
        {context.table->metadata_location, metadata.current_snapshot_id}, full);
    task.folder = iceberg::MetadataFolder(metadata);
    step.progress = "counting what each partition holds";
    Json state = Json::MakeObject();
    state.Set("stage", kPartitions).Set("before", ToJson(before));
    state.Set("replaced", FileOf(metadata, metadata.current_snapshot_id));
    step.state = state.ToString();
    return Step(std::move(step));
  }

  /// replaced: the file that the snapshot had before.
  static Result<Step> Commit(const RunContext& context, const Before& before,
                             const std::string& replaced, const std::vector<TaskResult>& results) {
    if (results.empty()) return Internal("expected the result of a task");
    if (const Status& failed = results.back().status; !failed.ok()) {
      return Internal(
          fmt::format("of columns: {}; of partitions: {}", before.done.summary, Said(failed)));
    }
    const auto& output = results.back().output;
    MORAINE_ASSIGN(const auto computed, upkeep::PartitionStatisticsOf(output));
    const auto& metadata = *context.table->metadata;
    const int64_t snapshot_id = computed.file.snapshot_id;
    if (metadata.FindSnapshot(snapshot_id) == nullptr) {
      return Together(
          before,
          fmt::format("snapshot {} has expired before its partitions were counted", snapshot_id),
          Json::MakeObject());
    }
    if (FileOf(metadata, snapshot_id) != replaced)
      return Together(before, "others have counted the partitions meanwhile", Json::MakeObject());
    TableChange change;
    change.change =
        iceberg::CommitRequest{{iceberg::requirement::AssertTableUuid{metadata.table_uuid}},
                               {iceberg::update::SetPartitionStatistics{computed.file}}};
    change.progress = fmt::format("keeping statistics of {} partitions", computed.partitions);
    Json state = Json::MakeObject();
    state.Set("stage", kSet).Set("before", ToJson(before)).Set("result", output.result);
    change.state = state.ToString();
    return Step(std::move(change));
  }

  std::unique_ptr<Action> columns_;
};

}  // namespace

std::unique_ptr<Action> WithPartitionStatistics(std::unique_ptr<Action> columns) {
  return std::make_unique<WithPartitions>(std::move(columns));
}

}  // namespace moraine::maintenance
