#include "moraine/tasks/layout.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

namespace moraine::tasks {
namespace {

using iceberg::NullOrder;
using iceberg::SortDirection;
using iceberg::TypeKind;

constexpr std::string_view kKindNames[] = {"none", "sort", "zorder", "hilbert"};

std::string NameOf(int32_t id, const iceberg::Schema& schema) {
  std::string name = schema.FullName(id);
  return name.empty() ? fmt::format("#{}", id) : name;
}

std::string FieldText(const iceberg::SortField& field, std::string_view name) {
  const bool plain = field.transform == iceberg::Transform::Identity();
  return fmt::format(
      "{} {} {}",
      plain ? std::string(name) : fmt::format("{}({})", field.transform.ToString(), name),
      field.direction == SortDirection::kAscending ? "asc" : "desc",
      field.null_order == NullOrder::kNullsFirst ? "nulls first" : "nulls last");
}

template <typename NameOfId>
std::string TextOf(const Layout& layout, const NameOfId& name_of) {
  std::string text(kKindNames[static_cast<size_t>(layout.kind)]);
  if (layout.is_none()) return text;
  std::string list;
  for (const auto& field : layout.order.fields)
    list += (list.empty() ? "" : ",") + FieldText(field, name_of(field.source_id()));
  for (int32_t id : layout.columns) list += (list.empty() ? "" : ",") + name_of(id);
  return text + "(" + list + ")";
}

// FNV-1a: a mark must stay the same for ever, and nobody attacks it.
uint64_t Fingerprint(std::string_view text) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3;
  return hash;
}

/// A column that rows can be told apart and ordered by.
Status CheckColumn(int32_t id, const iceberg::Schema& schema) {
  const iceberg::Field* field = schema.FindField(id);
  if (field == nullptr) return InvalidArgument(fmt::format("no column has the id {}", id));
  for (auto parent = schema.ParentOf(id); parent; parent = schema.ParentOf(*parent)) {
    if (schema.FindField(*parent)->type->kind() != TypeKind::kStruct) {
      return InvalidArgument(fmt::format(
          "column {} lies in a list or map: it has no one value in a row", schema.FullName(id)));
    }
  }
  const TypeKind kind = field->type->kind();
  const bool ordered = field->type->is_primitive() && kind != TypeKind::kGeometry &&
                       kind != TypeKind::kGeography && kind != TypeKind::kUnknown;
  if (ordered) return {};
  return InvalidArgument(fmt::format("column {} is of type {}, which has no order",
                                     schema.FullName(id), field->type->ToString()));
}

Status CheckSortField(const iceberg::SortField& field, const iceberg::Schema& schema) {
  if (field.source_ids.size() != 1) {
    return InvalidArgument("a sort field over several columns is not supported");
  }
  MORAINE_TRY(CheckColumn(field.source_id(), schema));
  const auto kind = field.transform.kind();
  const iceberg::Type& type = *schema.FindField(field.source_id())->type;
  if (kind == iceberg::Transform::Kind::kUnknown || !field.transform.Accepts(type)) {
    return InvalidArgument(fmt::format("transform {} does not take column {} of type {}",
                                       field.transform.ToString(),
                                       schema.FullName(field.source_id()), type.ToString()));
  }
  return {};
}

void WriteIds(std::string_view key, const std::vector<int32_t>& ids, JsonWriter* out) {
  out->Key(key).BeginArray();
  for (int32_t id : ids) out->Int(id);
  out->EndArray();
}

Result<std::vector<int32_t>> ReadIds(const JsonCursor& json, std::string_view key) {
  std::vector<int32_t> ids;
  MORAINE_ASSIGN(const JsonCursor array, json.Get(key));
  MORAINE_TRY(array.ExpectArray());
  for (size_t i = 0; i < array.size(); ++i) {
    MORAINE_ASSIGN(const int32_t id, array.At(i).Int32());
    ids.push_back(id);
  }
  return ids;
}

}  // namespace

std::string LayoutText(const Layout& layout, const iceberg::Schema& schema) {
  return TextOf(layout, [&](int32_t id) { return NameOf(id, schema); });
}

std::string LayoutMark(const Layout& layout) {
  if (layout.is_none()) return "";
  const std::string text = TextOf(layout, [](int32_t id) { return fmt::format("#{}", id); });
  return fmt::format("{}{:08x}", kKindNames[static_cast<size_t>(layout.kind)],
                     static_cast<uint32_t>(Fingerprint(text) >> 32));
}

bool HasLayoutMark(std::string_view file_path, std::string_view mark) {
  return !mark.empty() && file_path.ends_with(fmt::format("-{}.parquet", mark));
}

