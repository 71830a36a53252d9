#pragma once
// Rows on their way from an input to an output, with where they come from: what RowSource reads and
// BatchQueue carries. The position map is made of it.

#include <cstdint>
#include <memory>
#include <vector>

namespace arrow {
class RecordBatch;
}

namespace moraine::rewrite {

/// A span of rows of one input file, of which those that are alive are in a batch, in order.
struct RowOrigin {
  size_t input = 0;  ///< index into RewriteTask::rewrite
  int64_t first_position = 0;
  int64_t count = 0;          ///< of the span
  std::vector<uint8_t> keep;  ///< a bit for each row of the span, set: alive; empty: all are
};

struct RowBatch {
  std::shared_ptr<arrow::RecordBatch> rows;  ///< nullptr: there are no more
  RowOrigin origin;
};

}  // namespace moraine::rewrite
