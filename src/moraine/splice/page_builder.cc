#include "moraine/splice/page_builder.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "moraine/splice/footer.h"
#include "moraine/splice/hybrid.h"

namespace moraine::splice {
namespace {

constexpr size_t kMostExpandedBytes = size_t{8} << 20;

std::string PackBooleans(std::string_view bytes) {
  std::string bits((bytes.size() + 7) / 8, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != 0) bits[i / 8] = static_cast<char>(bits[i / 8] | 1 << (i % 8));
  }
  return bits;
}

void AppendWithLength(std::string_view bytes, std::string* out) {
  const auto size = static_cast<uint32_t>(bytes.size());
  out->append(reinterpret_cast<const char*>(&size), sizeof(size));
  out->append(bytes);
}

template <size_t kWidth>
void AppendFixed(std::string_view plain, std::span<const uint32_t> indices, std::string* out) {
  const size_t begin = out->size();
  out->resize(begin + indices.size() * kWidth);
  char* to = out->data() + begin;
  for (uint32_t index : indices) {
    std::memcpy(to, plain.data() + index * kWidth, kWidth);
    to += kWidth;
  }
}

std::vector<RowRange> Intersect(const std::vector<RowRange>& ranges, RowRange with) {
  std::vector<RowRange> common;
  for (const RowRange& range : ranges) {
    const RowRange both = {std::max(range.begin, with.begin), std::min(range.end, with.end)};
    if (both.begin < both.end) common.push_back(both);
  }
  return common;
}

}  // namespace

size_t PageBuilder::value_bytes() const {
  return plain_.size() + indices_.size() * sizeof(uint32_t) / 2;
}

// Levels that were left out because they were all the same are written down.
void PageBuilder::SpellOutLevels(size_t count) {
  if (definition_.empty() && type_.max_definition > 0) {
    definition_.assign(count, static_cast<uint32_t>(type_.max_definition));
  }
}

void PageBuilder::AddAllLevels(const PageValues& page) {
  const auto before = static_cast<size_t>(num_levels_);
  num_levels_ += page.num_levels;
  num_rows_ += page.num_rows;
  repetition_.insert(repetition_.end(), page.repetition.begin(), page.repetition.end());
  if (!page.definition.empty()) {
    SpellOutLevels(before);
    definition_.insert(definition_.end(), page.definition.begin(), page.definition.end());
  } else if (!definition_.empty()) {
    definition_.resize(static_cast<size_t>(num_levels_),
                       static_cast<uint32_t>(type_.max_definition));
  }
}

void PageBuilder::PushLevel(const PageValues& page, size_t i) {
  if (!page.repetition.empty()) repetition_.push_back(page.repetition[i]);
  if (!page.definition.empty()) {
    definition_.push_back(page.definition[i]);
  } else if (!definition_.empty()) {
    definition_.push_back(static_cast<uint32_t>(type_.max_definition));
  }
  ++num_levels_;
}

// Returns the values that go with the levels, as ranges.
std::vector<RowRange> PageBuilder::AddLevels(const PageValues& page,
                                             const std::vector<RowRange>& alive) {
  if (page.definition.empty() && page.repetition.empty() && definition_.empty()) {
    for (const RowRange& range : alive) num_levels_ += range.end - range.begin;
    for (const RowRange& range : alive) num_rows_ += range.end - range.begin;
    return alive;
  }
  if (!page.definition.empty()) SpellOutLevels(static_cast<size_t>(num_levels_));
  std::vector<RowRange> values;
  int64_t row = -1;
  int64_t value = 0;
  size_t range = 0;
  const auto most = static_cast<uint32_t>(type_.max_definition);
  for (size_t i = 0; i < static_cast<size_t>(page.num_levels); ++i) {
    const bool starts_row = page.repetition.empty() || page.repetition[i] == 0;
    if (starts_row) ++row;
    while (range < alive.size() && alive[range].end <= row) ++range;
    const bool has_value = page.definition.empty() || page.definition[i] == most;
    const int64_t at = has_value ? value++ : value;
    if (range == alive.size() || row < alive[range].begin) continue;
    if (starts_row) ++num_rows_;
    PushLevel(page, i);
    if (!has_value) continue;
    if (!values.empty() && values.back().end == at) {
      ++values.back().end;
    } else {
      values.push_back({at, at + 1});
    }
  }
  return values;
}

