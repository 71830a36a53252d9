#include "moraine/iceberg/commit/conflict_check.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/commit/branch_history.h"
#include "moraine/iceberg/commit/manifest_filter.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/scan/table_filter.h"

namespace moraine::iceberg {

namespace {

using Op = Expression::Op;
using Paths = std::unordered_set<std::string_view>;

/// Where changes matter: rows of a filter, or whole partitions.
struct Scope {
  TableFilter filter;
  PartitionSet partitions;
  bool by_partition = false;
  std::string text;

  bool MayHold(const DataFile& file) const {
    if (by_partition) return partitions.contains({file.spec_id, file.partition});
    return filter.MayMatch(file);
  }
};

Result<Scope> FilterScope(const TableMetadata& base, const ExpressionPtr& filter) {
  Scope scope;
  MORAINE_ASSIGN(scope.filter, TableFilter::Make(filter, base, base.CurrentSchema()));
  scope.text = filter ? filter->ToString() : "true";
  return scope;
}

Result<Scope> PartitionScope(const TableMetadata& base, const std::vector<AddedFile>& added) {
  MORAINE_ASSIGN(Scope scope, FilterScope(base, nullptr));
  for (const AddedFile& one : added) {
    PartitionSpecPtr spec = base.FindSpec(one.file.spec_id);
    if (!spec || spec->is_unpartitioned()) return scope;
    scope.partitions.insert({one.file.spec_id, one.file.partition});
  }
  scope.by_partition = true;
  scope.text = "the replaced partitions";
  return scope;
}

/// Whether a position delete file's path bounds leave the data file out.
bool IsOfOtherPaths(const DataFile& deletes, std::string_view path) {
  if (deletes.content != FileContent::kPositionDeletes) return false;
  const std::string* low = FindBound(deletes.lower_bounds, kFilePathFieldId);
  const std::string* high = FindBound(deletes.upper_bounds, kFilePathFieldId);
  return (low != nullptr && path < *low) || (high != nullptr && path > *high);
}

/// Which new deletes of a removed data file do not matter.
struct Ignored {
  bool equality = false;
  /// Rewrites only, which keep rows as they are: deletes that are gone again, and these.
  const std::set<std::string>* carried = nullptr;
};

class Validator {
 public:
  Validator(Call& call, BranchHistory& history, const TableMetadata& base)
      : call_(call), history_(history), base_(base) {}

  Status NoAddedData(const Scope& scope) {
    return history_.Visit(call_, {"append", "overwrite"}, ManifestContent::kData,
                          [&](ManifestEntry& entry) -> Status {
                            if (entry.status != EntryStatus::kAdded || !scope.MayHold(entry.file))
                              return {};
                            return Conflict(fmt::format(
                                "Found conflicting files that can contain records matching {}: {}",
                                scope.text, entry.file.file_path));
                          });
  }

  Status NoRemovedData(const Scope& scope) {
    return history_.Visit(
        call_, {"overwrite", "replace", "delete"}, ManifestContent::kData,
        [&](ManifestEntry& entry) -> Status {
          if (entry.status != EntryStatus::kDeleted || !scope.MayHold(entry.file)) return {};
          return Conflict(fmt::format(
              "Found conflicting deleted files that can contain records matching {}: {}",
              scope.text, entry.file.file_path));
        });
  }

  Status NoAddedDeletes(const Scope& scope) {
    if (base_.format_version < 2) return {};
    MORAINE_ASSIGN(const DeleteIndex* index, history_.NewDeletes(call_));
    for (const DeleteEntryPtr& entry : index->entries()) {
      if (!scope.MayHold(entry->file)) continue;
      return Conflict(fmt::format(
          "Found new conflicting delete files that can apply to records matching {}: {}",
          scope.text, entry->file.file_path));
    }
    return {};
  }

  Status NoNewDeletesFor(const DataFile& file, const Ignored& ignored) {
    if (base_.format_version < 2) return {};
    MORAINE_ASSIGN(const DeleteIndex* index, history_.NewDeletes(call_));
    if (index->empty()) return {};
    MORAINE_ASSIGN(std::vector<DeleteEntryPtr> deletes,
                   index->ForDataFile(history_.starting_sequence_number(), file));
    for (const DeleteEntryPtr& entry : deletes) {
      if (IsOfOtherPaths(entry->file, file.file_path)) continue;
      MORAINE_ASSIGN(bool is_ignored, IsIgnored(entry->file, ignored));
      if (is_ignored) continue;
      return Conflict(fmt::format("Cannot commit, found new {} for replaced data file: {}",
                                  ignored.equality ? "position delete" : "delete", file.file_path));
    }
    return {};
  }