std::string DedupMark(const Dedup& dedup) {
  if (dedup.is_none()) return "";
  std::vector<int32_t> keys = dedup.keys;
  std::sort(keys.begin(), keys.end());
  std::string text = "dedup";
  for (int32_t id : keys) text += fmt::format("#{}", id);
  if (dedup.order_by) text += fmt::format(" by #{}", *dedup.order_by);
  return fmt::format("dedup{:08x}", static_cast<uint32_t>(Fingerprint(text) >> 32));
}

bool HasDedupMark(std::string_view file_path, std::string_view mark) {
  if (mark.empty()) return false;
  const size_t folder = file_path.rfind('/');
  const std::string_view name = file_path.substr(folder == file_path.npos ? 0 : folder + 1);
  const size_t at = name.find(fmt::format("-{}", mark));
  if (at == name.npos) return false;
  const std::string_view rest = name.substr(at + 1 + mark.size());
  return rest.starts_with('-') || rest == ".parquet";
}

std::string FileMarks(const Layout& layout, const Dedup& dedup) {
  std::string marks;
  for (const std::string& mark : {DedupMark(dedup), LayoutMark(layout)}) {
    if (!mark.empty()) marks += "-" + mark;
  }
  return marks;
}

Status ValidateLayout(const Layout& layout, const iceberg::Schema& schema) {
  switch (layout.kind) {
    case Layout::Kind::kNone:
      return {};
    case Layout::Kind::kSort:
      if (layout.order.fields.empty()) return InvalidArgument("a sort needs a column to sort by");
      for (const auto& field : layout.order.fields) MORAINE_TRY(CheckSortField(field, schema));
      return {};
    case Layout::Kind::kZOrder:
    case Layout::Kind::kHilbert:
      break;
  }
  if (layout.columns.size() < kLeastCurveColumns || layout.columns.size() > kMostCurveColumns) {
    return InvalidArgument(fmt::format(
        "{} takes {} to {} columns, got {}", kKindNames[static_cast<size_t>(layout.kind)],
        kLeastCurveColumns, kMostCurveColumns, layout.columns.size()));
  }
  for (size_t i = 0; i < layout.columns.size(); ++i) {
    MORAINE_TRY(CheckColumn(layout.columns[i], schema));
    const auto begin = layout.columns.begin();
    if (std::find(begin, begin + static_cast<int64_t>(i), layout.columns[i]) !=
        begin + static_cast<int64_t>(i)) {
      return InvalidArgument("column " + schema.FullName(layout.columns[i]) + " is named twice");
    }
  }
  return {};
}

Status ValidateDedup(const Dedup& dedup, const iceberg::Schema& schema) {
  std::vector<int32_t> seen;
  for (int32_t id : dedup.keys) {
    MORAINE_TRY(CheckColumn(id, schema));
    if (std::find(seen.begin(), seen.end(), id) != seen.end())
      return InvalidArgument("column " + schema.FullName(id) + " is named twice");
    seen.push_back(id);
  }
  if (dedup.order_by) MORAINE_TRY(CheckColumn(*dedup.order_by, schema));
  return {};
}

void WriteLayout(const Layout& layout, JsonWriter* out) {
  out->BeginObject().Field("kind", kKindNames[static_cast<size_t>(layout.kind)]);
  if (layout.kind == Layout::Kind::kSort) {
    out->Key("order");
    iceberg::WriteSortOrder(layout.order, out);
  } else {
    WriteIds("columns", layout.columns, out);
  }
  out->EndObject();
}

Result<Layout> LayoutFromJson(const JsonCursor& json) {
  MORAINE_ASSIGN(const std::string kind, json.String("kind"));
  const auto* found = std::find(std::begin(kKindNames), std::end(kKindNames), kind);
  if (found == std::end(kKindNames)) return Unsupported("a layout of kind " + kind);
  Layout layout;
  layout.kind = static_cast<Layout::Kind>(found - std::begin(kKindNames));
  if (layout.kind == Layout::Kind::kSort) {
    MORAINE_ASSIGN(const JsonCursor order, json.Get("order"));
    MORAINE_ASSIGN(layout.order, iceberg::SortOrderFromJson(order));
  } else {
    MORAINE_ASSIGN(layout.columns, ReadIds(json, "columns"));
  }
  return layout;
}

void WriteDedup(const Dedup& dedup, JsonWriter* out) {
  out->BeginObject();
  WriteIds("keys", dedup.keys, out);
  if (dedup.order_by) out->Field("order-by", *dedup.order_by);
  out->EndObject();
}

Result<Dedup> DedupFromJson(const JsonCursor& json) {
  Dedup dedup;
  MORAINE_ASSIGN(dedup.keys, ReadIds(json, "keys"));
  MORAINE_ASSIGN(dedup.order_by, json.OptInt32("order-by"));
  return dedup;
}

}  // namespace moraine::tasks
