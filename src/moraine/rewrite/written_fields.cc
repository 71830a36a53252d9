#include "moraine/rewrite/written_fields.h"

#include <memory>
#include <string>
#include <utility>

namespace moraine::rewrite {
namespace {

constexpr int kFirstVersionWithLineage = 3;
constexpr char kRowIdName[] = "_row_id";
constexpr char kSequenceName[] = "_last_updated_sequence_number";

iceberg::Field LongField(int32_t id, std::string name) {
  iceberg::Field field;
  field.id = id;
  field.name = std::move(name);
  field.type = iceberg::Type::Primitive(iceberg::TypeKind::kLong);
  return field;
}

}  // namespace

std::vector<iceberg::Field> WrittenFields(const tasks::RewriteTask& task) {
  std::vector<iceberg::Field> fields = task.schema->fields();
  if (task.format_version < kFirstVersionWithLineage) return fields;
  fields.push_back(LongField(iceberg::kRowIdFieldId, kRowIdName));
  fields.push_back(LongField(iceberg::kLastUpdatedSequenceNumberFieldId, kSequenceName));
  return fields;
}

iceberg::SchemaPtr WrittenSchema(const tasks::RewriteTask& task) {
  if (task.format_version < kFirstVersionWithLineage) return task.schema;
  return std::make_shared<const iceberg::Schema>(task.schema->schema_id(), WrittenFields(task),
                                                 task.schema->identifier_field_ids());
}

bool IsReservedName(const tasks::RewriteTask& task, std::string_view name) {
  return task.format_version >= kFirstVersionWithLineage &&
         (name == kRowIdName || name == kSequenceName);
}

std::optional<iceberg::RowLineage> LineageOf(const tasks::RewriteTask& task,
                                             const tasks::InputFile& input) {
  if (task.format_version < kFirstVersionWithLineage) return std::nullopt;
  return iceberg::RowLineage{input.file.first_row_id, input.sequence_number};
}

}  // namespace moraine::rewrite
