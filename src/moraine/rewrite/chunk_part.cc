#include "moraine/rewrite/chunk_part.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "moraine/splice/footer.h"

namespace moraine::rewrite {
namespace {

/// As in a file, no page lies at 0.
constexpr int64_t kHead = 4;

/// Ranges of a file one behind the other, and some bytes behind them.
class PartReader final : public io::AheadReader {
 public:
  PartReader(io::RandomReader& file, std::vector<io::ByteRange> ranges, std::string tail)
      : file_(file), ranges_(std::move(ranges)), tail_(std::move(tail)) {
    for (const io::ByteRange& range : ranges_) {
      begins_.push_back(end_);
      end_ += range.length;
    }
  }

  int64_t size() const override { return end_ + static_cast<int64_t>(tail_.size()); }

  Status ReadAt(Call& call, int64_t offset, std::span<char> buffer) override {
    const auto length = static_cast<int64_t>(buffer.size());
    if (offset < kHead || length > size() || offset > size() - length) {
      return Corruption("a column chunk ends too early");
    }
    for (const io::ByteRange& piece : InFile(offset, length)) {
      const auto some = static_cast<size_t>(piece.length);
      MORAINE_TRY(file_.ReadAt(call, piece.offset, buffer.first(some)));
      buffer = buffer.subspan(some);
    }
    if (!buffer.empty()) {
      const int64_t in_tail = offset + length - static_cast<int64_t>(buffer.size()) - end_;
      std::memcpy(buffer.data(), tail_.data() + in_tail, buffer.size());
    }
    return {};
  }

  void WillRead(Call& call, std::span<const io::ByteRange> wanted) override {
    std::vector<io::ByteRange> pieces;
    for (const io::ByteRange& range : wanted) {
      for (const io::ByteRange& piece : InFile(range.offset, range.length)) {
        pieces.push_back(piece);
      }
    }
    io::WillRead(call, file_, pieces);
  }

 private:
  /// Where these bytes lie, as far as they lie in the file.
  std::vector<io::ByteRange> InFile(int64_t offset, int64_t length) const {
    std::vector<io::ByteRange> pieces;
    auto at = std::upper_bound(begins_.begin(), begins_.end(), offset) - begins_.begin();
    for (size_t i = at == 0 ? 0 : static_cast<size_t>(at) - 1; i < ranges_.size(); ++i) {
      const int64_t skip = std::max<int64_t>(offset - begins_[i], 0);
      const int64_t some = std::min(ranges_[i].length - skip, offset + length - begins_[i] - skip);
      if (some > 0) pieces.push_back({ranges_[i].offset + skip, some});
      if (offset + length <= begins_[i] + ranges_[i].length) break;
    }
    return pieces;
  }

