// What a schema must obey before it is stored, and the renumbering of a new table's columns.

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "moraine/iceberg/types/type.h"

namespace moraine::iceberg {
namespace {

constexpr int32_t kHighestColumnId = 2147483447;  // the 200 above are reserved

/// Collects the problems of one schema; the walk visits every field at any depth.
class SchemaChecker {
 public:
  SchemaChecker(const Schema& schema, int format_version)
      : schema_(schema), format_version_(format_version) {}

  Status Check() {
    MORAINE_TRY(CheckFields(*schema_.root(), ""));
    if (!problems_.empty()) return Problems();
    return CheckIdentifiers();
  }

 private:
  Status CheckFields(const Type& type, const std::string& prefix) {
    std::set<std::string_view> names;
    for (const Field& field : type.fields()) {
      std::string name = prefix + field.name;
      if (field.name.empty()) {
        return InvalidArgument(fmt::format("Invalid schema: empty name of field {}", field.id));
      }
      if (!names.insert(field.name).second || !full_names_.insert(name).second) {
        return InvalidArgument(fmt::format("Invalid schema: multiple fields for name {}", name));
      }
      if (field.id < 0 || field.id > kHighestColumnId) {
        return InvalidArgument(fmt::format(
            "Invalid schema: field {} has the reserved or negative id {}", name, field.id));
      }
      if (auto [it, fresh] = ids_.try_emplace(field.id, name); !fresh) {
        return InvalidArgument(
            fmt::format("Invalid schema: field {} and field {} have the same id {}", it->second,
                        name, field.id));
      }
      CheckType(field, name);
      MORAINE_TRY(CheckDefaults(field, name));
      MORAINE_TRY(CheckFields(*field.type, name + "."));
    }
    return CheckMapKey(type, prefix);
  }

  void CheckType(const Field& field, const std::string& name) {
    if (int least = MinFormatVersion(*field.type); format_version_ < least) {
      problems_[field.id] = fmt::format("Invalid type for {}: {} is not supported until v{}", name,
                                        field.type->ToString(), least);
    }
  }

  Status CheckDefaults(const Field& field, const std::string& name) {
    bool has_nested_default = std::any_of(
        field.unknown.begin(), field.unknown.end(),
        [](auto& member) { return member.first == "initial-default" && !member.second.is_null(); });
    bool has_initial =
        (field.initial_default && !IsNull(*field.initial_default)) || has_nested_default;
    if (has_initial && format_version_ < 3) {
      problems_[field.id] = fmt::format(
          "Invalid initial default for {}: non-null default ({}) is not supported until v3", name,
          field.initial_default ? ValueToText(*field.type, *field.initial_default) : "nested");
    }
    if (field.type->kind() == TypeKind::kUnknown && field.required) {
      return InvalidArgument(
          fmt::format("Invalid schema: field {} of type unknown must be optional", name));
    }
    return Status();
  }

  Status CheckMapKey(const Type& type, const std::string& prefix) {
    if (type.kind() != TypeKind::kMap) return Status();
    switch (type.key().type->kind()) {
      case TypeKind::kUnknown:
      case TypeKind::kVariant:
      case TypeKind::kGeometry:
      case TypeKind::kGeography:
        return InvalidArgument(fmt::format("Invalid schema: {}key cannot be of type {}", prefix,
                                           type.key().type->ToString()));
      default:
        return Status();
    }
  }

  Status Problems() const {
    std::string message = fmt::format("Invalid schema for v{}:", format_version_);
    for (const auto& [id, problem] : problems_) message += "\n- " + problem;
    return InvalidArgument(std::move(message));
  }

  Status CheckIdentifiers() const {
    for (int32_t id : schema_.identifier_field_ids()) {
      const Field* field = schema_.FindField(id);
      if (field == nullptr) {
        return InvalidArgument(
            fmt::format("Cannot add field {} as an identifier field: field does not exist", id));
      }
      std::string_view problem = IdentifierProblem(*field);
      if (!problem.empty()) {
        return InvalidArgument(fmt::format("Cannot add field {} as an identifier field: {}",
                                           schema_.FullName(id), problem));
      }
    }
    return Status();
  }

  std::string_view IdentifierProblem(const Field& field) const {
    if (!field.type->is_primitive()) return "not a primitive type field";
    if (!field.required) return "not a required field";
    switch (field.type->kind()) {
      case TypeKind::kFloat:
      case TypeKind::kDouble:
        return "must not be float or double field";
      case TypeKind::kUnknown:
      case TypeKind::kGeometry:
      case TypeKind::kGeography:
        return "its type has no equality";
      default:
        break;
    }
    for (auto parent = schema_.ParentOf(field.id); parent; parent = schema_.ParentOf(*parent)) {
      const Field* holder = schema_.FindField(*parent);
      if (holder->type->kind() != TypeKind::kStruct) return "must not be nested in a list or map";
      if (!holder->required) return "must not be nested in an optional field";
    }
    return "";
  }

  const Schema& schema_;
  int format_version_;
  std::map<int32_t, std::string> ids_;
  std::set<std::string> full_names_;
  std::map<int32_t, std::string> problems_;
};

/// Renumbers one type after its holder's fields have their ids.
class Renumberer {
 public:
  TypePtr Renumber(const TypePtr& type) {
    if (!type->is_nested()) return type;
    std::vector<Field> fields = type->fields();
    for (Field& field : fields) {
      new_ids_.try_emplace(field.id, last_id_ + 1);
      field.id = ++last_id_;
    }
    for (Field& field : fields) field.type = Renumber(field.type);
    switch (type->kind()) {
      case TypeKind::kList:
        return Type::List(std::move(fields[0]));
      case TypeKind::kMap:
        return Type::Map(std::move(fields[0]), std::move(fields[1]));
      default:
        return Type::Struct(std::move(fields));
    }
  }

  int32_t last_id() const { return last_id_; }
  int32_t NewId(int32_t old_id) const {
    auto it = new_ids_.find(old_id);
    return it == new_ids_.end() ? old_id : it->second;
  }

 private:
  int32_t last_id_ = 0;
  std::map<int32_t, int32_t> new_ids_;
};

}  // namespace

Status ValidateSchema(const Schema& schema, int format_version) {
  return SchemaChecker(schema, format_version).Check();
}

Schema AssignFreshIds(const Schema& schema, int32_t schema_id, int32_t* last_column_id) {
  Renumberer renumberer;
  TypePtr root = renumberer.Renumber(schema.root());
  std::vector<int32_t> identifier_ids;
  for (int32_t id : schema.identifier_field_ids()) identifier_ids.push_back(renumberer.NewId(id));
  if (last_column_id != nullptr) *last_column_id = renumberer.last_id();
  Schema fresh(schema_id, root->fields(), std::move(identifier_ids));
  fresh.set_unknown(schema.unknown());
  return fresh;
}

}  // namespace moraine::iceberg