  Status NoNewDeletesFor(const RemovedFile& removed, const Ignored& ignored) {
    DataFile file;
    file.file_path = removed.path;
    if (removed.partition) {
      file.spec_id = removed.partition->spec_id;
      file.partition = removed.partition->tuple;
      return NoNewDeletesFor(file, ignored);
    }
    if (base_.format_version < 2) return {};
    // Of an unknown partition: every new delete that is not of another file may touch it.
    MORAINE_ASSIGN(const DeleteIndex* index, history_.NewDeletes(call_));
    for (const DeleteEntryPtr& entry : index->entries()) {
      std::string_view path = ReferencedDataFile(entry->file);
      if (!path.empty() && path != removed.path) continue;
      MORAINE_ASSIGN(bool is_ignored, IsIgnored(entry->file, ignored));
      if (is_ignored) continue;
      return Conflict(
          fmt::format("Cannot commit, found new delete for replaced data file: {}", removed.path));
    }
    return {};
  }

  /// Data files that came to these partitions (nullptr: to any) with a data sequence number up to
  /// this.
  Status NoAddedData(const PartitionSet* partitions, int64_t up_to_sequence) {
    return history_.Visit(call_, {}, ManifestContent::kData, BranchHistory::Decode::kNoMetrics,
                          [&](ManifestEntry& entry) -> Status {
                            if (entry.status != EntryStatus::kAdded) return {};
                            if (entry.sequence_number.value_or(0) > up_to_sequence) return {};
                            if (partitions != nullptr &&
                                !partitions->contains({entry.file.spec_id, entry.file.partition}))
                              return {};
                            return Conflict(fmt::format("Found a data file that came meanwhile: {}",
                                                        entry.file.file_path));
                          });
  }

  Status DataFilesExist(const Paths& required, bool after_deletes) {
    if (required.empty()) return {};
    std::vector<std::string_view> operations = {"overwrite", "replace"};
    if (after_deletes) operations.emplace_back("delete");
    return history_.Visit(
        call_, operations, ManifestContent::kData, BranchHistory::Decode::kNoMetrics,
        [&](ManifestEntry& entry) -> Status {
          if (entry.status != EntryStatus::kDeleted || !required.contains(entry.file.file_path))
            return {};
          return Conflict(
              fmt::format("Cannot commit, missing data files: {}", entry.file.file_path));
        });
  }

  Status NoAddedVectors(const Paths& referenced, const Ignored& ignored) {
    if (referenced.empty()) return {};
    return history_.Visit(
        call_, {"overwrite", "delete", "replace"}, ManifestContent::kDeletes,
        [&](ManifestEntry& entry) -> Status {
          if (!entry.is_live() || !entry.file.is_deletion_vector()) return {};
          if (!referenced.contains(ReferencedDataFile(entry.file))) return {};
          MORAINE_ASSIGN(bool is_ignored, IsIgnored(entry.file, ignored));
          if (is_ignored) return {};
          return Conflict(fmt::format("Found concurrently added DV for {}: {}",
                                      ReferencedDataFile(entry.file), entry.file.file_path));
        });
  }

 private:
  Result<bool> IsIgnored(const DataFile& deletes, const Ignored& ignored) {
    if (ignored.equality && deletes.content == FileContent::kEqualityDeletes) return true;
    if (ignored.carried == nullptr) return false;
    if (ignored.carried->contains(DeleteKey(deletes))) return true;
    if (!removed_) {
      MORAINE_ASSIGN(removed_, history_.Removed(call_));
    }
    return removed_->Contains(deletes);
  }