  io::RandomReader& file_;
  const std::vector<io::ByteRange> ranges_;
  const std::string tail_;
  std::vector<int64_t> begins_;  // of the ranges, here
  int64_t end_ = kHead;          // of the last of them
};

/// Pages follow each other within the chunk, and their rows do.
bool IsSound(const std::vector<splice::PageLocation>& pages, const splice::ChunkMetadata& chunk,
             int64_t num_rows) {
  if (pages.empty() || pages[0].first_row != 0) return false;
  int64_t offset = chunk.start();
  const int64_t end = offset + chunk.total_compressed_size;
  int64_t row = -1;
  for (const splice::PageLocation& page : pages) {
    if (page.offset < offset || page.compressed_size <= 0 || page.first_row <= row) return false;
    if (page.offset > end || page.compressed_size > end - page.offset) return false;
    offset = page.offset + page.compressed_size;
    row = page.first_row;
  }
  return row < num_rows;
}

int64_t EndRow(const std::vector<splice::PageLocation>& pages, size_t page, int64_t num_rows) {
  return page + 1 < pages.size() ? pages[page + 1].first_row : num_rows;
}

/// Numbers of the pages with alive rows.
std::vector<size_t> WantedPages(const std::vector<splice::PageLocation>& pages, int64_t num_rows,
                                const std::vector<splice::RowRange>& alive) {
  std::vector<size_t> wanted;
  auto range = alive.begin();
  for (size_t page = 0; page < pages.size(); ++page) {
    while (range != alive.end() && range->end <= pages[page].first_row) ++range;
    if (range == alive.end()) break;
    if (range->begin < EndRow(pages, page, num_rows)) wanted.push_back(page);
  }
  return wanted;
}

void Append(const io::ByteRange& range, std::vector<io::ByteRange>* ranges) {
  if (range.length == 0) return;
  if (!ranges->empty() && ranges->back().offset + ranges->back().length == range.offset) {
    ranges->back().length += range.length;
  } else {
    ranges->push_back(range);
  }
}

splice::ColumnIndex Select(const splice::ColumnIndex& index, const std::vector<size_t>& pages) {
  splice::ColumnIndex some;
  some.order = index.order;
  for (size_t page : pages) {
    some.null_pages.push_back(index.null_pages[page]);
    some.min_values.push_back(index.min_values[page]);
    some.max_values.push_back(index.max_values[page]);
    if (!index.null_counts.empty()) some.null_counts.push_back(index.null_counts[page]);
  }
  return some;
}

/// Rows of the file's row group as rows of the pages that are left.
std::vector<splice::RowRange> Renumber(const std::vector<splice::PageLocation>& pages,
                                       const std::vector<size_t>& wanted, int64_t num_rows,
                                       const std::vector<splice::RowRange>& alive) {
  std::vector<splice::RowRange> rows;
  int64_t first = 0;  // of the page, among those that are left
  auto range = alive.begin();
  for (size_t page : wanted) {
    const int64_t begin = pages[page].first_row, end = EndRow(pages, page, num_rows);
    while (range != alive.end() && range->end <= begin) ++range;
    for (auto at = range; at != alive.end() && at->begin < end; ++at) {
      const splice::RowRange part = {std::max(at->begin, begin) - begin + first,
                                     std::min(at->end, end) - begin + first};
      if (!rows.empty() && rows.back().end == part.begin) {
        rows.back().end = part.end;
      } else {
        rows.push_back(part);
      }
    }
    first += end - begin;
  }
  return rows;
}

/// What was said of all pages holds for some of them only where it says "none".
void DropStatistics(splice::ChunkMetadata* chunk) {
  const bool has_nulls = chunk->statistics.null_count != 0;
  chunk->statistics = {};
  if (!has_nulls) chunk->statistics.null_count = 0;
  chunk->size_statistics.reset();
  chunk->bloom_filter = {};
  chunk->offset_index = {};
  chunk->column_index = {};
}

}  // namespace

std::optional<ChunkPart> CutChunk(io::RandomReader& file, const splice::ChunkMetadata& chunk,
                                  const splice::ChunkIndexes& indexes, int64_t num_rows,
                                  const std::vector<splice::RowRange>& alive) {
  const std::vector<splice::PageLocation>& pages = indexes.pages;
  if (!IsSound(pages, chunk, num_rows)) return std::nullopt;
  const std::vector<size_t> wanted = WantedPages(pages, num_rows, alive);
  const int64_t dictionary = pages[0].offset - chunk.start();
  int64_t bytes = dictionary;
  for (size_t page : wanted) bytes += pages[page].compressed_size;
  if (wanted.empty()) return std::nullopt;
  ChunkPart part;
  Append({chunk.start(), dictionary}, &part.ranges);
  for (size_t page : wanted) {
    Append({pages[page].offset, pages[page].compressed_size}, &part.ranges);
    part.page_rows.push_back(EndRow(pages, page, num_rows) - pages[page].first_row);
    part.num_rows += part.page_rows.back();
  }
  part.alive = Renumber(pages, wanted, num_rows, alive);
  part.chunk = chunk;
  DropStatistics(&part.chunk);
  part.chunk.num_values = part.num_rows;
  part.chunk.total_compressed_size = bytes;
  part.chunk.data_page_offset = kHead + dictionary;
  part.chunk.dictionary_page_offset.reset();
  if (dictionary > 0) part.chunk.dictionary_page_offset = kHead;
  std::string tail;
  if (indexes.column && indexes.column->null_pages.size() == pages.size()) {
    tail = splice::ColumnIndexBytes(Select(*indexes.column, wanted));
    part.chunk.column_index = {kHead + bytes, static_cast<int64_t>(tail.size())};
  }
  part.memory_bytes = static_cast<int64_t>(
      tail.size() + sizeof(ChunkPart) + part.alive.size() * sizeof(splice::RowRange) +
      part.page_rows.size() * sizeof(int64_t) + part.ranges.size() * 3 * sizeof(io::ByteRange));
  part.reader = std::make_unique<PartReader>(file, part.ranges, std::move(tail));
  return part;
}

}  // namespace moraine::rewrite
