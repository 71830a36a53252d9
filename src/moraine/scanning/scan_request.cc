#include "moraine/scanning/scan_request.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/expression/rest_filter.h"

namespace moraine::scanning {

using iceberg::Field;
using iceberg::NameCase;
using iceberg::Schema;
using iceberg::SchemaPtr;
using iceberg::Snapshot;
using iceberg::TableMetadata;

namespace {

Result<std::vector<std::string>> NamesFromJson(const JsonCursor& json, std::string_view key) {
  std::vector<std::string> names;
  MORAINE_ASSIGN(auto array, json.Find(key));
  if (!array) return names;
  MORAINE_TRY(array->ExpectArray());
  for (size_t i = 0; i < array->size(); ++i) {
    MORAINE_ASSIGN(auto name, array->At(i).String());
    names.push_back(std::move(name));
  }
  return names;
}

Status CheckRange(const JsonCursor& json, const ScanRequest& request) {
  if (request.start_snapshot_id.has_value() != request.end_snapshot_id.has_value()) {
    return json.Error("start-snapshot-id and end-snapshot-id must be given together");
  }
  if (request.snapshot_id && request.end_snapshot_id) {
    return json.Error("snapshot-id can't be given beside start-snapshot-id and end-snapshot-id");
  }
  if (request.min_rows && *request.min_rows < 0) {
    return json.Error("min-rows-requested must not be negative");
  }
  return {};
}

Result<const Snapshot*> FindSnapshot(const TableMetadata& metadata, int64_t id) {
  const Snapshot* snapshot = metadata.FindSnapshot(id);
  if (snapshot == nullptr) {
    return InvalidArgument(fmt::format("Cannot find snapshot with ID {}", id));
  }
  return snapshot;
}

Result<std::vector<int32_t>> StatsColumns(const Schema& schema, const ScanRequest& request) {
  std::vector<int32_t> columns;
  for (const std::string& name : request.stats_fields) {
    const Field* field = request.case_sensitive ? schema.FindField(std::string_view(name))
                                                : schema.FindFieldIgnoreCase(name);
    if (field == nullptr) {
      return InvalidArgument(fmt::format("stats-fields: no such column: {}", name.substr(0, 200)));
    }
    columns.push_back(field->id);
  }
  std::sort(columns.begin(), columns.end());
  columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
  return columns;
}

}  // namespace

Result<ScanRequest> ScanRequestFromJson(const JsonCursor& json) {
  MORAINE_TRY(json.ExpectObject());
  ScanRequest request;
  MORAINE_ASSIGN(request.snapshot_id, json.OptInt64("snapshot-id"));
  MORAINE_ASSIGN(request.start_snapshot_id, json.OptInt64("start-snapshot-id"));
  MORAINE_ASSIGN(request.end_snapshot_id, json.OptInt64("end-snapshot-id"));
  // What is selected changes nothing in a plan, and may name columns that only readers know.
  MORAINE_TRY(NamesFromJson(json, "select"));
  MORAINE_ASSIGN(request.stats_fields, NamesFromJson(json, "stats-fields"));
  MORAINE_ASSIGN(request.min_rows, json.OptInt64("min-rows-requested"));
  MORAINE_ASSIGN(auto case_sensitive, json.OptBool("case-sensitive"));
  request.case_sensitive = case_sensitive.value_or(true);
  MORAINE_ASSIGN(auto snapshot_schema, json.OptBool("use-snapshot-schema"));
  request.use_snapshot_schema = snapshot_schema.value_or(false);
  MORAINE_ASSIGN(auto filter, json.Find("filter"));
  if (filter) request.filter = filter->json();
  MORAINE_TRY(CheckRange(json, request));
  return request;
}

Result<std::vector<const Snapshot*>> SnapshotsBetween(const TableMetadata& metadata, int64_t after,
                                                      int64_t last) {
  std::vector<const Snapshot*> snapshots;
  MORAINE_ASSIGN(const Snapshot* at, FindSnapshot(metadata, last));
  while (at->snapshot_id != after) {
    snapshots.push_back(at);
    // A snapshot may have expired, and still be the parent of the oldest one that is left.
    if (at->parent_snapshot_id == after) return snapshots;
    at = at->parent_snapshot_id ? metadata.FindSnapshot(*at->parent_snapshot_id) : nullptr;
    if (at == nullptr || snapshots.size() > metadata.snapshots.size()) {
      return InvalidArgument(fmt::format(
          "Starting snapshot (exclusive) {} is not a parent ancestor of end snapshot {}", after,
          last));
    }
  }
  return snapshots;
}

Result<std::optional<ScanSpec>> ResolveScan(const TableMetadata& metadata,
                                            const ScanRequest& request) {
  ScanSpec spec;
  const Snapshot* snapshot = metadata.CurrentSnapshot();
  if (request.end_snapshot_id) {
    spec.after_snapshot_id = request.start_snapshot_id;
    MORAINE_ASSIGN(auto between, SnapshotsBetween(metadata, *request.start_snapshot_id,
                                                  *request.end_snapshot_id));
    snapshot = metadata.FindSnapshot(*request.end_snapshot_id);
  } else if (request.snapshot_id) {
    MORAINE_ASSIGN(snapshot, FindSnapshot(metadata, *request.snapshot_id));
  }
  SchemaPtr schema = metadata.FindSchema(metadata.current_schema_id);
  if (snapshot != nullptr && request.use_snapshot_schema && snapshot->schema_id) {
    if (SchemaPtr own = metadata.FindSchema(*snapshot->schema_id)) schema = std::move(own);
  }
  spec.schema_id = schema->schema_id();
  spec.case_sensitive = request.case_sensitive;
  spec.bounds = request.bounds;
  spec.min_rows = request.min_rows;
  MORAINE_ASSIGN(spec.stats_columns, StatsColumns(*schema, request));
  if (!request.filter.is_null()) {
    MORAINE_ASSIGN(auto filter, ReadRestFilter(JsonCursor(request.filter), *schema,
                                               spec.case_sensitive ? NameCase::kSensitive
                                                                   : NameCase::kInsensitive));
    MORAINE_TRY(Bind(filter.known, *schema));
    spec.filter = request.filter.ToString();
  }
  if (snapshot == nullptr) return std::optional<ScanSpec>();
  spec.snapshot_id = snapshot->snapshot_id;
  return std::optional<ScanSpec>(std::move(spec));
}

void WriteScanSpec(const ScanSpec& spec, JsonWriter* out) {
  out->BeginObject().Field("snapshot", spec.snapshot_id);
  if (spec.after_snapshot_id) out->Field("after", *spec.after_snapshot_id);
  out->Field("schema", spec.schema_id);
  if (!spec.filter.empty()) out->Field("filter", spec.filter);
  if (!spec.case_sensitive) out->Field("any-case", true);
  if (!spec.stats_columns.empty()) {
    out->Key("stats").BeginArray();
    for (int32_t column : spec.stats_columns) out->Int(column);
    out->EndArray();
  }
  if (spec.bounds == BoundsForm::kBinary) out->Field("binary-bounds", true);
  if (spec.min_rows) out->Field("min-rows", *spec.min_rows);
  out->EndObject();
}

Result<ScanSpec> ScanSpecFromJson(const JsonCursor& json) {
  ScanSpec spec;
  MORAINE_ASSIGN(spec.snapshot_id, json.Int64("snapshot"));
  MORAINE_ASSIGN(spec.after_snapshot_id, json.OptInt64("after"));
  MORAINE_ASSIGN(spec.schema_id, json.Int32("schema"));
  MORAINE_ASSIGN(auto filter, json.OptString("filter"));
  spec.filter = std::move(filter).value_or("");
  MORAINE_ASSIGN(auto any_case, json.OptBool("any-case"));
  spec.case_sensitive = !any_case.value_or(false);
  MORAINE_ASSIGN(auto stats, json.Find("stats"));
  if (stats) {
    for (size_t i = 0; i < stats->size(); ++i) {
      MORAINE_ASSIGN(int32_t column, stats->At(i).Int32());
      spec.stats_columns.push_back(column);
    }
  }
  MORAINE_ASSIGN(auto binary, json.OptBool("binary-bounds"));
  if (binary.value_or(false)) spec.bounds = BoundsForm::kBinary;
  MORAINE_ASSIGN(spec.min_rows, json.OptInt64("min-rows"));
  return spec;
}

}  // namespace moraine::scanning
