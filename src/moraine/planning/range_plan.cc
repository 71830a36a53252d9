#include "moraine/planning/range_plan.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "moraine/iceberg/data/key_columns.h"
#include "moraine/iceberg/data/key_sample.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/planning/range_choice.h"

namespace moraine::planning {
namespace {

using iceberg::SortField;
using iceberg::Value;
using tasks::KeyRanges;
using tasks::RangeSet;

constexpr size_t kSampleFiles = 32;
constexpr int64_t kSampleRowsOfFile = 2'048;
/// Tasks of a group read the files that they share each on their own: at most this many times.
constexpr int64_t kMostReads = 16;

/// Keys of some rows of some files of a partition.
class Sampler {
 public:
  Sampler(io::FileSystem& files, const iceberg::TableMetadata& metadata,
          const PartitionFiles& partition, const std::vector<SortField>& keys)
      : files_(files), metadata_(metadata), partition_(partition), keys_(keys) {}

  Result<std::vector<SampleRow>> Take(Call& call, std::vector<size_t> inputs) {
    MORAINE_TRY(Prepare());
    SortByLowerBound(&inputs);
    const size_t step = (inputs.size() + kSampleFiles - 1) / kSampleFiles;
    for (size_t first = 0; first < inputs.size(); first += step) {
      const size_t end = std::min(inputs.size(), first + step);
      int64_t bytes = 0;
      for (size_t i = first; i < end; ++i)
        bytes = iceberg::AddCapped(bytes, FileOf(inputs[i]).file_size_in_bytes);
      MORAINE_TRY(TakeFile(call, FileOf(inputs[first + (end - first) / 2]), bytes));
    }
    return std::move(rows_);
  }

 private:
  const iceberg::DataFile& FileOf(size_t input) const { return partition_.files[input].file; }

  Status Prepare() {
    const iceberg::Schema& schema = metadata_.CurrentSchema();
    for (const SortField& key : keys_) {
      ids_.push_back(key.source_id());
      types_.push_back(schema.FindField(key.source_id())->type);
    }
    options_.fields = iceberg::SelectFields(schema.fields(), ids_);
    options_.batch_bytes = int64_t{1} << 20;
    options_.whole_row_group_bytes = int64_t{16} << 20;
    MORAINE_ASSIGN(mapping_, iceberg::NameMapping::OfTable(metadata_.properties));
    options_.mapping = mapping_ ? &*mapping_ : nullptr;
    if (const auto spec = metadata_.FindSpec(partition_.spec_id))
      options_.constants = iceberg::PartitionConstants(*spec, partition_.partition);
    return {};
  }

  /// So that files that lie close to each other stand for each other.
  void SortByLowerBound(std::vector<size_t>* inputs) const {
    const int32_t id = keys_[0].source_id();
    const iceberg::Type& type = *metadata_.CurrentSchema().FindField(id)->type;
    std::vector<std::pair<std::optional<Value>, size_t>> order;
    for (const size_t input : *inputs) {
      const std::string* bound = iceberg::FindBound(FileOf(input).lower_bounds, id);
      std::optional<Value> low;
      if (bound != nullptr) {
        if (auto value = iceberg::ValueFromBytes(type, *bound); value.ok()) low = *value;
      }
      order.emplace_back(std::move(low), input);
    }
    std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
      if (!a.first || !b.first) return !a.first && b.first;
      return iceberg::CompareValues(*a.first, *b.first) < 0;
    });
    for (size_t i = 0; i < order.size(); ++i) (*inputs)[i] = order[i].second;
  }

  /// bytes: of the files that this one stands for.
  Status TakeFile(Call& call, const iceberg::DataFile& file, int64_t bytes) {
    MORAINE_ASSIGN(auto sample,
                   iceberg::SampleKeys(call, files_, file, ids_, options_, kSampleRowsOfFile));
    for (std::vector<Value>& values : sample) {
      for (size_t i = 0; i < keys_.size(); ++i)
        values[i] = keys_[i].transform.Apply(*types_[i], values[i]);
      rows_.push_back(
          {std::move(values), static_cast<double>(bytes) / static_cast<double>(sample.size())});
    }
    return {};
  }

  io::FileSystem& files_;
  const iceberg::TableMetadata& metadata_;
  const PartitionFiles& partition_;
  const std::vector<SortField>& keys_;
  iceberg::ReadOptions options_;
  std::optional<iceberg::NameMapping> mapping_;
  std::vector<int32_t> ids_;
  std::vector<iceberg::TypePtr> types_;
  std::vector<SampleRow> rows_;
};

/// What is wrong with the files or the keys, not with the way to them.
bool IsLasting(Code code) {
  return code == Code::kUnsupported || code == Code::kCorruption || code == Code::kInvalidArgument;
}

int64_t BytesOf(const std::vector<TaskPlan>& tasks) {
  int64_t bytes = 0;
  for (const TaskPlan& task : tasks) bytes = iceberg::AddCapped(bytes, task.input_bytes);
  return bytes;
}

/// Tasks that share no file, neither directly nor through others, are committed on their own.
void MarkGroups(std::vector<TaskPlan>* tasks) {
  const auto is_shared = [&](size_t i) {  // by this task or one before it, and one behind it
    const RangeSet later = ~RangeSet{0} << (*tasks)[i + 1].range->index;
    for (size_t k = 0; k <= i; ++k) {
      for (const RangeSet set : (*tasks)[k].range->inputs) {
        if ((set & later) != 0) return true;
      }
    }
    return false;
  };
  for (size_t first = 0; first < tasks->size();) {
    size_t end = first + 1;
    while (end < tasks->size() && is_shared(end - 1)) ++end;
    for (size_t i = first; i < end; ++i) {
      (*tasks)[i].range->place = static_cast<int32_t>(i - first);
      (*tasks)[i].range->tasks = static_cast<int32_t>(end - first);
    }
    first = end;
  }
}

