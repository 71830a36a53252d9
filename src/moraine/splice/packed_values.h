#pragma once
// Values in the encodings that are only read: delta and byte stream split, through the Parquet
// library's decoders.

#include <cstddef>
#include <string>
#include <string_view>

#include "moraine/base/status.h"
#include "moraine/splice/format.h"
#include "moraine/splice/value_stats.h"

namespace moraine::splice {

/// As plain values. Errors: Corruption; Unsupported for an encoding that the type can't have.
Result<std::string> UnpackValues(const ValueType& type, Encoding encoding, size_t count,
                                 std::string_view bytes);

}  // namespace moraine::splice
