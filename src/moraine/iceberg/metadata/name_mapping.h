#pragma once
// Name mapping (table spec, "Column projection", "Name mapping serialization"): ids for files that
// carry none.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/types/snapshot.h"
#include "moraine/iceberg/types/type.h"

namespace moraine::iceberg {

/// Property of a table: its mapping as JSON.
inline constexpr char kNameMappingProperty[] = "schema.name-mapping.default";

struct MappedField {
  std::optional<int32_t> field_id;
  std::vector<std::string> names;
  std::vector<MappedField> fields;

  bool operator==(const MappedField&) const = default;
};

class NameMapping {
 public:
  NameMapping() = default;
  explicit NameMapping(std::vector<MappedField> fields) : fields_(std::move(fields)) {}
  /// Errors: InvalidArgument with the path.
  static Result<NameMapping> FromJson(std::string_view text);
  /// That of a table with these properties; nullopt: it has none. Errors: as FromJson.
  static Result<std::optional<NameMapping>> OfTable(const StringMap& properties);
  /// One name for each field of the schema.
  static NameMapping FromSchema(const Schema& schema);

  const std::vector<MappedField>& fields() const { return fields_; }
  /// The child of parent (nullptr: the root) with this name, or nullptr.
  const MappedField* Find(const MappedField* parent, std::string_view name) const;
  std::string ToJson() const;

 private:
  std::vector<MappedField> fields_;
};

}  // namespace moraine::iceberg
