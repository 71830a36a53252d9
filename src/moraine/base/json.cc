#include "moraine/base/json.h"

#include <charconv>
#include <cmath>
#include <unordered_set>

#include <fmt/format.h>

#include "moraine/base/simdjson_internal.h"

namespace moraine {
namespace {

constexpr size_t kLinearKeyCheckMax = 16;

std::string_view KindName(Json::Kind kind) {
  switch (kind) {
    case Json::Kind::kNull:
      return "null";
    case Json::Kind::kBool:
      return "a boolean";
    case Json::Kind::kNumber:
      return "a number";
    case Json::Kind::kString:
      return "a string";
    case Json::Kind::kArray:
      return "an array";
    case Json::Kind::kObject:
      return "an object";
  }
  return "?";
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// RFC 8259 section 6: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
bool IsJsonNumber(std::string_view text) {
  size_t i = 0;
  auto digits = [&] {
    size_t start = i;
    while (i < text.size() && IsDigit(text[i])) ++i;
    return i > start;
  };
  if (i < text.size() && text[i] == '-') ++i;
  if (i < text.size() && text[i] == '0') {
    ++i;
  } else if (!digits()) {
    return false;
  }
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (!digits()) return false;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (!digits()) return false;
  }
  return i == text.size();
}

std::string DoubleText(double value) {
  char buffer[32];
  auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  return {buffer, end};
}

}  // namespace

/// Walks a simdjson document once and copies it into a Json.
class JsonParser {
 public:
  explicit JsonParser(int max_depth) : max_depth_(max_depth) {}

  Result<Json> Parse(std::string_view text) {
    simdjson::padded_string padded(text);
    simdjson::ondemand::parser parser;
    simdjson::ondemand::document document;
    if (auto error = parser.iterate(padded).get(document)) return Failed(error);
    // A lone scalar can't be read as a value; it has its own calls.
    simdjson::ondemand::json_type type;
    if (auto error = document.type().get(type)) return Failed(error);
    Json root;
    if (type == simdjson::ondemand::json_type::array ||
        type == simdjson::ondemand::json_type::object) {
      simdjson::ondemand::value value;
      if (auto error = document.get_value().get(value)) return Failed(error);
      MORAINE_TRY(Walk(value, 0, &root));
    } else {
      MORAINE_TRY(WalkScalar(document, type, &root));
    }
    if (!document.current_location().error())
      return InvalidArgument("invalid JSON: text after the document");
    return root;
  }

 private:
  static Status Failed(simdjson::error_code error) {
    return InvalidArgument(fmt::format("invalid JSON: {}", Words(error)));
  }

  /// Without the library's names and advice.
  static std::string_view Words(simdjson::error_code error) {
    switch (error) {
      case simdjson::EMPTY:
        return "there is nothing";
      case simdjson::TAPE_ERROR:
      case simdjson::INCOMPLETE_ARRAY_OR_OBJECT:
        return "a comma, colon, bracket or value is missing, or one too many is there";
      case simdjson::STRING_ERROR:
      case simdjson::UNCLOSED_STRING:
      case simdjson::UNESCAPED_CHARS:
        return "a string that is not closed, or with what must be escaped";
      case simdjson::UTF8_ERROR:
        return "not UTF-8";
      case simdjson::N_ATOM_ERROR:
      case simdjson::T_ATOM_ERROR:
      case simdjson::F_ATOM_ERROR:
        return "expected null, true or false";
      case simdjson::NUMBER_ERROR:
      case simdjson::NUMBER_OUT_OF_RANGE:
        return "not a number, or one out of range";
      default:
        return "not well-formed";
    }
  }

