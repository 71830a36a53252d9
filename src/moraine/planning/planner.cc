#include "moraine/planning/planner.h"

#include <algorithm>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/iceberg/scan/delete_index.h"

namespace moraine::planning {
namespace {

using iceberg::FileContent;
using tasks::InputFile;

bool IsSharedPositionDelete(const iceberg::DataFile& file) {
  return file.content == FileContent::kPositionDeletes && !file.referenced_data_file;
}

/// A position delete file over several data files must end with all of them, else the new files,
/// which carry the sequence number of the snapshot, would still be matched by it and be rewritten
/// again and again.
void TakeSharersOfDeletes(const TableFiles& table, const PartitionFiles& partition,
                          std::vector<FileWork>* work) {
  std::set<int32_t> ending;
  for (size_t i = 0; i < partition.files.size(); ++i) {
    if ((*work)[i] == FileWork::kLeave) continue;
    for (int32_t index : partition.files[i].deletes) {
      if (IsSharedPositionDelete(table.deletes[static_cast<size_t>(index)].file))
        ending.insert(index);
    }
  }
  for (size_t i = 0; i < partition.files.size(); ++i) {
    if ((*work)[i] != FileWork::kLeave) continue;
    const auto& deletes = partition.files[i].deletes;
    if (std::any_of(deletes.begin(), deletes.end(),
                    [&](int32_t d) { return ending.contains(d); })) {
      (*work)[i] = FileWork::kPositions;
    }
  }
}

class PartitionPlanner {
 public:
  PartitionPlanner(const TableFiles& table, size_t index, const PartitionEvaluation& evaluation,
                   const OptimizingConfig& config, const PlanLimits& limits)
      : table_(table),
        index_(index),
        partition_(table.partitions[index]),
        config_(config),
        limits_(limits),
        work_(evaluation.work),
        whole_(evaluation.deduplicates),
        keeps_age_(evaluation.keeps_age),
        moves_(evaluation.moves && evaluation.type == OptimizingType::kFull),
        arranges_(evaluation.type >= OptimizingType::kMajor && !config.layout.is_none()) {}

  std::vector<TaskPlan> Plan() {
    if (whole_) return PlanWhole();
    if (keeps_age_) return PlanByAge();
    if (moves_ || arranges_) return PlanArranged();
    std::vector<size_t> undersized = FilesWith(FileWork::kUndersized);
    for (const auto& bin : PackBins(partition_, undersized, config_.bin_size())) {
      if (bin.size() > 1) {
        AddTask(bin);
      } else {
        bool has_deletes = !partition_.files[bin[0]].deletes.empty();
        work_[bin[0]] = has_deletes ? FileWork::kPositions : FileWork::kLeave;
      }
    }
    TakeSharersOfDeletes(table_, partition_, &work_);
    std::vector<size_t> rest = FilesWith(FileWork::kRewrite);
    std::vector<size_t> positions = FilesWith(FileWork::kPositions);
    rest.insert(rest.end(), positions.begin(), positions.end());
    for (const auto& bin : PackBins(partition_, rest, config_.bin_size())) {
      bool pointless = bin.size() == 1 && partition_.files[bin[0]].deletes.empty();
      if (!pointless) AddTask(bin);
    }
    return std::move(tasks_);
  }

 private:
  /// Equal keys meet in one task.
  std::vector<TaskPlan> PlanWhole() {
    AddTask(FilesWith(FileWork::kRewrite));
    tasks_.back().deduplicated = true;
    tasks_.back().arranged = arranges_;
    return std::move(tasks_);
  }

  /// What is merged becomes one file's age: all of it in one task.
  std::vector<TaskPlan> PlanByAge() {
    TakeSharersOfDeletes(table_, partition_, &work_);
    const std::vector<size_t> merged = FilesWith(FileWork::kRewrite);
    if (!merged.empty()) AddTask(merged);
    for (const auto& bin :
         PackBins(partition_, FilesWith(FileWork::kPositions), config_.bin_size()))
      AddTask(bin);
    return std::move(tasks_);
  }

