#include "moraine/planning/commit_decision.h"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/commit/snapshot_changes.h"
#include "moraine/planning/dedup_rules.h"
#include "moraine/planning/digest.h"
#include "moraine/planning/planner.h"
#include "moraine/planning/range_groups.h"

namespace moraine::planning {
namespace {

using iceberg::DataFile;
using iceberg::DeleteKey;
using iceberg::FileContent;

constexpr int32_t kFirstVersionWithVectors = 3;

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

/// What one task is still worth.
struct Verdict {
  std::string objection;  ///< why it can't be committed any more; empty when it can
  CarryOver carried;
  std::set<std::string> settled;  ///< deletes that its outputs know of: applied, or carried over
  std::set<std::string> left;     ///< new deletes that a file which stays still needs
};

/// Looks at one task's inputs as they are now.
class Examiner {
 public:
  Examiner(const TableFiles& current, const LiveFiles& live, const FinishedWork& work,
           int64_t planned_sequence_number)
      : current_(current),
        live_(live),
        task_(*work.task),
        output_(*work.output),
        planned_sequence_number_(planned_sequence_number) {
    for (const auto& deletes : task_.deletes) verdict_.settled.insert(DeleteKey(deletes.file));
    applied_ = verdict_.settled;
  }

  Verdict Examine() && {
    for (const auto* inputs : {&task_.rewrite, &task_.rewrite_positions}) {
      for (const auto& input : *inputs) {
        const tasks::InputFile* now = Find(input);
        if (now == nullptr) return std::move(verdict_);
        // A file that an upgraded table had gets its row ids from the first commit after it.
        const bool is_rewritten = inputs == &task_.rewrite;
        if (is_rewritten && now->file.first_row_id != input.file.first_row_id) {
          Object("numbered the rows of", input.file.file_path);
          return std::move(verdict_);
        }
        is_rewritten ? ExamineRewritten(input, *now) : ExamineStaying(*now);
        if (!verdict_.objection.empty()) return std::move(verdict_);
      }
    }
    ExamineForm();
    ExamineMoved();
    return std::move(verdict_);
  }

 private:
  void Object(std::string_view what, const std::string& path) {
    verdict_.objection = fmt::format("another commit {} the input file {}", what, path);
  }

  const tasks::InputFile* Find(const tasks::InputFile& input) {
    const auto place = live_.find(input.file.file_path);
    if (place == live_.end()) {
      Object("removed", input.file.file_path);
      return nullptr;
    }
    const auto& now = current_.partitions[place->second.partition].files[place->second.file];
    if (now.sequence_number != input.sequence_number) {
      Object("replaced", input.file.file_path);
      return nullptr;
    }
    return &now;
  }

  static bool HasPositionDeletes(const std::vector<tasks::DeleteInput>& deletes,
                                 const tasks::InputFile& file) {
    return std::any_of(file.deletes.begin(), file.deletes.end(), [&](int32_t index) {
      return deletes[static_cast<size_t>(index)].file.content == FileContent::kPositionDeletes;
    });
  }

  void ExamineRewritten(const tasks::InputFile& input, const tasks::InputFile& now) {
    // A file that an upgraded table had gets its row ids from the first commit after it.
    if (now.file.first_row_id != input.file.first_row_id)
      return Object("numbered the rows of", now.file.file_path);
    if (HasPositionDeletes(task_.deletes, input) && !HasPositionDeletes(current_.deletes, now))
      return Object("restored rows of", now.file.file_path);
    for (int32_t index : now.deletes) {
      const tasks::DeleteInput& deletes = current_.deletes[static_cast<size_t>(index)];
      const std::string key = DeleteKey(deletes.file);
      if (applied_.contains(key)) continue;
      if (!task_.dedup.is_none() && !DeletesWholeKeys(deletes.file, task_.dedup))
        return Object("deleted rows, of which others are duplicates, of", now.file.file_path);
      if (deletes.file.content == FileContent::kEqualityDeletes) {
        const bool is_global = current_.unpartitioned_specs.contains(deletes.file.spec_id);
        if (!is_global && HasOutputsElsewhere(now.file))
          return Object("deleted rows by key of", now.file.file_path);
        continue;
      }
      // Where no row was left there is none to delete.
      if (!output_.positions && !output_.data_files.empty())
        return Object("deleted rows of", now.file.file_path);
      if (verdict_.settled.insert(key).second) verdict_.carried.deletes.push_back(deletes);
    }
  }

  /// The file stays, and so do new deletes; but those by position go into the task's vector.
  void ExamineStaying(const tasks::InputFile& now) {
    VectorMerge merge;
    const DataFile* own = OwnVector(now.file.file_path);
    for (int32_t index : now.deletes) {
      const tasks::DeleteInput& deletes = current_.deletes[static_cast<size_t>(index)];
      const std::string key = DeleteKey(deletes.file);
      if (deletes.file.content != FileContent::kPositionDeletes || applied_.contains(key)) continue;
      if (own != nullptr) {
        merge.others.push_back(deletes);
        verdict_.settled.insert(key);
      } else {
        verdict_.left.insert(key);
      }
    }
    if (merge.others.empty()) return;
    merge.own = *own;
    verdict_.carried.vectors.push_back(std::move(merge));
  }

  /// A table that was upgraded meanwhile takes no new position delete files.
  void ExamineForm() {
    if (current_.format_version < kFirstVersionWithVectors) return;
    const bool is_old =
        std::any_of(output_.delete_files.begin(), output_.delete_files.end(),
                    [](const DataFile& file) { return !file.is_deletion_vector(); });
    if (!is_old) return;
    verdict_.objection = fmt::format(
        "the table is of format version {} now, which takes deletion vectors instead of position"
        " delete files",
        current_.format_version);
  }

