#include "moraine/splice/page_stats.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace moraine::splice {
namespace {

bool IsBound(const ValueType& type, std::string_view value) {
  const size_t width = type.width();
  const bool fits = width == 0 ? value.size() <= kMaxBoundBytes : value.size() == width;
  return fits && !IsNaN(type, value);
}

// A bound as the page of one value.
std::string AsPlain(const ValueType& type, const std::string& bound) {
  if (type.width() > 0) return bound;
  const auto size = static_cast<uint32_t>(bound.size());
  return std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + bound;
}

std::optional<ValueRange> ToRange(const ValueType& type, const std::string& min,
                                  const std::string& max) {
  if (type.order == Order::kNone || !IsBound(type, min) || !IsBound(type, max)) {
    return std::nullopt;
  }
  ValueRange range;
  // Through the values: a zero may have the wrong sign.
  range.min = RangeOf(type, AsPlain(type, min), 1).min;
  range.max = RangeOf(type, AsPlain(type, max), 1).max;
  return range;
}

std::optional<int64_t> KnownNulls(const ColumnType& type, const ChunkMetadata& chunk,
                                  const ChunkIndexes& indexes, size_t page_number,
                                  const PageHeader& header) {
  if (type.max_definition == 0) return 0;
  if (header.type == PageType::kDataV2) return header.num_nulls;
  if (header.statistics.null_count) return header.statistics.null_count;
  const std::optional<int64_t>& of_chunk = chunk.statistics.null_count;
  if (of_chunk && (*of_chunk == 0 || header.num_values == chunk.num_values)) return of_chunk;
  if (indexes.column && page_number < indexes.column->null_counts.size()) {
    return indexes.column->null_counts[page_number];
  }
  return std::nullopt;
}

// False: they don't fit together.
bool AddHistogram(const std::vector<int64_t>& from, std::vector<int64_t>* to) {
  if (from.size() != to->size()) return false;
  for (size_t i = 0; i < from.size(); ++i) (*to)[i] += from[i];
  return true;
}

}  // namespace

std::optional<ValueRange> RangeFrom(const ValueType& type, const Statistics& statistics) {
  if (!statistics.min || !statistics.max) return std::nullopt;
  return ToRange(type, *statistics.min, *statistics.max);
}

bool IsExact(const Statistics& statistics) {
  return statistics.is_min_exact.value_or(true) && statistics.is_max_exact.value_or(true);
}

std::optional<SizeStatistics> SumSizes(const std::vector<const ChunkMetadata*>& chunks) {
  std::optional<SizeStatistics> sum;
  for (const ChunkMetadata* chunk : chunks) {
    if (!chunk->size_statistics) return std::nullopt;
    SizeStatistics added = *chunk->size_statistics;
    // Arrow (seen: 26) counts some of these wrongly.
    const bool is_doubtful =
        std::count(chunk->encodings.begin(), chunk->encodings.end(), Encoding::kDeltaByteArray) > 0;
    if (is_doubtful) added.unencoded_bytes.reset();
    if (!sum) {
      sum = added;
      continue;
    }
    if (sum->unencoded_bytes && added.unencoded_bytes) {
      *sum->unencoded_bytes += *added.unencoded_bytes;
    } else {
      sum->unencoded_bytes.reset();
    }
    if (!AddHistogram(added.repetition_histogram, &sum->repetition_histogram) ||
        !AddHistogram(added.definition_histogram, &sum->definition_histogram)) {
      return std::nullopt;
    }
  }
  return sum;
}

PageStats KnownStats(const ColumnType& type, const ChunkMetadata& chunk,
                     const ChunkIndexes& indexes, size_t page_number, const PageHeader& header) {
  PageStats stats;
  stats.null_count = KnownNulls(type, chunk, indexes, page_number, header);
  if (stats.null_count && (*stats.null_count < 0 || *stats.null_count > header.num_values)) {
    stats.null_count.reset();
  }
  if (stats.null_count == header.num_values) {
    stats.range = ValueRange();
    return stats;
  }
  stats.range = RangeFrom(type.value, header.statistics);
  stats.is_exact = IsExact(header.statistics);
  if (stats.range) return stats;
  const std::optional<ColumnIndex>& index = indexes.column;
  if (index && page_number < index->null_pages.size() && !index->null_pages[page_number]) {
    stats.range =
        ToRange(type.value, index->min_values[page_number], index->max_values[page_number]);
    stats.is_exact = type.value.width() > 0;
  }
  if (!stats.range && header.num_values == chunk.num_values) {
    stats.range = RangeFrom(type.value, chunk.statistics);
    stats.is_exact = IsExact(chunk.statistics);
  }
  return stats;
}

}  // namespace moraine::splice