Status PageBuilder::AddIndices(const PageValues& page, const Source& source, RowRange range) {
  const size_t before = indices_.size();
  indices_.insert(indices_.end(), page.indices.begin() + range.begin,
                  page.indices.begin() + range.end);
  const std::span<uint32_t> added = std::span(indices_).subspan(before);
  const size_t known = source.mapping.empty() ? source.dictionary_size : source.mapping.size();
  bool is_known = true;
  for (uint32_t& index : added) {
    const bool is_in = index < known;
    is_known = is_known && is_in;
    if (!source.mapping.empty()) index = source.mapping[is_in ? index : 0];
  }
  if (!is_known) return Corruption("an index is not in the dictionary");
  return {};
}

Status PageBuilder::AddFromDictionary(const PageValues& page, const DictionaryValues& values,
                                      RowRange range) {
  const std::span<const uint32_t> indices =
      std::span(page.indices)
          .subspan(static_cast<size_t>(range.begin), static_cast<size_t>(range.end - range.begin));
  if (indices.empty()) return {};
  if (*std::max_element(indices.begin(), indices.end()) >= values.size()) {
    return Corruption("an index is not in the dictionary");
  }
  const size_t width = type_.value.width();
  if (width == 4) {
    AppendFixed<4>(values.plain(), indices, &plain_);
  } else if (width == 8) {
    AppendFixed<8>(values.plain(), indices, &plain_);
  } else {
    for (uint32_t index : indices) plain_.append(values.Encoded(index));
  }
  return {};
}

Status PageBuilder::AddValues(const PageValues& page, const Source& source,
                              const std::vector<RowRange>& values) {
  std::vector<uint32_t> offsets;
  const size_t width = type_.value.width();
  const bool is_part = source.alive.has_value();
  if (!page.is_dictionary && width == 0 && is_part) {
    MORAINE_ASSIGN(offsets, ValueOffsets(page.plain, page.num_values));
  }
  for (const RowRange& range : values) {
    num_values_ += static_cast<size_t>(range.end - range.begin);
    if (page.is_dictionary && dictionary_ != nullptr) {
      MORAINE_TRY(AddIndices(page, source, range));
    } else if (page.is_dictionary) {
      MORAINE_TRY(AddFromDictionary(page, *source.values, range));
    } else if (width > 0) {
      plain_.append(page.plain, static_cast<size_t>(range.begin) * width,
                    static_cast<size_t>(range.end - range.begin) * width);
    } else if (is_part) {
      const uint32_t begin = offsets[static_cast<size_t>(range.begin)];
      plain_.append(page.plain, begin, offsets[static_cast<size_t>(range.end)] - begin);
    } else {
      plain_.append(page.plain);
    }
  }
  return {};
}

Status PageBuilder::AddRows(const PageValues& page, const Source& source) {
  if (!page.repetition.empty() && page.repetition[0] != 0) {
    return Unsupported("pages that begin inside of a row");
  }
  std::vector<RowRange> values;
  if (source.alive) {
    values = AddLevels(page, *source.alive);
  } else {
    AddAllLevels(page);
    values.push_back({0, static_cast<int64_t>(page.num_values)});
  }
  is_range_given_ = is_range_given_ && source.range != nullptr;
  if (source.range != nullptr) given_.Add(type_.value, *source.range);
  MORAINE_TRY(AddValues(page, source, values));
  const bool is_full =
      static_cast<int64_t>(value_bytes()) >= options_.page_bytes || num_rows_ >= options_.page_rows;
  return is_full ? Flush() : Status();
}

// A page of indices into large values may become very many plain bytes: a few rows at a time.
Status PageBuilder::Add(const PageValues& page, const Source& source) {
  const bool expands = page.is_dictionary && dictionary_ == nullptr && source.values != nullptr;
  const size_t largest = expands ? std::max<size_t>(source.values->largest_bytes(), 1) : 1;
  if (!expands || page.num_values < kMostExpandedBytes / largest) return AddRows(page, source);
  const auto step =
      static_cast<int64_t>(std::max<size_t>(static_cast<size_t>(options_.page_bytes) / largest, 1));
  for (int64_t first = 0; first < page.num_rows; first += step) {
    Source part = source;
    const RowRange rows = {first, std::min(first + step, page.num_rows)};
    part.alive = source.alive ? Intersect(*source.alive, rows) : std::vector<RowRange>{rows};
    MORAINE_TRY(AddRows(page, part));
  }
  return {};
}

void PageBuilder::SetRange(OutPage* page) {
  if (is_range_given_) {
    page->stats.range = given_;
    page->stats.is_exact = false;
  } else if (dictionary_ != nullptr) {
    page->stats.range = dictionary_->RangeOf(indices_);
  } else {
    page->stats.range = RangeOf(type_.value, plain_, num_values_);
  }
  is_range_given_ = true;
  given_ = ValueRange();
}

