#include "moraine/iceberg/avro/avro_schema.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

#include "moraine/base/json.h"

namespace moraine::iceberg {
namespace {

constexpr std::array<std::string_view, 14> kKindNames = {
    "null",   "boolean", "int",  "long",  "float", "double", "bytes",
    "string", "fixed",   "enum", "array", "map",   "union",  "record"};
constexpr size_t kFirstComplexKind = 8;
constexpr int64_t kMaxFixedBytes = 1 << 30;
constexpr size_t kMaxNodes = 1 << 20;

std::string NameOf(std::string_view name, std::string_view space) {
  if (space.empty() || name.find('.') != name.npos) return std::string(name);
  return fmt::format("{}.{}", space, name);
}

}  // namespace

std::string_view AvroKindName(AvroKind kind) { return kKindNames[static_cast<size_t>(kind)]; }

class AvroSchemaParser {
 public:
  Result<AvroSchema> Parse(const Json& json) {
    MORAINE_ASSIGN(schema_.root_, Type(JsonCursor(json), ""));
    Count(schema_.root_);
    return std::move(schema_);
  }

 private:
  AvroNode& at(int index) { return schema_.nodes_[static_cast<size_t>(index)]; }
  void Count(int index) { ++at(index).references; }

  Result<int> NewNode(AvroKind kind) {
    if (schema_.nodes_.size() >= kMaxNodes) return Corruption("an Avro schema has too many types");
    schema_.nodes_.emplace_back().kind = kind;
    const int index = static_cast<int>(schema_.nodes_.size()) - 1;
    if (kind != AvroKind::kRecord && kind != AvroKind::kFixed) MORAINE_TRY(Measure(index));
    return index;
  }

  Result<int> Type(const JsonCursor& json, std::string_view space) {
    if (json.json().is_string()) return Named(json, json.json().as_string(), space);
    if (json.json().is_array()) return Union(json, space);
    MORAINE_TRY(json.ExpectObject());
    MORAINE_ASSIGN(JsonCursor type, json.Get("type"));
    // {"type": {"type": ...}}: the outer object adds nothing.
    if (!type.json().is_string()) return Type(type, space);
    const std::string& name = type.json().as_string();
    const auto* found = std::find(kKindNames.begin(), kKindNames.end(), name);
    const auto kind = static_cast<size_t>(found - kKindNames.begin());
    if (kind < kFirstComplexKind) {
      MORAINE_ASSIGN(int index, NewNode(static_cast<AvroKind>(kind)));
      MORAINE_TRY(Attributes(json, index));
      return index;
    }
    if (name == "array" || name == "map") return Container(json, name == "array", space);
    if (name == "record" || name == "error") return Record(json, space);
    if (name == "enum") return Enum(json, space);
    if (name == "fixed") return Fixed(json, space);
    return Named(type, name, space);
  }

  Result<int> Named(const JsonCursor& json, std::string_view name, std::string_view space) {
    for (size_t kind = 0; kind < kFirstComplexKind; ++kind) {
      if (name == kKindNames[kind]) return NewNode(static_cast<AvroKind>(kind));
    }
    auto found = names_.find(NameOf(name, space));
    if (found == names_.end()) found = names_.find(std::string(name));
    if (found == names_.end()) {
      return json.Error(fmt::format("expected an Avro type, got '{}'", name.substr(0, 40)));
    }
    return found->second;
  }

  Result<int> Union(const JsonCursor& json, std::string_view space) {
    MORAINE_ASSIGN(int index, NewNode(AvroKind::kUnion));
    if (json.size() == 0) return json.Error("expected a union of at least one type");
    std::vector<int> branches;
    for (size_t i = 0; i < json.size(); ++i) {
      if (json.At(i).json().is_array()) return json.Error("expected no union within a union");
      MORAINE_ASSIGN(int branch, Type(json.At(i), space));
      Count(branch);
      branches.push_back(branch);
    }
    at(index).children = std::move(branches);
    return index;
  }

  Result<int> Container(const JsonCursor& json, bool is_array, std::string_view space) {
    MORAINE_ASSIGN(int index, NewNode(is_array ? AvroKind::kArray : AvroKind::kMap));
    MORAINE_TRY(Attributes(json, index));
    MORAINE_ASSIGN(JsonCursor inner, json.Get(is_array ? "items" : "values"));
    MORAINE_ASSIGN(int child, Type(inner, space));
    Count(child);
    at(index).children = {child};
    return index;
  }

  /// A new node that can be referred to by its name from here on; sets the namespace of what is
  /// inside.
  Result<int> Define(const JsonCursor& json, AvroKind kind, std::string* space) {
    MORAINE_ASSIGN(int index, NewNode(kind));
    MORAINE_TRY(Attributes(json, index));
    MORAINE_ASSIGN(std::optional<std::string> own_space, json.OptString("namespace"));
    MORAINE_ASSIGN(std::optional<std::string> name, json.OptString("name"));
    if (own_space) *space = *own_space;
    // A record without a name breaks the Avro rules, but nothing can refer to it, so it does no
    // harm.
    if (!name) return index;
    std::string full = NameOf(*name, *space);
    const size_t dot = full.rfind('.');
    *space = dot == full.npos ? "" : full.substr(0, dot);
    names_[full] = index;
    at(index).name = std::move(full);
    return index;
  }

