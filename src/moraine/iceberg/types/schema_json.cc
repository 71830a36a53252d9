// JSON of types and schemas (table spec, appendix C), keys in the order that Java writes them.

#include <algorithm>

#include <fmt/format.h>

#include "moraine/iceberg/types/type.h"

namespace moraine::iceberg {
namespace {

void WriteDefault(std::string_view key, const Field& field, const std::optional<Value>& value,
                  JsonWriter* out) {
  if (value) out->Field(key, ValueToJson(*field.type, *value));
}

void WriteField(const Field& field, JsonWriter* out) {
  out->BeginObject();
  out->Field("id", field.id).Field("name", field.name).Field("required", field.required);
  out->Key("type");
  WriteType(*field.type, out);
  if (!field.doc.empty()) out->Field("doc", field.doc);
  WriteDefault("initial-default", field, field.initial_default, out);
  WriteDefault("write-default", field, field.write_default, out);
  WriteUnknownMembers(field.unknown, out);
  out->EndObject();
}

void WriteFields(const std::vector<Field>& fields, JsonWriter* out) {
  out->Key("fields").BeginArray();
  for (const Field& field : fields) WriteField(field, out);
  out->EndArray();
}

Result<std::optional<Value>> ReadDefault(const Type& type, const JsonCursor& json,
                                         std::string_view key) {
  MORAINE_ASSIGN(auto found, json.Find(key));
  if (!found || type.is_nested()) return std::optional<Value>();
  MORAINE_ASSIGN(Value value, ValueFromJson(type, *found));
  return std::optional<Value>(std::move(value));
}

Result<Field> ReadField(const JsonCursor& json) {
  MORAINE_TRY(json.ExpectObject());
  Field field;
  MORAINE_ASSIGN(field.id, json.Int32("id"));
  MORAINE_ASSIGN(field.name, json.String("name"));
  MORAINE_ASSIGN(field.required, json.Bool("required"));
  MORAINE_ASSIGN(auto type, json.Get("type"));
  MORAINE_ASSIGN(field.type, TypeFromJson(type));
  MORAINE_ASSIGN(auto doc, json.OptString("doc"));
  field.doc = doc.value_or("");
  MORAINE_ASSIGN(field.initial_default, ReadDefault(*field.type, json, "initial-default"));
  MORAINE_ASSIGN(field.write_default, ReadDefault(*field.type, json, "write-default"));
  if (field.type->is_nested()) {
    field.unknown = UnknownMembers(json, {"id", "name", "required", "type", "doc"});
  } else {
    field.unknown = UnknownMembers(
        json, {"id", "name", "required", "type", "doc", "initial-default", "write-default"});
  }
  return field;
}

Result<std::vector<Field>> ReadFields(const JsonCursor& json) {
  MORAINE_ASSIGN(auto array, json.Get("fields"));
  MORAINE_TRY(array.ExpectArray());
  std::vector<Field> fields;
  fields.reserve(array.size());
  for (size_t i = 0; i < array.size(); ++i) {
    JsonCursor item = array.At(i);
    MORAINE_ASSIGN(Field field, ReadField(item));
    fields.push_back(std::move(field));
  }
  return fields;
}

/// The element of a list, or the key or value of a map: members "<prefix>-id", "<prefix>", ...
Result<Field> ReadPart(const JsonCursor& json, const std::string& prefix, bool always_required) {
  Field field;
  field.name = prefix;
  MORAINE_ASSIGN(field.id, json.Int32(prefix + "-id"));
  MORAINE_ASSIGN(auto type, json.Get(prefix));
  MORAINE_ASSIGN(field.type, TypeFromJson(type));
  field.required = true;
  if (!always_required) {
    MORAINE_ASSIGN(field.required, json.Bool(prefix + "-required"));
  }
  return field;
}

Result<TypePtr> ReadNested(const JsonCursor& json) {
  MORAINE_ASSIGN(std::string name, json.String("type"));
  if (name == "struct") {
    MORAINE_ASSIGN(auto fields, ReadFields(json));
    return Type::Struct(std::move(fields));
  }
  if (name == "list") {
    MORAINE_ASSIGN(Field element, ReadPart(json, "element", false));
    return Type::List(std::move(element));
  }
  if (name == "map") {
    MORAINE_ASSIGN(Field key, ReadPart(json, "key", true));
    MORAINE_ASSIGN(Field value, ReadPart(json, "value", false));
    return Type::Map(std::move(key), std::move(value));
  }
  return json.Error(
      fmt::format("expected a struct, list or map, got type '{}'", name.substr(0, 80)));
}

}  // namespace

Json::Object UnknownMembers(const JsonCursor& json, std::initializer_list<std::string_view> known) {
  Json::Object unknown;
  if (!json.json().is_object()) return unknown;
  for (const Json::Member& member : json.json().as_object()) {
    if (std::find(known.begin(), known.end(), member.first) == known.end())
      unknown.push_back(member);
  }
  return unknown;
}

void WriteUnknownMembers(const Json::Object& unknown, JsonWriter* out) {
  for (const auto& [key, value] : unknown) out->Field(key, value);
}

void WriteType(const Type& type, JsonWriter* out) {
  switch (type.kind()) {
    case TypeKind::kStruct:
      out->BeginObject().Field("type", "struct");
      WriteFields(type.fields(), out);
      out->EndObject();
      return;
    case TypeKind::kList:
      out->BeginObject()
          .Field("type", "list")
          .Field("element-id", type.element().id)
          .Key("element");
      WriteType(*type.element().type, out);
      out->Field("element-required", type.element().required).EndObject();
      return;
    case TypeKind::kMap:
      out->BeginObject().Field("type", "map").Field("key-id", type.key().id).Key("key");
      WriteType(*type.key().type, out);
      out->Field("value-id", type.value().id).Key("value");
      WriteType(*type.value().type, out);
      out->Field("value-required", type.value().required).EndObject();
      return;
    default:
      out->String(type.ToString());
  }
}

void WriteSchema(const Schema& schema, JsonWriter* out) {
  out->BeginObject().Field("type", "struct").Field("schema-id", schema.schema_id());
  if (!schema.identifier_field_ids().empty()) {
    out->Key("identifier-field-ids").BeginArray();
    for (int32_t id : schema.identifier_field_ids()) out->Int(id);
    out->EndArray();
  }
  WriteFields(schema.fields(), out);
  WriteUnknownMembers(schema.unknown(), out);
  out->EndObject();
}

std::string SchemaToJson(const Schema& schema) {
  std::string out;
  JsonWriter writer(&out);
  WriteSchema(schema, &writer);
  return out;
}

Result<TypePtr> TypeFromJson(const JsonCursor& json) {
  if (json.json().is_object()) return ReadNested(json);
  if (!json.json().is_string()) return json.Expected("a type");
  auto type = Type::FromString(json.json().as_string());
  if (!type.ok()) return json.Error(type.status().message());
  return type;
}

Result<Schema> SchemaFromJson(const JsonCursor& json) {
  MORAINE_ASSIGN(auto type, json.OptString("type"));
  if (type.value_or("struct") != "struct") return json.Error("expected a schema of type 'struct'");
  MORAINE_ASSIGN(auto schema_id, json.OptInt32("schema-id"));
  MORAINE_ASSIGN(auto fields, ReadFields(json));
  std::vector<int32_t> identifier_ids;
  MORAINE_ASSIGN(auto ids, json.Find("identifier-field-ids"));
  if (ids) {
    MORAINE_TRY(ids->ExpectArray());
    for (size_t i = 0; i < ids->size(); ++i) {
      MORAINE_ASSIGN(int32_t id, ids->At(i).Int32());
      identifier_ids.push_back(id);
    }
  }
  Schema schema(schema_id.value_or(0), std::move(fields), std::move(identifier_ids));
  schema.set_unknown(UnknownMembers(json, {"type", "schema-id", "identifier-field-ids", "fields"}));
  return schema;
}

}  // namespace moraine::iceberg
