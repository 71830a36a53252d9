#pragma once
// The bytes of a deletion vector (Puffin spec, blob type deletion-vector-v1): length, magic, the
// positions as a portable 64-bit Roaring bitmap, CRC-32. Used by the loading and the writing of
// deletes in iceberg/data.

#include <string>
#include <string_view>

#include "moraine/base/status.h"
#include "moraine/iceberg/deletes/position_set.h"

namespace moraine::iceberg {

/// Errors: Exhausted for a vector of over 2 GiB.
Result<std::string> EncodeDeletionVector(const PositionSet& positions);
/// Of all the blob's bytes. Errors: Corruption saying what differs.
Result<PositionSet> DecodeDeletionVector(std::string_view blob);

}  // namespace moraine::iceberg
