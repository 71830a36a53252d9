#pragma once
// The portable form of one 32-bit Roaring bitmap (Roaring format spec), looked at before Roaring
// gets it: it takes containers that are out of order or too long. Used by position_set.cc.

#include <cstddef>
#include <string_view>

#include "moraine/base/status.h"

namespace moraine::iceberg {

/// Bytes of the bitmap that the bytes begin with. Errors: Corruption unless keys and values ascend,
/// counts are those of the values, and all is there.
Result<size_t> CheckPortableBitmap(std::string_view bytes);

}  // namespace moraine::iceberg
