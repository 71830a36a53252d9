#pragma once
// Partition specs and sort orders (table spec, "Partitioning", "Sorting").

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "moraine/base/json.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/types/transform.h"
#include "moraine/iceberg/types/type.h"

namespace moraine::iceberg {

inline constexpr int32_t kFirstPartitionFieldId = 1000;

struct PartitionField {
  std::vector<int32_t> source_ids = {};  ///< one, until a transform of several exists
  int32_t field_id = 0;                  ///< 0: not assigned yet
  std::string name = {};
  Transform transform = Transform::Identity();
  Json::Object unknown = {};  ///< members that Moraine does not know

  int32_t source_id() const { return source_ids.empty() ? 0 : source_ids[0]; }
  bool operator==(const PartitionField&) const = default;
};

struct PartitionSpec {
  int32_t spec_id = 0;
  std::vector<PartitionField> fields = {};
  Json::Object unknown = {};

  bool is_unpartitioned() const;  ///< no field, or only void ones
  bool operator==(const PartitionSpec&) const = default;
  /// Same sources, transforms and names, ids aside (Java's compatibleWith).
  bool CompatibleWith(const PartitionSpec& other) const;
  int32_t HighestFieldId() const;  ///< 999 when it has no fields
};
using PartitionSpecPtr = std::shared_ptr<const PartitionSpec>;

/// The result type of each field; a source column that is gone gives unknown type.
std::vector<TypePtr> PartitionTypes(const PartitionSpec& spec, const Schema& schema);
/// "a=1/b=x%2Fy", as Java prints it; "" when the spec has no fields.
std::string PartitionPath(const PartitionSpec& spec, const Schema& schema,
                          const PartitionTuple& tuple);
/// Errors: InvalidArgument naming the field: unknown source, transform that does not accept it,
/// duplicate name, name of a column that is not its identity source, unknown transform.
Status ValidatePartitionSpec(const PartitionSpec& spec, const Schema& schema);
/// The part of it that later schemas may break: every source column exists and suits its transform.
/// Void and unknown transforms pass.
Status CheckPartitionSources(const PartitionSpec& spec, const Schema& schema);

enum class SortDirection { kAscending, kDescending };
enum class NullOrder { kNullsFirst, kNullsLast };
struct SortField {
  std::vector<int32_t> source_ids = {};
  Transform transform = Transform::Identity();
  SortDirection direction = SortDirection::kAscending;
  NullOrder null_order = NullOrder::kNullsFirst;
  Json::Object unknown = {};

  int32_t source_id() const { return source_ids.empty() ? 0 : source_ids[0]; }
  bool operator==(const SortField&) const = default;
};
/// Fields are compared in SameAs only; ids and unknown members are not part of an order's meaning.
struct SortOrder {
  int32_t order_id = 0;
  std::vector<SortField> fields = {};
  Json::Object unknown = {};
  bool is_unsorted() const { return fields.empty(); }
  bool SameAs(const SortOrder& other) const;
  bool operator==(const SortOrder&) const = default;
};
Status ValidateSortOrder(const SortOrder& order, const Schema& schema);

void WritePartitionSpec(const PartitionSpec& spec, JsonWriter* out);
/// The fields alone: manifests' "partition-spec" and v1 metadata.
void WritePartitionFields(const PartitionSpec& spec, JsonWriter* out);
/// Missing field ids (v1, REST creation) are numbered from 1000, above those that are there.
Result<PartitionSpec> PartitionSpecFromJson(const JsonCursor& json);
Result<std::vector<PartitionField>> PartitionFieldsFromJson(const JsonCursor& array);
/// A spec to be added: missing field ids stay 0, for the table to assign.
Result<PartitionSpec> UnassignedPartitionSpecFromJson(const JsonCursor& json);
void WriteSortOrder(const SortOrder& order, JsonWriter* out);
Result<SortOrder> SortOrderFromJson(const JsonCursor& json);

}  // namespace moraine::iceberg