  Call& call_;
  BranchHistory& history_;
  const TableMetadata& base_;
  std::optional<RemovedSince> removed_;  // read when it is first asked for
};

Paths ReferencedBy(const std::vector<AddedFile>& added) {
  Paths paths;
  for (const AddedFile& one : added) {
    std::string_view path = ReferencedDataFile(one.file);
    if (!path.empty()) paths.insert(path);
  }
  return paths;
}

Paths VectorTargets(const std::vector<AddedFile>& added) {
  Paths paths;
  for (const AddedFile& one : added) {
    if (one.file.is_deletion_vector()) paths.insert(ReferencedDataFile(one.file));
  }
  return paths;
}

/// New equality deletes reach the new data files then as they reached the old ones. Where there is
/// no new data, every old row was deleted: there is nothing for them to delete.
bool AllDataHasSequence(const std::vector<AddedFile>& added) {
  return std::all_of(added.begin(), added.end(), [](const AddedFile& one) {
    return one.file.content != FileContent::kData || one.data_sequence_number.has_value();
  });
}

Status ValidateOverwrite(Validator& validator, const TableMetadata& base,
                         const SnapshotChanges& changes) {
  const ConflictChecks& checks = changes.checks;
  const bool by_filter = changes.row_filter != nullptr;
  if (checks.no_conflicting_data) {
    ExpressionPtr filter = checks.filter;
    if (!filter && by_filter && changes.removed_data.empty()) filter = changes.row_filter;
    MORAINE_ASSIGN(Scope scope, FilterScope(base, filter));
    MORAINE_TRY(validator.NoAddedData(scope));
  }
  if (!checks.no_conflicting_deletes) return {};
  if (by_filter) {
    MORAINE_ASSIGN(Scope scope,
                   FilterScope(base, checks.filter ? checks.filter : changes.row_filter));
    MORAINE_TRY(validator.NoAddedDeletes(scope));
    MORAINE_TRY(validator.NoRemovedData(scope));
  }
  for (const RemovedFile& file : changes.removed_data)
    MORAINE_TRY(validator.NoNewDeletesFor(file, Ignored()));
  return {};
}

Status ValidateReplacePartitions(Validator& validator, const TableMetadata& base,
                                 const SnapshotChanges& changes) {
  MORAINE_ASSIGN(Scope scope, PartitionScope(base, changes.added));
  if (changes.checks.no_conflicting_data) MORAINE_TRY(validator.NoAddedData(scope));
  if (!changes.checks.no_conflicting_deletes) return {};
  MORAINE_TRY(validator.NoRemovedData(scope));
  return validator.NoAddedDeletes(scope);
}

Status ValidateRowDelta(Validator& validator, const TableMetadata& base,
                        const SnapshotChanges& changes) {
  const ConflictChecks& checks = changes.checks;
  Paths required = ReferencedBy(changes.added);
  for (const RemovedFile& file : changes.removed_data) {
    if (required.contains(file.path)) {
      return InvalidArgument(
          fmt::format("a data file is removed and has new deletes in one change: {}", file.path));
    }
  }
  required.insert(checks.required_data_files.begin(), checks.required_data_files.end());
  MORAINE_TRY(validator.DataFilesExist(required, checks.required_files_also_after_deletes));
  MORAINE_ASSIGN(Scope scope, FilterScope(base, checks.filter));
  if (checks.no_conflicting_data) MORAINE_TRY(validator.NoAddedData(scope));
  if (checks.no_conflicting_deletes) {
    for (const RemovedFile& file : changes.removed_data) {
      MORAINE_TRY(validator.NoNewDeletesFor(file, Ignored()));
    }
    MORAINE_TRY(validator.NoAddedDeletes(scope));
  }
  return validator.NoAddedVectors(VectorTargets(changes.added), Ignored());
}

Status ValidateRewrite(Validator& validator, const SnapshotChanges& changes) {
  const Ignored ignored = {AllDataHasSequence(changes.added), &changes.checks.carried_deletes};
  for (const RemovedFile& file : changes.removed_data) {
    MORAINE_TRY(validator.NoNewDeletesFor(file, ignored));
  }
  MORAINE_TRY(validator.DataFilesExist(ReferencedBy(changes.added), true));
  return validator.NoAddedVectors(VectorTargets(changes.added), ignored);
}

/// The checks that any operation may ask for.
Status ValidateNewcomers(Validator& validator, const TableMetadata& base,
                         const SnapshotChanges& changes) {
  const ConflictChecks& checks = changes.checks;
  if (!checks.closed_partitions.empty()) {
    const PartitionSet closed(checks.closed_partitions.begin(), checks.closed_partitions.end());
    MORAINE_TRY(validator.NoAddedData(&closed, std::numeric_limits<int64_t>::max()));
  }
  if (!checks.unused_deletes_up_to) return {};
  PartitionSet partitions;
  for (const RemovedFile& file : changes.removed_deletes) {
    PartitionSpecPtr spec = file.partition ? base.FindSpec(file.partition->spec_id) : nullptr;
    if (!spec || spec->is_unpartitioned())
      return validator.NoAddedData(nullptr, *checks.unused_deletes_up_to);
    partitions.insert(*file.partition);
  }
  return validator.NoAddedData(&partitions, *checks.unused_deletes_up_to);
}

}  // namespace

std::string DeleteKey(const DataFile& file) {
  if (!file.is_deletion_vector()) return file.file_path;
  return fmt::format("{}#{}", file.file_path, file.content_offset.value_or(-1));
}

RemovedFile RemovedFile::Of(const DataFile& file) {
  RemovedFile removed;
  removed.path = file.file_path;
  removed.partition = PartitionKey{file.spec_id, file.partition};
  if (file.is_deletion_vector()) removed.content_offset = file.content_offset;
  return removed;
}

Status ValidateChanges(Call& call, io::FileSystem& files, const TableMetadata& base,
                       const Snapshot* parent, const SnapshotChanges& changes) {
  if (parent == nullptr) return {};
  BranchHistory history(files, base, *parent, changes.checks.starting_snapshot_id);
  Validator validator(call, history, base);
  MORAINE_TRY(ValidateNewcomers(validator, base, changes));
  switch (changes.operation) {
    case SnapshotOperation::kOverwrite:
    case SnapshotOperation::kDelete:
      return ValidateOverwrite(validator, base, changes);
    case SnapshotOperation::kReplacePartitions:
      return ValidateReplacePartitions(validator, base, changes);
    case SnapshotOperation::kRowDelta:
      return ValidateRowDelta(validator, base, changes);
    case SnapshotOperation::kRewriteFiles:
      return ValidateRewrite(validator, changes);
    default:
      return {};
  }
}

Result<std::vector<GroupVerdict>> CheckGroups(Call& call, io::FileSystem& files,
                                              const TableMetadata& base, const std::string& branch,
                                              std::optional<int64_t> starting_snapshot_id,
                                              const std::vector<RewriteGroup>& groups) {
  std::vector<GroupVerdict> verdicts(groups.size());
  const Snapshot* parent = base.FindRef(branch);
  if (parent == nullptr) return Conflict(fmt::format("the branch is gone or empty: {}", branch));
  BranchHistory history(files, base, *parent, starting_snapshot_id);
  MORAINE_ASSIGN(RemovedSince removed, history.Removed(call));
  Validator validator(call, history, base);
  for (size_t i = 0; i < groups.size(); ++i) {
    const RewriteGroup& group = groups[i];
    auto refuse = [&](std::string reason) {
      if (verdicts[i].valid) verdicts[i] = {false, std::move(reason)};
    };
    for (const DataFile& file : group.removed_data) {
      if (removed.Contains(file))
        refuse(fmt::format("a data file to rewrite is gone: {}", file.file_path));
    }
    for (const DataFile& file : group.removed_deletes) {
      if (removed.Contains(file))
        refuse(fmt::format("a delete file to remove is gone: {}", file.file_path));
    }
    for (const AddedFile& one : group.added) {
      std::string path(ReferencedDataFile(one.file));
      if (removed.data_paths.contains(path))
        refuse(fmt::format("a data file with new deletes is gone: {}", path));
    }
    const Ignored ignored = {AllDataHasSequence(group.added), &group.carried_deletes};
    for (size_t k = 0; verdicts[i].valid && k < group.removed_data.size(); ++k) {
      Status status = validator.NoNewDeletesFor(group.removed_data[k], ignored);
      if (!status.ok() && status.code() != Code::kConflict) return status;
      if (!status.ok()) refuse(std::string(status.message()));
    }
    if (!verdicts[i].valid) continue;
    Status status = validator.NoAddedVectors(VectorTargets(group.added), ignored);
    if (!status.ok() && status.code() != Code::kConflict) return status;
    if (!status.ok()) refuse(std::string(status.message()));
  }
  return verdicts;
}

SnapshotChanges MergeGroups(const std::vector<const RewriteGroup*>& groups,
                            std::optional<int64_t> starting_snapshot_id) {
  SnapshotChanges changes;
  changes.operation = SnapshotOperation::kRewriteFiles;
  changes.checks.starting_snapshot_id = starting_snapshot_id;
  std::unordered_set<std::string> seen;
  auto remove = [&](const DataFile& file, std::vector<RemovedFile>* to) {
    // A delete file may serve several groups.
    if (seen.insert(fmt::format("{}#{}", file.file_path, file.content_offset.value_or(-1)))
            .second) {
      to->push_back(RemovedFile::Of(file));
    }
  };
  for (const RewriteGroup* group : groups) {
    for (const DataFile& file : group->removed_data) remove(file, &changes.removed_data);
    for (const DataFile& file : group->removed_deletes) remove(file, &changes.removed_deletes);
    changes.added.insert(changes.added.end(), group->added.begin(), group->added.end());
    changes.checks.carried_deletes.insert(group->carried_deletes.begin(),
                                          group->carried_deletes.end());
  }
  return changes;
}

}  // namespace moraine::iceberg
