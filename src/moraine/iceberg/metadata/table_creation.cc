// The metadata of a new table, by Java's rules (TableMetadata.newTableMetadata).

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/metadata/metadata_builder.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/metadata/table_update.h"

namespace moraine::iceberg {
namespace {

constexpr char kFormatVersion[] = "format-version";
constexpr char kParquetCodec[] = "write.parquet.compression-codec";
constexpr std::string_view kColumnMetrics = "write.metadata.metrics.column.";

Result<int> FormatVersionOf(const TableCreation& creation) {
  int64_t version = creation.format_version;
  auto property = creation.properties.find(kFormatVersion);
  if (property != creation.properties.end()) {
    auto parsed = ParseInt64(Trim(property->second));
    if (!parsed.ok()) {
      return InvalidArgument(fmt::format("property format-version: expected a number, got '{}'",
                                         property->second.substr(0, 40)));
    }
    version = *parsed;
  }
  if (version < 1 || version > kMaxFormatVersion) {
    return InvalidArgument(fmt::format("Unsupported format version: v{} (supported: v1 to v{})",
                                       version, kMaxFormatVersion));
  }
  return static_cast<int>(version);
}

/// The new id of the column that had old_id in the request's schema: found again by its name.
Result<int32_t> FreshId(const Schema& requested, const Schema& fresh, int32_t old_id,
                        std::string_view what) {
  const Field* field = fresh.FindField(requested.FullName(old_id));
  if (requested.FindField(old_id) != nullptr && field != nullptr) return field->id;
  return InvalidArgument(
      fmt::format("Cannot find source column for {}: column id {}", what, old_id));
}

Result<PartitionSpec> FreshSpec(const TableCreation& creation, const Schema& fresh) {
  PartitionSpec spec = creation.spec;
  spec.spec_id = 0;
  int32_t next_id = kFirstPartitionFieldId;
  for (PartitionField& field : spec.fields) {
    field.field_id = next_id++;
    for (int32_t& source : field.source_ids) {
      MORAINE_ASSIGN(source,
                     FreshId(creation.schema, fresh, source, "partition field: " + field.name));
    }
  }
  return spec;
}

Result<SortOrder> FreshSortOrder(const TableCreation& creation, const Schema& fresh) {
  SortOrder order = creation.sort_order;
  order.order_id = order.is_unsorted() ? 0 : 1;
  for (SortField& field : order.fields) {
    for (int32_t& source : field.source_ids) {
      MORAINE_ASSIGN(source, FreshId(creation.schema, fresh, source, "sort field"));
    }
  }
  return order;
}

Status CheckProperties(const StringMap& properties, const Schema& schema) {
  for (const auto& [key, value] : properties) {
    if (key.starts_with(kColumnMetrics)) {
      std::string column = key.substr(kColumnMetrics.size());
      if (schema.FindField(column) != nullptr) continue;
      return InvalidArgument(fmt::format(
          "Invalid metrics config, could not find column {} from table prop {} in schema", column,
          key));
    }
    bool is_retry = key == "commit.retry.num-retries" || key == "commit.retry.min-wait-ms" ||
                    key == "commit.retry.max-wait-ms" || key == "commit.retry.total-timeout-ms";
    if (!is_retry) continue;
    auto number = ParseInt64(value);
    if (!number.ok()) {
      return InvalidArgument(fmt::format("Table property {} must have integer value", key));
    }
    if (*number < 0) {
      return InvalidArgument(
          fmt::format("Table property {} must have non negative integer value", key));
    }
  }
  return Status();
}

StringMap PersistedProperties(const StringMap& properties) {
  StringMap persisted = {{kParquetCodec, "zstd"}};
  for (const auto& [key, value] : properties) {
    if (!IsReservedProperty(key)) persisted[key] = value;
  }
  return persisted;
}

}  // namespace

Result<TableMetadata> MakeTableMetadata(const TableCreation& creation) {
  MORAINE_ASSIGN(int format_version, FormatVersionOf(creation));
  // Duplicate ids or names would make the renumbering below ambiguous.
  MORAINE_TRY(ValidateSchema(creation.schema, format_version));
  Schema fresh = AssignFreshIds(creation.schema, 0, nullptr);
  MORAINE_ASSIGN(PartitionSpec spec, FreshSpec(creation, fresh));
  MORAINE_ASSIGN(SortOrder order, FreshSortOrder(creation, fresh));
  MORAINE_TRY(CheckProperties(creation.properties, fresh));
  ApplyContext context;
  context.now_ms = creation.now_ms;
  MetadataBuilder builder(format_version, context);
  std::vector<TableUpdate> updates;
  if (!creation.table_uuid.empty()) updates.push_back(update::AssignUuid{creation.table_uuid});
  updates.push_back(update::AddSchema{std::move(fresh), {}});
  updates.push_back(update::SetCurrentSchema{kLastAdded});
  updates.push_back(update::AddPartitionSpec{std::move(spec)});
  updates.push_back(update::SetDefaultSpec{kLastAdded});
  updates.push_back(update::AddSortOrder{std::move(order)});
  updates.push_back(update::SetDefaultSortOrder{kLastAdded});
  if (!creation.location.empty()) updates.push_back(update::SetLocation{creation.location});
  updates.push_back(update::SetProperties{PersistedProperties(creation.properties)});
  for (const TableUpdate& update : updates) MORAINE_TRY(builder.Apply(update));
  return std::move(builder).Finish();
}

}  // namespace moraine::iceberg
