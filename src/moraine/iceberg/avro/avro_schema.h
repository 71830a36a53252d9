#pragma once
// Avro schemas as files carry them (Avro spec, "Schema Declaration"), with the properties of
// Iceberg: field-id, element-id, key-id, value-id, logical types, adjust-to-utc.
//
// A schema is a flat list of nodes that refer to each other by index; so a record may hold itself.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"

namespace moraine::iceberg {

enum class AvroKind : uint8_t {
  kNull,
  kBoolean,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kBytes,
  kString,
  kFixed,
  kEnum,
  kArray,
  kMap,
  kUnion,
  kRecord,
};
std::string_view AvroKindName(AvroKind kind);

struct AvroField {
  std::string name;  ///< the original one where iceberg-field-name gives it
  std::optional<int32_t> field_id;
  int node = 0;
};

struct AvroNode {
  AvroKind kind = AvroKind::kNull;
  std::string name;  ///< full name of a record, enum or fixed
  std::string logical_type;
  int precision = 0;  ///< decimal
  int scale = 0;
  bool adjust_to_utc = false;        ///< timestamps
  int64_t size = 0;                  ///< fixed
  std::vector<std::string> symbols;  ///< enum
  std::vector<AvroField> fields;     ///< record
  std::vector<int> children;         ///< array: item; map: value; union: branches
  std::optional<int32_t> element_id;
  std::optional<int32_t> key_id;
  std::optional<int32_t> value_id;
  /// The fewest bytes a value takes. 0 only for what always takes none (null, a record of nulls).
  size_t min_bytes = 0;
  /// How many places of the schema lead here.
  int references = 0;
};

class AvroSchema {
 public:
  /// Errors: Corruption that names the place. Names defined twice are let pass (some writers do
  /// it); the later one counts from there on.
  static Result<AvroSchema> Parse(std::string_view json);

  const AvroNode& node(int index) const { return nodes_[static_cast<size_t>(index)]; }
  int root() const { return root_; }
  size_t node_count() const { return nodes_.size(); }

 private:
  friend class AvroSchemaParser;
  std::vector<AvroNode> nodes_;
  int root_ = 0;
};

/// A type that may be null: a union of null and one other, or of one alone, or no union at all.
struct AvroOptional {
  int node = 0;           ///< what is there when it isn't null
  bool is_union = false;  ///< a branch number comes first
  int value_branch = 0;
  int null_branch = -1;  ///< -1: never null
};
/// Nothing for a union of several types.
std::optional<AvroOptional> AsOptional(const AvroSchema& schema, int node);

}  // namespace moraine::iceberg
