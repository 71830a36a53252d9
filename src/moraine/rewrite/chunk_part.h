#pragma once
// A column chunk of which only some rows are wanted, as the page copier sees it: its dictionary and
// the pages that hold wanted rows, one behind the other, through a reader that knows where they lie
// in the file. The offset index tells. Used by splice_inputs for files that are far away, where
// bytes that nobody wants cost time.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/io/file_system.h"
#include "moraine/io/range_cache.h"
#include "moraine/splice/chunk_pages.h"
#include "moraine/splice/format.h"
#include "moraine/splice/page_builder.h"

namespace moraine::rewrite {

struct ChunkPart {
  std::unique_ptr<io::RandomReader> reader;  ///< borrows the file's
  splice::ChunkMetadata chunk;               ///< offsets are those of the reader
  int64_t num_rows = 0;                      ///< of the pages that are there
  std::vector<int64_t> page_rows;            ///< of each of them, as the index has it
  std::vector<splice::RowRange> alive;       ///< wanted rows, counted among these
  std::vector<io::ByteRange> ranges;         ///< in the file, of what is there
  int64_t memory_bytes = 0;
};

/// The part of a flat column's chunk that holds the alive rows, which are ascending; num_rows: of
/// the row group. nullopt where the indexes don't tell.
std::optional<ChunkPart> CutChunk(io::RandomReader& file, const splice::ChunkMetadata& chunk,
                                  const splice::ChunkIndexes& indexes, int64_t num_rows,
                                  const std::vector<splice::RowRange>& alive);

}  // namespace moraine::rewrite
