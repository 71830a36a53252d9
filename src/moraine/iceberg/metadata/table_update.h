#pragma once
// The changes that a commit asks for and the requirements it makes, as the REST protocol has them
// (rest-catalog spec, "TableUpdate", "TableRequirement"), and the pure function that applies them.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "moraine/base/json.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/metadata/table_metadata.h"

namespace moraine::iceberg {

inline constexpr int32_t kLastAdded = -1;  ///< "the one added last in this commit"

namespace update {
struct AssignUuid {
  std::string uuid;
};
struct UpgradeFormatVersion {
  int format_version;
};
struct AddSchema {
  Schema schema;
  std::optional<int32_t> last_column_id;
};
struct SetCurrentSchema {
  int32_t schema_id;
};
struct AddPartitionSpec {
  PartitionSpec spec;
};
struct SetDefaultSpec {
  int32_t spec_id;
};
struct AddSortOrder {
  SortOrder order;
};
struct SetDefaultSortOrder {
  int32_t order_id;
};
struct AddSnapshot {
  Snapshot snapshot;
};
struct SetSnapshotRef {
  std::string name;
  SnapshotRef ref;
};
struct RemoveSnapshotRef {
  std::string name;
};
struct RemoveSnapshots {
  std::vector<int64_t> snapshot_ids;
};
struct SetLocation {
  std::string location;
};
struct SetProperties {
  StringMap properties;
};
struct RemoveProperties {
  std::vector<std::string> keys;
};
struct SetStatistics {
  StatisticsFile statistics;
};
struct RemoveStatistics {
  int64_t snapshot_id;
};
struct SetPartitionStatistics {
  PartitionStatisticsFile statistics;
};
struct RemovePartitionStatistics {
  int64_t snapshot_id;
};
struct RemovePartitionSpecs {
  std::vector<int32_t> spec_ids;
};
struct RemoveSchemas {
  std::vector<int32_t> schema_ids;
};
struct AddEncryptionKey {
  EncryptionKey key;
};
struct RemoveEncryptionKey {
  std::string key_id;
};
}  // namespace update

using TableUpdate =
    std::variant<update::AssignUuid, update::UpgradeFormatVersion, update::AddSchema,
                 update::SetCurrentSchema, update::AddPartitionSpec, update::SetDefaultSpec,
                 update::AddSortOrder, update::SetDefaultSortOrder, update::AddSnapshot,
                 update::SetSnapshotRef, update::RemoveSnapshotRef, update::RemoveSnapshots,
                 update::SetLocation, update::SetProperties, update::RemoveProperties,
                 update::SetStatistics, update::RemoveStatistics, update::SetPartitionStatistics,
                 update::RemovePartitionStatistics, update::RemovePartitionSpecs,
                 update::RemoveSchemas, update::AddEncryptionKey, update::RemoveEncryptionKey>;

namespace requirement {
struct AssertCreate {};
struct AssertTableUuid {
  std::string uuid;
};
struct AssertRefSnapshotId {
  std::string ref;
  std::optional<int64_t> snapshot_id;
};
struct AssertLastAssignedFieldId {
  int32_t id;
};
struct AssertCurrentSchemaId {
  int32_t id;
};
struct AssertLastAssignedPartitionId {
  int32_t id;
};
struct AssertDefaultSpecId {
  int32_t id;
};
struct AssertDefaultSortOrderId {
  int32_t id;
};
}  // namespace requirement

using TableRequirement =
    std::variant<requirement::AssertCreate, requirement::AssertTableUuid,
                 requirement::AssertRefSnapshotId, requirement::AssertLastAssignedFieldId,
                 requirement::AssertCurrentSchemaId, requirement::AssertLastAssignedPartitionId,
                 requirement::AssertDefaultSpecId, requirement::AssertDefaultSortOrderId>;

struct CommitRequest {
  std::vector<TableRequirement> requirements;
  std::vector<TableUpdate> updates;
};

/// Errors: InvalidArgument with the path; an unknown action or requirement type is InvalidArgument.
Result<TableUpdate> TableUpdateFromJson(const JsonCursor& json);
Result<TableRequirement> TableRequirementFromJson(const JsonCursor& json);
/// "requirements" and "updates" of a commit body.
Result<CommitRequest> CommitRequestFromJson(const JsonCursor& json);
void WriteTableUpdate(const TableUpdate& update, JsonWriter* out);
void WriteTableRequirement(const TableRequirement& requirement, JsonWriter* out);

/// base is nullptr for a table that does not exist. Errors: Conflict with Java's wording
/// ("Requirement failed: ...").
Status CheckRequirements(const TableMetadata* base,
                         const std::vector<TableRequirement>& requirements);

struct ApplyContext {
  int64_t now_ms = 0;
  /// Appended to the metadata log with the base's time; empty when the table is new.
  std::string base_metadata_location;
};

/// Applies the updates in order and returns the new metadata (spec section "Table metadata", Java's
/// TableMetadata.Builder). No effective change gives a value equal to base with last_updated_ms
/// kept. Errors: InvalidArgument (illegal change), Conflict where Java answers 409 (stale sequence
/// number or first-row-id), Unsupported.
Result<TableMetadata> ApplyUpdates(const TableMetadata& base,
                                   const std::vector<TableUpdate>& updates,
                                   const ApplyContext& context);
/// The same from nothing: staged create (updates start with assign-uuid / add-schema ...). Without
/// an assign-uuid or set-location update table_uuid or location stay empty, for the caller to fill.
Result<TableMetadata> ApplyCreateUpdates(const std::vector<TableUpdate>& updates,
                                         const ApplyContext& context);

}  // namespace moraine::iceberg
