#include "moraine/iceberg/commit/change_rules.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include <fmt/format.h>

namespace moraine::iceberg {

namespace {

using Kind = SnapshotOperation;

bool AddsAny(const SnapshotChanges& changes, bool data) {
  return std::any_of(changes.added.begin(), changes.added.end(), [data](const AddedFile& one) {
    return (one.file.content == FileContent::kData) == data;
  });
}

/// What the operation may add and remove at all.
Status CheckShape(const SnapshotChanges& changes) {
  const bool appends = changes.operation == Kind::kFastAppend || changes.operation == Kind::kAppend;
  const bool removes = !changes.removed_data.empty() || !changes.removed_deletes.empty();
  if (appends && removes) return InvalidArgument("an append removes nothing");
  if (AddsAny(changes, false) && changes.operation != Kind::kRowDelta &&
      changes.operation != Kind::kRewriteFiles) {
    return InvalidArgument("only a row delta or a rewrite adds delete files");
  }
  if (changes.operation == Kind::kDelete && !changes.added.empty())
    return InvalidArgument("a delete adds no files");
  if (changes.operation == Kind::kRewriteManifests && (removes || !changes.added.empty())) {
    return InvalidArgument("a rewrite of manifests adds and removes no files");
  }
  if (!changes.replacements.empty() &&
      (changes.operation != Kind::kRewriteManifests || changes.rewrite_manifests.empty())) {
    return InvalidArgument("only a rewrite of manifests that it names takes manifests");
  }
  if (changes.row_filter && changes.operation != Kind::kDelete &&
      changes.operation != Kind::kOverwrite) {
    return InvalidArgument("only a delete or an overwrite takes a row filter");
  }
  if (changes.operation == Kind::kRewriteFiles && !removes && !AddsAny(changes, false)) {
    return InvalidArgument("a rewrite must remove files or add deletes");
  }
  return {};
}

Status CheckAddedFile(const AddedFile& added, const TableMetadata& base) {
  const DataFile& file = added.file;
  auto refuse = [&](std::string_view why) {
    return InvalidArgument(fmt::format("{}: {}", why, file.file_path));
  };
  PartitionSpecPtr spec = base.FindSpec(file.spec_id);
  if (!spec)
    return refuse(fmt::format("a new file is of an unknown partition spec {}", file.spec_id));
  if (file.partition.size() != spec->fields.size()) {
    return refuse(fmt::format("a new file has {} partition values, its spec {}",
                              file.partition.size(), spec->fields.size()));
  }
  if (file.content == FileContent::kData) return {};
  if (base.format_version < 2) return refuse("version 1 tables have no delete files");
  if (file.is_deletion_vector()) {
    if (base.format_version < 3) return refuse("version 2 tables have no deletion vectors");
    if (!file.referenced_data_file) return refuse("a deletion vector must name its data file");
  } else if (file.content == FileContent::kPositionDeletes && base.format_version >= 3) {
    return refuse("version 3 tables take deletion vectors instead of new position delete files");
  }
  if (file.content == FileContent::kEqualityDeletes && file.equality_ids.empty()) {
    return refuse("an equality delete file must name its columns");
  }
  return {};
}

Status CheckAdded(const SnapshotChanges& changes, const TableMetadata& base) {
  std::unordered_set<std::string_view> vectors;
  std::unordered_set<std::string_view> paths;
  for (const AddedFile& added : changes.added) {
    MORAINE_TRY(CheckAddedFile(added, base));
    const DataFile& file = added.file;
    const bool is_new = file.is_deletion_vector()
                            ? vectors.insert(*file.referenced_data_file).second
                            : paths.insert(file.file_path).second;
    if (!is_new) return InvalidArgument(fmt::format("a file is added twice: {}", file.file_path));
    if (added.data_sequence_number && *added.data_sequence_number > base.last_sequence_number) {
      return InvalidArgument(
          fmt::format("a data sequence number is newer than the table: {}", file.file_path));
    }
  }
  return {};
}

}  // namespace

std::string OperationName(const SnapshotChanges& changes) {
  const bool adds_data = AddsAny(changes, true);
  const bool adds_deletes = AddsAny(changes, false);
  const bool removes =
      !changes.removed_data.empty() || !changes.removed_deletes.empty() || changes.row_filter;
  switch (changes.operation) {
    case Kind::kFastAppend:
    case Kind::kAppend:
      return "append";
    case Kind::kDelete:
      return "delete";
    case Kind::kOverwrite:
      if (removes && !adds_data) return "delete";
      return adds_data && !removes ? "append" : "overwrite";
    case Kind::kReplacePartitions:
      return "overwrite";
    case Kind::kRowDelta:
      if (adds_data && !adds_deletes && !removes) return "append";
      return adds_deletes && !adds_data && changes.removed_data.empty() ? "delete" : "overwrite";
    case Kind::kRewriteFiles:
      return changes.resolves_keys || changes.drops_rows ? "overwrite" : "replace";
    case Kind::kRewriteManifests:
      return "replace";
  }
  return "overwrite";
}

Status CheckChanges(const SnapshotChanges& changes, const TableMetadata& base) {
  MORAINE_TRY(CheckShape(changes));
  return CheckAdded(changes, base);
}

}  // namespace moraine::iceberg
