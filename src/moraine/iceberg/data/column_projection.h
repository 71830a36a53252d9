#pragma once
// From the columns of a file to the columns that a reader was asked for (table spec, "Column
// projection", "Schema evolution", "Type promotion"): matched by field id, or by name mapping for
// files without ids; missing ones become a partition constant, their initial default, or null.
// Decides once a file, then applies to each batch. Internal to the readers of iceberg/data.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "moraine/base/json.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/metadata/name_mapping.h"
#include "moraine/iceberg/types/partition_spec.h"
#include "moraine/iceberg/types/type.h"

namespace arrow {
class Array;
class DataType;
class MemoryPool;
class RecordBatch;
class Schema;
}  // namespace arrow

namespace moraine::iceberg {

/// A column of a file, at any depth. Children: a struct's fields, a list's element, a map's key and
/// value.
struct FileColumn {
  std::string name;
  std::optional<int32_t> id;
  std::shared_ptr<arrow::DataType> type;
  int leaf_index = -1;  ///< of the physical column; -1: has children
  std::vector<FileColumn> children;
};

/// Whether any column at any depth has an id; if none has, the mapping gives ids.
bool HasFieldIds(const std::vector<FileColumn>& columns);
void ApplyNameMapping(const NameMapping& mapping, std::vector<FileColumn>* columns);

/// Values of columns by id, for those that a file does not hold (identity partition fields).
using ColumnConstants = std::vector<std::pair<int32_t, Value>>;
/// Those of files in this partition.
ColumnConstants PartitionConstants(const PartitionSpec& spec, const PartitionTuple& partition);

/// What rows of a data file have as _row_id and _last_updated_sequence_number where it stores none
/// (table spec, "Row lineage"). Without first_row_id (the file is older than the table's upgrade to
/// version 3) both are null, whatever is stored.
struct RowLineage {
  std::optional<int64_t> first_row_id;
  int64_t sequence_number = 0;  ///< data sequence number of the file
};

/// Where the rows of a batch come from, for the metadata columns _file, _pos, _row_id and
/// _last_updated_sequence_number.
struct BatchOrigin {
  const std::string* path = nullptr;
  int64_t first_position = 0;
  const RowLineage* lineage = nullptr;  ///< nullptr: both columns as they are stored, else null
};

/// What becomes of dictionary-encoded input columns.
enum class Dictionaries { kDecode, kKeep };

class ColumnProjection {
 public:
  /// Errors: Corruption for a required column without default that the file lacks; Unsupported for
  /// a file type that the column's type cannot be read from. Both name the column.
  static Result<ColumnProjection> Make(const std::vector<Field>& wanted,
                                       const std::vector<FileColumn>& file,
                                       const ColumnConstants& constants);

  /// Physical columns to read, ascending. May be empty: then rows are made from constants alone.
  const std::vector<int>& leaf_indices() const { return leaf_indices_; }
  const std::shared_ptr<arrow::Schema>& arrow_schema() const { return arrow_schema_; }

  /// input holds the top-level columns of leaf_indices() in the file's order (nullptr when there
  /// are none) and has length rows.
  Result<std::shared_ptr<arrow::RecordBatch>> Apply(const arrow::RecordBatch* input, int64_t length,
                                                    const BatchOrigin& origin,
                                                    Dictionaries dictionaries,
                                                    arrow::MemoryPool* pool) const;

 private:
  enum class Source { kFile, kConstant, kFilePath, kPosition };
  enum class Lineage { kNone, kRowId, kSequenceNumber };
  struct Plan {
    Source source = Source::kConstant;
    Field field;                            // what is wanted
    std::shared_ptr<arrow::DataType> type;  // as Arrow has it
    Value constant;                         // kConstant
    int child = -1;                         // kFile: index among the columns read of its parent
    std::vector<Plan> children;             // nested types; kConstant: of a struct with defaults
    Lineage lineage = Lineage::kNone;       // what nulls become
  };
  struct Context;

  static Lineage LineageOf(int32_t id);
  static Result<Plan> MakePlan(const Field& wanted, const FileColumn* column,
                               const ColumnConstants& constants, std::vector<int>* leaves);
  static Status MakeChildPlans(const Field& wanted, const FileColumn& column,
                               std::vector<int>* leaves, Plan* plan);
  static Result<std::vector<Plan>> MatchFields(const std::vector<Field>& wanted,
                                               const std::vector<FileColumn>& file,
                                               const ColumnConstants& constants,
                                               std::vector<int>* leaves, bool needs_a_column);
  static Result<Plan> MakeMissing(const Field& wanted, const ColumnConstants& constants);
  static Status MakeDefaultChildren(const Field& wanted, const Json& initial, Plan* plan);
  static Result<std::shared_ptr<arrow::Array>> ApplyPlan(const Plan& plan,
                                                         const std::shared_ptr<arrow::Array>& input,
                                                         const Context& context);
  static Result<std::shared_ptr<arrow::Array>> ApplySource(
      const Plan& plan, const std::shared_ptr<arrow::Array>& input, const Context& context);
  static Result<std::shared_ptr<arrow::Array>> ApplyStruct(const Plan& plan,
                                                           const arrow::Array& input,
                                                           const Context& context);
  static Result<std::shared_ptr<arrow::Array>> ApplyDefaultStruct(const Plan& plan,
                                                                  const Context& context);
  static Result<std::shared_ptr<arrow::Array>> ApplyList(const Plan& plan,
                                                         const arrow::Array& input,
                                                         const Context& context);
  static Result<std::shared_ptr<arrow::Array>> ApplyMap(const Plan& plan, const arrow::Array& input,
                                                        const Context& context);

  std::vector<Plan> plans_;
  std::vector<int> leaf_indices_;
  std::shared_ptr<arrow::Schema> arrow_schema_;
};

}  // namespace moraine::iceberg
