#include "moraine/iceberg/data/column_projection.h"

#include <algorithm>

#include <arrow/array.h>
#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/bitmap_ops.h>

#include "moraine/iceberg/data/arrow_schema.h"
#include "moraine/iceberg/data/value_cast.h"
#include "moraine/io/arrow_status.h"

namespace moraine::iceberg {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;

const FileColumn* FindById(const std::vector<FileColumn>& columns, int32_t id, size_t* index) {
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].id == id) {
      *index = i;
      return &columns[i];
    }
  }
  return nullptr;
}

void MapColumns(const NameMapping& mapping, const MappedField* parent,
                std::vector<FileColumn>* columns) {
  for (FileColumn& column : *columns) {
    const MappedField* mapped = mapping.Find(parent, column.name);
    if (mapped == nullptr) continue;
    column.id = mapped->field_id;
    MapColumns(mapping, mapped, &column.children);
  }
}

// Some leaf of a column, read only to learn where its parent struct is null.
int FirstLeaf(const FileColumn& column) {
  const FileColumn* at = &column;
  while (at->leaf_index < 0 && !at->children.empty()) at = &at->children[0];
  return at->leaf_index;
}

Status WrongType(const Field& wanted, const FileColumn& column) {
  return Unsupported("column " + wanted.name + " (id " + std::to_string(wanted.id) + "): " +
                     wanted.type->ToString() + " cannot be read from " + column.type->ToString());
}

bool IsVariant(const FileColumn& column) {
  return column.children.size() == 2 && column.children[0].name == "metadata" &&
         column.children[1].name == "value" && column.children[0].leaf_index >= 0 &&
         column.children[1].leaf_index >= 0;
}

Status NotPlainVariant(const Field& wanted, const FileColumn& column) {
  const bool is_shredded =
      std::any_of(column.children.begin(), column.children.end(),
                  [](const FileColumn& child) { return child.name == "typed_value"; });
  if (!is_shredded) return WrongType(wanted, column);
  return Unsupported("column " + wanted.name + " (id " + std::to_string(wanted.id) +
                     "): its variants are shredded (typed_value), which can't be decoded yet");
}

bool HasShape(const FileColumn& column, TypeKind kind) {
  const arrow::Type::type id = column.type->id();
  switch (kind) {
    case TypeKind::kStruct:
      return id == arrow::Type::STRUCT;
    case TypeKind::kMap:
      return id == arrow::Type::MAP && column.children.size() == 2;
    default:
      return arrow::is_list(id) && column.children.size() == 1;
  }
}

// The initial default of a struct, list or map as the schema's JSON has it, or nullptr: null.
const Json* NestedDefault(const Field& field) {
  if (!field.type->is_nested()) return nullptr;
  for (const auto& [key, value] : field.unknown) {
    if (key == "initial-default" && !value.is_null()) return &value;
  }
  return nullptr;
}

Result<std::shared_ptr<arrow::Buffer>> BitmapFromZero(const arrow::Array& array,
                                                      arrow::MemoryPool* pool) {
  if (array.null_count() == 0) return std::shared_ptr<arrow::Buffer>();
  if (array.offset() == 0) return array.null_bitmap();
  MORAINE_ASSIGN(
      std::shared_ptr<arrow::Buffer> copy,
      arrow::internal::CopyBitmap(pool, array.null_bitmap_data(), array.offset(), array.length()));
  return copy;
}

// The same bytes under another name of their type.
ArrayPtr Relabel(const arrow::Array& array, const std::shared_ptr<arrow::DataType>& type) {
  std::shared_ptr<arrow::ArrayData> data = array.data()->Copy();
  data->type = type;
  return arrow::MakeArray(std::move(data));
}

Result<ArrayPtr> Positions(int64_t first, int64_t length, arrow::MemoryPool* pool) {
  MORAINE_ASSIGN(std::shared_ptr<arrow::Buffer> buffer,
                 arrow::AllocateBuffer(length * int64_t{sizeof(int64_t)}, pool));
  auto* values = reinterpret_cast<int64_t*>(buffer->mutable_data());
  for (int64_t i = 0; i < length; ++i) values[i] = first + i;
  return ArrayPtr(std::make_shared<arrow::Int64Array>(length, std::move(buffer)));
}

