#include "moraine/splice/chunk_pages.h"

#include <algorithm>
#include <utility>

#include "moraine/base/text.h"
#include "moraine/io/range_cache.h"
#include "moraine/splice/footer.h"

namespace moraine::splice {
namespace {

/// What a rewrite takes besides pages.
constexpr int64_t kBaseBytes = int64_t{64} << 20;
constexpr int64_t kHeaderBytes = int64_t{64} << 10;
constexpr int64_t kMaxIndexBytes = int64_t{2} << 20;
constexpr int32_t kMaxPageValues = 1 << 26;

Result<std::string> ReadExtent(Call& call, io::RandomReader& file, const Extent& extent) {
  std::string bytes(static_cast<size_t>(extent.size), '\0');
  MORAINE_TRY(file.ReadAt(call, extent.offset, bytes));
  return bytes;
}

bool IsReadable(const Extent& extent) { return extent.size > 0 && extent.size <= kMaxIndexBytes; }

}  // namespace

int64_t MemoryForPage(int64_t page_bytes) { return kBaseBytes + 4 * page_bytes; }

int64_t LargestPage(int64_t memory_bytes) {
  return std::max((memory_bytes - kBaseBytes) / 4, memory_bytes / 16);
}

std::string_view ChunkPages::Available() const {
  if (window_ == nullptr) return {};
  return window_->view().substr(static_cast<size_t>(at_ - window_offset_));
}

// The next size bytes, or all that are left of the chunk.
Status ChunkPages::Fill(Call& call, int64_t size) {
  const int64_t left = end() - at_;
  size = std::min(size, left);
  if (static_cast<int64_t>(Available().size()) >= size) return {};
  if (window_ == nullptr && left > kStepBytes) {  // far away, the next steps come meanwhile
    const std::vector<io::ByteRange> rest = {{at_, left}};
    io::WillRead(call, file_, rest);
  }
  auto window =
      std::make_shared<ReadBytes>(static_cast<size_t>(std::min(std::max(size, step_bytes_), left)));
  MORAINE_TRY(file_.ReadAt(call, at_, window->span()));
  window_ = std::move(window);
  window_offset_ = at_;
  return {};
}

Result<std::optional<RawPage>> ChunkPages::NextOfAnyKind(Call& call) {
  if (values_seen_ >= chunk_.num_values || at_ >= end()) return std::optional<RawPage>();
  MORAINE_TRY(Fill(call, 1));
  bool needs_more = false;
  Result<ParsedHeader> parsed = ParsePageHeader(Available(), &needs_more);
  for (int64_t size = kHeaderBytes; !parsed.ok() && needs_more; size *= 16) {
    if (static_cast<int64_t>(Available().size()) >= end() - at_ || size > max_page_bytes_) break;
    MORAINE_TRY(Fill(call, std::max<int64_t>(size, static_cast<int64_t>(Available().size()) + 1)));
    parsed = ParsePageHeader(Available(), &needs_more);
  }
  MORAINE_TRY(parsed.status());
  const int64_t size = static_cast<int64_t>(parsed->size) + parsed->header.compressed_size;
  if (size > end() - at_) return Corruption("a page goes beyond its column chunk");
  const int64_t needed = std::max<int64_t>(size, parsed->header.uncompressed_size);
  if (needed > max_page_bytes_) {
    return Exhausted("a page of " + FormatByteSize(needed) + " needs at least " +
                     FormatByteSize(MemoryForPage(needed)) + " of memory");
  }
  if (parsed->header.num_values > kMaxPageValues) return Unsupported("a page of too many values");
  MORAINE_TRY(Fill(call, size));
  RawPage page;
  page.header = std::move(parsed->header);
  page.header_bytes = Available().substr(0, parsed->size);
  page.body = Available().substr(parsed->size, static_cast<size_t>(page.header.compressed_size));
  page.owner = window_;
  at_ += size;
  return std::optional<RawPage>(std::move(page));
}

Result<std::optional<RawPage>> ChunkPages::Next(Call& call) {
  while (true) {
    MORAINE_ASSIGN(std::optional<RawPage> page, NextOfAnyKind(call));
    if (!page) {
      if (values_seen_ != chunk_.num_values) {
        return Corruption("a column chunk claims " + std::to_string(chunk_.num_values) +
                          " values, its pages have " + std::to_string(values_seen_));
      }
      return page;
    }
    switch (page->header.type) {
      case PageType::kDictionary:
        return page;
      case PageType::kData:
      case PageType::kDataV2:
        values_seen_ += page->header.num_values;
        return page;
      default:
        break;  // kinds that readers may ignore
    }
  }
}

Result<ChunkIndexes> ReadIndexes(Call& call, io::RandomReader& file, const ChunkMetadata& chunk) {
  ChunkIndexes indexes;
  if (IsReadable(chunk.offset_index)) {
    MORAINE_ASSIGN(const std::string bytes, ReadExtent(call, file, chunk.offset_index));
    Result<std::vector<PageLocation>> pages = ParseOffsetIndex(bytes);
    if (pages.ok()) indexes.pages = std::move(*pages);
  }
  if (IsReadable(chunk.column_index)) {
    MORAINE_ASSIGN(const std::string bytes, ReadExtent(call, file, chunk.column_index));
    Result<ColumnIndex> column = ParseColumnIndex(bytes);
    if (column.ok()) indexes.column = std::move(*column);
  }
  return indexes;
}

}  // namespace moraine::splice
