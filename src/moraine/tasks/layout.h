#pragma once
// How a task's rows are arranged beside being copied: in an order, along a space-filling curve,
// with one row for each key, under another partition spec. Plain data with its JSON; part of
// RewriteTask.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/json.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/types/partition_spec.h"
#include "moraine/iceberg/types/type.h"

namespace moraine::tasks {

/// The order of the rows that a task writes.
struct Layout {
  enum class Kind : uint8_t { kNone, kSort, kZOrder, kHilbert };
  Kind kind = Kind::kNone;
  /// kSort: what by. Its id is the table's for that order, 0 for an order that the table has not.
  iceberg::SortOrder order;
  std::vector<int32_t> columns;  ///< kZOrder, kHilbert: field ids

  bool is_none() const { return kind == Kind::kNone; }
  bool operator==(const Layout&) const = default;
};

/// Columns of a curve, at least and at most: each gets a part of 64 bits.
inline constexpr size_t kLeastCurveColumns = 1;
inline constexpr size_t kMostCurveColumns = 16;

/// "zorder(a,b)", "sort(a asc nulls first,bucket[4](b) desc nulls last)"; "none". Names as in the
/// schema; a column that is gone by its id.
std::string LayoutText(const Layout& layout, const iceberg::Schema& schema);
/// A few characters that stand in the names of the files of this layout: who sees one knows that
/// its rows lie so. Empty for kNone. The same for the same columns and order, whatever their names
/// are.
std::string LayoutMark(const Layout& layout);
/// Whether a file of this path was written in the layout.
bool HasLayoutMark(std::string_view file_path, std::string_view mark);

/// Errors: InvalidArgument that names the column: unknown, in a list or map, of a type without an
/// order, a transform that does not take it; too few or too many columns.
Status ValidateLayout(const Layout& layout, const iceberg::Schema& schema);

/// Of rows with equal keys one stays, within one task: the one with the largest value of the column
/// (null is less than any), else the one of the newest file (data sequence number), else the last
/// in it. Null equals null in keys, as in equality deletes.
struct Dedup {
  std::vector<int32_t> keys;        ///< field ids; empty: all rows stay
  std::optional<int32_t> order_by;  ///< field id

  bool is_none() const { return keys.empty(); }
  bool operator==(const Dedup&) const = default;
};
/// Errors: as ValidateLayout.
Status ValidateDedup(const Dedup& dedup, const iceberg::Schema& schema);

void WriteLayout(const Layout& layout, JsonWriter* out);
Result<Layout> LayoutFromJson(const JsonCursor& json);
void WriteDedup(const Dedup& dedup, JsonWriter* out);
Result<Dedup> DedupFromJson(const JsonCursor& json);

}  // namespace moraine::tasks