  Result<int> Record(const JsonCursor& json, std::string_view outer_space) {
    std::string space(outer_space);
    MORAINE_ASSIGN(int index, Define(json, AvroKind::kRecord, &space));
    open_.insert(index);
    MORAINE_ASSIGN(JsonCursor list, json.Get("fields"));
    MORAINE_TRY(list.ExpectArray());
    std::vector<AvroField> fields;
    std::unordered_set<int32_t> ids;
    for (size_t i = 0; i < list.size(); ++i) {
      const JsonCursor item = list.At(i);
      AvroField field;
      MORAINE_ASSIGN(field.name, item.String("name"));
      MORAINE_ASSIGN(std::optional<std::string> original, item.OptString("iceberg-field-name"));
      if (original) field.name = *std::move(original);
      MORAINE_ASSIGN(field.field_id, item.OptInt32("field-id"));
      if (field.field_id && !ids.insert(*field.field_id).second) {
        return item.Error(fmt::format("field-id {} is there twice", *field.field_id));
      }
      MORAINE_ASSIGN(JsonCursor type, item.Get("type"));
      MORAINE_ASSIGN(field.node, Type(type, space));
      Count(field.node);
      fields.push_back(std::move(field));
    }
    at(index).fields = std::move(fields);
    MORAINE_TRY(Measure(index));
    open_.erase(index);
    return index;
  }

  Result<int> Enum(const JsonCursor& json, std::string_view outer_space) {
    std::string space(outer_space);
    MORAINE_ASSIGN(int index, Define(json, AvroKind::kEnum, &space));
    MORAINE_ASSIGN(JsonCursor list, json.Get("symbols"));
    MORAINE_TRY(list.ExpectArray());
    for (size_t i = 0; i < list.size(); ++i) {
      MORAINE_ASSIGN(std::string symbol, list.At(i).String());
      at(index).symbols.push_back(std::move(symbol));
    }
    return index;
  }

  Result<int> Fixed(const JsonCursor& json, std::string_view outer_space) {
    std::string space(outer_space);
    MORAINE_ASSIGN(int index, Define(json, AvroKind::kFixed, &space));
    MORAINE_ASSIGN(int64_t size, json.Int64("size"));
    if (size < 0 || size > kMaxFixedBytes) return json.Error("expected the size of a fixed type");
    at(index).size = size;
    MORAINE_TRY(Measure(index));
    return index;
  }

  Status Attributes(const JsonCursor& json, int index) {
    // Properties that are not of the kind we know count as absent, as the Avro rules ask.
    AvroNode& node = at(index);
    const auto integer = [&](std::string_view key) -> std::optional<int32_t> {
      const Json* found = json.json().Find(key);
      if (found == nullptr || !found->is_number()) return std::nullopt;
      const std::optional<int64_t> value = found->int64();
      if (!value || *value != static_cast<int32_t>(*value)) return std::nullopt;
      return static_cast<int32_t>(*value);
    };
    const Json* logical = json.json().Find("logicalType");
    if (logical != nullptr && logical->is_string()) node.logical_type = logical->as_string();
    const Json* utc = json.json().Find("adjust-to-utc");
    node.adjust_to_utc = utc != nullptr && utc->is_bool() && utc->as_bool();
    node.element_id = integer("element-id");
    node.key_id = integer("key-id");
    node.value_id = integer("value-id");
    node.precision = integer("precision").value_or(0);
    node.scale = integer("scale").value_or(0);
    return {};
  }

  /// Fills min_bytes, once the node's fields are there. Types within are done already, but for a
  /// record that encloses this one: a value of it would have no end.
  Status Measure(int index) {
    AvroNode& node = at(index);
    switch (node.kind) {
      case AvroKind::kNull:
        break;
      case AvroKind::kFloat:
        node.min_bytes = 4;
        break;
      case AvroKind::kDouble:
        node.min_bytes = 8;
        break;
      case AvroKind::kFixed:
        node.min_bytes = std::min(static_cast<size_t>(node.size), kEnoughBytes);
        break;
      case AvroKind::kRecord:
        for (const AvroField& field : node.fields) {
          if (open_.contains(field.node)) {
            return Corruption(fmt::format("Avro record {} must hold itself", at(field.node).name));
          }
          // Sums of sums may double at each level: enough is enough.
          node.min_bytes = std::min(node.min_bytes + at(field.node).min_bytes, kEnoughBytes);
        }
        break;
      default:
        node.min_bytes = 1;  // a varint, a boolean, a count, a branch
    }
    return {};
  }

  static constexpr size_t kEnoughBytes = size_t{1} << 20;
  AvroSchema schema_;
  std::unordered_map<std::string, int> names_;
  std::unordered_set<int> open_;  // records being parsed
};

Result<AvroSchema> AvroSchema::Parse(std::string_view text) {
  Result<Json> json = Json::Parse(text);
  if (!json.ok()) {
    return std::move(json).status().WithCode(Code::kCorruption).Annotate("reading avro.schema");
  }
  Result<AvroSchema> schema = AvroSchemaParser().Parse(*json);
  if (!schema.ok()) {
    return std::move(schema).status().WithCode(Code::kCorruption).Annotate("reading avro.schema");
  }
  return schema;
}

std::optional<AvroOptional> AsOptional(const AvroSchema& schema, int index) {
  const AvroNode& node = schema.node(index);
  AvroOptional result{.node = index};
  if (node.kind != AvroKind::kUnion) return result;
  result.is_union = true;
  const auto is_null = [&](size_t i) {
    return schema.node(node.children[i]).kind == AvroKind::kNull;
  };
  if (node.children.size() > 2) return std::nullopt;
  if (node.children.size() == 2) {
    if (is_null(0) == is_null(1)) return std::nullopt;
    result.null_branch = is_null(0) ? 0 : 1;
    result.value_branch = 1 - result.null_branch;
  }
  result.node = node.children[static_cast<size_t>(result.value_branch)];
  return result;
}

}  // namespace moraine::iceberg