// first + i * step where the value is null.
Result<ArrayPtr> FillNulls(const arrow::Array& input, int64_t first, int64_t step,
                           arrow::MemoryPool* pool) {
  const auto& from = static_cast<const arrow::Int64Array&>(input);
  MORAINE_ASSIGN(std::shared_ptr<arrow::Buffer> buffer,
                 arrow::AllocateBuffer(input.length() * int64_t{sizeof(int64_t)}, pool));
  auto* values = reinterpret_cast<int64_t*>(buffer->mutable_data());
  for (int64_t i = 0; i < input.length(); ++i) {
    values[i] = from.IsNull(i) ? first + i * step : from.Value(i);
  }
  return ArrayPtr(std::make_shared<arrow::Int64Array>(input.length(), std::move(buffer)));
}

// Parquet's reader takes indices into a dictionary as they come.
Status CheckIndices(const arrow::Array& array) {
  const auto& encoded = static_cast<const arrow::DictionaryArray&>(array);
  const arrow::Array& indices = *encoded.indices();
  const auto limit = static_cast<uint64_t>(encoded.dictionary()->length());
  if (indices.type_id() != arrow::Type::INT32) return {};  // it makes no others
  const int32_t* values = static_cast<const arrow::Int32Array&>(indices).raw_values();
  uint32_t largest = 0;
  const bool has_nulls = indices.null_count() > 0;
  for (int64_t i = 0; i < indices.length(); ++i) {
    if (has_nulls && indices.IsNull(i)) continue;
    largest = std::max(largest, static_cast<uint32_t>(values[i]));
  }
  const bool is_empty = indices.null_count() == indices.length();
  if (is_empty || largest < limit) return {};
  return Corruption("an index of " + std::to_string(largest) + " into a dictionary of " +
                    std::to_string(limit));
}

}  // namespace

struct ColumnProjection::Context {
  int64_t length = 0;
  const BatchOrigin& origin;
  Dictionaries dictionaries;
  arrow::MemoryPool* pool;

  Context WithLength(int64_t other) const { return {other, origin, Dictionaries::kDecode, pool}; }
};

ColumnConstants PartitionConstants(const PartitionSpec& spec, const PartitionTuple& partition) {
  ColumnConstants constants;
  for (size_t i = 0; i < spec.fields.size() && i < partition.size(); ++i) {
    if (spec.fields[i].transform.kind() == Transform::Kind::kIdentity)
      constants.emplace_back(spec.fields[i].source_id(), partition[i]);
  }
  return constants;
}

bool HasFieldIds(const std::vector<FileColumn>& columns) {
  return std::any_of(columns.begin(), columns.end(), [](const FileColumn& column) {
    return column.id.has_value() || HasFieldIds(column.children);
  });
}

void ApplyNameMapping(const NameMapping& mapping, std::vector<FileColumn>* columns) {
  MapColumns(mapping, nullptr, columns);
}

ColumnProjection::Lineage ColumnProjection::LineageOf(int32_t id) {
  if (id == kRowIdFieldId) return Lineage::kRowId;
  return id == kLastUpdatedSequenceNumberFieldId ? Lineage::kSequenceNumber : Lineage::kNone;
}

// A struct's default is there or not; its fields bring their own.
Status ColumnProjection::MakeDefaultChildren(const Field& wanted, const Json& initial, Plan* plan) {
  if (wanted.type->kind() != TypeKind::kStruct || !initial.is_object() ||
      !initial.as_object().empty()) {
    return Unsupported("column " + wanted.name + " (id " + std::to_string(wanted.id) +
                       "): a default of " + wanted.type->ToString() + " other than {}");
  }
  for (const Field& field : wanted.type->fields()) {
    MORAINE_ASSIGN(Plan child, MakeMissing(field, {}));
    plan->children.push_back(std::move(child));
  }
  return {};
}

