#pragma once
// What is known of pages and chunks without looking at their values.

#include <cstdint>
#include <optional>
#include <vector>

#include "moraine/splice/chunk_pages.h"
#include "moraine/splice/format.h"
#include "moraine/splice/page_builder.h"
#include "moraine/splice/page_values.h"

namespace moraine::splice {

/// Bounds that the type can have; nullopt where there are none or no use.
std::optional<ValueRange> RangeFrom(const ValueType& type, const Statistics& statistics);

/// Whether bounds are told to be values, not shortened ones.
bool IsExact(const Statistics& statistics);

/// Of the page with this number of a chunk: from its header, the column index, or the chunk, if it
/// is its only page.
PageStats KnownStats(const ColumnType& type, const ChunkMetadata& chunk,
                     const ChunkIndexes& indexes, size_t page_number, const PageHeader& header);

/// Of all chunks together, where all of them have it.
std::optional<SizeStatistics> SumSizes(const std::vector<const ChunkMetadata*>& chunks);

}  // namespace moraine::splice
