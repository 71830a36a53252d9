// What is known of a column before its pages are read: dictionaries, counts, bounds.

#include <algorithm>
#include <utility>

#include "moraine/splice/column_splice_internal.h"
#include "moraine/splice/page_parts.h"
#include "moraine/splice/page_stats.h"

namespace moraine::splice {
namespace {

constexpr int64_t kLeastReadBytes = int64_t{4} << 10;

bool HasPlainPages(const ChunkMetadata& chunk) {
  return std::any_of(chunk.encoding_stats.begin(), chunk.encoding_stats.end(),
                     [](const EncodingStats& stats) {
                       return stats.page != PageType::kDictionary && !IsDictionary(stats.encoding);
                     });
}

}  // namespace

Status ColumnSplice::PrepareSegment(Call& call, Segment* segment) {
  const ChunkInput& input = segment->input;
  if (input.alive == nullptr) {
    segment->range = RangeFrom(type_.value, input.chunk->statistics);
    const bool is_all_null = input.chunk->statistics.null_count == input.chunk->num_values;
    const bool is_all_nan =
        input.nans && input.chunk->statistics.null_count &&
        *input.nans + *input.chunk->statistics.null_count == input.chunk->num_values;
    if (!segment->range && (is_all_null || is_all_nan)) segment->range = ValueRange();
    // Where strings have counts but no bounds, their writer found them too long.
    const bool is_too_long = type_.value.width() == 0 && input.chunk->statistics.null_count;
    if (!segment->range && is_too_long) segment->range.emplace().is_known = false;
  }
  const bool may_have_dictionary =
      input.chunk->dictionary_page_offset ||
      std::any_of(input.chunk->encodings.begin(), input.chunk->encodings.end(), IsDictionary);
  if (!may_have_dictionary || input.chunk->num_values == 0) return {};
  if (is_refusing_) {  // found when its pages are read
    segment->has_dictionary = true;
    return {};
  }
  const int64_t ahead = input.chunk->data_page_offset - input.chunk->start();
  ChunkPages pages(*input.file, *input.chunk, options_.max_page_bytes,
                   std::clamp<int64_t>(ahead, kLeastReadBytes, ChunkPages::kStepBytes));
  MORAINE_ASSIGN(std::optional<RawPage> first, pages.Next(call));
  if (!first || first->header.type != PageType::kDictionary) return {};
  segment->has_dictionary = true;
  segment->dictionary_size = static_cast<size_t>(first->header.num_values);
  // Behind one that is refused there are plain values only.
  is_refusing_ = mapping_bytes_ > options_.mapping_bytes ||
                 first->header.uncompressed_size > options_.dictionary_bytes;
  if (is_refusing_) return {};
  MORAINE_ASSIGN(
      const DictionaryValues values,
      DecodeDictionary(type_.value, first->header, input.chunk->codec, first->body, codecs_));
  std::optional<std::vector<uint32_t>> mapping = merge_->Add(values);
  segment->is_merged = mapping.has_value();
  is_refusing_ = !mapping;
  if (!mapping || mapping->empty()) return {};
  mapping_bytes_ += static_cast<int64_t>(mapping->size() * sizeof(uint32_t));
  segment->mapping = IndexMapping(std::move(*mapping));
  return {};
}

Status ColumnSplice::TakeInPages(Call& call, const Segment& segment, bool* all_fit) {
  const ChunkInput& input = segment.input;
  ChunkPages pages(*input.file, *input.chunk, options_.max_page_bytes);
  while (*all_fit) {
    MORAINE_TRY(call.Check());
    MORAINE_ASSIGN(const std::optional<RawPage> page, pages.Next(call));
    if (!page) return {};
    if (page->header.type == PageType::kDictionary || IsDictionary(page->header.encoding)) continue;
    const auto take_in = [&](PageValues values) -> Status {
      if (!*all_fit) return {};
      MORAINE_ASSIGN(
          const DictionaryValues plain,
          DictionaryValues::Make(type_.value, std::move(values.plain), values.num_values));
      *all_fit = merge_->AddValues(plain);
      return {};
    };
    MORAINE_TRY(VisitPage(type_, page->header, input.chunk->codec, page->body, codecs_,
                          PartLimits(), take_in));
  }
  return {};
}

// Where most values are in dictionaries, the others go into the merged one as well: a page of plain
// values among them would mean that all behind it must be plain, too.
Status ColumnSplice::TakeInPlainValues(Call& call) {
  int64_t indexed = 0;
  int64_t plain = 0;
  bool goes_back = false;
  for (const auto& segment : segments_) {
    const ChunkMetadata& chunk = *segment->input.chunk;
    const bool is_plain = !segment->is_merged || HasPlainPages(chunk);
    (is_plain ? plain : indexed) += chunk.num_values;
    goes_back = goes_back || (plain > 0 && !is_plain);
  }
  if (!goes_back || indexed < plain || type_.value.physical == Physical::kBoolean) return {};
  bool all_fit = true;
  for (const auto& segment : segments_) {
    const bool is_refused = segment->has_dictionary && !segment->is_merged;
    if (segment->is_merged && !HasPlainPages(*segment->input.chunk)) continue;
    if (!is_refused) MORAINE_TRY(TakeInPages(call, *segment, &all_fit));
    if (is_refused || !all_fit) return {};
    segment->is_taken_in = true;
  }
  return {};
}

void ColumnSplice::DecideCounting() {
  counts_nulls_ = false;
  counts_nans_ = false;
  for (const auto& segment : segments_) {
    const ChunkInput& input = segment->input;
    const std::optional<int64_t>& nulls = input.chunk->statistics.null_count;
    const bool has_nulls = type_.max_definition > 0;
    const bool is_unsure = has_nulls && (!nulls || (input.alive != nullptr && *nulls > 0));
    // Nobody needs those of lists enough to have their pages looked at.
    if (is_unsure && type_.max_repetition > 0) knows_nulls_ = false;
    if (is_unsure && type_.max_repetition == 0) counts_nulls_ = true;
    if (!CountsNans(type_)) continue;
    if (!input.nans || (input.alive != nullptr && *input.nans > 0)) counts_nans_ = true;
  }
  for (const auto& segment : segments_) {
    if (!counts_nulls_ && knows_nulls_ && type_.max_definition > 0) {
      totals_->nulls += *segment->input.chunk->statistics.null_count;
    }
    if (!counts_nans_ && segment->input.nans) totals_->nans += *segment->input.nans;
    if (!segment->range) continue;
    const Statistics& stats = segment->input.chunk->statistics;
    totals_->Add(type_.value, *segment->range, stats.is_min_exact, stats.is_max_exact);
  }
}

Status ColumnSplice::Prepare(Call& call) {
  merge_ = std::make_unique<DictionaryMerge>(type_.value,
                                             static_cast<size_t>(options_.dictionary_bytes));
  for (const auto& segment : segments_) {
    MORAINE_TRY(call.Check());
    MORAINE_TRY(PrepareSegment(call, segment.get()));
  }
  MORAINE_TRY(TakeInPlainValues(call));
  DecideCounting();
  // Who does not begin with indices has none. An empty dictionary must be there, too.
  const auto first = std::find_if(segments_.begin(), segments_.end(), [](const auto& segment) {
    return segment->input.chunk->num_values > 0;
  });
  if (first == segments_.end() || !((*first)->is_merged || (*first)->is_taken_in)) {
    is_past_dictionary_ = true;
    dictionary_.reset();
    return {};
  }
  if (dictionary_ == nullptr) {
    MORAINE_ASSIGN(DictionaryValues merged,
                   DictionaryValues::Make(type_.value, merge_->plain(), merge_->size()));
    dictionary_ = std::make_shared<DictionaryValues>(std::move(merged));
  }
  return {};
}

}  // namespace moraine::splice
