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
/// (null is less than any, NaN more), else the one that was written last: by its own sequence
/// number from format version 3 on, else by its file's, else by path, else the last in it. Keys are
/// equal as in equality deletes: null equals null, NaN equals NaN.
struct Dedup {
  std::vector<int32_t> keys;        ///< field ids; empty: all rows stay
  std::optional<int32_t> order_by;  ///< field id

  bool is_none() const { return keys.empty(); }
  bool operator==(const Dedup&) const = default;
};
/// A few characters that stand in the names of files which a dedup of a whole partition has
/// written, before the layout's. Empty for none. The same for the same columns.
std::string DedupMark(const Dedup& dedup);
bool HasDedupMark(std::string_view file_path, std::string_view mark);
/// What the names of a task's data files end with before ".parquet": "-dedup1a2b3c4d-sort1a2b3c4d".
std::string FileMarks(const Layout& layout, const Dedup& dedup);
/// Errors: as ValidateLayout.
Status ValidateDedup(const Dedup& dedup, const iceberg::Schema& schema);

void WriteLayout(const Layout& layout, JsonWriter* out);
Result<Layout> LayoutFromJson(const JsonCursor& json);
void WriteDedup(const Dedup& dedup, JsonWriter* out);
Result<Dedup> DedupFromJson(const JsonCursor& json);

}  // namespace moraine::tasks
