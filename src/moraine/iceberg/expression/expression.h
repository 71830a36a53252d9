#pragma once
// Row filters: predicates over columns, joined by and, or, not (Java's Expressions; the REST
// protocol's expression JSON). Unbound expressions name columns; Bind ties them to a schema's ids
// and types.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/json.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/types/partition_spec.h"
#include "moraine/iceberg/types/type.h"

namespace moraine::iceberg {

class Expression;
using ExpressionPtr = std::shared_ptr<const Expression>;

/// Immutable tree.
class Expression {
 public:
  enum class Op {
    kTrue,
    kFalse,
    kAnd,
    kOr,
    kNot,
    kIsNull,
    kNotNull,
    kIsNaN,
    kNotNaN,
    kLess,
    kLessEqual,
    kGreater,
    kGreaterEqual,
    kEqual,
    kNotEqual,
    kIn,
    kNotIn,
    kStartsWith,
    kNotStartsWith,
  };

  static ExpressionPtr True();
  static ExpressionPtr False();
  static ExpressionPtr And(ExpressionPtr a, ExpressionPtr b);  ///< simplifies true and false away
  static ExpressionPtr Or(ExpressionPtr a, ExpressionPtr b);
  static ExpressionPtr Not(ExpressionPtr a);
  /// Unbound: a column by name and literals in JSON single-value form (typed when bound).
  static ExpressionPtr Predicate(Op op, std::string column, std::vector<Json> literals = {});
  /// Bound: a field id with its type, and typed values.
  static ExpressionPtr Bound(Op op, int32_t field_id, TypePtr type, std::vector<Value> values = {});

  Op op() const { return op_; }
  bool is_bound() const { return field_id_ != 0; }
  const ExpressionPtr& left() const { return left_; }
  const ExpressionPtr& right() const { return right_; }
  const std::string& column() const { return column_; }
  const std::vector<Json>& literals() const { return literals_; }
  int32_t field_id() const { return field_id_; }
  const TypePtr& type() const { return type_; }
  const std::vector<Value>& values() const { return values_; }
  std::string ToString() const;

 private:
  Expression() = default;
  Op op_ = Op::kTrue;
  ExpressionPtr left_, right_;
  std::string column_;
  std::vector<Json> literals_;
  int32_t field_id_ = 0;
  TypePtr type_;
  std::vector<Value> values_;
};

/// Binds names to ids, types the literals, pushes not down, folds what the types already decide (a
/// required column is never null; a literal outside the column's range is never equal).
/// Errors: InvalidArgument for an unknown column or a literal that does not fit.
Result<ExpressionPtr> Bind(const ExpressionPtr& expression, const Schema& schema);

/// Predicates over partition field ids, true (inclusive) or false (strict) where nothing can be
/// said.
ExpressionPtr ProjectInclusive(const ExpressionPtr& bound, const PartitionSpec& spec,
                               const Schema& schema);
ExpressionPtr ProjectStrict(const ExpressionPtr& bound, const PartitionSpec& spec,
                            const Schema& schema);
/// What of the filter remains to be tested on the rows of a partition.
ExpressionPtr ResidualFor(const ExpressionPtr& bound, const PartitionSpec& spec,
                          const Schema& schema, const PartitionTuple& partition);

/// Exact evaluation of a projected expression on a partition tuple.
bool EvaluateOnPartition(const ExpressionPtr& projected, const PartitionSpec& spec,
                         const PartitionTuple& partition);
/// May a manifest hold a matching partition? Missing summaries: yes.
bool ManifestMayMatch(const ExpressionPtr& projected, const PartitionSpec& spec,
                      const std::vector<TypePtr>& partition_types, const ManifestFile& manifest);
/// May any row match, by the file's metrics (spec, "Scan planning")?
bool MetricsMayMatch(const ExpressionPtr& bound, const DataFile& file);
/// Must every row match?
bool MetricsMustMatch(const ExpressionPtr& bound, const Schema& schema, const DataFile& file);

/// The REST protocol's expression objects ({"type":"and","left":..},
/// {"type":"eq","term":"a","value":1}).
Result<ExpressionPtr> ExpressionFromJson(const JsonCursor& json);
/// Bound predicates are written with a reference by id; Unbind first for other readers.
void WriteExpression(const Expression& expression, JsonWriter* out);
/// Bound predicates become predicates by name again.
ExpressionPtr Unbind(const ExpressionPtr& bound, const Schema& schema);
/// The SQL subset of self-optimizing.filter and of the console: a = 1 and b in ('x','y') and c is
/// null, comparison, between, like 'p%', not, parentheses, date '..' and timestamp '..' literals.
/// As in SQL a null matches nothing but "is null": negations carry "is not null" with them. Errors:
/// InvalidArgument with the column where it stopped.
Result<ExpressionPtr> ParseFilter(std::string_view text);

}  // namespace moraine::iceberg
