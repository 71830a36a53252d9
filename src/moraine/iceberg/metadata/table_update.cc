#include "moraine/iceberg/metadata/table_update.h"

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/metadata/metadata_builder.h"

namespace moraine::iceberg {
namespace {

Status Failed(std::string message) { return Conflict("Requirement failed: " + std::move(message)); }

Status Changed(std::string_view what, int64_t expected, int64_t actual) {
  if (expected == actual) return Status();
  return Failed(fmt::format("{} changed: expected id {} != {}", what, expected, actual));
}

/// Checks one requirement against an existing table.
struct RequirementChecker {
  const TableMetadata& base;

  Status operator()(const requirement::AssertCreate&) const {
    return Failed("table already exists");
  }
  Status operator()(const requirement::AssertTableUuid& r) const {
    if (ToLowerAscii(r.uuid) == ToLowerAscii(base.table_uuid)) return Status();
    return Failed(fmt::format("UUID does not match: expected {} != {}", base.table_uuid, r.uuid));
  }
  Status operator()(const requirement::AssertRefSnapshotId& r) const {
    auto ref = base.refs.find(r.ref);
    if (ref == base.refs.end()) {
      if (!r.snapshot_id) return Status();
      return Failed(fmt::format("branch or tag {} is missing, expected {}", r.ref, *r.snapshot_id));
    }
    const char* type = ref->second.type == SnapshotRef::Type::kBranch ? "branch" : "tag";
    if (!r.snapshot_id) return Failed(fmt::format("{} {} was created concurrently", type, r.ref));
    if (*r.snapshot_id == ref->second.snapshot_id) return Status();
    return Failed(fmt::format("{} {} has changed: expected id {} != {}", type, r.ref,
                              *r.snapshot_id, ref->second.snapshot_id));
  }
  Status operator()(const requirement::AssertLastAssignedFieldId& r) const {
    return Changed("last assigned field id", r.id, base.last_column_id);
  }
  Status operator()(const requirement::AssertCurrentSchemaId& r) const {
    return Changed("current schema", r.id, base.current_schema_id);
  }
  Status operator()(const requirement::AssertLastAssignedPartitionId& r) const {
    return Changed("last assigned partition id", r.id, base.last_partition_id);
  }
  Status operator()(const requirement::AssertDefaultSpecId& r) const {
    return Changed("default partition spec", r.id, base.default_spec_id);
  }
  Status operator()(const requirement::AssertDefaultSortOrderId& r) const {
    return Changed("default sort order", r.id, base.default_sort_order_id);
  }
};

Result<TableMetadata> ApplyAll(MetadataBuilder builder, const std::vector<TableUpdate>& updates) {
  for (const TableUpdate& update : updates) MORAINE_TRY(builder.Apply(update));
  return std::move(builder).Finish();
}

}  // namespace

Status CheckRequirements(const TableMetadata* base,
                         const std::vector<TableRequirement>& requirements) {
  for (const TableRequirement& requirement : requirements) {
    if (base != nullptr) {
      MORAINE_TRY(std::visit(RequirementChecker{*base}, requirement));
    } else if (!std::holds_alternative<requirement::AssertCreate>(requirement)) {
      return Failed("table does not exist");
    }
  }
  return Status();
}

Result<TableMetadata> ApplyUpdates(const TableMetadata& base,
                                   const std::vector<TableUpdate>& updates,
                                   const ApplyContext& context) {
  return ApplyAll(MetadataBuilder(base, context), updates);
}

Result<TableMetadata> ApplyCreateUpdates(const std::vector<TableUpdate>& updates,
                                         const ApplyContext& context) {
  int format_version = kDefaultFormatVersion;
  for (const TableUpdate& update : updates) {
    const auto* upgrade = std::get_if<update::UpgradeFormatVersion>(&update);
    if (upgrade == nullptr) continue;
    format_version = upgrade->format_version;
    break;
  }
  if (format_version < 1 || format_version > kMaxFormatVersion) {
    return InvalidArgument(fmt::format("Unsupported format version: v{} (supported: v1 to v{})",
                                       format_version, kMaxFormatVersion));
  }
  return ApplyAll(MetadataBuilder(format_version, context), updates);
}

}  // namespace moraine::iceberg
