#include "moraine/catalog/change_detail.h"

#include <utility>

#include "moraine/base/json.h"

namespace moraine::catalog {
namespace {

void WriteName(const TableName& name, JsonWriter* out) {
  out->Key("namespace").BeginArray();
  for (const auto& level : name.ns) out->String(level);
  out->EndArray();
  if (!name.name.empty()) out->Field("name", name.name);
}

Result<TableName> NameFrom(const JsonCursor& json) {
  TableName name;
  MORAINE_ASSIGN(auto levels, json.Find("namespace"));
  for (size_t i = 0; levels && i < levels->size(); ++i) {
    MORAINE_ASSIGN(auto level, levels->At(i).String());
    name.ns.push_back(std::move(level));
  }
  MORAINE_ASSIGN(auto text, json.OptString("name"));
  name.name = text.value_or("");
  return name;
}

}  // namespace

std::string ToText(const ChangeDetail& detail) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject();
  if (detail.warehouse_id != 0) out.Field("warehouse-id", detail.warehouse_id);
  if (!detail.name.ns.empty()) WriteName(detail.name, &out);
  if (!detail.uuid.empty()) out.Field("uuid", detail.uuid);
  if (!detail.operation.empty()) out.Field("operation", detail.operation);
  if (!detail.updates.empty()) out.Field("updates", detail.updates);
  if (!detail.summary.empty()) {
    out.Key("summary");
    iceberg::WriteStringMap(detail.summary, &out);
  }
  if (!detail.by.empty()) out.Field("by", detail.by);
  if (detail.renamed_from) {
    out.Key("from").BeginObject();
    WriteName(*detail.renamed_from, &out);
    out.EndObject();
  }
  if (!detail.last_metadata_location.empty())
    out.Field("metadata-location", detail.last_metadata_location);
  if (detail.purge_requested) out.Field("purge-requested", *detail.purge_requested);
  out.EndObject();
  return text;
}

Result<ChangeDetail> ChangeDetailFromText(const std::string& text) {
  MORAINE_ASSIGN(auto document, Json::Parse(text));
  JsonCursor json(document);
  ChangeDetail detail;
  MORAINE_ASSIGN(auto warehouse_id, json.OptInt64("warehouse-id"));
  detail.warehouse_id = warehouse_id.value_or(0);
  MORAINE_ASSIGN(detail.name, NameFrom(json));
  MORAINE_ASSIGN(auto uuid, json.OptString("uuid"));
  detail.uuid = uuid.value_or("");
  MORAINE_ASSIGN(auto operation, json.OptString("operation"));
  detail.operation = operation.value_or("");
  MORAINE_ASSIGN(auto updates, json.OptString("updates"));
  detail.updates = updates.value_or("");
  MORAINE_ASSIGN(auto summary, json.Find("summary"));
  if (summary) {
    MORAINE_ASSIGN(detail.summary, iceberg::StringMapFromJson(*summary));
  }
  MORAINE_ASSIGN(auto by, json.OptString("by"));
  detail.by = by.value_or("");
  MORAINE_ASSIGN(auto from, json.Find("from"));
  if (from) {
    MORAINE_ASSIGN(detail.renamed_from, NameFrom(*from));
  }
  MORAINE_ASSIGN(auto location, json.OptString("metadata-location"));
  detail.last_metadata_location = location.value_or("");
  MORAINE_ASSIGN(detail.purge_requested, json.OptBool("purge-requested"));
  return detail;
}

}  // namespace moraine::catalog