Result<ColumnProjection::Plan> ColumnProjection::MakeMissing(const Field& wanted,
                                                             const ColumnConstants& constants) {
  Plan plan;
  plan.field = wanted;
  plan.type = ToArrowType(*wanted.type);
  plan.lineage = LineageOf(wanted.id);
  if (wanted.id == kMetadataFilePathFieldId) plan.source = Source::kFilePath;
  if (wanted.id == kMetadataPositionFieldId) plan.source = Source::kPosition;
  if (plan.source != Source::kConstant) return plan;
  for (const auto& [id, value] : constants) {
    if (id != wanted.id) continue;
    plan.constant = value;
    return plan;
  }
  if (const Json* initial = NestedDefault(wanted)) {
    MORAINE_TRY(MakeDefaultChildren(wanted, *initial, &plan));
  } else if (wanted.id == kIsDeletedFieldId) {
    plan.constant = false;
  } else if (wanted.initial_default) {
    plan.constant = *wanted.initial_default;
  } else if (wanted.required) {
    return Corruption("required column " + wanted.name + " (id " + std::to_string(wanted.id) +
                      ") is not in the file and has no default");
  }
  return plan;
}

Result<std::vector<ColumnProjection::Plan>> ColumnProjection::MatchFields(
    const std::vector<Field>& wanted, const std::vector<FileColumn>& file,
    const ColumnConstants& constants, std::vector<int>* leaves, bool needs_a_column) {
  std::vector<Plan> plans;
  std::vector<bool> is_read(file.size(), false);
  std::vector<size_t> file_index(wanted.size(), 0);
  for (size_t i = 0; i < wanted.size(); ++i) {
    const FileColumn* column = FindById(file, wanted[i].id, &file_index[i]);
    MORAINE_ASSIGN(Plan plan, MakePlan(wanted[i], column, constants, leaves));
    if (plan.source == Source::kFile) is_read[file_index[i]] = true;
    plans.push_back(std::move(plan));
  }
  if (needs_a_column && std::find(is_read.begin(), is_read.end(), true) == is_read.end() &&
      !file.empty()) {
    leaves->push_back(FirstLeaf(file[0]));
  }
  for (size_t i = 0; i < plans.size(); ++i) {
    if (plans[i].source != Source::kFile) continue;
    plans[i].child = static_cast<int>(
        std::count(is_read.begin(), is_read.begin() + static_cast<int64_t>(file_index[i]), true));
  }
  return plans;
}

Status ColumnProjection::MakeChildPlans(const Field& wanted, const FileColumn& column,
                                        std::vector<int>* leaves, Plan* plan) {
  const Type& type = *wanted.type;
  if (!HasShape(column, type.kind())) return WrongType(wanted, column);
  if (type.kind() == TypeKind::kStruct) {
    MORAINE_ASSIGN(plan->children, MatchFields(type.fields(), column.children, {}, leaves,
                                               /*needs_a_column=*/true));
    return {};
  }
  // Elements, keys and values are matched by their place: some writers give them no id.
  for (size_t i = 0; i < type.fields().size(); ++i) {
    MORAINE_ASSIGN(Plan child, MakePlan(type.fields()[i], &column.children[i], {}, leaves));
    // Elements of unknown type: where they are, the file tells nonetheless.
    if (child.source != Source::kFile) leaves->push_back(FirstLeaf(column.children[i]));
    child.child = static_cast<int>(i);
    plan->children.push_back(std::move(child));
  }
  return {};
}

Result<ColumnProjection::Plan> ColumnProjection::MakePlan(const Field& wanted,
                                                          const FileColumn* column,
                                                          const ColumnConstants& constants,
                                                          std::vector<int>* leaves) {
  const TypeKind kind = wanted.type->kind();
  if (column == nullptr || kind == TypeKind::kUnknown) return MakeMissing(wanted, constants);
  Plan plan;
  plan.source = Source::kFile;
  plan.field = wanted;
  plan.lineage = LineageOf(wanted.id);
  plan.type = ToArrowType(*wanted.type);
  if (wanted.type->is_nested()) {
    MORAINE_TRY(MakeChildPlans(wanted, *column, leaves, &plan));
  } else if (kind == TypeKind::kVariant) {
    if (!IsVariant(*column)) return NotPlainVariant(wanted, *column);
    for (const FileColumn& child : column->children) leaves->push_back(child.leaf_index);
  } else if (column->leaf_index < 0 || !IsReadableAs(*column->type, *wanted.type)) {
    return WrongType(wanted, *column);
  } else {
    leaves->push_back(column->leaf_index);
  }
  return plan;
}

