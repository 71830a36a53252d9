#include "moraine/splice/file_output.h"

#include <algorithm>

#include "moraine/splice/footer.h"

namespace moraine::splice {
namespace {

constexpr std::string_view kMagic = "PAR1";
// Longer lower bounds of pages are cut, as other writers do.
constexpr size_t kMaxLowerBytes = 64;

// A prefix that ends with a whole UTF-8 character, where the bytes are text.
std::string_view Prefix(std::string_view value) {
  if (value.size() <= kMaxLowerBytes) return value;
  size_t end = kMaxLowerBytes;
  while (end > kMaxLowerBytes - 4 && (value[end] & 0xC0) == 0x80) --end;
  return value.substr(0, end);
}

BoundaryOrder OrderOf(const ValueType& type, const ColumnIndex& index) {
  bool is_ascending = true;
  bool is_descending = true;
  size_t last = index.null_pages.size();
  for (size_t i = 0; i < index.null_pages.size(); ++i) {
    if (index.null_pages[i]) continue;
    if (last < i) {
      const int min = CompareValues(type, index.min_values[last], index.min_values[i]);
      const int max = CompareValues(type, index.max_values[last], index.max_values[i]);
      is_ascending = is_ascending && min <= 0 && max <= 0;
      is_descending = is_descending && min >= 0 && max >= 0;
    }
    last = i;
  }
  if (is_ascending) return BoundaryOrder::kAscending;
  return is_descending ? BoundaryOrder::kDescending : BoundaryOrder::kUnordered;
}

}  // namespace

FileOutput::FileOutput(std::unique_ptr<io::Writer> file, FileMetadata shape)
    : file_(std::move(file)), metadata_(std::move(shape)) {
  metadata_.row_groups.clear();
  metadata_.num_rows = 0;
}

Status FileOutput::Append(Call& call, std::string_view bytes) {
  MORAINE_TRY(file_->Append(call, bytes));
  offset_ += static_cast<int64_t>(bytes.size());
  return {};
}

Status FileOutput::BeginRowGroup(Call& call, int64_t num_rows) {
  if (offset_ == 0) MORAINE_TRY(Append(call, kMagic));
  metadata_.row_groups.emplace_back().num_rows = num_rows;
  metadata_.num_rows += num_rows;
  indexes_.emplace_back();
  return {};
}

void FileOutput::BeginColumn(int32_t codec) {
  std::vector<ChunkMetadata>& columns = metadata_.row_groups.back().columns;
  const Leaf& leaf = metadata_.leaves[columns.size()];
  ChunkMetadata& chunk = columns.emplace_back();
  chunk.type = leaf.type;
  chunk.codec = codec;
  chunk.data_page_offset = offset_;
  indexes_.back().emplace_back();
  column_rows_ = 0;
}

void FileOutput::Count(PageType page, Encoding encoding) {
  for (EncodingStats& stats : chunk().encoding_stats) {
    if (stats.page != page || stats.encoding != encoding) continue;
    ++stats.count;
    return;
  }
  chunk().encoding_stats.push_back({page, encoding, 1});
}

Status FileOutput::AddDictionary(Call& call, std::string_view header, std::string_view body,
                                 int64_t uncompressed_size) {
  chunk().dictionary_page_offset = offset_;
  Count(PageType::kDictionary, Encoding::kPlain);
  MORAINE_TRY(Append(call, header));
  MORAINE_TRY(Append(call, body));
  chunk().total_uncompressed_size += uncompressed_size + static_cast<int64_t>(header.size());
  chunk().total_compressed_size += static_cast<int64_t>(header.size() + body.size());
  chunk().data_page_offset = offset_;
  return {};
}

void FileOutput::AddToIndex(const PageStats& stats, int64_t num_values) {
  Indexes& indexes = indexes_.back().back();
  const bool is_null = stats.null_count == num_values;
  const bool has_range =
      stats.range && stats.range->is_known && stats.range->min && stats.range->max;
  if (!indexes.has_column || !stats.null_count || (!is_null && !has_range)) {
    indexes.has_column = false;
    return;
  }
  ColumnIndex& index = indexes.column;
  index.null_pages.push_back(is_null);
  index.null_counts.push_back(*stats.null_count);
  const bool is_bytes = chunk().type == Physical::kByteArray;
  index.min_values.emplace_back(is_null    ? std::string_view()
                                : is_bytes ? Prefix(*stats.range->min)
                                           : *stats.range->min);
  index.max_values.push_back(is_null ? std::string() : *stats.range->max);
}

Status FileOutput::AddPage(Call& call, const OutPage& page, std::string_view header,
                           std::string_view body) {
  const auto size = static_cast<int64_t>(header.size() + body.size());
  indexes_.back().back().pages.push_back({offset_, static_cast<int32_t>(size), column_rows_});
  column_rows_ += page.num_rows;
  Count(page.type, page.encoding);
  AddToIndex(page.stats, page.num_values);
  chunk().num_values += page.num_values;
  chunk().total_uncompressed_size += page.uncompressed_size;
  chunk().total_compressed_size += size;
  MORAINE_TRY(Append(call, header));
  return Append(call, body);
}

Status FileOutput::EndColumn(const ValueType& type, Statistics statistics,
                             std::optional<SizeStatistics> sizes) {
  if (column_rows_ != metadata_.row_groups.back().num_rows) {
    return Corruption("the pages of the column " +
                      metadata_.leaves[indexes_.back().size() - 1].path.front() + " have " +
                      std::to_string(column_rows_) + " rows, the row group has " +
                      std::to_string(metadata_.row_groups.back().num_rows));
  }
  ChunkMetadata& ended = chunk();
  ended.statistics = std::move(statistics);
  ended.size_statistics = std::move(sizes);
  ended.encodings.push_back(Encoding::kRle);
  for (const EncodingStats& stats : ended.encoding_stats) {
    const auto known = std::find(ended.encodings.begin(), ended.encodings.end(), stats.encoding);
    if (known == ended.encodings.end()) ended.encodings.push_back(stats.encoding);
  }
  Indexes& indexes = indexes_.back().back();
  if (type.order == Order::kNone || indexes.pages.empty()) indexes.has_column = false;
  if (indexes.has_column) indexes.column.order = OrderOf(type, indexes.column);
  return {};
}

void FileOutput::SetBloomFilter(std::string bytes) {
  indexes_.back().back().bloom_filter = std::move(bytes);
}

Status FileOutput::WriteIndexes(Call& call) {
  const auto write = [&](const std::string& bytes, Extent* extent) -> Status {
    *extent = {offset_, static_cast<int64_t>(bytes.size())};
    return Append(call, bytes);
  };
  for (size_t group = 0; group < indexes_.size(); ++group) {
    for (size_t i = 0; i < indexes_[group].size(); ++i) {
      if (indexes_[group][i].bloom_filter.empty()) continue;
      MORAINE_TRY(write(indexes_[group][i].bloom_filter,
                        &metadata_.row_groups[group].columns[i].bloom_filter));
    }
  }
  for (size_t group = 0; group < indexes_.size(); ++group) {
    for (size_t i = 0; i < indexes_[group].size(); ++i) {
      if (!indexes_[group][i].has_column) continue;
      MORAINE_TRY(write(ColumnIndexBytes(indexes_[group][i].column),
                        &metadata_.row_groups[group].columns[i].column_index));
    }
  }
  for (size_t group = 0; group < indexes_.size(); ++group) {
    for (size_t i = 0; i < indexes_[group].size(); ++i) {
      MORAINE_TRY(write(OffsetIndexBytes(indexes_[group][i].pages),
                        &metadata_.row_groups[group].columns[i].offset_index));
    }
  }
  return {};
}

Result<FileMetadata> FileOutput::Close(Call& call) {
  if (offset_ == 0) MORAINE_TRY(Append(call, kMagic));
  MORAINE_TRY(WriteIndexes(call));
  MORAINE_TRY(Append(call, FooterBytes(metadata_)));
  MORAINE_TRY(file_->Close(call));
  return std::move(metadata_);
}

}  // namespace moraine::splice
