#include <algorithm>
#include <cmath>
#include <utility>

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/exec.h>
#include <arrow/type.h>

#include "moraine/iceberg/data/leaf_levels_internal.h"
#include "moraine/io/arrow_status.h"

namespace moraine::iceberg {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;
using Emit = std::function<Status(const LeafValues&)>;

// One entry for each value, null or empty list on the way down to a leaf. index is the slot in the
// array of the current depth, or -1 below a list that has none; is_live ends at the first null or
// empty list.
struct Entries {
  std::vector<int16_t> definition;
  std::vector<int16_t> repetition;
  std::vector<int64_t> index;
  std::vector<bool> is_live;

  size_t size() const { return index.size(); }
  void Add(int16_t d, int16_t r, int64_t i, bool live) {
    definition.push_back(d);
    repetition.push_back(r);
    index.push_back(i);
    is_live.push_back(live);
  }
};

Status NullInRequired(const Field& field) {
  return Corruption("a null in the required column " + field.name);
}

// Steps over the field's own optionality.
Status Descend(const Field& field, const arrow::Array& array, Entries* entries) {
  const bool has_nulls = array.null_count() > 0;
  if (field.required && !has_nulls) return {};
  for (size_t i = 0; i < entries->size(); ++i) {
    if (!entries->is_live[i]) continue;
    const bool is_null = has_nulls && array.IsNull(entries->index[i]);
    if (field.required) {
      if (is_null) return NullInRequired(field);
    } else if (is_null) {
      entries->is_live[i] = false;
    } else {
      ++entries->definition[i];
    }
  }
  return {};
}

class Shredder {
 public:
  Shredder(arrow::MemoryPool* pool, const Emit& emit) : pool_(pool), emit_(emit) {}

  // depth: how many lists are above.
  Status Shred(const Field& field, const ArrayPtr& array, Entries entries, int16_t depth) const {
    MORAINE_TRY(Descend(field, *array, &entries));
    switch (field.type->kind()) {
      case TypeKind::kStruct:
        return ShredStruct(field.type->fields(), *array, entries, depth);
      case TypeKind::kVariant:
        return ShredStruct(VariantFields(), *array, entries, depth);
      case TypeKind::kList: {
        const auto& list = static_cast<const arrow::ListArray&>(*array);
        return Shred(field.type->element(), list.values(), Expand(list, entries, depth), depth + 1);
      }
      case TypeKind::kMap: {
        const auto& map = static_cast<const arrow::MapArray&>(*array);
        const Entries inner = Expand(map, entries, depth);
        Field key = field.type->key();
        key.required = true;
        MORAINE_TRY(Shred(key, map.keys(), inner, depth + 1));
        return Shred(field.type->value(), map.items(), inner, depth + 1);
      }
      default:
        return EmitLeaf(field, array, entries, depth);
    }
  }

  static const std::vector<Field>& VariantFields() {
    static const std::vector<Field>* fields = [] {
      auto* list = new std::vector<Field>(2);
      for (Field& field : *list) {
        field.required = true;
        field.type = Type::Primitive(TypeKind::kBinary);
      }
      (*list)[0].name = "metadata";
      (*list)[1].name = "value";
      return list;
    }();
    return *fields;
  }

 private:
  Status ShredStruct(const std::vector<Field>& fields, const arrow::Array& array,
                     const Entries& entries, int16_t depth) const {
    const auto& from = static_cast<const arrow::StructArray&>(array);
    for (size_t i = 0; i < fields.size(); ++i) {
      if (fields[i].type->kind() == TypeKind::kUnknown) continue;
      MORAINE_TRY(Shred(fields[i], from.field(static_cast<int>(i)), entries, depth));
    }
    return {};
  }

  static Entries Expand(const arrow::ListArray& list, const Entries& entries, int16_t depth) {
    Entries out;
    for (size_t i = 0; i < entries.size(); ++i) {
      const int64_t length = entries.is_live[i] ? list.value_length(entries.index[i]) : 0;
      if (length == 0) {
        out.Add(entries.definition[i], entries.repetition[i], -1, false);
        continue;
      }
      const int64_t first = list.value_offset(entries.index[i]);
      const auto definition = static_cast<int16_t>(entries.definition[i] + 1);
      out.Add(definition, entries.repetition[i], first, true);
      for (int64_t j = 1; j < length; ++j) {
        out.Add(definition, static_cast<int16_t>(depth + 1), first + j, true);
      }
    }
    return out;
  }

  // The array's slots that entries name, in order.
  Result<ArrayPtr> Select(const ArrayPtr& array, const Entries& entries) const {
    std::vector<int64_t> slots;
    bool is_contiguous = true;
    for (int64_t index : entries.index) {
      if (index < 0) continue;
      is_contiguous = is_contiguous && (slots.empty() || index == slots.back() + 1);
      slots.push_back(index);
    }
    if (slots.empty()) return array->Slice(0, 0);
    if (is_contiguous) return array->Slice(slots[0], static_cast<int64_t>(slots.size()));
    const arrow::Int64Array indices(static_cast<int64_t>(slots.size()), arrow::Buffer::Wrap(slots));
    arrow::compute::ExecContext context(pool_);
    MORAINE_ASSIGN(ArrayPtr taken,
                   arrow::compute::Take(*array, indices,
                                        arrow::compute::TakeOptions::NoBoundsCheck(), &context));
    return taken;
  }

