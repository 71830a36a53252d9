#include "moraine/api/testing/schema_check.h"

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/check.h"
#include "moraine/base/text.h"

namespace moraine::api {
namespace {

bool HasType(std::string_view type, const Json& value) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_bool();
  if (type == "integer") return value.is_number() && value.int64().has_value();
  if (type == "number") return value.is_number();
  return false;
}

std::string At(const std::string& path, std::string_view problem) {
  return path.empty() ? std::string(problem) : fmt::format("{}: {}", path, problem);
}

std::string Below(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

}  // namespace

const Json* SchemaCheck::Find(std::string_view ref) const {
  if (!ref.starts_with("#/")) return nullptr;
  const Json* at = &document_;
  for (auto part : Split(ref.substr(2), '/')) {
    if (!at->is_object()) return nullptr;
    at = at->Find(part);
    if (at == nullptr) return nullptr;
  }
  return at;
}

const Json& SchemaCheck::Resolve(const Json& value) const {
  const Json* ref = value.is_object() ? value.Find("$ref") : nullptr;
  if (ref == nullptr) return value;
  const Json* found = Find(ref->as_string());
  MORAINE_CHECK(found != nullptr, ref->as_string());
  return Resolve(*found);
}

void SchemaCheck::Flatten(const Json& schema, std::vector<const Json*>* parts) const {
  const Json& resolved = Resolve(schema);
  parts->push_back(&resolved);
  if (const Json* all = resolved.Find("allOf")) {
    for (const auto& part : all->as_array()) Flatten(part, parts);
  }
}

std::vector<std::string> SchemaCheck::NeverSeen(const std::vector<const Json*>& answers) const {
  std::set<const Json*> visited;
  std::vector<std::string> unseen;
  for (const Json* schema : answers) CollectUnseen(*schema, "", &visited, &unseen);
  return unseen;
}

void SchemaCheck::CollectUnseen(const Json& schema, const std::string& name,
                                std::set<const Json*>* visited,
                                std::vector<std::string>* unseen) const {
  const Json* ref = schema.Find("$ref");
  std::string own = name;
  if (ref != nullptr) own = ref->as_string().substr(ref->as_string().rfind('/') + 1);
  const Json& resolved = Resolve(schema);
  if (!visited->insert(&resolved).second) return;
  if (const Json* all = resolved.Find("allOf")) {
    for (const auto& part : all->as_array()) CollectUnseen(part, own, visited, unseen);
  }
  if (const Json* items = resolved.Find("items")) {
    CollectUnseen(*items, own + "[]", visited, unseen);
  }
  const Json* properties = resolved.Find("properties");
  if (properties == nullptr) return;
  for (const auto& [key, property] : properties->as_object()) {
    if (!seen_.contains(&property)) unseen->push_back(Below(own, key));
    CollectUnseen(property, Below(own, key), visited, unseen);
  }
}

std::string SchemaCheck::Problem(const Json& schema, const Json& value) const {
  return Check(schema, value, "");
}

std::string SchemaCheck::Check(const Json& schema, const Json& value,
                               const std::string& path) const {
  std::vector<const Json*> parts;
  Flatten(schema, &parts);
  for (const Json* part : parts) {
    if (auto problem = CheckScalar(*part, value, path); !problem.empty()) return problem;
    if (const Json* items = part->Find("items"); items != nullptr && value.is_array()) {
      for (size_t i = 0; i < value.as_array().size(); ++i) {
        auto problem = Check(*items, value.as_array()[i], fmt::format("{}[{}]", path, i));
        if (!problem.empty()) return problem;
      }
    }
  }
  return value.is_object() ? CheckObject(schema, value, path) : "";
}

std::string SchemaCheck::CheckScalar(const Json& schema, const Json& value,
                                     const std::string& path) const {
  if (const Json* type = schema.Find("type");
      type != nullptr && !HasType(type->as_string(), value)) {
    return At(path, "expected " + type->as_string());
  }
  if (const Json* low = schema.Find("minimum");
      low != nullptr && *value.number() < *low->number()) {
    return At(path, "below the minimum");
  }
  if (const Json* high = schema.Find("maximum");
      high != nullptr && *value.number() > *high->number()) {
    return At(path, "above the maximum");
  }
  if (const Json* known = schema.Find("enum")) {
    const auto& values = known->as_array();
    if (std::find(values.begin(), values.end(), value) == values.end()) {
      return At(path, fmt::format("not in the enum: {}", value.ToString()));
    }
  }
  return "";
}

std::string SchemaCheck::CheckObject(const Json& schema, const Json& value,
                                     const std::string& path) const {
  std::vector<const Json*> parts;
  Flatten(schema, &parts);
  for (const Json* part : parts) {
    const Json* required = part->Find("required");
    if (required == nullptr) continue;
    for (const auto& name : required->as_array()) {
      if (value.Find(name.as_string()) == nullptr) {
        return At(Below(path, name.as_string()), "missing");
      }
    }
  }
  for (const auto& [key, member] : value.as_object()) {
    bool described = false;
    for (const Json* part : parts) {
      const Json* properties = part->Find("properties");
      const Json* property = properties != nullptr ? properties->Find(key) : nullptr;
      const Json* more = part->Find("additionalProperties");
      if (property == nullptr && more == nullptr) continue;
      described = true;
      const Json* against = property != nullptr ? property : more;
      seen_.insert(against);
      if (against->is_bool()) continue;
      if (auto problem = Check(*against, member, Below(path, key)); !problem.empty())
        return problem;
    }
    if (!described) return At(Below(path, key), "not described");
  }
  return "";
}

}  // namespace moraine::api
