#include "moraine/planning/commit_decision.h"

#include <set>
#include <unordered_map>

#include <fmt/format.h>

#include "moraine/planning/digest.h"
#include "moraine/planning/planner.h"

namespace moraine::planning {
namespace {

using iceberg::DataFile;

/// A delete file or deletion vector, by what makes it one.
using DeleteName = std::pair<std::string, int64_t>;
DeleteName NameOf(const DataFile& file) {
  return {file.file_path, file.content_offset.value_or(0)};
}

struct Place {
  size_t partition = 0;
  size_t file = 0;
};
using LiveFiles = std::unordered_map<std::string, Place>;

LiveFiles IndexLiveFiles(const TableFiles& current) {
  LiveFiles live;
  for (size_t p = 0; p < current.partitions.size(); ++p) {
    const auto& files = current.partitions[p].files;
    for (size_t i = 0; i < files.size(); ++i) live.emplace(files[i].file.file_path, Place{p, i});
  }
  return live;
}

/// Why the task can't be committed any more; empty when it can.
std::string Objection(const TableFiles& current, const LiveFiles& live,
                      const tasks::RewriteTask& task) {
  std::set<DeleteName> applied;
  for (const auto& deletes : task.deletes) applied.insert(NameOf(deletes.file));
  for (const auto* inputs : {&task.rewrite, &task.rewrite_positions}) {
    for (const auto& input : *inputs) {
      auto place = live.find(input.file.file_path);
      if (place == live.end()) {
        return fmt::format("another commit removed the input file {}", input.file.file_path);
      }
      const auto& now = current.partitions[place->second.partition].files[place->second.file];
      if (now.sequence_number != input.sequence_number) {
        return fmt::format("another commit replaced the input file {}", input.file.file_path);
      }
      if (inputs == &task.rewrite_positions) continue;
      for (int32_t index : now.deletes) {
        const DataFile& deletes = current.deletes[static_cast<size_t>(index)].file;
        if (deletes.content == iceberg::FileContent::kPositionDeletes &&
            !applied.contains(NameOf(deletes))) {
          return fmt::format("another commit deleted rows of the input file {}",
                             input.file.file_path);
        }
      }
    }
  }
  return "";
}

}  // namespace

CommitDecision DecideCommit(const TableFiles& current, const std::vector<FinishedWork>& finished) {
  CommitDecision decision;
  LiveFiles live = IndexLiveFiles(current);
  std::vector<TaskPlan> landed;
  for (size_t i = 0; i < finished.size(); ++i) {
    const auto& task = *finished[i].task;
    if (std::string objection = Objection(current, live, task); !objection.empty()) {
      decision.dropped.push_back({task.task_id, std::move(objection)});
      continue;
    }
    decision.kept.push_back(i);
    for (const auto& input : task.rewrite) {
      Place place = live.at(input.file.file_path);
      decision.removed_data_files.push_back(
          current.partitions[place.partition].files[place.file].file);
      landed.push_back({.partition = place.partition, .rewrite = {place.file}});
    }
    for (const auto& input : task.rewrite_positions) {
      Place place = live.at(input.file.file_path);
      landed.push_back({.partition = place.partition, .rewrite_positions = {place.file}});
    }
    const auto& output = *finished[i].output;
    decision.added_data_files.insert(decision.added_data_files.end(), output.data_files.begin(),
                                     output.data_files.end());
    decision.added_delete_files.insert(decision.added_delete_files.end(),
                                       output.delete_files.begin(), output.delete_files.end());
  }
  // Only deletes that some kept task has applied: one that came meanwhile was applied by nobody.
  std::set<DeleteName> applied;
  for (size_t i : decision.kept) {
    for (const auto& deletes : finished[i].task->deletes) applied.insert(NameOf(deletes.file));
  }
  for (int32_t index : RemovableDeletes(current, landed)) {
    const DataFile& file = current.deletes[static_cast<size_t>(index)].file;
    if (applied.contains(NameOf(file))) decision.removed_delete_files.push_back(file);
  }
  return decision;
}

}  // namespace moraine::planning
