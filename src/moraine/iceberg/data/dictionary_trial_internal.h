#pragma once
// Whether a column that rows are sorted by is smaller without a dictionary. Sorted, or near their
// neighbours on a curve, numbers differ little from the ones before, which a codec sees in the
// plain bytes; indices into a dictionary of all of them hide it. Tried out on the first rows.
// Internal to the Parquet writer.

#include "moraine/base/status.h"

namespace arrow {
class Array;
class MemoryPool;
}  // namespace arrow

namespace arrow::util {
class Codec;
}

namespace moraine::iceberg {

/// Rows of less than this tell nothing; a dictionary is then tried as ever.
inline constexpr int64_t kTrialRows = 4096;

/// values: the first rows, in their order. codec: that pages are compressed with, or nullptr. False
/// for types that are not whole or floating numbers of four or eight bytes, dates or times. Errors:
/// those of the codec, Exhausted (the pool). Throws as Parquet does: to be called within GuardFile.
Result<bool> IsSmallerPlain(const arrow::Array& values, arrow::util::Codec* codec,
                            arrow::MemoryPool* pool);

}  // namespace moraine::iceberg