std::string PageBuilder::EncodeValues(OutPage* page) {
  if (dictionary_ == nullptr) {
    page->encoding = Encoding::kPlain;
    const bool is_bool = type_.value.physical == Physical::kBoolean;
    return is_bool ? PackBooleans(plain_) : std::move(plain_);
  }
  page->encoding = Encoding::kRleDictionary;
  const int bit_width =
      dictionary_->size() == 0 ? 0 : BitsFor(static_cast<uint32_t>(dictionary_->size() - 1));
  std::string values(1, static_cast<char>(bit_width));
  EncodeHybrid(indices_, bit_width, &values);
  return values;
}

PageBuilder::Levels PageBuilder::EncodeLevels() const {
  Levels levels;
  if (type_.max_repetition > 0) {
    EncodeHybrid(repetition_, BitsFor(static_cast<uint32_t>(type_.max_repetition)),
                 &levels.repetition);
  }
  const auto most = static_cast<uint32_t>(type_.max_definition);
  if (most > 0 && definition_.empty()) {
    EncodeRun(num_levels_, most, BitsFor(most), &levels.definition);
  } else if (most > 0) {
    EncodeHybrid(definition_, BitsFor(most), &levels.definition);
  }
  return levels;
}

Status PageBuilder::Compress(std::string_view values, OutPage* page) {
  const size_t width = type_.value.width();
  const bool is_number = width == sizeof(int32_t) || width == sizeof(int64_t);
  return is_number && dictionary_ == nullptr && options_.trials != nullptr
             ? codecs_->CompressNumbers(values, options_.trials, &page->body)
             : codecs_->Compress(values, &page->body);
}

// Levels and values are packed together.
Status PageBuilder::PackV1(const Levels& levels, std::string values, OutPage* page) {
  std::string raw;
  if (type_.max_repetition > 0) AppendWithLength(levels.repetition, &raw);
  if (type_.max_definition > 0) AppendWithLength(levels.definition, &raw);
  if (raw.empty()) {
    raw = std::move(values);
  } else {
    raw.append(values);
    values = std::string();
  }
  page->uncompressed_size = static_cast<int64_t>(raw.size());
  return Compress(raw, page);
}

// Levels stand before the packed values.
Status PageBuilder::PackV2(const Levels& levels, std::string_view values, PageHeader* header,
                           OutPage* page) {
  header->type = PageType::kDataV2;
  header->num_nulls = static_cast<int32_t>(*page->stats.null_count);
  header->num_rows = static_cast<int32_t>(num_rows_);
  header->definition_bytes = static_cast<int32_t>(levels.definition.size());
  header->repetition_bytes = static_cast<int32_t>(levels.repetition.size());
  header->is_compressed = codecs_->codec() != kUncompressed;
  page->body = levels.repetition + levels.definition;
  page->uncompressed_size = static_cast<int64_t>(page->body.size() + values.size());
  return Compress(values, page);
}

Status PageBuilder::Flush() {
  if (num_levels_ == 0) return {};
  if (num_levels_ > INT32_MAX) return Unsupported("a page with too many values");
  OutPage page;
  page.num_values = num_levels_;
  page.num_rows = num_rows_;
  page.stats.null_count = num_levels_ - static_cast<int64_t>(num_values_);
  SetRange(&page);
  std::string values = EncodeValues(&page);
  PageHeader header;
  header.encoding = page.encoding;
  header.num_values = static_cast<int32_t>(num_levels_);
  const Levels levels = EncodeLevels();
  MORAINE_TRY(options_.version2 ? PackV2(levels, values, &header, &page)
                                : PackV1(levels, std::move(values), &page));
  if (page.uncompressed_size > INT32_MAX || page.body.size() > INT32_MAX) {
    return Unsupported("a page over 2 GiB");
  }
  page.type = header.type;
  header.uncompressed_size = static_cast<int32_t>(page.uncompressed_size);
  header.compressed_size = static_cast<int32_t>(page.body.size());
  page.header = PageHeaderBytes(header);
  page.uncompressed_size += static_cast<int64_t>(page.header.size());
  pages_.push_back(std::move(page));
  StartPage();
  return {};
}

void PageBuilder::StartPage() {
  num_levels_ = 0;
  num_rows_ = 0;
  num_values_ = 0;
  definition_.clear();
  repetition_.clear();
  indices_.clear();
  plain_.clear();
}

Status PageBuilder::Finish() { return Flush(); }

}  // namespace moraine::splice
