#include "moraine/iceberg/metadata/name_mapping.h"

#include <set>

#include <fmt/format.h>

namespace moraine::iceberg {
namespace {

Result<std::vector<MappedField>> ReadFields(const JsonCursor& array) {
  MORAINE_TRY(array.ExpectArray());
  std::vector<MappedField> fields;
  std::set<std::string> seen;
  for (size_t i = 0; i < array.size(); ++i) {
    JsonCursor item = array.At(i);
    MappedField field;
    MORAINE_ASSIGN(field.field_id, item.OptInt32("field-id"));
    MORAINE_ASSIGN(auto names, item.Get("names"));
    MORAINE_TRY(names.ExpectArray());
    for (size_t n = 0; n < names.size(); ++n) {
      MORAINE_ASSIGN(std::string name, names.At(n).String());
      if (!seen.insert(name).second) {
        return names.Error(fmt::format("the name '{}' is mapped twice", name.substr(0, 80)));
      }
      field.names.push_back(std::move(name));
    }
    MORAINE_ASSIGN(auto children, item.Find("fields"));
    if (children) {
      MORAINE_ASSIGN(field.fields, ReadFields(*children));
    }
    fields.push_back(std::move(field));
  }
  return fields;
}

std::vector<MappedField> MapType(const Type& type) {
  std::vector<MappedField> mapped;
  for (const Field& field : type.fields()) {
    mapped.push_back({field.id, {field.name}, MapType(*field.type)});
  }
  return mapped;
}

void WriteFields(const std::vector<MappedField>& fields, JsonWriter* out) {
  out->BeginArray();
  for (const MappedField& field : fields) {
    out->BeginObject();
    if (field.field_id) out->Field("field-id", *field.field_id);
    out->Key("names").BeginArray();
    for (const std::string& name : field.names) out->String(name);
    out->EndArray();
    if (!field.fields.empty()) {
      out->Key("fields");
      WriteFields(field.fields, out);
    }
    out->EndObject();
  }
  out->EndArray();
}

}  // namespace

Result<NameMapping> NameMapping::FromJson(std::string_view text) {
  MORAINE_ASSIGN(Json json, Json::Parse(text));
  MORAINE_ASSIGN(auto fields, ReadFields(JsonCursor(json)));
  return NameMapping(std::move(fields));
}

Result<std::optional<NameMapping>> NameMapping::OfTable(const StringMap& properties) {
  std::optional<NameMapping> mapping;
  const auto text = properties.find(kNameMappingProperty);
  if (text == properties.end() || text->second.empty()) return mapping;
  MORAINE_ASSIGN(mapping, FromJson(text->second));
  return mapping;
}

NameMapping NameMapping::FromSchema(const Schema& schema) {
  return NameMapping(MapType(*schema.root()));
}

const MappedField* NameMapping::Find(const MappedField* parent, std::string_view name) const {
  for (const MappedField& field : parent == nullptr ? fields_ : parent->fields) {
    for (const std::string& known : field.names) {
      if (known == name) return &field;
    }
  }
  return nullptr;
}

std::string NameMapping::ToJson() const {
  std::string text;
  JsonWriter out(&text);
  WriteFields(fields_, &out);
  return text;
}

}  // namespace moraine::iceberg
