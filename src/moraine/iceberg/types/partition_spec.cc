#include "moraine/iceberg/types/partition_spec.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace moraine::iceberg {
namespace {

/// Java's URLEncoder: form encoding.
std::string FormEncode(std::string_view text) {
  std::string out;
  for (char c : text) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '.' || c == '-' || c == '*' || c == '_';
    if (plain) {
      out.push_back(c);
    } else if (c == ' ') {
      out.push_back('+');
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

/// What is wrong with one source column, or OK. kind: "partition" or "sort".
Status CheckSource(const Schema& schema, int32_t source_id, const Transform& transform,
                   std::string_view kind, const std::string& name) {
  const Field* source = schema.FindField(source_id);
  if (source == nullptr) {
    return InvalidArgument(fmt::format("Cannot find source column for {} field: {} (column id {})",
                                       kind, name, source_id));
  }
  if (!source->type->is_primitive()) {
    return InvalidArgument(fmt::format("Cannot {} by non-primitive source field: {} ({})", kind,
                                       name, source->type->ToString()));
  }
  if (!transform.Accepts(*source->type)) {
    return InvalidArgument(fmt::format("Invalid source type {} for transform: {} ({} field {})",
                                       source->type->ToString(), transform.ToString(), kind, name));
  }
  for (auto parent = schema.ParentOf(source_id); parent; parent = schema.ParentOf(*parent)) {
    const Field* holder = schema.FindField(*parent);
    if (holder->type->kind() != TypeKind::kStruct) {
      return InvalidArgument(fmt::format("Cannot {} by a field inside a list or map: {} ({})", kind,
                                         name, schema.FullName(source_id)));
    }
  }
  return Status();
}

Status CheckName(const PartitionField& field, const Schema& schema) {
  if (field.name.empty()) {
    return InvalidArgument(
        fmt::format("Cannot use empty partition name: field {}", field.field_id));
  }
  const Field* column = schema.FindField(field.name);
  if (column == nullptr) return Status();
  bool own_source = (field.transform.kind() == Transform::Kind::kIdentity ||
                     field.transform.kind() == Transform::Kind::kVoid) &&
                    column->id == field.source_id();
  if (own_source) return Status();
  return InvalidArgument(
      fmt::format("Cannot create partition from name that exists in schema: {}", field.name));
}

}  // namespace

bool PartitionSpec::is_unpartitioned() const {
  return std::all_of(fields.begin(), fields.end(), [](const PartitionField& field) {
    return field.transform.kind() == Transform::Kind::kVoid;
  });
}

bool PartitionSpec::CompatibleWith(const PartitionSpec& other) const {
  return std::equal(fields.begin(), fields.end(), other.fields.begin(), other.fields.end(),
                    [](const PartitionField& a, const PartitionField& b) {
                      return a.source_ids == b.source_ids && a.transform == b.transform &&
                             a.name == b.name;
                    });
}

int32_t PartitionSpec::HighestFieldId() const {
  int32_t highest = kFirstPartitionFieldId - 1;
  for (const PartitionField& field : fields) highest = std::max(highest, field.field_id);
  return highest;
}

std::vector<TypePtr> PartitionTypes(const PartitionSpec& spec, const Schema& schema) {
  std::vector<TypePtr> types;
  types.reserve(spec.fields.size());
  for (const PartitionField& field : spec.fields) {
    const Field* source = schema.FindField(field.source_id());
    TypePtr source_type = source != nullptr ? source->type : Type::Primitive(TypeKind::kUnknown);
    types.push_back(field.transform.ResultType(source_type));
  }
  return types;
}

std::string PartitionPath(const PartitionSpec& spec, const Schema& schema,
                          const PartitionTuple& tuple) {
  std::vector<TypePtr> types = PartitionTypes(spec, schema);
  std::string path;
  for (size_t i = 0; i < spec.fields.size() && i < tuple.size(); ++i) {
    const PartitionField& field = spec.fields[i];
    if (i > 0) path += '/';
    path +=
        FormEncode(field.name) + "=" + FormEncode(field.transform.ToHumanText(*types[i], tuple[i]));
  }
  return path;
}

Status ValidatePartitionSpec(const PartitionSpec& spec, const Schema& schema) {
  std::set<std::string_view> names;
  std::set<std::pair<std::vector<int32_t>, std::string>> terms;
  std::set<int32_t> ids;
  for (const PartitionField& field : spec.fields) {
    MORAINE_TRY(CheckName(field, schema));
    if (!names.insert(field.name).second) {
      return InvalidArgument(
          fmt::format("Cannot use partition name more than once: {}", field.name));
    }
    if (field.field_id != 0 && !ids.insert(field.field_id).second) {
      return InvalidArgument(fmt::format(
          "Cannot use field id more than once in one PartitionSpec: {}", field.field_id));
    }
    if (field.transform.kind() == Transform::Kind::kVoid) continue;
    if (field.transform.kind() == Transform::Kind::kUnknown) {
      return InvalidArgument(fmt::format("Unknown transform {} of partition field {}",
                                         field.transform.ToString(), field.name));
    }
    if (field.source_ids.size() != 1) {
      return InvalidArgument(
          fmt::format("Transform {} of partition field {} takes one source column",
                      field.transform.ToString(), field.name));
    }
    if (!terms.insert({field.source_ids, field.transform.ToString()}).second) {
      return InvalidArgument(fmt::format("Cannot add redundant partition: {} ({} of column {})",
                                         field.name, field.transform.ToString(),
                                         field.source_id()));
    }
    MORAINE_TRY(CheckSource(schema, field.source_id(), field.transform, "partition", field.name));
  }
  return Status();
}

Status CheckPartitionSources(const PartitionSpec& spec, const Schema& schema) {
  for (const PartitionField& field : spec.fields) {
    bool usable = field.transform.kind() != Transform::Kind::kVoid &&
                  field.transform.kind() != Transform::Kind::kUnknown;
    if (!usable) continue;
    MORAINE_TRY(CheckSource(schema, field.source_id(), field.transform, "partition", field.name));
  }
  return Status();
}

bool SortOrder::SameAs(const SortOrder& other) const {
  return std::equal(fields.begin(), fields.end(), other.fields.begin(), other.fields.end(),
                    [](const SortField& a, const SortField& b) {
                      return a.source_ids == b.source_ids && a.transform == b.transform &&
                             a.direction == b.direction && a.null_order == b.null_order;
                    });
}

Status ValidateSortOrder(const SortOrder& order, const Schema& schema) {
  for (const SortField& field : order.fields) {
    std::string name = schema.FullName(field.source_id());
    if (name.empty()) name = std::to_string(field.source_id());
    if (field.transform.kind() == Transform::Kind::kUnknown) {
      return InvalidArgument(
          fmt::format("Unknown transform {} of sort field {}", field.transform.ToString(), name));
    }
    if (field.source_ids.size() != 1) {
      return InvalidArgument(fmt::format("Transform {} of a sort field takes one source column",
                                         field.transform.ToString()));
    }
    MORAINE_TRY(CheckSource(schema, field.source_id(), field.transform, "sort", name));
  }
  return Status();
}

}  // namespace moraine::iceberg
