#include <algorithm>
#include <utility>

#include "moraine/iceberg/data/file_columns_internal.h"
#include "moraine/iceberg/metadata/name_mapping.h"

namespace moraine::iceberg {
namespace {

bool IsGiven(int32_t id, const ColumnConstants& constants) {
  return id >= kLastUpdatedSequenceNumberFieldId ||  // reserved: metadata columns
         std::any_of(constants.begin(), constants.end(),
                     [id](const auto& constant) { return constant.first == id; });
}

// A column without an id beside one that is wanted and not there: it may be that very one.
// (Elements, keys and values are told by their place.) nullptr if there is none.
const FileColumn* FindDoubtful(const std::vector<Field>& wanted,
                               const std::vector<FileColumn>& columns,
                               const ColumnConstants& constants) {
  const auto nameless = std::find_if(columns.begin(), columns.end(),
                                     [](const FileColumn& c) { return !c.id.has_value(); });
  for (const Field& field : wanted) {
    const FileColumn* column = FindColumn(columns, field.id);
    if (column == nullptr) {
      if (nameless != columns.end() && !IsGiven(field.id, constants)) return &*nameless;
      continue;
    }
    // Down through lists and maps, by place, to structs.
    std::vector<std::pair<const Type*, const FileColumn*>> open = {{field.type.get(), column}};
    while (!open.empty()) {
      const auto [type, at] = open.back();
      open.pop_back();
      if (!type->is_nested()) continue;
      if (type->kind() == TypeKind::kStruct) {
        if (const FileColumn* found = FindDoubtful(type->fields(), at->children, {})) return found;
        continue;
      }
      const size_t places = std::min(type->fields().size(), at->children.size());
      for (size_t i = 0; i < places; ++i) {
        open.emplace_back(type->fields()[i].type.get(), &at->children[i]);
      }
    }
  }
  return nullptr;
}

}  // namespace

const FileColumn* FindColumn(const std::vector<FileColumn>& columns, int32_t id) {
  for (const FileColumn& column : columns) {
    if (column.id == id) return &column;
  }
  return nullptr;
}

Status GiveIds(const std::string& location, const ReadOptions& options,
               std::vector<FileColumn>* columns) {
  if (columns->empty()) return {};
  if (HasFieldIds(*columns)) {
    if (options.without_ids != WithoutIds::kRefuse) return {};
    const FileColumn* doubtful = FindDoubtful(options.fields, *columns, options.constants);
    if (doubtful == nullptr) return {};
    return Unsupported(location + ": its column " + doubtful->name +
                       " has no field id, while others have, and a column of the table is not "
                       "there: whether they are the same would be a guess");
  }
  if (options.mapping != nullptr) {
    ApplyNameMapping(*options.mapping, columns);
    return {};
  }
  if (options.without_ids == WithoutIds::kRefuse) {
    return Unsupported(location +
                       ": its columns have no field ids and the table has no "
                       "schema.name-mapping.default, so which column is which would be a guess; "
                       "set that property to have the file rewritten");
  }
  ApplyNameMapping(NameMapping::FromSchema(Schema(0, options.fields)), columns);
  return {};
}

}  // namespace moraine::iceberg
