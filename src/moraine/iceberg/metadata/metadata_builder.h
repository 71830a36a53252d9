#pragma once
// Applies updates one by one to table metadata and finishes it with the rules that hold at the end
// of a commit (table spec, "Table metadata"; Java's TableMetadata.Builder). Used by table_update.cc
// and table_creation.cc only.

#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "moraine/iceberg/metadata/table_update.h"

namespace moraine::iceberg {

class MetadataBuilder {
 public:
  /// Changes an existing table. base must outlive the builder.
  MetadataBuilder(const TableMetadata& base, const ApplyContext& context);
  /// Makes a new one.
  MetadataBuilder(int format_version, const ApplyContext& context);

  Status Apply(const TableUpdate& update);
  Result<TableMetadata> Finish() &&;

 private:
  Status Do(const update::AssignUuid& u);
  Status Do(const update::UpgradeFormatVersion& u);
  Status Do(const update::AddSchema& u);
  Status Do(const update::SetCurrentSchema& u);
  Status Do(const update::AddPartitionSpec& u);
  Status Do(const update::SetDefaultSpec& u);
  Status Do(const update::AddSortOrder& u);
  Status Do(const update::SetDefaultSortOrder& u);
  Status Do(const update::AddSnapshot& u);
  Status Do(const update::SetSnapshotRef& u);
  Status Do(const update::RemoveSnapshotRef& u);
  Status Do(const update::RemoveSnapshots& u);
  Status Do(const update::SetLocation& u);
  Status Do(const update::SetProperties& u);
  Status Do(const update::RemoveProperties& u);
  Status Do(const update::SetStatistics& u);
  Status Do(const update::RemoveStatistics& u);
  Status Do(const update::SetPartitionStatistics& u);
  Status Do(const update::RemovePartitionStatistics& u);
  Status Do(const update::RemovePartitionSpecs& u);
  Status Do(const update::RemoveSchemas& u);
  Status Do(const update::AddEncryptionKey& u);
  Status Do(const update::RemoveEncryptionKey& u);

  Result<const Schema*> SchemaToBind() const;
  void AssignPartitionFieldIds(PartitionSpec* spec) const;
  Status CheckRowIds(const Snapshot& snapshot) const;
  Status CheckSequenceNumber(const Snapshot& snapshot) const;
  void RemoveRef(const std::string& name);
  Status CheckDefaults() const;
  Status CheckTimes() const;
  void CleanSnapshotLog();
  void AppendMetadataLog();

  const TableMetadata* base_;
  const ApplyContext& context_;
  TableMetadata m_;
  bool changed_ = false;
  bool schema_or_defaults_changed_ = false;
  bool snapshots_removed_ = false;
  std::optional<int32_t> last_added_schema_;
  std::optional<int32_t> last_added_spec_;
  std::optional<int32_t> last_added_order_;
  std::optional<int64_t> updated_ms_;  // set by snapshots; else now
  std::unordered_set<int64_t> added_snapshots_;
  std::vector<int64_t> added_main_snapshots_;  // that main pointed to on the way
};

/// Properties that describe the table's state and are never stored.
bool IsReservedProperty(std::string_view key);

}  // namespace moraine::iceberg
