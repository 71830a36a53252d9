#include "moraine/iceberg/avro/avro_type.h"

#include <unordered_set>

#include <fmt/format.h>

#include "moraine/base/json.h"

namespace moraine::iceberg {
namespace {

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// The code point at the front of text, which loses it; a broken byte stands for itself.
uint32_t TakeCodePoint(std::string_view* text) {
  const auto first = static_cast<unsigned char>(text->front());
  size_t length = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (length > text->size()) length = 1;
  uint32_t point = length == 1 ? first : first & (0xffu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    point = point << 6 | (static_cast<unsigned char>((*text)[i]) & 0x3fu);
  }
  text->remove_prefix(length);
  return point;
}

class Builder {
 public:
  explicit Builder(std::string* out) : json_(out) {}

  void Record(std::string_view name, const Type& type) {
    json_.BeginObject().Field("type", "record").Field("name", name).Key("fields").BeginArray();
    for (const Field& field : type.fields()) AddField(field);
    json_.EndArray().EndObject();
  }

 private:
  void AddField(const Field& field) {
    const std::string name = AvroCompatibleName(field.name);
    json_.BeginObject().Field("name", name);
    AddFieldType(field);
    if (!field.required) json_.Key("default").Null();
    json_.Field("field-id", field.id);
    if (name != field.name) json_.Field("iceberg-field-name", field.name);
    json_.EndObject();
  }

  void AddFieldType(const Field& field) {
    json_.Key("type");
    AddOptional(field);
  }

  void AddOptional(const Field& field) {
    // Null alone is its own optional form.
    const bool is_union = !field.required && field.type->kind() != TypeKind::kUnknown;
    if (is_union) json_.BeginArray().String("null");
    AddType(*field.type, field.id);
    if (is_union) json_.EndArray();
  }

  std::string Unique(std::string name, int32_t id) {
    if (!names_.insert(name).second) {
      name = fmt::format("{}_r{}", name, id);
      names_.insert(name);
    }
    return name;
  }

  void Fixed(std::string name, int32_t id, int64_t size) {
    json_.BeginObject().Field("type", "fixed").Field("name", Unique(std::move(name), id));
    json_.Field("size", size);
  }

  void Logical(const char* type, const char* logical) {
    json_.BeginObject().Field("type", type).Field("logicalType", logical).EndObject();
  }

  void Timestamp(const char* logical, bool utc) {
    json_.BeginObject().Field("type", "long").Field("logicalType", logical);
    json_.Field("adjust-to-utc", utc).EndObject();
  }

  void AddMap(const Type& type) {
    const Field& key = type.key();
    const Field& value = type.value();
    json_.BeginObject();
    if (key.type->kind() == TypeKind::kString) {
      json_.Field("type", "map").Key("values");
      AddOptional(value);
      json_.Field("key-id", key.id).Field("value-id", value.id).EndObject();
      return;
    }
    json_.Field("type", "array").Key("items").BeginObject().Field("type", "record");
    json_.Field("name", fmt::format("k{}_v{}", key.id, value.id)).Key("fields").BeginArray();
    AddField(key);
    AddField(value);
    json_.EndArray().EndObject().Field("logicalType", "map").EndObject();
  }

  void AddType(const Type& type, int32_t id) {
    switch (type.kind()) {
      case TypeKind::kUnknown:
        json_.String("null");
        return;
      case TypeKind::kBoolean:
        json_.String("boolean");
        return;
      case TypeKind::kInt:
        json_.String("int");
        return;
      case TypeKind::kLong:
        json_.String("long");
        return;
      case TypeKind::kFloat:
        json_.String("float");
        return;
      case TypeKind::kDouble:
        json_.String("double");
        return;
      case TypeKind::kDate:
        return Logical("int", "date");
      case TypeKind::kTime:
        return Logical("long", "time-micros");
      case TypeKind::kTimestamp:
        return Timestamp("timestamp-micros", false);
      case TypeKind::kTimestampTz:
        return Timestamp("timestamp-micros", true);
      case TypeKind::kTimestampNs:
        return Timestamp("timestamp-nanos", false);
      case TypeKind::kTimestampTzNs:
        return Timestamp("timestamp-nanos", true);
      case TypeKind::kString:
        json_.String("string");
        return;
      case TypeKind::kBinary:
      case TypeKind::kGeometry:
      case TypeKind::kGeography:
        json_.String("bytes");
        return;
      case TypeKind::kDecimal:
        Fixed(fmt::format("decimal_{}_{}", type.precision(), type.scale()), id,
              DecimalRequiredBytes(type.precision()));
        json_.Field("logicalType", "decimal").Field("precision", type.precision());
        json_.Field("scale", type.scale()).EndObject();
        return;
      case TypeKind::kUuid:
        Fixed("uuid_fixed", id, 16);
        json_.Field("logicalType", "uuid").EndObject();
        return;
      case TypeKind::kFixed:
        Fixed(fmt::format("fixed_{}", type.length()), id, type.length());
        json_.EndObject();
        return;
      case TypeKind::kVariant:
        json_.BeginObject().Field("type", "record").Field("name", fmt::format("r{}", id));
        json_.Key("fields").BeginArray();
        for (const char* part : {"metadata", "value"}) {
          json_.BeginObject().Field("name", part).Field("type", "bytes").EndObject();
        }
        json_.EndArray().Field("logicalType", "variant").EndObject();
        return;
      case TypeKind::kStruct:
        return Record(fmt::format("r{}", id), type);
      case TypeKind::kList:
        json_.BeginObject().Field("type", "array").Key("items");
        AddOptional(type.element());
        json_.Field("element-id", type.element().id).EndObject();
        return;
      case TypeKind::kMap:
        return AddMap(type);
    }
  }

  JsonWriter json_;
  std::unordered_set<std::string> names_;
};

}  // namespace

std::string AvroSchemaJson(const Type& root, std::string_view root_name) {
  std::string json;
  Builder(&json).Record(root_name, root);
  return json;
}

int DecimalRequiredBytes(int precision) {
  // Smallest n with 10^precision - 1 <= 2^(8n-1) - 1.
  int bytes = 1;
  long double limit = 128;
  long double power = 1;
  for (int i = 0; i < precision; ++i) power *= 10;
  while (limit < power) {
    limit *= 256;
    ++bytes;
  }
  return bytes;
}

std::string AvroCompatibleName(std::string_view name) {
  std::string result;
  while (!name.empty()) {
    const char c = name.front();
    if (IsLetter(c) || (IsDigit(c) && !result.empty())) {
      result.push_back(c);
      name.remove_prefix(1);
    } else if (IsDigit(c)) {
      result.append({'_', c});
      name.remove_prefix(1);
    } else {
      result += fmt::format("_x{:X}", TakeCodePoint(&name));
    }
  }
  return result;
}

}  // namespace moraine::iceberg
