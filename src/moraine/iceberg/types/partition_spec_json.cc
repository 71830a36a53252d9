// JSON of partition specs and sort orders (table spec, appendix C).

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/types/partition_spec.h"

namespace moraine::iceberg {
namespace {

constexpr int32_t kHighestFieldId = 2147483447;  // the 200 above are reserved

void WriteSources(const std::vector<int32_t>& source_ids, JsonWriter* out) {
  if (source_ids.size() == 1) {
    out->Field("source-id", source_ids[0]);
    return;
  }
  out->Key("source-ids").BeginArray();
  for (int32_t id : source_ids) out->Int(id);
  out->EndArray();
}

/// "source-ids", or the "source-id" of a single one.
Result<std::vector<int32_t>> ReadSources(const JsonCursor& json) {
  std::vector<int32_t> ids;
  MORAINE_ASSIGN(auto several, json.Find("source-ids"));
  if (!several) {
    MORAINE_ASSIGN(int32_t id, json.Int32("source-id"));
    ids.push_back(id);
    return ids;
  }
  MORAINE_TRY(several->ExpectArray());
  if (several->size() == 0) return several->Error("expected at least one source column");
  for (size_t i = 0; i < several->size(); ++i) {
    MORAINE_ASSIGN(int32_t id, several->At(i).Int32());
    ids.push_back(id);
  }
  return ids;
}

Result<Transform> ReadTransform(const JsonCursor& json) {
  MORAINE_ASSIGN(auto member, json.Get("transform"));
  MORAINE_ASSIGN(std::string text, member.String());
  auto transform = Transform::FromString(text);
  if (!transform.ok()) return member.Error(transform.status().message());
  return transform;
}

Result<PartitionField> ReadPartitionField(const JsonCursor& json) {
  PartitionField field;
  MORAINE_TRY(json.ExpectObject());
  MORAINE_ASSIGN(field.source_ids, ReadSources(json));
  MORAINE_ASSIGN(field.name, json.String("name"));
  MORAINE_ASSIGN(field.transform, ReadTransform(json));
  MORAINE_ASSIGN(auto id, json.OptInt32("field-id"));
  field.field_id = id.value_or(0);
  if (field.field_id < 0 || field.field_id > kHighestFieldId) {
    return json.Error(
        fmt::format("expected a field-id of 0 to {}, got {}", kHighestFieldId, field.field_id));
  }
  field.unknown =
      UnknownMembers(json, {"source-id", "source-ids", "name", "transform", "field-id"});
  return field;
}

Result<std::vector<PartitionField>> ReadPartitionFields(const JsonCursor& array) {
  MORAINE_TRY(array.ExpectArray());
  std::vector<PartitionField> fields;
  fields.reserve(array.size());
  for (size_t i = 0; i < array.size(); ++i) {
    JsonCursor item = array.At(i);
    MORAINE_ASSIGN(PartitionField field, ReadPartitionField(item));
    fields.push_back(std::move(field));
  }
  return fields;
}

void AssignMissingIds(std::vector<PartitionField>* fields) {
  int32_t last_id = kFirstPartitionFieldId - 1;
  for (const PartitionField& field : *fields) last_id = std::max(last_id, field.field_id);
  for (PartitionField& field : *fields) {
    if (field.field_id == 0) field.field_id = ++last_id;
  }
}

Result<SortDirection> ReadDirection(const JsonCursor& json) {
  MORAINE_ASSIGN(auto member, json.Get("direction"));
  MORAINE_ASSIGN(std::string text, member.String());
  text = ToLowerAscii(text);
  if (text == "asc") return SortDirection::kAscending;
  if (text == "desc") return SortDirection::kDescending;
  return member.Error(fmt::format("expected 'asc' or 'desc', got '{}'", text.substr(0, 40)));
}

Result<NullOrder> ReadNullOrder(const JsonCursor& json) {
  MORAINE_ASSIGN(auto member, json.Get("null-order"));
  MORAINE_ASSIGN(std::string text, member.String());
  text = ToLowerAscii(text);
  if (text == "nulls-first") return NullOrder::kNullsFirst;
  if (text == "nulls-last") return NullOrder::kNullsLast;
  return member.Error(
      fmt::format("expected 'nulls-first' or 'nulls-last', got '{}'", text.substr(0, 40)));
}

Result<SortField> ReadSortField(const JsonCursor& json) {
  SortField field;
  MORAINE_TRY(json.ExpectObject());
  MORAINE_ASSIGN(field.transform, ReadTransform(json));
  MORAINE_ASSIGN(field.source_ids, ReadSources(json));
  MORAINE_ASSIGN(field.direction, ReadDirection(json));
  MORAINE_ASSIGN(field.null_order, ReadNullOrder(json));
  field.unknown =
      UnknownMembers(json, {"transform", "source-id", "source-ids", "direction", "null-order"});
  return field;
}

}  // namespace

void WritePartitionFields(const PartitionSpec& spec, JsonWriter* out) {
  out->BeginArray();
  for (const PartitionField& field : spec.fields) {
    out->BeginObject().Field("name", field.name).Field("transform", field.transform.ToString());
    WriteSources(field.source_ids, out);
    if (field.field_id != 0) out->Field("field-id", field.field_id);
    WriteUnknownMembers(field.unknown, out);
    out->EndObject();
  }
  out->EndArray();
}

void WritePartitionSpec(const PartitionSpec& spec, JsonWriter* out) {
  out->BeginObject().Field("spec-id", spec.spec_id).Key("fields");
  WritePartitionFields(spec, out);
  WriteUnknownMembers(spec.unknown, out);
  out->EndObject();
}

Result<std::vector<PartitionField>> PartitionFieldsFromJson(const JsonCursor& array) {
  MORAINE_ASSIGN(auto fields, ReadPartitionFields(array));
  AssignMissingIds(&fields);
  return fields;
}

Result<PartitionSpec> UnassignedPartitionSpecFromJson(const JsonCursor& json) {
  PartitionSpec spec;
  MORAINE_ASSIGN(auto spec_id, json.OptInt32("spec-id"));
  spec.spec_id = spec_id.value_or(0);
  MORAINE_ASSIGN(auto fields, json.Get("fields"));
  MORAINE_ASSIGN(spec.fields, ReadPartitionFields(fields));
  spec.unknown = UnknownMembers(json, {"spec-id", "fields"});
  return spec;
}

Result<PartitionSpec> PartitionSpecFromJson(const JsonCursor& json) {
  MORAINE_ASSIGN(PartitionSpec spec, UnassignedPartitionSpecFromJson(json));
  AssignMissingIds(&spec.fields);
  return spec;
}

void WriteSortOrder(const SortOrder& order, JsonWriter* out) {
  out->BeginObject().Field("order-id", order.order_id).Key("fields").BeginArray();
  for (const SortField& field : order.fields) {
    out->BeginObject().Field("transform", field.transform.ToString());
    WriteSources(field.source_ids, out);
    out->Field("direction", field.direction == SortDirection::kAscending ? "asc" : "desc");
    out->Field("null-order",
               field.null_order == NullOrder::kNullsFirst ? "nulls-first" : "nulls-last");
    WriteUnknownMembers(field.unknown, out);
    out->EndObject();
  }
  out->EndArray();
  WriteUnknownMembers(order.unknown, out);
  out->EndObject();
}

Result<SortOrder> SortOrderFromJson(const JsonCursor& json) {
  SortOrder order;
  MORAINE_ASSIGN(auto order_id, json.OptInt32("order-id"));
  MORAINE_ASSIGN(auto fields, json.Get("fields"));
  MORAINE_TRY(fields.ExpectArray());
  for (size_t i = 0; i < fields.size(); ++i) {
    JsonCursor item = fields.At(i);
    MORAINE_ASSIGN(SortField field, ReadSortField(item));
    order.fields.push_back(std::move(field));
  }
  order.order_id = order_id.value_or(order.fields.empty() ? 0 : 1);
  order.unknown = UnknownMembers(json, {"order-id", "fields"});
  return order;
}

}  // namespace moraine::iceberg