Result<ColumnProjection> ColumnProjection::Make(const std::vector<Field>& wanted,
                                                const std::vector<FileColumn>& file,
                                                const ColumnConstants& constants) {
  ColumnProjection projection;
  MORAINE_ASSIGN(projection.plans_, MatchFields(wanted, file, constants, &projection.leaf_indices_,
                                                /*needs_a_column=*/false));
  std::sort(projection.leaf_indices_.begin(), projection.leaf_indices_.end());
  projection.arrow_schema_ = ToArrowSchema(wanted);
  return projection;
}

Result<ArrayPtr> ColumnProjection::ApplyStruct(const Plan& plan, const arrow::Array& input,
                                               const Context& context) {
  if (input.type_id() != arrow::Type::STRUCT) {
    return Internal("expected a struct array for " + plan.field.name);
  }
  const auto& from = static_cast<const arrow::StructArray&>(input);
  std::vector<std::shared_ptr<arrow::ArrayData>> children;
  for (const Plan& child : plan.children) {
    const ArrayPtr column = child.child >= 0 ? from.field(child.child) : nullptr;
    MORAINE_ASSIGN(ArrayPtr array, ApplyPlan(child, column, context.WithLength(input.length())));
    children.push_back(array->data());
  }
  MORAINE_ASSIGN(std::shared_ptr<arrow::Buffer> bitmap, BitmapFromZero(input, context.pool));
  return arrow::MakeArray(arrow::ArrayData::Make(plan.type, input.length(), {std::move(bitmap)},
                                                 std::move(children), input.null_count()));
}

Result<ArrayPtr> ColumnProjection::ApplyDefaultStruct(const Plan& plan, const Context& context) {
  std::vector<std::shared_ptr<arrow::ArrayData>> children;
  for (const Plan& child : plan.children) {
    MORAINE_ASSIGN(const ArrayPtr array, ApplyPlan(child, nullptr, context));
    children.push_back(array->data());
  }
  return arrow::MakeArray(
      arrow::ArrayData::Make(plan.type, context.length, {nullptr}, std::move(children), 0));
}

Result<ArrayPtr> ColumnProjection::ApplyList(const Plan& plan, const arrow::Array& input,
                                             const Context& context) {
  if (input.type_id() != arrow::Type::LIST) {
    // large_list and fixed_size_list, from an Arrow schema stored in the file.
    const auto plain = arrow::list(input.type()->field(0));
    MORAINE_ASSIGN(ArrayPtr cast, arrow::compute::Cast(input, plain));
    return ApplyList(plan, *cast, context);
  }
  const auto& from = static_cast<const arrow::ListArray&>(input);
  MORAINE_ASSIGN(ArrayPtr elements, ApplyPlan(plan.children[0], from.values(),
                                              context.WithLength(from.values()->length())));
  auto data = arrow::ArrayData::Make(plan.type, input.length(),
                                     {input.null_bitmap(), input.data()->buffers[1]},
                                     {elements->data()}, input.null_count(), input.offset());
  return arrow::MakeArray(data);
}

Result<ArrayPtr> ColumnProjection::ApplyMap(const Plan& plan, const arrow::Array& input,
                                            const Context& context) {
  if (input.type_id() != arrow::Type::MAP) {
    return Internal("expected a map array for " + plan.field.name);
  }
  const auto& from = static_cast<const arrow::MapArray&>(input);
  const Context inner = context.WithLength(from.keys()->length());
  MORAINE_ASSIGN(ArrayPtr keys, ApplyPlan(plan.children[0], from.keys(), inner));
  MORAINE_ASSIGN(ArrayPtr values, ApplyPlan(plan.children[1], from.items(), inner));
  const auto& type = static_cast<const arrow::MapType&>(*plan.type);
  auto entries = arrow::ArrayData::Make(type.value_type(), keys->length(), {nullptr},
                                        {keys->data(), values->data()}, 0);
  auto data = arrow::ArrayData::Make(plan.type, input.length(),
                                     {input.null_bitmap(), input.data()->buffers[1]},
                                     {std::move(entries)}, input.null_count(), input.offset());
  return arrow::MakeArray(data);
}