  /// Keys that were deleted meanwhile in a partition that rows came to: of those rows, too, which
  /// nobody meant.
  void ExamineMoved() {
    std::set<std::string> moved_to;
    for (const DataFile& file : output_.data_files) {
      if (IsElsewhere(file)) moved_to.insert(PartitionKey(file.spec_id, file.partition));
    }
    if (moved_to.empty()) return;
    for (const tasks::DeleteInput& deletes : current_.deletes) {
      const DataFile& file = deletes.file;
      if (file.content != FileContent::kEqualityDeletes ||
          deletes.sequence_number <= planned_sequence_number_ ||
          current_.unpartitioned_specs.contains(file.spec_id) ||
          !moved_to.contains(PartitionKey(file.spec_id, file.partition))) {
        continue;
      }
      verdict_.objection =
          fmt::format("another commit deleted rows by key in a partition that rows move to: {}",
                      file.file_path);
      return;
    }
  }

  /// Of another partition than the inputs.
  bool IsElsewhere(const DataFile& output) const {
    return std::any_of(task_.rewrite.begin(), task_.rewrite.end(), [&](const auto& input) {
      return output.spec_id != input.file.spec_id ||
             !iceberg::SameTuple(output.partition, input.file.partition);
    });
  }

  bool HasOutputsElsewhere(const DataFile& input) const {
    return std::any_of(output_.data_files.begin(), output_.data_files.end(),
                       [&](const DataFile& file) {
                         return file.spec_id != input.spec_id ||
                                !iceberg::SameTuple(file.partition, input.partition);
                       });
  }

  const DataFile* OwnVector(const std::string& path) const {
    for (const DataFile& file : output_.delete_files) {
      if (file.is_deletion_vector() && file.referenced_data_file == path) return &file;
    }
    return nullptr;
  }

  const TableFiles& current_;
  const LiveFiles& live_;
  const tasks::RewriteTask& task_;
  const tasks::RewriteOutput& output_;
  const int64_t planned_sequence_number_;
  std::set<std::string> applied_;
  Verdict verdict_;
};

std::vector<Verdict> ExamineAll(const TableFiles& current, const LiveFiles& live,
                                const std::vector<FinishedWork>& finished,
                                int64_t planned_sequence_number) {
  std::vector<Verdict> verdicts;
  std::vector<std::string> objections;
  for (const FinishedWork& work : finished) {
    verdicts.push_back(Examiner(current, live, work, planned_sequence_number).Examine());
    objections.push_back(verdicts.back().objection);
  }
  ObjectToBrokenGroups(finished, &objections);
  for (size_t i = 0; i < verdicts.size(); ++i) verdicts[i].objection = std::move(objections[i]);
  return verdicts;
}

/// Own vectors that are replaced by one of them and another's are not added themselves.
void AddOutputs(const tasks::RewriteOutput& output, const CarryOver& carried,
                CommitDecision* decision) {
  decision->added_data_files.insert(decision->added_data_files.end(), output.data_files.begin(),
                                    output.data_files.end());
  std::set<std::string> replaced;
  for (const VectorMerge& merge : carried.vectors) replaced.insert(DeleteKey(merge.own));
  for (const DataFile& file : output.delete_files) {
    if (!replaced.contains(DeleteKey(file))) decision->added_delete_files.push_back(file);
  }
}

}  // namespace

CommitDecision DecideCommit(const TableFiles& current, const std::vector<FinishedWork>& finished,
                            int64_t planned_sequence_number) {
  CommitDecision decision;
  LiveFiles live = IndexLiveFiles(current);
  std::vector<TaskPlan> landed;
  std::set<std::string> settled, left, removed;
  std::vector<Verdict> verdicts = ExamineAll(current, live, finished, planned_sequence_number);
  for (size_t i = 0; i < finished.size(); ++i) {
    const auto& task = *finished[i].task;
    Verdict& verdict = verdicts[i];
    if (!verdict.objection.empty()) {
      decision.dropped.push_back({task.task_id, std::move(verdict.objection)});
      continue;
    }
    decision.kept.push_back(i);
    for (const auto& input : task.rewrite) {
      if (!removed.insert(input.file.file_path).second) continue;  // of several tasks' ranges
      Place place = live.at(input.file.file_path);
      decision.removed_data_files.push_back(
          current.partitions[place.partition].files[place.file].file);
      landed.push_back({.partition = place.partition, .rewrite = {place.file}});
    }
    for (const auto& input : task.rewrite_positions) {
      Place place = live.at(input.file.file_path);
      landed.push_back({.partition = place.partition, .rewrite_positions = {place.file}});
    }
    AddOutputs(*finished[i].output, verdict.carried, &decision);
    settled.merge(verdict.settled);
    left.merge(verdict.left);
    verdict.carried.work = i;
    if (!verdict.carried.empty()) decision.carried.push_back(std::move(verdict.carried));
  }
  // Only deletes that every file which they reach is done with, or that have no file: one that
  // nobody has looked at, or that a file which stays needs, stays.
  std::set<int32_t> attached;
  for (const auto& partition : current.partitions) {
    for (const auto& input : partition.files)
      attached.insert(input.deletes.begin(), input.deletes.end());
  }
  for (int32_t index : RemovableDeletes(current, landed)) {
    const DataFile& file = current.deletes[static_cast<size_t>(index)].file;
    const std::string key = DeleteKey(file);
    const bool is_done = settled.contains(key) && !left.contains(key);
    if (is_done || !attached.contains(index)) decision.removed_delete_files.push_back(file);
  }
  return decision;
}

}  // namespace moraine::planning