  template <typename Source>
  Status WalkScalar(Source& source, simdjson::ondemand::json_type type, Json* out) {
    using simdjson::ondemand::json_type;
    switch (type) {
      case json_type::boolean: {
        bool value;
        if (auto error = source.get_bool().get(value)) return Failed(error);
        *out = Json(value);
        return {};
      }
      case json_type::null: {
        bool value;  // an error for "nul" and the like, which must not be converted: that throws
        if (auto error = simdjson::simdjson_result<bool>(source.is_null()).get(value)) {
          return Failed(error);
        }
        return value ? Status() : InvalidArgument("invalid JSON: expected null");
      }
      case json_type::string: {
        std::string_view value;
        if (auto error = source.get_string().get(value)) return Failed(error);
        *out = Json(value);
        return {};
      }
      case json_type::number: {
        std::string_view token;
        if (auto error =
                simdjson::simdjson_result<std::string_view>(source.raw_json_token()).get(token)) {
          return Failed(error);
        }
        while (!token.empty() && std::string_view(" \t\r\n").find(token.back()) != token.npos) {
          token.remove_suffix(1);
        }
        if (!IsJsonNumber(token)) {
          return InvalidArgument(
              fmt::format("invalid JSON: not a number: {}", token.substr(0, 40)));
        }
        // Consumes the token, and finds numbers that no double can hold.
        if (token.find_first_of(".eE") != token.npos) {
          double value;
          if (auto error = source.get_double().get(value)) return Failed(error);
        } else if constexpr (std::is_same_v<Source, simdjson::ondemand::value>) {
          // Integers of any length are kept; get_raw_json would be newer than this simdjson.
          simdjson::ondemand::value copy = source;
          uint64_t ignored;
          int64_t ignored_signed;
          double ignored_double;
          if (copy.get_uint64().get(ignored) && copy.get_int64().get(ignored_signed) &&
              copy.get_double().get(ignored_double)) {
            return InvalidArgument(
                fmt::format("invalid JSON: a number out of range: {}", token.substr(0, 40)));
          }
        } else {
          double ignored;
          if (auto error = source.get_double().get(ignored)) return Failed(error);
        }
        out->value_ = Json::Number{std::string(token)};
        return {};
      }
      default:
        return InvalidArgument("invalid JSON");
    }
  }

  Status Walk(simdjson::ondemand::value value, int depth, Json* out) {
    using simdjson::ondemand::json_type;
    json_type type;
    if (auto error = value.type().get(type)) return Failed(error);
    if (type == json_type::array) return WalkArray(value, depth, out);
    if (type == json_type::object) return WalkObject(value, depth, out);
    return WalkScalar(value, type, out);
  }

  Status TooDeep() const {
    return InvalidArgument(fmt::format("invalid JSON: nested more than {} deep", max_depth_));
  }

  Status WalkArray(simdjson::ondemand::value& value, int depth, Json* out) {
    if (depth >= max_depth_) return TooDeep();
    simdjson::ondemand::array array;
    if (auto error = value.get_array().get(array)) return Failed(error);
    Json::Array elements;
    for (auto element : array) {
      simdjson::ondemand::value inner;
      if (auto error = std::move(element).get(inner)) return Failed(error);
      MORAINE_TRY(Walk(inner, depth + 1, &elements.emplace_back()));
    }
    *out = Json(std::move(elements));
    return {};
  }

  Status WalkObject(simdjson::ondemand::value& value, int depth, Json* out) {
    if (depth >= max_depth_) return TooDeep();
    simdjson::ondemand::object object;
    if (auto error = value.get_object().get(object)) return Failed(error);
    Json::Object members;
    for (auto field : object) {
      std::string_view key;
      if (auto error = field.unescaped_key().get(key)) return Failed(error);
      auto& member = members.emplace_back(std::string(key), Json());
      simdjson::ondemand::value inner;
      if (auto error = field.value().get(inner)) return Failed(error);
      MORAINE_TRY(Walk(inner, depth + 1, &member.second));
    }
    MORAINE_TRY(RejectDuplicates(members));
    *out = Json(std::move(members));
    return {};
  }

  static Status RejectDuplicates(const Json::Object& members) {
    if (members.size() <= kLinearKeyCheckMax) {
      for (size_t i = 1; i < members.size(); ++i) {
        for (size_t j = 0; j < i; ++j) {
          if (members[i].first == members[j].first) return Duplicate(members[i].first);
        }
      }
      return {};
    }
    std::unordered_set<std::string_view> seen;
    for (const auto& [key, _] : members) {
      if (!seen.insert(key).second) return Duplicate(key);
    }
    return {};
  }

  static Status Duplicate(std::string_view key) {
    return InvalidArgument(
        fmt::format("invalid JSON: the key stands twice: {}", key.substr(0, 80)));
  }

