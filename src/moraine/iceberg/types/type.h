#pragma once
// Types of format versions 1 to 3 and schemas (table spec, "Schemas and data types", "Schema
// evolution"). Immutable once made; shared by pointer between metadata, readers and plans.

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "moraine/base/json.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/types/value.h"

namespace moraine::iceberg {

enum class TypeKind : uint8_t {
  kUnknown,
  kBoolean,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kDecimal,
  kDate,
  kTime,
  kTimestamp,
  kTimestampTz,
  kTimestampNs,
  kTimestampTzNs,
  kString,
  kUuid,
  kFixed,
  kBinary,
  kVariant,
  kGeometry,
  kGeography,
  kStruct,
  kList,
  kMap,
};

class Type;
using TypePtr = std::shared_ptr<const Type>;

/// One field of a struct, or the element of a list, or the key or value of a map.
struct Field {
  int32_t id = 0;
  std::string name;
  bool required = false;
  TypePtr type;
  std::string doc = {};                       ///< empty: none
  std::optional<Value> initial_default = {};  ///< v3; primitive types only, never null
  std::optional<Value> write_default = {};
  /// Members of its JSON object that Moraine does not know, and defaults of nested types; written
  /// back.
  Json::Object unknown = {};

  bool operator==(const Field& other) const;
};

class Type {
 public:
  static TypePtr Primitive(TypeKind kind);  ///< kinds without parameters
  static TypePtr Decimal(int precision, int scale);
  static TypePtr Fixed(int64_t length);
  static TypePtr Geometry(std::string crs);
  static TypePtr Geography(std::string crs, std::string algorithm);
  static TypePtr Struct(std::vector<Field> fields);
  static TypePtr List(Field element);          ///< its name becomes "element"
  static TypePtr Map(Field key, Field value);  ///< names become "key", "value"
  /// "decimal(9, 2)", "fixed[16]", "timestamptz": any primitive's JSON string.
  static Result<TypePtr> FromString(std::string_view text);

  TypeKind kind() const { return kind_; }
  bool is_nested() const { return kind_ >= TypeKind::kStruct; }
  bool is_primitive() const { return !is_nested() && kind_ != TypeKind::kVariant; }
  int precision() const { return precision_; }
  int scale() const { return scale_; }
  int64_t length() const { return length_; }
  const std::string& crs() const { return crs_; }
  const std::string& algorithm() const { return algorithm_; }
  /// Struct: its fields. List: the element. Map: key, value. Else empty.
  const std::vector<Field>& fields() const { return fields_; }
  const Field& element() const { return fields_[0]; }
  const Field& key() const { return fields_[0]; }
  const Field& value() const { return fields_[1]; }

  /// The JSON string of a primitive; "struct<...>" text for nested types in messages.
  std::string ToString() const;
  bool operator==(const Type& other) const;

 private:
  Type() = default;
  TypeKind kind_ = TypeKind::kUnknown;
  int precision_ = 0;
  int scale_ = 0;
  int64_t length_ = 0;
  std::string crs_;
  std::string algorithm_;
  std::vector<Field> fields_;
};

/// The lowest format version in which the type may be used.
int MinFormatVersion(const Type& type);
/// Whether a column of type from may become to (spec, "Type promotion"), for this format version.
bool CanPromote(const Type& from, const Type& to, int format_version);

class Schema {
 public:
  /// Field ids should be unique (ValidateSchema); of fields with the same id the first is found.
  Schema(int32_t schema_id, std::vector<Field> fields,
         std::vector<int32_t> identifier_field_ids = {});

  int32_t schema_id() const { return schema_id_; }
  const std::vector<Field>& fields() const { return root_->fields(); }
  const TypePtr& root() const { return root_; }  ///< the struct of all fields
  const std::vector<int32_t>& identifier_field_ids() const { return identifier_field_ids_; }

