#include "moraine/planning/range_groups.h"

#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/manifest/capped_sum.h"

namespace moraine::planning {
namespace {

/// Some task of a group in the finished work, by its number there.
using Members = std::vector<size_t>;

class Group {
 public:
  Group(const std::vector<FinishedWork>& finished, const std::vector<std::string>& objections,
        const Members& members)
      : finished_(finished), objections_(objections), members_(members) {}

  /// Why it can't be committed; empty when it can.
  std::string Objection() const {
    for (const size_t i : members_) {
      if (!objections_[i].empty())
        return fmt::format("shares input files with a task that was left out: {}", objections_[i]);
    }
    std::set<int32_t> task_ids;
    for (const size_t i : members_) task_ids.insert(finished_[i].task->task_id);
    const auto wanted = static_cast<size_t>(finished_[members_[0]].task->range->tasks);
    if (task_ids.size() != wanted || members_.size() != wanted) {
      return fmt::format("shares input files with tasks that have no result: {} of {} have one",
                         task_ids.size(), wanted);
    }
    return CountRows();
  }

 private:
  std::string CountRows() const {
    std::map<std::string, int64_t> inputs;
    int64_t after = 0;
    for (const size_t i : members_) {
      const tasks::RewriteOutput& output = *finished_[i].output;
      for (const auto& input : finished_[i].task->rewrite)
        inputs.emplace(input.file.file_path, input.file.record_count);
      for (const auto& file : output.data_files)
        after = iceberg::AddCapped(after, file.record_count);
      after = iceberg::AddCapped(after, output.rows_deleted);
      after = iceberg::AddCapped(after, output.rows_deduplicated);
    }
    int64_t before = 0;
    for (const auto& [path, rows] : inputs) before = iceberg::AddCapped(before, rows);
    if (before == after) return "";
    return fmt::format(
        "the input files that it shares with other tasks have {} rows, together they account for"
        " {}",
        before, after);
  }

  const std::vector<FinishedWork>& finished_;
  const std::vector<std::string>& objections_;
  const Members& members_;
};

}  // namespace

void ObjectToBrokenGroups(const std::vector<FinishedWork>& finished,
                          std::vector<std::string>* objections) {
  std::map<std::pair<std::string, int32_t>, Members> groups;
  for (size_t i = 0; i < finished.size(); ++i) {
    const tasks::RewriteTask& task = *finished[i].task;
    if (task.range) groups[{task.process_id, task.range->first_task}].push_back(i);
  }
  for (const auto& [_, members] : groups) {
    const std::string objection = Group(finished, *objections, members).Objection();
    if (objection.empty()) continue;
    for (const size_t i : members) {
      if ((*objections)[i].empty()) (*objections)[i] = objection;
    }
  }
}

}  // namespace moraine::planning
