#include "moraine/planning/table_plan.h"

#include <algorithm>
#include <map>
#include <utility>

#include "moraine/io/location.h"
#include "moraine/planning/dedup_rules.h"
#include "moraine/planning/range_choice.h"
#include "moraine/planning/range_plan.h"

namespace moraine::planning {
namespace {

using tasks::RewriteTask;

/// A rewrite puts rows behind one another as they were written.
std::vector<size_t> ByAge(const PartitionFiles& partition, std::vector<size_t> files) {
  std::stable_sort(files.begin(), files.end(), [&](size_t a, size_t b) {
    return WrittenBefore(partition.files[a], partition.files[b]);
  });
  return files;
}

void LeaveFilteredFiles(const std::vector<bool>& filtered_out, PartitionEvaluation* evaluation) {
  const bool none =
      std::find(filtered_out.begin(), filtered_out.end(), false) == filtered_out.end();
  evaluation->deduplicates = evaluation->deduplicates && !none;
  if (evaluation->deduplicates) return;  // equal keys may be in any file
  for (size_t i = 0; i < filtered_out.size(); ++i) {
    if (filtered_out[i]) evaluation->work[i] = FileWork::kLeave;
  }
}

void DropMetrics(iceberg::DataFile* file) {
  file->value_counts = {};
  file->null_value_counts = {};
  file->nan_value_counts = {};
  file->lower_bounds = {};
  file->upper_bounds = {};
}

/// Files of a task with the deletes they need, renumbered for the task alone.
class TaskBuilder {
 public:
  TaskBuilder(const TableFiles& table, RewriteTask* task) : table_(table), task_(*task) {}

  void Add(const tasks::InputFile& input, std::vector<tasks::InputFile>* list) {
    tasks::InputFile copy = input;
    DropMetrics(&copy.file);  // they were for the plan
    for (int32_t& index : copy.deletes) {
      auto [place, is_new] = numbers_.emplace(index, static_cast<int32_t>(task_.deletes.size()));
      if (is_new) AddDelete(table_.deletes[static_cast<size_t>(index)]);
      index = place->second;
    }
    list->push_back(std::move(copy));
  }

 private:
  void AddDelete(tasks::DeleteInput deletes) {
    // The task knows the types of its own spec alone, and needs no tuple of another.
    if (deletes.file.spec_id != task_.spec->spec_id) deletes.file.partition.clear();
    task_.deletes.push_back(std::move(deletes));
  }

  const TableFiles& table_;
  RewriteTask& task_;
  std::map<int32_t, int32_t> numbers_;
};

tasks::TaskRange RangeOf(const PlannedRange& planned, int32_t task_id) {
  return {.ranges = *planned.ranges,
          .index = planned.index,
          .first_task = task_id - planned.place,
          .tasks = planned.tasks,
          .inputs = planned.inputs};
}

}  // namespace

void ApplyWish(Wish wish, OptimizingConfig* config, OptimizingTimes* times) {
  config->hot_partition_delay = Millis(0);
  config->minor_trigger_interval = Millis(0);
  times->last_minor_ms = 0;
  if (wish == Wish::kFull) {
    config->full_trigger_interval = Millis(0);
    times->last_full_ms = 0;
  }
}

Result<TablePlan> PlanTable(Call& call, io::FileSystem& files,
                            const iceberg::TableMetadata& metadata, const HealthSum& sum,
                            const TablePlanRequest& request) {
  const auto& config = request.config;
  // Health does not know in which order the rows of a file are, nor their keys.
  bool all = request.every_partition || config.asks_every_partition() ||
             FullIntervalReached(config, request.times, request.now_ms);
  auto health = DecideHealth(sum, sum.ReachedByGlobalDeletes(UnpartitionedSpecs(metadata)), config,
                             all, request.max_candidates);
  TableFilesRequest wanted{.partitions = {health.candidates.begin(), health.candidates.end()},
                           .filter = config.filter,
                           .max_files = request.max_files};
  wanted.metrics_of = RangeColumns(config.layout, metadata.CurrentSchema());
  MORAINE_ASSIGN(auto loaded, LoadTableFiles(call, files, metadata, sum, wanted));
  std::vector<PartitionEvaluation> evaluations;
  for (size_t i = 0; i < loaded.files.partitions.size(); ++i) {
    evaluations.push_back(EvaluatePartition(loaded.files, loaded.files.partitions[i], config,
                                            request.times, request.now_ms));
    LeaveFilteredFiles(loaded.filtered_out[i], &evaluations.back());
    KeepAge(loaded.files.partitions[i], config, &evaluations.back());
  }
  TablePlan plan;
  plan.process = PlanProcess(loaded.files, evaluations, config, request.limits);
  MORAINE_TRY(
      DivideIntoRanges(call, files, metadata, loaded.files, config, request.limits, &plan.process));
  plan.files = std::move(loaded.files);
  plan.partitions_left_out = loaded.partitions_left_out;
  return plan;
}

std::vector<RewriteTask> MakeTasks(const iceberg::TableMetadata& metadata, const std::string& table,
                                   const TablePlan& plan, const OptimizingConfig& config,
                                   const std::string& process_id) {
  std::vector<RewriteTask> made;
  for (const auto& planned : plan.process.tasks) {
    const auto& partition = plan.files.partitions[planned.partition];
    RewriteTask task;
    task.process_id = process_id;
    task.task_id = static_cast<int32_t>(made.size());
    task.table = table;
    task.format_version = metadata.format_version;
    task.schema = metadata.FindSchema(metadata.current_schema_id);
    task.spec = metadata.FindSpec(partition.spec_id);
    task.partition = partition.partition;
    task.properties = metadata.properties;
    task.target_size_bytes = config.target_size;
    task.data_location =
        metadata.Property("write.data.path", io::JoinLocation(metadata.location, "data"));
    task.partition_path = partition.path;
    if (planned.arranged) task.layout = config.layout;
    if (planned.deduplicated) task.dedup = config.dedup;
    if (planned.moved) {
      task.target_spec = metadata.FindSpec(metadata.default_spec_id);
      task.partition_path.clear();
    }
    TaskBuilder builder(plan.files, &task);
    // Ranges go by the places of files in the plan.
    for (size_t file : planned.range ? planned.rewrite : ByAge(partition, planned.rewrite))
      builder.Add(partition.files[file], &task.rewrite);
    for (size_t file : planned.rewrite_positions)
      builder.Add(partition.files[file], &task.rewrite_positions);
    if (planned.range) task.range = RangeOf(*planned.range, task.task_id);
    made.push_back(std::move(task));
  }
  return made;
}

}  // namespace moraine::planning
