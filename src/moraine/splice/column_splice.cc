#include "moraine/splice/column_splice.h"

#include <algorithm>
#include <utility>

#include "moraine/splice/column_splice_internal.h"
#include "moraine/splice/footer.h"
#include "moraine/splice/page_parts.h"
#include "moraine/splice/page_stats.h"

namespace moraine::splice {
namespace {

// Edited pages are worked on together until they have this many bytes or rows.
constexpr int64_t kGroupBytes = int64_t{512} << 10;
constexpr int64_t kGroupRows = 100'000;

// Lets go of the bytes around a page that is small beside them.
void Detach(RawPage* page) {
  if (page->bytes() * 4 > static_cast<int64_t>(page->owner->size())) return;
  const auto own = std::make_shared<ReadBytes>(page->body.size());
  std::copy(page->body.begin(), page->body.end(), own->span().begin());
  page->header_bytes = {};
  page->body = own->view();
  page->owner = own;
}

// Alive rows among first .. first + count - 1, counted from first; nullopt if all are.
std::optional<std::vector<RowRange>> AliveOf(const std::vector<RowRange>& alive, int64_t first,
                                             int64_t count) {
  const int64_t end = first + count;
  auto at = std::lower_bound(alive.begin(), alive.end(), first,
                             [](const RowRange& range, int64_t row) { return range.end <= row; });
  if (at != alive.end() && at->begin <= first && at->end >= end) return std::nullopt;
  std::vector<RowRange> rows;
  for (; at != alive.end() && at->begin < end; ++at) {
    rows.push_back({std::max(at->begin, first) - first, std::min(at->end, end) - first});
  }
  return rows;
}

}  // namespace

ColumnSplice::ColumnSplice(ColumnType type, std::vector<ChunkInput> inputs,
                           const SpliceOptions& options, PageCodecs* codecs)
    : type_(type),
      options_(options),
      codecs_(codecs),
      trials_(std::make_unique<NumberTrials>()),
      totals_(std::make_unique<Totals>()) {
  for (ChunkInput& input : inputs) {
    segments_.push_back(std::make_shared<Segment>());
    segments_.back()->input = input;
  }
}
ColumnSplice::~ColumnSplice() = default;

Status ColumnSplice::WriteDictionary(Call& call, Pipeline* pipeline, FileOutput* output) {
  struct Written {
    std::string header;
    std::string body;
  };
  auto written = std::make_shared<Written>();
  const auto size = static_cast<int64_t>(dictionary_->plain().size());
  if (size > INT32_MAX) return Unsupported("a dictionary over 2 GiB");
  const auto work = [this, written, size]() -> Status {
    MORAINE_TRY(codecs_->Compress(dictionary_->plain(), &written->body));
    PageHeader header;
    header.type = PageType::kDictionary;
    header.encoding = Encoding::kPlain;
    header.num_values = static_cast<int32_t>(dictionary_->size());
    header.uncompressed_size = static_cast<int32_t>(size);
    header.compressed_size = static_cast<int32_t>(written->body.size());
    written->header = PageHeaderBytes(header);
    return {};
  };
  return pipeline->Push(size, work, [&call, written, size, output] {
    return output->AddDictionary(call, written->header, written->body, size);
  });
}

// Rows of a page; those of lists are told by the offset index, or by its levels.
Result<int64_t> ColumnSplice::RowsOfPage(const Segment& segment, const Edit& edit,
                                         size_t page_number) const {
  const std::vector<PageLocation>& pages = segment.indexes.pages;
  if (type_.max_repetition > 0 && page_number < pages.size()) {
    const int64_t next =
        page_number + 1 < pages.size() ? pages[page_number + 1].first_row : segment.input.num_rows;
    const int64_t rows = next - pages[page_number].first_row;
    if (pages[page_number].first_row == segment.rows_seen && rows >= 0) return rows;
  }
  MORAINE_ASSIGN(const PageRows rows, CountRows(type_, edit.page.header, segment.input.chunk->codec,
                                                edit.page.body, codecs_));
  if (!rows.starts_row) return Unsupported("pages that begin inside of a row");
  return rows.count;
}

bool ColumnSplice::MustInspect(const Segment& segment, const PageStats& stats) const {
  if (counts_nulls_ && !stats.null_count) return true;
  if (counts_nans_) return true;
  if (type_.value.order == Order::kNone || segment.range) return false;
  return !stats.range || !stats.is_exact;
}

Status ColumnSplice::TakePage(Call& call, const OutPage& page, std::string_view header,
                              std::string_view body, FileOutput* output) {
  if (counts_nulls_ && page.stats.null_count) totals_->nulls += *page.stats.null_count;
  if (page.stats.range) {
    if (counts_nans_) totals_->nans += page.stats.range->nans;
    if (page.stats.is_exact) totals_->Add(type_.value, *page.stats.range, true, true);
  }
  return output->AddPage(call, page, header, body);
}

// Takes counts and bounds of a page from its values.
Status ColumnSplice::Inspect(const Edit& edit, PageStats* stats) const {
  stats->null_count = 0;
  stats->is_exact = true;
  stats->range.emplace();
  return VisitPage(type_, edit.page.header, edit.segment->input.chunk->codec, edit.page.body,
                   codecs_, PartLimits(), [this, stats](const PageValues& values) -> Status {
                     *stats->null_count +=
                         values.num_levels - static_cast<int64_t>(values.num_values);
                     MORAINE_ASSIGN(const ValueRange range, RangeOfPart(values));
                     stats->range->Add(type_.value, range);
                     return {};
                   });
}

Result<ValueRange> ColumnSplice::RangeOfPart(const PageValues& values) const {
  if (!values.is_dictionary) return RangeOf(type_.value, values.plain, values.num_values);
  for (uint32_t index : values.indices) {
    if (index >= dictionary_->size()) return Corruption("an index is not in the dictionary");
  }
  return dictionary_->RangeOf(values.indices);
}

Status ColumnSplice::CopyPage(Call& call, Edit edit, PageStats stats, Pipeline* pipeline,
                              FileOutput* output) {
  struct Copy {
    Edit edit;
    OutPage out;
  };
  auto copy = std::make_shared<Copy>();
  copy->edit = std::move(edit);
  const PageHeader& header = copy->edit.page.header;
  OutPage& out = copy->out;
  out.type = header.type;
  out.encoding = header.encoding;
  out.num_values = header.num_values;
  out.num_rows = copy->edit.num_rows;
  out.uncompressed_size =
      header.uncompressed_size + static_cast<int64_t>(copy->edit.page.header_bytes.size());
  const Segment& segment = *copy->edit.segment;
  const bool inspects = MustInspect(segment, stats);
  if (!stats.range && segment.range && (segment.range->min || !segment.range->is_known)) {
    stats.range = *segment.range;  // wide, but true
    stats.is_exact = false;
  }
  if (stats.range) stats.range->nans = 0;
  out.stats = std::move(stats);
  const auto finish = [this, &call, copy, output]() -> Status {
    return TakePage(call, copy->out, copy->edit.page.header_bytes, copy->edit.page.body, output);
  };
  const int64_t bytes = copy->edit.page.bytes();
  if (!inspects) return pipeline->Push(bytes, finish);
  if (dictionary_ != nullptr) dictionary_->Rank();
  const auto work = [this, copy] { return Inspect(copy->edit, &copy->out.stats); };
  return pipeline->Push(bytes, work, finish);
}

// Bounds of a page are those that are known.
Status ColumnSplice::TranslateIndices(Call& call, Edit edit, PageStats stats, Pipeline* pipeline,
                                      FileOutput* output) {
  struct Translation {
    Edit edit;
    PageStats stats;
    OutPage out;
  };
  auto page = std::make_shared<Translation>();
  page->edit = std::move(edit);
  page->stats = std::move(stats);
  const auto work = [this, page]() -> Status {
    const Edit& from = page->edit;
    const Segment& segment = *from.segment;
    MORAINE_ASSIGN(page->out, TranslatePage(type_, from.page.header, segment.input.chunk->codec,
                                            from.page.body, segment.mapping, codecs_));
    page->stats.null_count = page->out.stats.null_count;
    page->out.stats = std::move(page->stats);
    page->out.num_rows = from.num_rows;
    page->edit = Edit();
    return {};
  };
  const int64_t bytes = page->edit.page.bytes() + page->edit.page.header.uncompressed_size;
  return pipeline->Push(bytes, work, [this, &call, page, output] {
    return TakePage(call, page->out, page->out.header, page->out.body, output);
  });
}

Status ColumnSplice::ToIndices(PageValues* values) const {
  MORAINE_ASSIGN(const DictionaryValues plain,
                 DictionaryValues::Make(type_.value, std::move(values->plain), values->num_values));
  MORAINE_ASSIGN(values->indices, merge_->NumbersOf(plain));
  values->plain.clear();
  values->is_dictionary = true;
  return {};
}

Status ColumnSplice::RunGroup(Group* group) const {
  PageOptions options = options_.pages;
  options.trials = trials_.get();
  PageBuilder builder(type_, options, group->is_dictionary ? dictionary_.get() : nullptr, codecs_);
  for (const Edit& edit : group->edits) MORAINE_TRY(AddEdit(edit, group->is_dictionary, &builder));
  group->edits.clear();  // the pages that were taken apart
  MORAINE_TRY(builder.Finish());
  group->pages = builder.TakePages();
  return {};
}

Status ColumnSplice::AddEdit(const Edit& edit, bool to_dictionary, PageBuilder* builder) const {
  const PartLimits limits = {options_.pages.page_bytes, options_.pages.page_rows};
  int64_t seen = 0;
  MORAINE_TRY(VisitPage(type_, edit.page.header, edit.segment->input.chunk->codec, edit.page.body,
                        codecs_, limits, [&](PageValues values) -> Status {
                          const int64_t first = seen;
                          seen += values.num_rows;
                          return AddPart(edit, first, to_dictionary, std::move(values), builder);
                        }));
  return seen == edit.num_rows ? Status() : Corruption("a page has other rows than told");
}

Status ColumnSplice::AddPart(const Edit& edit, int64_t first_row, bool to_dictionary,
                             PageValues values, PageBuilder* builder) const {
  const Segment& segment = *edit.segment;
  PageBuilder::Source source;
  if (edit.alive) {
    source.alive = AliveOf(*edit.alive, first_row, values.num_rows);
    if (source.alive && source.alive->empty()) return {};
  }
  source.mapping = segment.mapping.numbers();
  source.dictionary_size = segment.dictionary_size;
  source.values = edit.values.get();
  if (to_dictionary && !values.is_dictionary) {
    MORAINE_TRY(ToIndices(&values));
    source.mapping = {};
    source.dictionary_size = dictionary_->size();
  }
  source.range = edit.range ? &*edit.range : nullptr;
  return builder->Add(values, source);
}

Status ColumnSplice::FlushGroup(Call& call, Pipeline* pipeline, FileOutput* output) {
  if (group_ == nullptr) return {};
  const std::shared_ptr<Group> group = std::move(group_);
  group_ = nullptr;
  // Before those that need ranks begin; those that were begun need none.
  if (group->is_dictionary && !group->has_ranges) dictionary_->Rank();
  return pipeline->Push(
      group->bytes, [this, group] { return RunGroup(group.get()); },
      [this, &call, group, output]() -> Status {
        for (const OutPage& page : group->pages) {
          MORAINE_TRY(TakePage(call, page, page.header, page.body, output));
        }
        group->pages.clear();
        return {};
      });
}

Status ColumnSplice::WritePage(Call& call, const std::shared_ptr<Segment>& segment, Edit edit,
                               Pipeline* pipeline, FileOutput* output) {
  const size_t page_number = segment->pages_seen++;
  if (edit.page.header.num_values == 0) return {};  // some writers begin with one
  MORAINE_ASSIGN(edit.num_rows, RowsOfPage(*segment, edit, page_number));
  const std::vector<int64_t>* planned = segment->input.page_rows;
  if (planned != nullptr &&
      (page_number >= planned->size() || (*planned)[page_number] != edit.num_rows)) {
    return Corruption("a page has other rows than the offset index says");
  }
  const int64_t first_row = segment->rows_seen;
  segment->rows_seen += edit.num_rows;
  if (segment->input.alive != nullptr) {
    edit.alive = AliveOf(*segment->input.alive, first_row, edit.num_rows);
    if (edit.alive && edit.alive->empty()) return {};
  }
  const PageHeader& header = edit.page.header;
  const bool is_dictionary = IsDictionary(header.encoding);
  if (is_dictionary && !segment->has_dictionary) return Corruption("indices without a dictionary");
  const bool to_dictionary =
      !is_past_dictionary_ && (is_dictionary ? segment->is_merged : segment->is_taken_in);
  if (!to_dictionary) is_past_dictionary_ = true;
  const bool same_codec = segment->input.chunk->codec == codecs_->codec();
  const bool is_small = header.uncompressed_size < options_.small_page_bytes &&
                        edit.num_rows < options_.pages.page_rows && segments_.size() > 1;
  const bool same_indices =
      is_dictionary == to_dictionary && (!is_dictionary || segment->mapping.empty());
  // Few readers know it for anything but floats.
  const bool is_rare = header.encoding == Encoding::kByteStreamSplit && !IsFloat(type_.value);
  if (same_codec && same_indices && !is_small && !is_rare && !edit.alive) {
    MORAINE_TRY(FlushGroup(call, pipeline, output));
    PageStats stats =
        KnownStats(type_, *segment->input.chunk, segment->indexes, page_number, header);
    return CopyPage(call, std::move(edit), std::move(stats), pipeline, output);
  }
  if (is_dictionary && to_dictionary && !segment->mapping.empty() && !is_small && !edit.alive) {
    PageStats stats =
        KnownStats(type_, *segment->input.chunk, segment->indexes, page_number, header);
    const bool is_known = type_.value.order == Order::kNone || stats.range;
    if (is_known && !counts_nans_ && !MustInspect(*segment, stats)) {
      MORAINE_TRY(FlushGroup(call, pipeline, output));
      return TranslateIndices(call, std::move(edit), std::move(stats), pipeline, output);
    }
  }
  if (is_dictionary && !to_dictionary) {
    edit.values = segment->values;
    if (edit.values == nullptr) return Unsupported("pages of indices behind plain ones");
  }
  if (!edit.alive && segment->range && !counts_nans_) {
    edit.range =
        KnownStats(type_, *segment->input.chunk, segment->indexes, page_number, header).range;
  }
  Detach(&edit.page);
  const bool is_full =
      group_ != nullptr && (group_->is_dictionary != to_dictionary ||
                            group_->bytes >= kGroupBytes || group_->rows >= kGroupRows);
  if (is_full) MORAINE_TRY(FlushGroup(call, pipeline, output));
  if (group_ == nullptr) {
    group_ = std::make_shared<Group>();
    group_->is_dictionary = to_dictionary;
  }
  const bool has_new_values = edit.values != nullptr &&
                              (group_->edits.empty() || group_->edits.back().values != edit.values);
  if (has_new_values) group_->bytes += static_cast<int64_t>(edit.values->plain().size());
  group_->bytes += std::max<int64_t>(edit.page.header.uncompressed_size, edit.page.bytes());
  group_->rows += edit.num_rows;
  group_->has_ranges = group_->has_ranges && edit.range.has_value();
  group_->edits.push_back(std::move(edit));
  return {};
}

// Reads ahead; may run on any thread.
Status ColumnSplice::OpenSegment(Call& call, Segment* segment) const {
  const ChunkInput& input = segment->input;
  MORAINE_ASSIGN(segment->indexes, ReadIndexes(call, *input.file, *input.chunk));
  segment->pages.emplace(*input.file, *input.chunk, options_.max_page_bytes);
  return input.chunk->num_values > 0 ? segment->pages->ReadAhead(call) : Status();
}

Status ColumnSplice::WriteSegment(Call& call, const std::shared_ptr<Segment>& segment,
                                  Pipeline* pipeline, FileOutput* output) {
  const ChunkInput& input = segment->input;
  const int64_t last_row =
      input.alive == nullptr || input.alive->empty() ? input.num_rows : input.alive->back().end;
  while (segment->rows_seen < last_row || input.num_rows == last_row) {
    MORAINE_TRY(call.Check());
    Edit edit;
    MORAINE_ASSIGN(std::optional<RawPage> page, segment->pages->Next(call));
    if (!page) break;
    edit.page = std::move(*page);
    edit.segment = segment;
    if (edit.page.header.type == PageType::kDictionary) {
      const bool stays = segment->is_merged && !is_past_dictionary_;
      if (stays || segment->pages_seen > 0) continue;
      MORAINE_ASSIGN(DictionaryValues values,
                     DecodeDictionary(type_.value, edit.page.header, input.chunk->codec,
                                      edit.page.body, codecs_));
      segment->values = std::make_shared<const DictionaryValues>(std::move(values));
      continue;
    }
    MORAINE_TRY(WritePage(call, segment, std::move(edit), pipeline, output));
  }
  if (last_row == input.num_rows && segment->rows_seen != input.num_rows) {
    return Corruption("a column chunk has " + std::to_string(segment->rows_seen) +
                      " rows, its row group " + std::to_string(input.num_rows));
  }
  segment->pages.reset();
  segment->indexes = ChunkIndexes();
  segment->values.reset();  // pages that need it hold it
  return {};
}

Status ColumnSplice::Finish(FileOutput* output, ColumnCounts* counts) {
  Statistics statistics;
  if (knows_nulls_) statistics.null_count = totals_->nulls;
  const bool has_range = totals_->range.is_known && totals_->range.min && totals_->range.max;
  if (type_.value.order != Order::kNone && has_range) {
    statistics.min = totals_->range.min;
    statistics.max = totals_->range.max;
    if (type_.value.width() == 0) {
      statistics.is_min_exact = totals_->is_min_exact;
      statistics.is_max_exact = totals_->is_max_exact;
    }
  }
  std::vector<const ChunkMetadata*> chunks;
  bool all_rows = true;
  for (const auto& segment : segments_) {
    chunks.push_back(segment->input.chunk);
    all_rows = all_rows && segment->input.alive == nullptr;
  }
  std::optional<SizeStatistics> sizes;
  if (all_rows) sizes = SumSizes(chunks);
  *counts = {totals_->nulls, totals_->nans};
  return output->EndColumn(type_.value, std::move(statistics), std::move(sizes));
}

Status ColumnSplice::Write(Call& call, Pipeline* reads, Pipeline* pipeline, FileOutput* output,
                           ColumnCounts* counts) {
  MORAINE_TRY(reads->Push(0, [this, &call, pipeline, output]() -> Status {
    MORAINE_TRY(pipeline->Push(0, [this, output]() -> Status {
      output->BeginColumn(codecs_->codec());
      return {};
    }));
    return dictionary_ != nullptr ? WriteDictionary(call, pipeline, output) : Status();
  }));
  for (const auto& segment : segments_) {
    const int64_t bytes =
        std::min(segment->input.chunk->total_compressed_size, ChunkPages::kStepBytes);
    MORAINE_TRY(reads->Push(
        bytes,
        [this, segment, own = Call(call)]() mutable { return OpenSegment(own, segment.get()); },
        [this, &call, segment, pipeline, output] {
          return WriteSegment(call, segment, pipeline, output);
        }));
  }
  return reads->Push(0, [this, &call, pipeline, output, counts]() -> Status {
    MORAINE_TRY(FlushGroup(call, pipeline, output));
    return pipeline->Push(0, [this, output, counts] { return Finish(output, counts); });
  });
}

}  // namespace moraine::splice
