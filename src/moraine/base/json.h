#pragma once
// JSON values, reading and writing. The only door to simdjson.
//
// Json is a plain value tree that loses nothing: numbers keep their text, objects keep their order,
// so a field that Moraine does not know survives a round trip byte for byte in meaning. Decoders
// walk it with a JsonCursor, whose errors name the field's path and what was expected. Encoders
// write text straight through JsonWriter, or build a Json. Reading follows RFC 8259 strictly:
// duplicate keys, bad UTF-8, bad numbers and depth over the limit are InvalidArgument.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "moraine/base/status.h"

namespace moraine {

class Json {
 public:
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;

  Json() = default;  ///< null
  Json(std::nullptr_t) {}
  Json(bool value) : value_(value) {}
  Json(int value) : Json(static_cast<int64_t>(value)) {}
  Json(int64_t value);
  Json(uint64_t value);
  Json(double value);  ///< shortest text that reads back equal; NaN and infinities become null
  Json(std::string value) : value_(std::move(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(const char* value) : value_(std::string(value)) {}
  Json(Array value) : value_(std::move(value)) {}
  Json(Object value) : value_(std::move(value)) {}

  static Json MakeArray() { return Json(Array{}); }
  static Json MakeObject() { return Json(Object{}); }

  /// Reads one JSON document. max_depth counts nested arrays and objects.
  /// Errors: InvalidArgument with the reason. Cost: linear.
  static Result<Json> Parse(std::string_view text, int max_depth = 100);

  Kind kind() const { return static_cast<Kind>(value_.index()); }
  bool is_null() const { return kind() == Kind::kNull; }
  bool is_bool() const { return kind() == Kind::kBool; }
  bool is_number() const { return kind() == Kind::kNumber; }
  bool is_string() const { return kind() == Kind::kString; }
  bool is_array() const { return kind() == Kind::kArray; }
  bool is_object() const { return kind() == Kind::kObject; }

  // Unchecked kinds are a bug of the caller (MORAINE_CHECK); decoders use JsonCursor.
  bool as_bool() const;
  const std::string& number_text() const;
  const std::string& as_string() const;
  const Array& as_array() const;
  Array& as_array();
  const Object& as_object() const;
  Object& as_object();
  /// The number as int64 / double if it is one that fits exactly, else nothing.
  std::optional<int64_t> int64() const;
  std::optional<double> number() const;

  /// Returns the member's value, or nullptr. Linear in the object's size.
  const Json* Find(std::string_view key) const;
  Json* Find(std::string_view key);
  /// Sets (replaces or appends) a member of an object.
  Json& Set(std::string key, Json value);
  /// Appends to an array.
  Json& Push(Json value);

  void AppendTo(std::string* out) const;
  std::string ToString() const;
  /// Two blanks of indent; for people.
  std::string ToPrettyString() const;

  /// Equal values; object members in any order, numbers by text or, failing that, by double value.
  bool operator==(const Json& other) const;

 private:
  struct Number {
    std::string text;
  };
  friend class JsonParser;
  std::variant<std::nullptr_t, bool, Number, std::string, Array, Object> value_ = nullptr;
};

/// A place in a Json tree that knows its path, for errors like
/// "schemas[0].fields[2].id: expected an integer, got a string". Cheap to copy; borrows the tree
/// and its parent cursors, so parents must outlive children.
class JsonCursor {
 public:
  explicit JsonCursor(const Json& root) : value_(&root) {}
  explicit JsonCursor(Json&&) = delete;

  const Json& json() const { return *value_; }
  /// "schemas[0].fields[2].id", or "(document)" for the root.
  std::string path() const;

  // All give InvalidArgument with the path when the value is of another kind or out of range.
  Result<bool> Bool() const;
  Result<int32_t> Int32() const;
  Result<int64_t> Int64() const;
  Result<double> Double() const;
  Result<std::string> String() const;
  Status ExpectObject() const;
  Status ExpectArray() const;

  /// The member; InvalidArgument "missing" if absent or null. *this must be an object (else error).
  Result<JsonCursor> Get(std::string_view key) const;
  /// The member, or nothing if absent or null; an error only if *this is not an object.
  Result<std::optional<JsonCursor>> Find(std::string_view key) const;

  // Shorthands over Get/Find.
  Result<bool> Bool(std::string_view key) const;
  Result<int32_t> Int32(std::string_view key) const;
  Result<int64_t> Int64(std::string_view key) const;
  Result<std::string> String(std::string_view key) const;
  Result<std::optional<bool>> OptBool(std::string_view key) const;
  Result<std::optional<int32_t>> OptInt32(std::string_view key) const;
  Result<std::optional<int64_t>> OptInt64(std::string_view key) const;
  Result<std::optional<std::string>> OptString(std::string_view key) const;

  /// Number of elements of an array (0 for other kinds; call ExpectArray first).
  size_t size() const { return value_->is_array() ? value_->as_array().size() : 0; }
  JsonCursor At(size_t index) const;
  /// The i-th member of an object and its key.
  size_t member_count() const { return value_->is_object() ? value_->as_object().size() : 0; }
  const std::string& member_key(size_t i) const { return value_->as_object()[i].first; }
  JsonCursor Member(size_t i) const;

  /// InvalidArgument "<path>: expected <what>, got <kind>".
  Status Expected(std::string_view what) const;
  /// InvalidArgument "<path>: <problem>".
  Status Error(std::string_view problem) const;

 private:
  JsonCursor(const Json& value, const JsonCursor* parent, std::string_view key, size_t index)
      : value_(&value), parent_(parent), key_(key), index_(index) {}

  const Json* value_;
  const JsonCursor* parent_ = nullptr;
  std::string_view key_;
  size_t index_ = 0;
};

/// Writes JSON text straight to a string: calls must nest properly (checked). Commas are put by
/// itself.
class JsonWriter {
 public:
  explicit JsonWriter(std::string* out) : out_(out) {}

  JsonWriter& BeginObject();
  JsonWriter& EndObject();
  JsonWriter& BeginArray();
  JsonWriter& EndArray();
  JsonWriter& Key(std::string_view key);
  JsonWriter& Null();
  JsonWriter& Bool(bool value);
  JsonWriter& Int(int64_t value);
  JsonWriter& Double(double value);
  JsonWriter& String(std::string_view value);
  JsonWriter& Value(const Json& value);
  /// Text that is JSON already.
  JsonWriter& Raw(std::string_view json);

  JsonWriter& Field(std::string_view key, std::string_view value) { return Key(key).String(value); }
  JsonWriter& Field(std::string_view key, const char* value) { return Key(key).String(value); }
  JsonWriter& Field(std::string_view key, const std::string& value) {
    return Key(key).String(value);
  }
  JsonWriter& Field(std::string_view key, int64_t value) { return Key(key).Int(value); }
  JsonWriter& Field(std::string_view key, int32_t value) { return Key(key).Int(value); }
  JsonWriter& Field(std::string_view key, bool value) { return Key(key).Bool(value); }
  JsonWriter& Field(std::string_view key, const Json& value) { return Key(key).Value(value); }

 private:
  void BeforeValue();

  std::string* out_;
  std::vector<bool> has_element_;  // one per open array or object
  bool after_key_ = false;
};

/// Appends the text as a JSON string with quotes and escapes.
void AppendJsonString(std::string_view text, std::string* out);

}  // namespace moraine