  /// All that is rewritten goes together, so that it gets one order.
  std::vector<TaskPlan> PlanArranged() {
    const std::string mark = moves_ ? "" : tasks::LayoutMark(config_.layout);
    std::vector<size_t> files = FilesWith(FileWork::kRewrite);
    std::vector<size_t> undersized = FilesWith(FileWork::kUndersized);
    files.insert(files.end(), undersized.begin(), undersized.end());
    int64_t capacity = ArrangedTaskBytes(config_, limits_);
    if (!moves_) capacity *= tasks::kMostRanges;  // in several ranges then
    for (const auto& bin : PackBins(partition_, files, capacity)) {
      const auto& first = partition_.files[bin[0]];
      const bool lies_so = !moves_ && tasks::HasLayoutMark(first.file.file_path, mark);
      if (bin.size() > 1 || !first.deletes.empty() || !lies_so) {
        AddTask(bin);
        tasks_.back().arranged = arranges_;
        tasks_.back().moved = moves_;
      } else {
        work_[bin[0]] = FileWork::kLeave;
      }
    }
    TakeSharersOfDeletes(table_, partition_, &work_);
    for (const auto& bin :
         PackBins(partition_, FilesWith(FileWork::kPositions), config_.bin_size()))
      AddTask(bin);
    return std::move(tasks_);
  }

  std::vector<size_t> FilesWith(FileWork work) const {
    std::vector<size_t> files;
    for (size_t i = 0; i < work_.size(); ++i) {
      if (work_[i] == work) files.push_back(i);
    }
    return files;
  }

  void AddTask(const std::vector<size_t>& files) {
    TaskPlan task;
    task.partition = index_;
    for (size_t file : files) {
      (work_[file] == FileWork::kPositions ? task.rewrite_positions : task.rewrite).push_back(file);
      task.input_bytes =
          iceberg::AddCapped(task.input_bytes, partition_.files[file].file.file_size_in_bytes);
    }
    tasks_.push_back(std::move(task));
  }

  const TableFiles& table_;
  size_t index_;
  const PartitionFiles& partition_;
  const OptimizingConfig& config_;
  const PlanLimits& limits_;
  std::vector<FileWork> work_;
  const bool whole_;
  const bool keeps_age_;
  const bool moves_;
  const bool arranges_;
  std::vector<TaskPlan> tasks_;
};

/// Which deletes that no file of the loaded partitions has can be of no other: those of a partition
/// that some task is about, and those of the whole table.
class DanglingDeletes {
 public:
  DanglingDeletes(const TableFiles& table, const std::vector<std::set<size_t>>& done) {
    for (size_t p = 0; p < table.partitions.size(); ++p) {
      if (!done[p].empty()) partitions_.push_back(&table.partitions[p]);
    }
  }

  bool Contains(const iceberg::DataFile& deletes, bool global) const {
    if (partitions_.empty()) return false;
    // Its file may be of a partition that is not loaded: names reach across specs.
    if (deletes.content == FileContent::kPositionDeletes &&
        !iceberg::ReferencedDataFile(deletes).empty()) {
      return false;
    }
    return global || std::any_of(partitions_.begin(), partitions_.end(), [&](const auto* one) {
             return one->spec_id == deletes.spec_id &&
                    iceberg::SameTuple(one->partition, deletes.partition);
           });
  }

