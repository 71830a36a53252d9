#include "moraine/iceberg/data/key_columns.h"

#include <algorithm>
#include <string>
#include <utility>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "moraine/iceberg/data/arrow_schema.h"
#include "moraine/iceberg/data/value_cast.h"
#include "moraine/io/arrow_status.h"

namespace moraine::iceberg {
namespace {

bool FindPath(const std::vector<Field>& fields, int32_t id, std::vector<int>* path, TypePtr* type) {
  for (size_t i = 0; i < fields.size(); ++i) {
    path->push_back(static_cast<int>(i));
    if (fields[i].id == id) {
      *type = fields[i].type;
      return true;
    }
    const bool is_struct = fields[i].type->kind() == TypeKind::kStruct;
    if (is_struct && FindPath(fields[i].type->fields(), id, path, type)) return true;
    path->pop_back();
  }
  return false;
}

bool IsDictionaryOf(const arrow::DataType& type, const arrow::DataType& values) {
  const bool are_strings = values.id() == arrow::Type::STRING || values.id() == arrow::Type::BINARY;
  return are_strings && type.id() == arrow::Type::DICTIONARY &&
         static_cast<const arrow::DictionaryType&>(type).value_type()->Equals(values);
}

}  // namespace

Result<KeyColumns> KeyColumns::Make(const std::vector<Field>& fields,
                                    const std::vector<int32_t>& ids) {
  KeyColumns columns;
  for (int32_t id : ids) {
    Key key;
    if (!FindPath(fields, id, &key.path, &key.type)) {
      return InvalidArgument("no column that can be an equality key has id " + std::to_string(id));
    }
    columns.keys_.push_back(std::move(key));
  }
  return columns;
}

std::vector<TypePtr> KeyColumns::types() const {
  std::vector<TypePtr> types;
  for (const Key& key : keys_) types.push_back(key.type);
  return types;
}

std::vector<int> KeyColumns::sources() const {
  std::vector<int> sources;
  for (const Key& key : keys_) sources.push_back(key.path[0]);
  return sources;
}

Result<std::vector<std::shared_ptr<arrow::Array>>> KeyColumns::Extract(
    const arrow::RecordBatch& batch, arrow::MemoryPool* pool) const {
  MORAINE_ASSIGN(auto arrays, ExtractEncoded(batch, pool));
  for (size_t i = 0; i < arrays.size(); ++i) {
    MORAINE_ASSIGN(arrays[i], CastValues(arrays[i], ToArrowType(*keys_[i].type), pool));
  }
  return arrays;
}

Result<std::vector<std::shared_ptr<arrow::Array>>> KeyColumns::ExtractEncoded(
    const arrow::RecordBatch& batch, arrow::MemoryPool* pool) const {
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  for (const Key& key : keys_) {
    std::shared_ptr<arrow::Array> array = batch.column(key.path[0]);
    for (size_t depth = 1; depth < key.path.size(); ++depth) {
      const auto& parent = static_cast<const arrow::StructArray&>(*array);
      MORAINE_ASSIGN(array, parent.GetFlattenedField(key.path[depth], pool));
    }
    const auto wanted = ToArrowType(*key.type);
    if (!IsDictionaryOf(*array->type(), *wanted)) {
      MORAINE_ASSIGN(array, CastValues(array, wanted, pool));
    }
    arrays.push_back(std::move(array));
  }
  return arrays;
}

std::vector<Field> SelectFields(const std::vector<Field>& fields, const std::vector<int32_t>& ids) {
  std::vector<Field> selected;
  for (const Field& field : fields) {
    if (std::find(ids.begin(), ids.end(), field.id) != ids.end()) {
      selected.push_back(field);
      continue;
    }
    if (field.type->kind() != TypeKind::kStruct) continue;
    std::vector<Field> children = SelectFields(field.type->fields(), ids);
    if (children.empty()) continue;
    Field cut = field;
    cut.type = Type::Struct(std::move(children));
    selected.push_back(std::move(cut));
  }
  return selected;
}

}  // namespace moraine::iceberg
