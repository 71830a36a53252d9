#pragma once
// Filters seen from partitions, made once and asked for many files (table spec, "Scan planning";
// the projection tables of Java's transforms). Used by scan and commit; expression.h has one-off
// forms.

#include <vector>

#include "moraine/iceberg/expression/expression.h"

namespace moraine::iceberg {

/// The residual of one bound filter for the partitions of one spec. Immutable, thread-safe.
class ResidualEvaluator {
 public:
  ResidualEvaluator(ExpressionPtr bound, const PartitionSpec& spec, const Schema& schema);

  /// True: every row of the partition matches. False: none does.
  ExpressionPtr ForPartition(const PartitionTuple& partition) const;
  /// Whether the answer depends on the partition at all.
  bool depends_on_partition() const { return depends_on_partition_; }

 private:
  struct Node {
    ExpressionPtr expression;
    ExpressionPtr strict;  // of a predicate
    ExpressionPtr inclusive;
    int left = -1;
    int right = -1;
  };
  int Build(const ExpressionPtr& expression, const Schema& schema);
  ExpressionPtr Evaluate(int node, const PartitionTuple& partition) const;

  const PartitionSpec spec_;
  std::vector<Node> nodes_;
  int root_ = -1;
  bool depends_on_partition_ = false;
};

/// Whether a value matches one bound predicate. Nulls match is-null and the negative operators
/// only.
bool ValueMatches(const Expression& predicate, const Value& value);

/// The first count code points of UTF-8 text, and how many it has (counting stops at limit).
std::string_view CodePointPrefix(std::string_view text, size_t count);
size_t CodePointCount(std::string_view text, size_t limit);

}  // namespace moraine::iceberg