  int max_depth_;
};

Json::Json(int64_t value) : value_(Number{fmt::format_int(value).str()}) {}
Json::Json(uint64_t value) : value_(Number{fmt::format_int(value).str()}) {}
Json::Json(double value) {
  if (std::isfinite(value)) value_ = Number{DoubleText(value)};
}

Result<Json> Json::Parse(std::string_view text, int max_depth) {
  return JsonParser(max_depth).Parse(text);
}

bool Json::as_bool() const {
  MORAINE_CHECK(is_bool(), "Json is not a boolean");
  return std::get<bool>(value_);
}
const std::string& Json::number_text() const {
  MORAINE_CHECK(is_number(), "Json is not a number");
  return std::get<Number>(value_).text;
}
const std::string& Json::as_string() const {
  MORAINE_CHECK(is_string(), "Json is not a string");
  return std::get<std::string>(value_);
}
const Json::Array& Json::as_array() const {
  MORAINE_CHECK(is_array(), "Json is not an array");
  return std::get<Array>(value_);
}
Json::Array& Json::as_array() {
  MORAINE_CHECK(is_array(), "Json is not an array");
  return std::get<Array>(value_);
}
const Json::Object& Json::as_object() const {
  MORAINE_CHECK(is_object(), "Json is not an object");
  return std::get<Object>(value_);
}
Json::Object& Json::as_object() {
  MORAINE_CHECK(is_object(), "Json is not an object");
  return std::get<Object>(value_);
}

std::optional<int64_t> Json::int64() const {
  if (!is_number()) return std::nullopt;
  const auto& text = number_text();
  int64_t value;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> Json::number() const {
  if (!is_number()) return std::nullopt;
  const auto& text = number_text();
  double value;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

const Json* Json::Find(std::string_view key) const {
  if (!is_object()) return nullptr;
  for (const auto& [name, value] : as_object()) {
    if (name == key) return &value;
  }
  return nullptr;
}

Json* Json::Find(std::string_view key) {
  return const_cast<Json*>(static_cast<const Json*>(this)->Find(key));
}

Json& Json::Set(std::string key, Json value) {
  if (Json* found = Find(key)) {
    *found = std::move(value);
  } else {
    as_object().emplace_back(std::move(key), std::move(value));
  }
  return *this;
}

Json& Json::Push(Json value) {
  as_array().push_back(std::move(value));
  return *this;
}

void AppendJsonString(std::string_view text, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out->push_back('"');
  size_t start = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out->append(text.substr(start, i - start));
    start = i + 1;
    switch (c) {
      case '"':
        out->append("\\\"");
        break;
      case '\\':
        out->append("\\\\");
        break;
      case '\n':
        out->append("\\n");
        break;
      case '\r':
        out->append("\\r");
        break;
      case '\t':
        out->append("\\t");
        break;
      case '\b':
        out->append("\\b");
        break;
      case '\f':
        out->append("\\f");
        break;
      default:
        out->append("\\u00");
        out->push_back(kHex[c >> 4]);
        out->push_back(kHex[c & 15]);
    }
  }
  out->append(text.substr(start));
  out->push_back('"');
}

void Json::AppendTo(std::string* out) const {
  switch (kind()) {
    case Kind::kNull:
      out->append("null");
      break;
    case Kind::kBool:
      out->append(as_bool() ? "true" : "false");
      break;
    case Kind::kNumber:
      out->append(number_text());
      break;
    case Kind::kString:
      AppendJsonString(as_string(), out);
      break;
    case Kind::kArray: {
      out->push_back('[');
      bool first = true;
      for (const auto& element : as_array()) {
        if (!std::exchange(first, false)) out->push_back(',');
        element.AppendTo(out);
      }
      out->push_back(']');
      break;
    }
    case Kind::kObject: {
      out->push_back('{');
      bool first = true;
      for (const auto& [key, value] : as_object()) {
        if (!std::exchange(first, false)) out->push_back(',');
        AppendJsonString(key, out);
        out->push_back(':');
        value.AppendTo(out);
      }
      out->push_back('}');
      break;
    }
  }
}

std::string Json::ToString() const {
  std::string out;
  AppendTo(&out);
  return out;
}

namespace {

void AppendPretty(const Json& json, int indent, std::string* out) {
  auto line = [&](int depth) {
    out->push_back('\n');
    out->append(static_cast<size_t>(depth) * 2, ' ');
  };
  if (json.is_array() && !json.as_array().empty()) {
    out->push_back('[');
    bool first = true;
    for (const auto& element : json.as_array()) {
      if (!std::exchange(first, false)) out->push_back(',');
      line(indent + 1);
      AppendPretty(element, indent + 1, out);
    }
    line(indent);
    out->push_back(']');
  } else if (json.is_object() && !json.as_object().empty()) {
    out->push_back('{');
    bool first = true;
    for (const auto& [key, value] : json.as_object()) {
      if (!std::exchange(first, false)) out->push_back(',');
      line(indent + 1);
      AppendJsonString(key, out);
      out->append(": ");
      AppendPretty(value, indent + 1, out);
    }
    line(indent);
    out->push_back('}');
  } else {
    json.AppendTo(out);
  }
}

}  // namespace

std::string Json::ToPrettyString() const {
  std::string out;
  AppendPretty(*this, 0, &out);
  return out;
}

bool Json::operator==(const Json& other) const {
  if (kind() != other.kind()) return false;
  switch (kind()) {
    case Kind::kNull:
      return true;
    case Kind::kBool:
      return as_bool() == other.as_bool();
    case Kind::kNumber: {
      if (number_text() == other.number_text()) return true;
      // Two integers of different text differ, even where their doubles would be equal.
      if (int64() && other.int64()) return *int64() == *other.int64();
      return number() && number() == other.number();
    }
    case Kind::kString:
      return as_string() == other.as_string();
    case Kind::kArray:
      return as_array() == other.as_array();
    case Kind::kObject: {
      if (as_object().size() != other.as_object().size()) return false;
      for (size_t i = 0; i < as_object().size(); ++i) {
        const auto& [key, value] = as_object()[i];
        const auto& [other_key, other_value] = other.as_object()[i];
        const Json* match = key == other_key ? &other_value : other.Find(key);
        if (match == nullptr || !(value == *match)) return false;
      }
      return true;
    }
  }
  return false;
}

std::string JsonCursor::path() const {
  if (parent_ == nullptr) return "(document)";
  std::string path = parent_->parent_ == nullptr ? "" : parent_->path();
  if (parent_->json().is_array()) {
    path += fmt::format("[{}]", index_);
  } else {
    if (!path.empty()) path += '.';
    path += key_;
  }
  return path;
}

Status JsonCursor::Expected(std::string_view what) const {
  return InvalidArgument(
      fmt::format("{}: expected {}, got {}", path(), what, KindName(json().kind())));
}

Status JsonCursor::Error(std::string_view problem) const {
  return InvalidArgument(fmt::format("{}: {}", path(), problem));
}

Result<bool> JsonCursor::Bool() const {
  if (!json().is_bool()) return Expected("a boolean");
  return json().as_bool();
}

Result<int64_t> JsonCursor::Int64() const {
  if (!json().is_number()) return Expected("an integer");
  if (auto value = json().int64()) return *value;
  return Error(
      fmt::format("expected a 64-bit integer, got {}", json().number_text().substr(0, 40)));
}

Result<int32_t> JsonCursor::Int32() const {
  MORAINE_ASSIGN(int64_t value, Int64());
  if (value < INT32_MIN || value > INT32_MAX) {
    return Error(fmt::format("expected a 32-bit integer, got {}", value));
  }
  return static_cast<int32_t>(value);
}

Result<double> JsonCursor::Double() const {
  if (!json().is_number()) return Expected("a number");
  if (auto value = json().number()) return *value;
  return Error(fmt::format("out of a double's range: {}", json().number_text().substr(0, 40)));
}

Result<std::string> JsonCursor::String() const {
  if (!json().is_string()) return Expected("a string");
  return json().as_string();
}

Status JsonCursor::ExpectObject() const {
  return json().is_object() ? Status() : Expected("an object");
}

Status JsonCursor::ExpectArray() const {
  return json().is_array() ? Status() : Expected("an array");
}

Result<std::optional<JsonCursor>> JsonCursor::Find(std::string_view key) const {
  MORAINE_TRY(ExpectObject());
  for (const auto& [name, value] : json().as_object()) {
    if (name != key) continue;
    if (value.is_null()) break;
    return std::optional<JsonCursor>(JsonCursor(value, this, name, 0));
  }
  return std::optional<JsonCursor>();
}

Result<JsonCursor> JsonCursor::Get(std::string_view key) const {
  MORAINE_ASSIGN(auto found, Find(key));
  if (!found) return Error(fmt::format("missing required field: {}", key));
  return *found;
}

Result<bool> JsonCursor::Bool(std::string_view key) const {
  MORAINE_ASSIGN(auto field, Get(key));
  return field.Bool();
}
Result<int32_t> JsonCursor::Int32(std::string_view key) const {
  MORAINE_ASSIGN(auto field, Get(key));
  return field.Int32();
}
Result<int64_t> JsonCursor::Int64(std::string_view key) const {
  MORAINE_ASSIGN(auto field, Get(key));
  return field.Int64();
}
Result<std::string> JsonCursor::String(std::string_view key) const {
  MORAINE_ASSIGN(auto field, Get(key));
  return field.String();
}
Result<std::optional<bool>> JsonCursor::OptBool(std::string_view key) const {
  MORAINE_ASSIGN(auto field, Find(key));
  if (!field) return std::optional<bool>();
  MORAINE_ASSIGN(bool value, field->Bool());
  return std::optional<bool>(value);
}
Result<std::optional<int32_t>> JsonCursor::OptInt32(std::string_view key) const {
  MORAINE_ASSIGN(auto field, Find(key));
  if (!field) return std::optional<int32_t>();
  MORAINE_ASSIGN(int32_t value, field->Int32());
  return std::optional<int32_t>(value);
}
Result<std::optional<int64_t>> JsonCursor::OptInt64(std::string_view key) const {
  MORAINE_ASSIGN(auto field, Find(key));
  if (!field) return std::optional<int64_t>();
  MORAINE_ASSIGN(int64_t value, field->Int64());
  return std::optional<int64_t>(value);
}
Result<std::optional<std::string>> JsonCursor::OptString(std::string_view key) const {
  MORAINE_ASSIGN(auto field, Find(key));
  if (!field) return std::optional<std::string>();
  MORAINE_ASSIGN(std::string value, field->String());
  return std::optional<std::string>(std::move(value));
}

JsonCursor JsonCursor::At(size_t index) const {
  MORAINE_CHECK(index < size(), "JsonCursor::At is out of bounds");
  return {json().as_array()[index], this, {}, index};
}

JsonCursor JsonCursor::Member(size_t i) const {
  MORAINE_CHECK(i < member_count(), "JsonCursor::Member is out of bounds");
  const auto& [key, value] = json().as_object()[i];
  return {value, this, key, 0};
}

void JsonWriter::BeforeValue() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (has_element_.empty()) return;
  if (has_element_.back()) out_->push_back(',');
  has_element_.back() = true;
}

JsonWriter& JsonWriter::BeginObject() {
  BeforeValue();
  out_->push_back('{');
  has_element_.push_back(false);
  return *this;
}
JsonWriter& JsonWriter::EndObject() {
  MORAINE_CHECK(!has_element_.empty() && !after_key_, "JsonWriter: unbalanced object");
  has_element_.pop_back();
  out_->push_back('}');
  return *this;
}
JsonWriter& JsonWriter::BeginArray() {
  BeforeValue();
  out_->push_back('[');
  has_element_.push_back(false);
  return *this;
}
JsonWriter& JsonWriter::EndArray() {
  MORAINE_CHECK(!has_element_.empty() && !after_key_, "JsonWriter: unbalanced array");
  has_element_.pop_back();
  out_->push_back(']');
  return *this;
}
JsonWriter& JsonWriter::Key(std::string_view key) {
  MORAINE_CHECK(!after_key_, "JsonWriter: a key after a key");
  BeforeValue();
  AppendJsonString(key, out_);
  out_->push_back(':');
  after_key_ = true;
  return *this;
}
JsonWriter& JsonWriter::Null() { return Raw("null"); }
JsonWriter& JsonWriter::Bool(bool value) { return Raw(value ? "true" : "false"); }
JsonWriter& JsonWriter::Int(int64_t value) {
  fmt::format_int text(value);
  return Raw({text.data(), text.size()});
}
JsonWriter& JsonWriter::Double(double value) {
  return std::isfinite(value) ? Raw(DoubleText(value)) : Null();
}
JsonWriter& JsonWriter::String(std::string_view value) {
  BeforeValue();
  AppendJsonString(value, out_);
  return *this;
}
JsonWriter& JsonWriter::Value(const Json& value) {
  BeforeValue();
  value.AppendTo(out_);
  return *this;
}
JsonWriter& JsonWriter::Raw(std::string_view json) {
  BeforeValue();
  out_->append(json);
  return *this;
}

}  // namespace moraine