  /// Any field at any depth, or nullptr.
  const Field* FindField(int32_t id) const;
  /// By full name with dots ("a.b", "list.element", "map.value"), or nullptr. Inside lists and maps
  /// of structs "element" and "value" may be left out, as in Java ("list.b").
  const Field* FindField(std::string_view name) const;
  const Field* FindFieldIgnoreCase(std::string_view name) const;
  /// "a.b", or "" for an unknown id.
  std::string FullName(int32_t id) const;
  /// The struct, list or map field that holds this one, or nullopt for a top-level field.
  std::optional<int32_t> ParentOf(int32_t id) const;
  int32_t HighestFieldId() const;
  /// Members of its JSON object that Moraine does not know; written back, not compared.
  const Json::Object& unknown() const { return unknown_; }
  void set_unknown(Json::Object unknown) { unknown_ = std::move(unknown); }
  /// The same schema under another id.
  Schema WithId(int32_t schema_id) const;

  /// Same fields and identifier fields; schema_id is not compared.
  bool SameAs(const Schema& other) const;
  bool operator==(const Schema& other) const {
    return schema_id_ == other.schema_id_ && SameAs(other);
  }

 private:
  struct Entry {
    Field field;  // shares its type
    std::string full_name;
    std::optional<int32_t> parent;
  };
  void Index(const Type& type, const std::string& prefix, const std::string& short_prefix,
             std::optional<int32_t> parent);

  int32_t schema_id_;
  TypePtr root_;
  std::vector<int32_t> identifier_field_ids_;
  std::unordered_map<int32_t, Entry> by_id_;
  std::unordered_map<std::string, int32_t> by_name_;
  std::unordered_map<std::string, int32_t>
      by_short_name_;  // without "element" and "value" of structs
  Json::Object unknown_;
};
using SchemaPtr = std::shared_ptr<const Schema>;

/// Members of a JSON object that are not in known, in their order.
Json::Object UnknownMembers(const JsonCursor& json, std::initializer_list<std::string_view> known);
void WriteUnknownMembers(const Json::Object& unknown, JsonWriter* out);

/// Checks ids unique and in range, names unique per struct and not empty, identifier fields legal,
/// types and defaults legal for the format version. Errors: InvalidArgument that names the field.
Status ValidateSchema(const Schema& schema, int format_version);
/// Renumbers as Java does for a new table: all fields of a struct first, then into nested types,
/// from 1. Returns the schema (id 0) and its highest id; identifier ids follow.
Schema AssignFreshIds(const Schema& schema, int32_t schema_id, int32_t* last_column_id);

void WriteType(const Type& type, JsonWriter* out);
void WriteSchema(const Schema& schema, JsonWriter* out);
std::string SchemaToJson(const Schema& schema);
/// Errors: InvalidArgument with the path of the field. schema-id defaults to 0.
Result<Schema> SchemaFromJson(const JsonCursor& json);
Result<TypePtr> TypeFromJson(const JsonCursor& json);

/// Ids and names of the metadata columns (spec, "Reserved field ids").
inline constexpr int32_t kFilePathFieldId = 2147483546;  // delete files: file_path
inline constexpr int32_t kPositionFieldId = 2147483545;  // delete files: pos
inline constexpr int32_t kRowFieldId = 2147483544;       // delete files: row
inline constexpr int32_t kRowIdFieldId = 2147483540;     // _row_id
inline constexpr int32_t kLastUpdatedSequenceNumberFieldId = 2147483539;
inline constexpr int32_t kSpecIdFieldId = 2147483643;            // _spec_id
inline constexpr int32_t kPartitionFieldId = 2147483642;         // _partition
inline constexpr int32_t kIsDeletedFieldId = 2147483644;         // _deleted
inline constexpr int32_t kMetadataFilePathFieldId = 2147483646;  // _file
inline constexpr int32_t kMetadataPositionFieldId = 2147483645;  // _pos

}  // namespace moraine::iceberg