 private:
  std::vector<const PartitionFiles*> partitions_;
};

void NoteTimer(const PartitionEvaluation& evaluation, ProcessPlan* plan) {
  if (!evaluation.due_ms) return;
  plan->due_ms = plan->due_ms ? std::min(*plan->due_ms, *evaluation.due_ms) : *evaluation.due_ms;
}

std::string WhyNot(const std::vector<PartitionEvaluation>& evaluations) {
  for (const auto& evaluation : evaluations) {
    if (evaluation.hot || evaluation.due_ms || evaluation.too_large) return evaluation.reason;
  }
  return evaluations.empty() ? "no partition needs work" : "no partition reaches a trigger";
}

}  // namespace

int64_t ArrangedTaskBytes(const OptimizingConfig& config, const PlanLimits& limits) {
  constexpr int64_t kBytes = int64_t{4} << 30;
  return limits.arranged_task_bytes.value_or(std::max(config.bin_size(), kBytes));
}

/// First-fit over bins that stay open; files come largest first, so bins fill up well.
std::vector<std::vector<size_t>> PackBins(const PartitionFiles& partition,
                                          std::vector<size_t> files, int64_t capacity) {
  constexpr size_t kOpenBins = 64;
  struct Bin {
    std::vector<size_t> files;
    int64_t bytes = 0;
  };
  auto size_of = [&](size_t i) { return partition.files[i].file.file_size_in_bytes; };
  std::stable_sort(files.begin(), files.end(),
                   [&](size_t a, size_t b) { return size_of(a) > size_of(b); });
  std::vector<Bin> bins;
  for (size_t file : files) {
    Bin* home = nullptr;
    size_t first = bins.size() > kOpenBins ? bins.size() - kOpenBins : 0;
    for (size_t i = first; i < bins.size() && home == nullptr; ++i) {
      if (size_of(file) <= capacity - bins[i].bytes &&
          static_cast<int64_t>(bins[i].files.size()) < kMaxFilesPerTask) {
        home = &bins[i];
      }
    }
    if (home == nullptr) home = &bins.emplace_back();
    home->files.push_back(file);
    home->bytes = iceberg::AddCapped(home->bytes, size_of(file));
  }
  std::vector<std::vector<size_t>> packed;
  for (auto& bin : bins) packed.push_back(std::move(bin.files));
  return packed;
}

ProcessPlan PlanProcess(const TableFiles& table,
                        const std::vector<PartitionEvaluation>& evaluations,
                        const OptimizingConfig& config, const PlanLimits& limits) {
  ProcessPlan plan;
  std::vector<size_t> order(evaluations.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return evaluations[a].cost_bytes > evaluations[b].cost_bytes;
  });
  const PartitionEvaluation* heaviest = nullptr;
  for (size_t index : order) {
    const auto& evaluation = evaluations[index];
    NoteTimer(evaluation, &plan);
    if (evaluation.type == OptimizingType::kNone) continue;
    if (!plan.tasks.empty() && (plan.input_bytes >= limits.budget_bytes ||
                                static_cast<int64_t>(plan.tasks.size()) >= limits.max_tasks)) {
      ++plan.partitions_left;
      continue;
    }
    auto tasks = PartitionPlanner(table, index, evaluation, config, limits).Plan();
    if (tasks.empty()) continue;
    ++plan.partitions;
    if (heaviest == nullptr) heaviest = &evaluation;
    plan.type = std::max(plan.type, evaluation.type);
    for (auto& task : tasks) {
      plan.input_bytes = iceberg::AddCapped(plan.input_bytes, task.input_bytes);
      plan.input_files += static_cast<int64_t>(task.rewrite.size() + task.rewrite_positions.size());
      plan.tasks.push_back(std::move(task));
    }
  }
  plan.reason = heaviest != nullptr ? heaviest->reason : WhyNot(evaluations);
  return plan;
}

std::vector<int32_t> RemovableDeletes(const TableFiles& table, const std::vector<TaskPlan>& tasks) {
  std::vector<std::set<size_t>> done(table.partitions.size());
  for (const auto& task : tasks) {
    for (const auto* list : {&task.rewrite, &task.rewrite_positions})
      done[task.partition].insert(list->begin(), list->end());
  }
  std::vector<bool> touched(table.deletes.size(), false);
  std::vector<bool> needed(table.deletes.size(), false);
  for (size_t p = 0; p < table.partitions.size(); ++p) {
    for (size_t i = 0; i < table.partitions[p].files.size(); ++i) {
      std::vector<bool>& mark = done[p].contains(i) ? touched : needed;
      for (int32_t index : table.partitions[p].files[i].deletes)
        mark[static_cast<size_t>(index)] = true;
    }
  }
  const DanglingDeletes dangling(table, done);
  std::vector<int32_t> removable;
  for (size_t i = 0; i < table.deletes.size(); ++i) {
    const auto& file = table.deletes[i].file;
    const bool global =
        file.content == FileContent::kEqualityDeletes &&
        (file.partition.empty() || table.unpartitioned_specs.contains(file.spec_id));
    if (needed[i] || (global && !table.whole_table)) continue;
    if (touched[i] || dangling.Contains(file, global)) removable.push_back(static_cast<int32_t>(i));
  }
  return removable;
}

}  // namespace moraine::planning