Result<ArrayPtr> ColumnProjection::ApplyPlan(const Plan& plan, const ArrayPtr& input,
                                             const Context& context) {
  const RowLineage* lineage = context.origin.lineage;
  if (plan.lineage == Lineage::kNone || lineage == nullptr) {
    return ApplySource(plan, input, context);
  }
  if (!lineage->first_row_id) {
    return RepeatValue(*plan.field.type, Value(), context.length, context.pool);
  }
  const int64_t behind = context.origin.first_position + context.length;
  if (*lineage->first_row_id < 0 || *lineage->first_row_id > INT64_MAX - behind) {
    return Corruption("a first_row_id of " + std::to_string(*lineage->first_row_id) +
                      " for a file of at least " + std::to_string(behind) + " rows");
  }
  MORAINE_ASSIGN(const ArrayPtr stored, ApplySource(plan, input, context));
  if (plan.lineage == Lineage::kSequenceNumber) {
    return FillNulls(*stored, lineage->sequence_number, 0, context.pool);
  }
  return FillNulls(*stored, *lineage->first_row_id + context.origin.first_position, 1,
                   context.pool);
}

Result<ArrayPtr> ColumnProjection::ApplySource(const Plan& plan, const ArrayPtr& input,
                                               const Context& context) {
  switch (plan.source) {
    case Source::kFilePath:
      return RepeatValue(*plan.field.type, *context.origin.path, context.length, context.pool);
    case Source::kPosition:
      return Positions(context.origin.first_position, context.length, context.pool);
    case Source::kConstant:
      if (!plan.children.empty()) return ApplyDefaultStruct(plan, context);
      return RepeatValue(*plan.field.type, plan.constant, context.length, context.pool);
    case Source::kFile:
      break;
  }
  switch (plan.field.type->kind()) {
    case TypeKind::kStruct:
      return ApplyStruct(plan, *input, context);
    case TypeKind::kList:
      return ApplyList(plan, *input, context);
    case TypeKind::kMap:
      return ApplyMap(plan, *input, context);
    case TypeKind::kVariant:
      return Relabel(*input, plan.type);
    default:
      break;
  }
  if (input->type_id() == arrow::Type::DICTIONARY) MORAINE_TRY(CheckIndices(*input));
  if (context.dictionaries == Dictionaries::kKeep && input->type_id() == arrow::Type::DICTIONARY &&
      static_cast<const arrow::DictionaryType&>(*input->type()).value_type()->Equals(*plan.type)) {
    return input;
  }
  return CastValues(input, plan.type, context.pool);
}

Result<std::shared_ptr<arrow::RecordBatch>> ColumnProjection::Apply(const arrow::RecordBatch* input,
                                                                    int64_t length,
                                                                    const BatchOrigin& origin,
                                                                    Dictionaries dictionaries,
                                                                    arrow::MemoryPool* pool) const {
  const Context context{length, origin, dictionaries, pool};
  std::vector<ArrayPtr> columns;
  std::shared_ptr<arrow::Schema> schema = arrow_schema_;
  for (const Plan& plan : plans_) {
    if (plan.source == Source::kFile && (input == nullptr || plan.child >= input->num_columns())) {
      return Internal("a column that was planned was not read: " + plan.field.name);
    }
    const ArrayPtr column = plan.source == Source::kFile ? input->column(plan.child) : nullptr;
    Result<ArrayPtr> array = ApplyPlan(plan, column, context);
    if (!array.ok()) return std::move(array).status().Annotate("column " + plan.field.name);
    if ((*array)->type_id() == arrow::Type::DICTIONARY) {
      const int at = static_cast<int>(columns.size());
      MORAINE_ASSIGN(schema, schema->SetField(at, schema->field(at)->WithType((*array)->type())));
    }
    columns.push_back(std::move(array).value());
  }
  return arrow::RecordBatch::Make(std::move(schema), length, std::move(columns));
}

}  // namespace moraine::iceberg
