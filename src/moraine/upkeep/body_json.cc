#include "moraine/upkeep/body_json.h"

namespace moraine::upkeep {

void WriteStrings(std::string_view key, const std::vector<std::string>& values, JsonWriter* out) {
  out->Key(key).BeginArray();
  for (const std::string& value : values) out->String(value);
  out->EndArray();
}

Result<std::vector<std::string>> StringsOf(const JsonCursor& json, std::string_view key) {
  std::vector<std::string> out;
  MORAINE_ASSIGN(auto array, json.Find(key));
  if (!array) return out;
  MORAINE_TRY(array->ExpectArray());
  for (size_t i = 0; i < array->size(); ++i) {
    const JsonCursor item = array->At(i);
    MORAINE_ASSIGN(std::string value, item.String());
    out.push_back(std::move(value));
  }
  return out;
}

Result<int64_t> CountOf(const JsonCursor& json, std::string_view key) {
  MORAINE_ASSIGN(auto value, json.OptInt64(key));
  if (value.value_or(0) >= 0) return value.value_or(0);
  MORAINE_ASSIGN(const JsonCursor field, json.Get(key));
  return field.Expected("a number from 0 on");
}

Result<std::string> TextOf(const JsonCursor& json, std::string_view key) {
  MORAINE_ASSIGN(auto value, json.OptString(key));
  return value.value_or("");
}

Result<bool> SwitchOf(const JsonCursor& json, std::string_view key) {
  MORAINE_ASSIGN(auto value, json.OptBool(key));
  return value.value_or(false);
}

}  // namespace moraine::upkeep