/// One task, cut.
class Divider {
 public:
  Divider(io::FileSystem& files, const iceberg::TableMetadata& metadata, const TableFiles& table,
          const OptimizingConfig& config, const PlanLimits& limits)
      : files_(files),
        metadata_(metadata),
        table_(table),
        config_(config),
        capacity_(ArrangedTaskBytes(config, limits)) {}

  bool IsTooLarge(const TaskPlan& task) const {
    // Equal keys of a dedup need not be in one range.
    return task.arranged && !task.moved && !task.deduplicated && task.input_bytes > capacity_;
  }

  Result<std::vector<TaskPlan>> Divide(Call& call, const TaskPlan& task) const {
    const PartitionFiles& partition = table_.partitions[task.partition];
    const auto keys = RangeKeys(config_.layout, metadata_.CurrentSchema());
    if (!keys.empty()) {
      auto sample = Sampler(files_, metadata_, partition, keys).Take(call, task.rewrite);
      if (!sample.ok() && !IsLasting(sample.status().code())) return sample.status();
      if (sample.ok()) {
        auto tasks = ByRanges(task, partition, keys, *sample);
        if (tasks.size() > 1) return tasks;
      }
    }
    return ByFiles(task, partition);
  }

 private:
  std::vector<TaskPlan> ByRanges(const TaskPlan& task, const PartitionFiles& partition,
                                 const std::vector<SortField>& keys,
                                 const std::vector<SampleRow>& sample) const {
    auto count = static_cast<size_t>((task.input_bytes + capacity_ - 1) / capacity_);
    count = std::min(count, tasks::kMostRanges);
    while (true) {
      const KeyRanges ranges = ChooseRanges(keys, config_.layout.kind, sample, count);
      if (ranges.boxes.size() < 2) return {};
      auto tasks = TasksOfRanges(task, partition, ranges, metadata_.CurrentSchema(),
                                 /*every_file=*/false);
      if (count <= 2 || BytesOf(tasks) / kMostReads <= task.input_bytes) return tasks;
      count /= 2;
    }
  }

  std::vector<TaskPlan> ByFiles(const TaskPlan& task, const PartitionFiles& partition) const {
    std::vector<TaskPlan> tasks;
    for (auto& bin : PackBins(partition, task.rewrite, capacity_)) {
      TaskPlan part = task;
      part.input_bytes = 0;
      for (const size_t file : bin) {
        part.input_bytes =
            iceberg::AddCapped(part.input_bytes, partition.files[file].file.file_size_in_bytes);
      }
      part.rewrite = std::move(bin);
      tasks.push_back(std::move(part));
    }
    return tasks;
  }

  io::FileSystem& files_;
  const iceberg::TableMetadata& metadata_;
  const TableFiles& table_;
  const OptimizingConfig& config_;
  const int64_t capacity_;
};

}  // namespace

std::vector<TaskPlan> TasksOfRanges(const TaskPlan& task, const PartitionFiles& partition,
                                    const KeyRanges& ranges, const iceberg::Schema& schema,
                                    bool every_file) {
  std::vector<TaskPlan> tasks;
  const auto shared = std::make_shared<const KeyRanges>(ranges);
  const RangeSet all = ~RangeSet{0} >> (tasks::kMostRanges - ranges.boxes.size());
  std::vector<RangeSet> sets;
  for (const size_t file : task.rewrite) {
    const RangeSet set = RangesOfFile(ranges, partition.files[file].file, schema) & all;
    sets.push_back(every_file || set == 0 ? all : set);
  }
  for (size_t index = 0; index < ranges.boxes.size(); ++index) {
    TaskPlan part = task;
    part.rewrite.clear();
    part.input_bytes = 0;
    part.range = PlannedRange{.ranges = shared, .index = static_cast<int32_t>(index)};
    for (size_t i = 0; i < sets.size(); ++i) {
      if ((sets[i] >> index & 1) == 0) continue;
      const size_t file = task.rewrite[i];
      part.rewrite.push_back(file);
      part.range->inputs.push_back(sets[i]);
      part.input_bytes =
          iceberg::AddCapped(part.input_bytes, partition.files[file].file.file_size_in_bytes);
    }
    if (!part.rewrite.empty()) tasks.push_back(std::move(part));
  }
  MarkGroups(&tasks);
  return tasks;
}

Status DivideIntoRanges(Call& call, io::FileSystem& files, const iceberg::TableMetadata& metadata,
                        const TableFiles& table, const OptimizingConfig& config,
                        const PlanLimits& limits, ProcessPlan* plan) {
  const Divider divider(files, metadata, table, config, limits);
  std::vector<TaskPlan> tasks;
  for (TaskPlan& task : plan->tasks) {
    if (!divider.IsTooLarge(task)) {
      tasks.push_back(std::move(task));
      continue;
    }
    MORAINE_ASSIGN(auto parts, divider.Divide(call, task));
    std::move(parts.begin(), parts.end(), std::back_inserter(tasks));
  }
  plan->tasks = std::move(tasks);
  return {};
}

}  // namespace moraine::planning
