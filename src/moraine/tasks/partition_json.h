#pragma once
// JSON of a partition tuple inside tasks: an array with one value for each field of the spec, null
// for null, floats as base64 of their bytes (a tuple is compared by bits; JSON has no NaN). Used by
// the codecs of rewrite_task.h only.

#include <vector>

#include "moraine/base/json.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/iceberg/types/value.h"

namespace moraine::tasks {

void WritePartition(const iceberg::PartitionTuple& partition,
                    const std::vector<iceberg::TypePtr>& types, JsonWriter* out);
Result<iceberg::PartitionTuple> ReadPartition(const JsonCursor& json,
                                              const std::vector<iceberg::TypePtr>& types);

}  // namespace moraine::tasks
