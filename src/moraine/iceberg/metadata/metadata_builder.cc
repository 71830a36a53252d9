#include "moraine/iceberg/metadata/metadata_builder.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include <fmt/format.h>

#include "moraine/base/text.h"

namespace moraine::iceberg {
namespace {

constexpr int64_t kClockSkewMs = 60'000;
constexpr char kPreviousVersionsMax[] = "write.metadata.previous-versions-max";
constexpr int64_t kPreviousVersionsMaxDefault = 100;

std::string WithoutTrailingSlash(std::string location) {
  while (location.size() > 1 && location.back() == '/') location.pop_back();
  return location;
}

/// Whether a time lies further before another than clocks of machines may differ.
bool TooLongBefore(int64_t time_ms, int64_t other_ms) {
  return other_ms > std::numeric_limits<int64_t>::min() + kClockSkewMs &&
         time_ms < other_ms - kClockSkewMs;
}

/// The fields' transforms on columns, for "the same field as in an earlier spec".
std::pair<std::vector<int32_t>, std::string> TermOf(const PartitionField& field) {
  return {field.source_ids, field.transform.ToString()};
}

}  // namespace

bool IsReservedProperty(std::string_view key) {
  for (std::string_view reserved :
       {"format-version", "uuid", "snapshot-count", "current-snapshot-id",
        "current-snapshot-summary", "current-snapshot-timestamp-ms", "current-schema",
        "default-partition-spec", "default-sort-order"}) {
    if (key == reserved) return true;
  }
  return false;
}

MetadataBuilder::MetadataBuilder(const TableMetadata& base, const ApplyContext& context)
    : base_(&base), context_(context), m_(base) {}

MetadataBuilder::MetadataBuilder(int format_version, const ApplyContext& context)
    : base_(nullptr), context_(context) {
  m_.format_version = format_version;
  changed_ = true;
  schema_or_defaults_changed_ = true;
}

Status MetadataBuilder::Apply(const TableUpdate& update) {
  return std::visit([this](const auto& u) { return Do(u); }, update);
}

Status MetadataBuilder::Do(const update::AssignUuid& u) {
  if (u.uuid.empty()) return InvalidArgument("Cannot set uuid to null");
  if (ToLowerAscii(u.uuid) == ToLowerAscii(m_.table_uuid)) return Status();
  if (base_ != nullptr && !base_->table_uuid.empty()) {
    return InvalidArgument(
        fmt::format("Cannot change the uuid of a table: {} to {}", base_->table_uuid, u.uuid));
  }
  m_.table_uuid = u.uuid;
  changed_ = true;
  return Status();
}

Status MetadataBuilder::Do(const update::UpgradeFormatVersion& u) {
  if (u.format_version > kMaxFormatVersion) {
    return InvalidArgument(
        fmt::format("Cannot upgrade table to unsupported format version: v{} (supported: v{})",
                    u.format_version, kMaxFormatVersion));
  }
  if (u.format_version < m_.format_version) {
    return InvalidArgument(
        fmt::format("Cannot downgrade v{} table to v{}", m_.format_version, u.format_version));
  }
  if (u.format_version == m_.format_version) return Status();
  if (m_.format_version < 3 && u.format_version >= 3) m_.next_row_id = 0;
  m_.format_version = u.format_version;
  changed_ = true;
  return Status();
}

Status MetadataBuilder::Do(const update::AddSchema& u) {
  MORAINE_TRY(ValidateSchema(u.schema, m_.format_version));
  int32_t id = m_.schemas.empty() ? 0 : m_.current_schema_id;
  bool found = false;
  for (const SchemaPtr& schema : m_.schemas) {
    if (schema->SameAs(u.schema)) {
      id = schema->schema_id();
      found = true;
      break;
    }
    id = std::max(id, schema->schema_id() + 1);
  }
  if (int32_t highest = u.schema.HighestFieldId(); highest > m_.last_column_id) {
    m_.last_column_id = highest;
    changed_ = true;
  }
  if (!found) {
    m_.schemas.push_back(std::make_shared<const Schema>(u.schema.WithId(id)));
    changed_ = true;
  }
  last_added_schema_ = id;
  return Status();
}

Status MetadataBuilder::Do(const update::SetCurrentSchema& u) {
  int32_t id = u.schema_id;
  if (id == kLastAdded) {
    if (!last_added_schema_) {
      return InvalidArgument("Cannot set last added schema: no schema has been added");
    }
    id = *last_added_schema_;
  }
  if (m_.FindSchema(id) == nullptr) {
    return InvalidArgument(fmt::format("Cannot set current schema to unknown schema: {}", id));
  }
  if (id == m_.current_schema_id) return Status();
  m_.current_schema_id = id;
  changed_ = schema_or_defaults_changed_ = true;
  return Status();
}

Result<const Schema*> MetadataBuilder::SchemaToBind() const {
  if (SchemaPtr schema = m_.FindSchema(m_.current_schema_id)) return schema.get();
  return InvalidArgument("Cannot add a partition spec or sort order before a schema is set");
}

void MetadataBuilder::AssignPartitionFieldIds(PartitionSpec* spec) const {
  std::map<std::pair<std::vector<int32_t>, std::string>, int32_t> known;
  for (const PartitionSpecPtr& old : m_.partition_specs) {
    for (const PartitionField& field : old->fields) {
      int32_t& id = known[TermOf(field)];
      id = std::max(id, field.field_id);
    }
  }
  int32_t last_id = std::max(m_.last_partition_id, spec->HighestFieldId());
  for (PartitionField& field : spec->fields) {
    if (field.field_id != 0) continue;
    auto it = known.find(TermOf(field));
    bool reuse = m_.format_version >= 2 && it != known.end() &&
                 std::none_of(spec->fields.begin(), spec->fields.end(),
                              [&](const auto& other) { return other.field_id == it->second; });
    field.field_id = reuse ? it->second : ++last_id;
  }
}

Status MetadataBuilder::Do(const update::AddPartitionSpec& u) {
  MORAINE_ASSIGN(const Schema* schema, SchemaToBind());
  int32_t id = 0;
  for (const PartitionSpecPtr& spec : m_.partition_specs) {
    if (spec->CompatibleWith(u.spec)) {
      last_added_spec_ = spec->spec_id;
      return Status();
    }
    id = std::max(id, spec->spec_id + 1);
  }
  MORAINE_TRY(ValidatePartitionSpec(u.spec, *schema));
  PartitionSpec spec = u.spec;
  spec.spec_id = id;
  AssignPartitionFieldIds(&spec);
  for (size_t i = 0; m_.format_version == 1 && i < spec.fields.size(); ++i) {
    if (spec.fields[i].field_id != kFirstPartitionFieldId + static_cast<int32_t>(i)) {
      return InvalidArgument(fmt::format(
          "Spec does not use sequential IDs that are required in v1: field {} has id {}, not {}",
          spec.fields[i].name, spec.fields[i].field_id, kFirstPartitionFieldId + i));
    }
  }
  m_.last_partition_id = std::max(m_.last_partition_id, spec.HighestFieldId());
  m_.partition_specs.push_back(std::make_shared<const PartitionSpec>(std::move(spec)));
  last_added_spec_ = id;
  changed_ = true;
  return Status();
}

Status MetadataBuilder::Do(const update::SetDefaultSpec& u) {
  int32_t id = u.spec_id;
  if (id == kLastAdded) {
    if (!last_added_spec_)
      return InvalidArgument("Cannot set last added spec: no spec has been added");
    id = *last_added_spec_;
  }
  if (m_.FindSpec(id) == nullptr) {
    return InvalidArgument(
        fmt::format("Cannot set default partition spec to unknown spec: {}", id));
  }
  if (id == m_.default_spec_id) return Status();
  m_.default_spec_id = id;
  changed_ = schema_or_defaults_changed_ = true;
  return Status();
}

Status MetadataBuilder::Do(const update::AddSortOrder& u) {
  MORAINE_ASSIGN(const Schema* schema, SchemaToBind());
  int32_t id = u.order.is_unsorted() ? 0 : 1;
  for (const SortOrder& order : m_.sort_orders) {
    if (order.SameAs(u.order)) {
      last_added_order_ = order.order_id;
      return Status();
    }
    if (!u.order.is_unsorted()) id = std::max(id, order.order_id + 1);
  }
  MORAINE_TRY(ValidateSortOrder(u.order, *schema));
  m_.sort_orders.push_back(u.order);
  m_.sort_orders.back().order_id = id;
  last_added_order_ = id;
  changed_ = true;
  return Status();
}

Status MetadataBuilder::Do(const update::SetDefaultSortOrder& u) {
  int32_t id = u.order_id;
  if (id == kLastAdded) {
    if (!last_added_order_) {
      return InvalidArgument("Cannot set last added sort order: no sort order has been added");
    }
    id = *last_added_order_;
  }
  bool known = std::any_of(m_.sort_orders.begin(), m_.sort_orders.end(),
                           [id](const SortOrder& order) { return order.order_id == id; });
  if (!known) {
    return InvalidArgument(fmt::format("Cannot set default sort order to unknown order: {}", id));
  }
  if (id == m_.default_sort_order_id) return Status();
  m_.default_sort_order_id = id;
  changed_ = schema_or_defaults_changed_ = true;
  return Status();
}

Status MetadataBuilder::Do(const update::SetLocation& u) {
  std::string location = WithoutTrailingSlash(u.location);
  if (location.empty()) return InvalidArgument("Cannot set an empty location");
  if (location == m_.location) return Status();
  m_.location = std::move(location);
  changed_ = true;
  return Status();
}

Status MetadataBuilder::Do(const update::SetProperties& u) {
  for (const auto& [key, value] : u.properties) {
    if (IsReservedProperty(key)) continue;
    auto [it, fresh] = m_.properties.try_emplace(key, value);
    if (!fresh && it->second == value) continue;
    it->second = value;
    changed_ = true;
  }
  return Status();
}

Status MetadataBuilder::Do(const update::RemoveProperties& u) {
  for (const std::string& key : u.keys) changed_ |= m_.properties.erase(key) > 0;
  return Status();
}

Status MetadataBuilder::Do(const update::RemovePartitionSpecs& u) {
  std::set<int32_t> ids(u.spec_ids.begin(), u.spec_ids.end());
  if (ids.count(m_.default_spec_id) > 0) {
    return InvalidArgument("Cannot remove the default partition spec");
  }
  changed_ |= std::erase_if(m_.partition_specs, [&](const PartitionSpecPtr& spec) {
                return ids.count(spec->spec_id) > 0;
              }) > 0;
  return Status();
}

Status MetadataBuilder::Do(const update::RemoveSchemas& u) {
  std::set<int32_t> ids(u.schema_ids.begin(), u.schema_ids.end());
  if (ids.count(m_.current_schema_id) > 0)
    return InvalidArgument("Cannot remove the current schema");
  changed_ |= std::erase_if(m_.schemas, [&](const SchemaPtr& schema) {
                return ids.count(schema->schema_id()) > 0;
              }) > 0;
  return Status();
}

Status MetadataBuilder::Do(const update::AddEncryptionKey& u) {
  for (const EncryptionKey& key : m_.encryption_keys) {
    if (key.key_id == u.key.key_id) return Status();
  }
  m_.encryption_keys.push_back(u.key);
  changed_ = true;
  return Status();
}

Status MetadataBuilder::Do(const update::RemoveEncryptionKey& u) {
  changed_ |= std::erase_if(m_.encryption_keys,
                            [&](const EncryptionKey& key) { return key.key_id == u.key_id; }) > 0;
  return Status();
}

Status MetadataBuilder::CheckDefaults() const {
  if (m_.partition_specs.empty()) return InvalidArgument("Partition specs cannot be null or empty");
  if (m_.sort_orders.empty()) return InvalidArgument("Sort orders cannot be null or empty");
  SchemaPtr schema = m_.FindSchema(m_.current_schema_id);
  if (schema == nullptr) return InvalidArgument("The table has no current schema");
  PartitionSpecPtr spec = m_.FindSpec(m_.default_spec_id);
  if (spec == nullptr) return InvalidArgument("The table has no default partition spec");
  MORAINE_TRY(CheckPartitionSources(*spec, *schema));
  for (const SortOrder& order : m_.sort_orders) {
    if (order.order_id == m_.default_sort_order_id) return ValidateSortOrder(order, *schema);
  }
  return InvalidArgument("The table has no default sort order");
}

Status MetadataBuilder::CheckTimes() const {
  int64_t previous = m_.snapshot_log.empty() ? m_.last_updated_ms : m_.snapshot_log[0].timestamp_ms;
  for (const SnapshotLogEntry& entry : m_.snapshot_log) {
    if (TooLongBefore(entry.timestamp_ms, previous)) {
      return InvalidArgument(
          fmt::format("Invalid snapshot timestamp {}: before last snapshot log entry at {}",
                      entry.timestamp_ms, previous));
    }
    previous = entry.timestamp_ms;
  }
  if (!m_.snapshot_log.empty() && TooLongBefore(m_.last_updated_ms, previous)) {
    return InvalidArgument(
        fmt::format("Invalid update timestamp {}: before last snapshot log entry at {}",
                    m_.last_updated_ms, previous));
  }
  if (!m_.metadata_log.empty() &&
      TooLongBefore(m_.last_updated_ms, m_.metadata_log.back().timestamp_ms)) {
    return InvalidArgument(fmt::format(
        "Invalid update timestamp {}: before the latest metadata log entry timestamp {}",
        m_.last_updated_ms, m_.metadata_log.back().timestamp_ms));
  }
  return Status();
}

void MetadataBuilder::AppendMetadataLog() {
  if (base_ == nullptr || context_.base_metadata_location.empty()) return;
  m_.metadata_log.push_back({base_->last_updated_ms, context_.base_metadata_location});
  int64_t keep =
      std::max<int64_t>(1, m_.IntProperty(kPreviousVersionsMax, kPreviousVersionsMaxDefault));
  int64_t surplus = static_cast<int64_t>(m_.metadata_log.size()) - keep;
  if (surplus > 0)
    m_.metadata_log.erase(m_.metadata_log.begin(), m_.metadata_log.begin() + surplus);
}

Result<TableMetadata> MetadataBuilder::Finish() && {
  if (!changed_) return *base_;
  if (m_.format_version >= 2 && m_.table_uuid.empty() && base_ != nullptr) {
    return InvalidArgument(fmt::format("UUID is required in format v{}", m_.format_version));
  }
  if (schema_or_defaults_changed_) MORAINE_TRY(CheckDefaults());
  // A clock that is behind the last writer's must not make the table unwritable.
  int64_t now =
      base_ == nullptr ? context_.now_ms : std::max(context_.now_ms, base_->last_updated_ms);
  m_.last_updated_ms = updated_ms_.value_or(now);
  CleanSnapshotLog();
  AppendMetadataLog();
  MORAINE_TRY(CheckTimes());
  return std::move(m_);
}

}  // namespace moraine::iceberg
