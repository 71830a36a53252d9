#include "moraine/maintenance/subject_json.h"

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/planning/config.h"

namespace moraine::maintenance {

std::string SubjectToJson(const Subject& subject) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Field("warehouse", subject.warehouse).Field("name", subject.name);
  out.Field("table-uuid", subject.table_uuid);
  out.Field("metadata-location", subject.metadata_location);
  out.Field("group", subject.group).EndObject();
  return text;
}

Result<Subject> SubjectFromJson(const std::string& text, int64_t table_id) {
  MORAINE_ASSIGN(const Json document, Json::Parse(text));
  const JsonCursor json(document);
  MORAINE_TRY(json.ExpectObject());
  Subject subject;
  subject.table_id = table_id;
  MORAINE_ASSIGN(subject.warehouse, json.String("warehouse"));
  MORAINE_ASSIGN(subject.name, json.String("name"));
  MORAINE_ASSIGN(subject.table_uuid, json.String("table-uuid"));
  MORAINE_ASSIGN(subject.metadata_location, json.String("metadata-location"));
  MORAINE_ASSIGN(subject.group, json.String("group"));
  return subject;
}

Subject SubjectOf(const catalog::LoadedTable& table) {
  Subject subject;
  subject.table_id = table.table_id;
  subject.warehouse = table.warehouse;
  subject.name = fmt::format("{}.{}", table.warehouse, catalog::ToText(table.name));
  subject.table_uuid = table.metadata->table_uuid;
  subject.metadata_location = table.metadata_location;
  subject.group = planning::ConfigOf(*table.metadata).group;
  return subject;
}

}  // namespace moraine::maintenance
