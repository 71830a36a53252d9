// Schemas: the index of fields by id and name.

#include <algorithm>

#include "moraine/base/text.h"
#include "moraine/iceberg/types/type.h"

namespace moraine::iceberg {

Schema::Schema(int32_t schema_id, std::vector<Field> fields,
               std::vector<int32_t> identifier_field_ids)
    : schema_id_(schema_id),
      root_(Type::Struct(std::move(fields))),
      identifier_field_ids_(std::move(identifier_field_ids)) {
  Index(*root_, "", "", std::nullopt);
}

void Schema::Index(const Type& type, const std::string& prefix, const std::string& short_prefix,
                   std::optional<int32_t> parent) {
  for (const Field& field : type.fields()) {
    std::string full_name = prefix + field.name;
    std::string short_name = short_prefix + field.name;
    by_name_.try_emplace(full_name, field.id);
    if (short_name != full_name) by_short_name_.try_emplace(short_name, field.id);
    bool element_or_value = (type.kind() == TypeKind::kList || type.kind() == TypeKind::kMap) &&
                            &field == &type.fields().back();
    bool left_out = element_or_value && field.type->kind() == TypeKind::kStruct;
    Index(*field.type, full_name + ".", left_out ? short_prefix : short_name + ".", field.id);
    by_id_.try_emplace(field.id, Entry{field, std::move(full_name), parent});
  }
}

const Field* Schema::FindField(int32_t id) const {
  auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : &it->second.field;
}

const Field* Schema::FindField(std::string_view name) const {
  std::string key(name);
  if (auto it = by_name_.find(key); it != by_name_.end()) return FindField(it->second);
  if (auto it = by_short_name_.find(key); it != by_short_name_.end()) return FindField(it->second);
  return nullptr;
}

const Field* Schema::FindFieldIgnoreCase(std::string_view name) const {
  if (const Field* exact = FindField(name)) return exact;
  std::string lower = ToLowerAscii(name);
  const Field* found = nullptr;
  for (const auto* names : {&by_name_, &by_short_name_}) {
    for (const auto& [known, id] : *names) {
      // The smallest id wins, so that the answer does not depend on the order of the hash map.
      if (known.size() == lower.size() && ToLowerAscii(known) == lower &&
          (found == nullptr || id < found->id)) {
        found = FindField(id);
      }
    }
    if (found != nullptr) return found;
  }
  return nullptr;
}

std::string Schema::FullName(int32_t id) const {
  auto it = by_id_.find(id);
  return it == by_id_.end() ? "" : it->second.full_name;
}

std::optional<int32_t> Schema::ParentOf(int32_t id) const {
  auto it = by_id_.find(id);
  return it == by_id_.end() ? std::nullopt : it->second.parent;
}

int32_t Schema::HighestFieldId() const {
  int32_t highest = 0;
  for (const auto& [id, entry] : by_id_) highest = std::max(highest, id);
  return highest;
}

Schema Schema::WithId(int32_t schema_id) const {
  Schema copy = *this;
  copy.schema_id_ = schema_id;
  return copy;
}

bool Schema::SameAs(const Schema& other) const {
  auto sorted = [](std::vector<int32_t> ids) {
    std::sort(ids.begin(), ids.end());
    return ids;
  };
  return *root_ == *other.root_ &&
         sorted(identifier_field_ids_) == sorted(other.identifier_field_ids_);
}

}  // namespace moraine::iceberg