  Status EmitLeaf(const Field& field, const ArrayPtr& array, const Entries& entries,
                  int16_t depth) const {
    MORAINE_ASSIGN(ArrayPtr values, Select(array, entries));
    if (field.required && values->null_count() > 0) {
      // Nulls only below null parents: to the writer a required leaf has none of its own.
      auto data = values->data()->Copy();
      data->buffers[0] = nullptr;
      data->null_count = 0;
      values = arrow::MakeArray(std::move(data));
    }
    LeafValues leaf;
    leaf.definition = entries.definition.data();
    leaf.repetition = depth > 0 ? entries.repetition.data() : nullptr;
    leaf.num_levels = static_cast<int64_t>(entries.size());
    leaf.values = std::move(values);
    return emit_(leaf);
  }

  arrow::MemoryPool* pool_;
  const Emit& emit_;
};

Status ShredFlat(const Field& field, const ArrayPtr& column, const Emit& emit) {
  LeafValues leaf;
  leaf.num_levels = column->length();
  leaf.values = column;
  if (field.required) {
    if (column->null_count() > 0) return NullInRequired(field);
    return emit(leaf);
  }
  std::vector<int16_t> definition(static_cast<size_t>(column->length()), 1);
  if (column->null_count() > 0) {
    for (int64_t i = 0; i < column->length(); ++i) definition[i] = column->IsValid(i) ? 1 : 0;
  }
  leaf.definition = definition.data();
  return emit(leaf);
}

void AddLeaves(const Field& field, const std::string& prefix, LeafColumn above,
               std::vector<LeafColumn>* out) {
  const TypeKind kind = field.type->kind();
  if (kind == TypeKind::kUnknown) return;
  above.name = prefix + field.name;
  if (!field.required) ++above.max_definition;
  if (kind == TypeKind::kVariant) {
    above.id = field.id;
    above.is_variant = true;
    above.is_required = true;
    above.type = Type::Primitive(TypeKind::kBinary);
    out->insert(out->end(), 2, above);
    return;
  }
  if (!field.type->is_nested()) {
    above.id = field.id;
    above.type = field.type;
    above.is_required = field.required;
    out->push_back(std::move(above));
    return;
  }
  if (kind != TypeKind::kStruct) {
    above.is_repeated = true;
    ++above.max_definition;
  }
  for (const Field& child : field.type->fields()) {
    Field copy = child;
    if (kind == TypeKind::kMap && child.id == field.type->key().id) copy.required = true;
    AddLeaves(copy, prefix + field.name + ".", above, out);
  }
}

template <typename ArrayType>
int64_t CountNaNsOf(const LeafColumn& leaf, const LeafValues& values) {
  const auto& array = static_cast<const ArrayType&>(*values.values);
  int64_t count = 0;
  for (int64_t i = 0; i < array.length(); ++i) {
    if (!std::isnan(array.Value(i)) || array.IsNull(i)) continue;
    count += values.definition == nullptr || values.definition[i] == leaf.max_definition;
  }
  return count;
}

}  // namespace

std::vector<LeafColumn> ListLeaves(const std::vector<Field>& fields) {
  std::vector<LeafColumn> leaves;
  for (const Field& field : fields) AddLeaves(field, "", LeafColumn(), &leaves);
  return leaves;
}

Status ShredColumn(const Field& field, const ArrayPtr& column, arrow::MemoryPool* pool,
                   const Emit& emit) {
  const TypeKind kind = field.type->kind();
  if (kind == TypeKind::kUnknown) return {};
  if (!field.type->is_nested() && kind != TypeKind::kVariant) return ShredFlat(field, column, emit);
  Entries entries;
  const auto rows = static_cast<size_t>(column->length());
  entries.definition.assign(rows, 0);
  entries.repetition.assign(rows, 0);
  entries.is_live.assign(rows, true);
  entries.index.resize(rows);
  for (size_t i = 0; i < rows; ++i) entries.index[i] = static_cast<int64_t>(i);
  return Shredder(pool, emit).Shred(field, column, std::move(entries), 0);
}

void AddCounts(const LeafColumn& leaf, const LeafValues& values, LeafCounts* counts) {
  if (leaf.is_repeated) return;
  if (leaf.max_definition == 1 && !leaf.is_required) {
    counts->nulls += values.values->null_count();  // nothing above it can be null
  } else if (values.definition != nullptr) {
    counts->nulls +=
        values.num_levels -
        std::count(values.definition, values.definition + values.num_levels, leaf.max_definition);
  }
  if (leaf.type->kind() == TypeKind::kFloat) {
    counts->nans += CountNaNsOf<arrow::FloatArray>(leaf, values);
  } else if (leaf.type->kind() == TypeKind::kDouble) {
    counts->nans += CountNaNsOf<arrow::DoubleArray>(leaf, values);
  }
}

}  // namespace moraine::iceberg
